"""The timeline as a PNG, for places that take no SVG; drawn by resvg."""

from keepiton.base.errors import Mistake
from keepiton.publish import svg
from keepiton.report.phrases import Report

SCALE = 2
"""Pixels of the picture for each of the drawing: sharp on a phone."""


def render(report: Report) -> bytes:
    """Draw the picture. Raises Mistake where the library is missing."""
    try:
        import resvg_py  # noqa: PLC0415 - an extra
    except ImportError:
        raise Mistake("PNG needs resvg-py; pip install 'keepiton[png]', or write SVG") from None
    drawn = resvg_py.svg_to_bytes(svg_string=svg.render(report), zoom=SCALE)
    return bytes(drawn)
