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
    for one in report.windows:
        said = [
            f"began {phrases.began(one, report)}",
            f"ended {phrases.ended(one, report)}",
            f"lasted {phrases.duration(one, ENGLISH)}",
            one.verdict,
            phrases.evidence(one, ENGLISH),
            phrases.vantages(one, ENGLISH),
            f"refuted by {phrases.refuted_by(one, ENGLISH)}",
        ]
        name = one.id or f"{one.scope} {one.subject} {utc(one.start)}"
        entries.append(
            f"<entry><id>{_urn(name)}</id>"
            f"<title>{_text(phrases.heading(one, ENGLISH))}</title>"
            f"<published>{utc(one.start_latest)}</published>"
            f"<updated>{utc(one.end_latest or one.end_earliest)}</updated>"
            f'<category term="{_text(one.severity)}"/>'
            f"<summary>{_text('; '.join(said))}</summary></entry>"
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
