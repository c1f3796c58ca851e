"""Cells of CSV files that no spreadsheet takes for a formula."""

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""First characters that make a spreadsheet evaluate a cell (OWASP, "CSV Injection")."""


def csv_cell(text: str) -> str:
    """Return the text of a cell, behind an apostrophe where it would be taken for a formula."""
    return "'" + text if text.startswith(FORMULA_STARTS) else text
