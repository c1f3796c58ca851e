"""The timeline as a PNG, for places that take no SVG; drawn by resvg."""

from keepiton.base.errors import UserError
from keepiton.publish import svg
from keepiton.report.types import Report

SCALE = 2
"""Pixels of the picture for each of the drawing: sharp on a phone."""


def render(report: Report) -> bytes:
    """Draw the picture. Raises UserError where the library is missing."""
    try:
        import resvg_py  # noqa: PLC0415 - an extra
    except ImportError:
        raise UserError("PNG needs resvg-py; pip install 'keepiton[png]', or write SVG") from None
    drawn = resvg_py.svg_to_bytes(svg_string=svg.render(report), zoom=SCALE)
    return bytes(drawn)
