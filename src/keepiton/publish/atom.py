"""Windows as an Atom feed (RFC 4287): one entry a window, its id kept while an edge moves."""

from dataclasses import replace
from uuid import NAMESPACE_URL, uuid5
from xml.sax.saxutils import escape

from keepiton.base.language import ENGLISH
from keepiton.base.types import clean, utc
from keepiton.report import phrases, vocabulary
from keepiton.report.types import Report


def _urn(name: str) -> str:
    return f"urn:uuid:{uuid5(NAMESPACE_URL, f'keepiton:{name}')}"


def render(report: Report) -> str:
    """Write every window; ``updated`` is the last observation that speaks for it, or its end."""
    report = replace(report, lang=ENGLISH)
    entries = []
    for window in report.windows:
        facts = [
            f"began {phrases.began(window, report)}",
            f"ended {phrases.ended(window, report)}",
            f"lasted {phrases.duration(window, ENGLISH)}",
            window.verdict,
            phrases.evidence(window, ENGLISH),
            phrases.vantages(window, ENGLISH),
            f"refuted by {phrases.refuted_by(window, ENGLISH)}",
        ]
        name = window.id or f"{window.scope} {window.subject} {utc(window.start)}"
        entries.append(
            f"<entry><id>{_urn(name)}</id>"
            f"<title>{_text(phrases.heading(window, ENGLISH))}</title>"
            f"<published>{utc(window.start_latest)}</published>"
            f"<updated>{utc(window.end_latest or window.end_earliest)}</updated>"
            f'<category term="{_text(window.severity)}"/>'
            f"<summary>{_text('; '.join(facts))}</summary></entry>"
        )
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom">'
        f"<id>{_urn('feed')}</id><title>Disruptions</title><updated>{utc(report.now)}</updated>"
        "<author><name>keepiton</name></author>"
        f"<subtitle>{_text(vocabulary.CAVEAT)}</subtitle>\n" + "\n".join(entries) + "\n</feed>\n"
    )


def _text(text: str) -> str:
    """Write text that XML can hold."""
    return escape(clean(text, 2000), {'"': "&quot;"})
