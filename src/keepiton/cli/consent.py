"""What a person must know before the first run, in a few plain lines (SAFETY S3)."""

from pathlib import Path

from keepiton.base.language import LOCALES, folder


def first_run(data: Path) -> str:
    """Return the text of every language, English first: ``locale/<code>/consent.txt``.

    ``data`` is the folder that the English text names.
    """
    codes = sorted(LOCALES, key=lambda code: (code != "en", code))
    texts = [folder().joinpath(code, "consent.txt").read_text(encoding="utf-8") for code in codes]
    return "\n".join(texts).format(data=data)


ASK_PERSPECTIVE = """\
Is this machine inside or outside the country whose network is watched? It
decides what a failure means: from outside, dead foreign controls mean this
line is down; from inside, they can mean that the border is cut. It also
decides how the probe looks: from inside like a browser, from outside it says
what it is."""

ASK_VANTAGE = """\
A name for this vantage, kept in every result file. Anyone who reads them sees
it, so let it say nothing of you. A random one is safest."""
