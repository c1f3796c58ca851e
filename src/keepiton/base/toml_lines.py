"""Finds the line of each table and key of a TOML file, which ``tomllib`` does not tell."""

import re

MOST_DEEP = 8
"""Names of a key and its tables whose line is found."""

_WORD = r"""(?:"[^"\n]*"|'[^'\n]*'|[\w-]+)"""
_NAMES = re.compile(_WORD)
_BEGINS = re.compile(rf"\s*(\[\[?\s*)?({_WORD}(?:\s*\.\s*{_WORD})*)\s*[=\]]")

KeyPath = tuple[str | int, ...]
"""Names of the tables around a key and its own; a number for an entry of an array of tables."""


def line_numbers(text: str) -> dict[KeyPath, int]:
    """Return the first line of every table and key, from 1 on.

    Keys in inline tables and beyond ``MOST_DEEP`` names have none; see :func:`line_of`.
    """
    lines: dict[KeyPath, int] = {}
    entries: dict[KeyPath, int] = {}
    table: KeyPath = ()
    inside_text = False
    for number, line in enumerate(text.split("\n"), 1):
        begins = None if inside_text else _BEGINS.match(line)
        if '"""' in line or "'''" in line:
            inside_text ^= (line.count('"""') + line.count("'''")) % 2 == 1
        if not begins:
            continue
        names = [name.strip("\"'") for name in _NAMES.findall(begins[2])][:MOST_DEEP]
        if begins[1]:
            table = ()
            for name in names:
                if table in entries:
                    table = (*table, entries[table])
                table = (*table, name)
            lines.setdefault(table, number)
            if begins[1].count("[") > 1:
                entries[table] = entries.get(table, -1) + 1
                table = (*table, entries[table])
            names = []
        key = (*table, *names)[:MOST_DEEP]
        for depth in range(len(key), 0, -1):
            if key[:depth] in lines:
                break
            lines[key[:depth]] = number
    return lines


def line_of(lines: dict[KeyPath, int], *key: str | int) -> int:
    """Return the line of a key, else of the table around it; 1 where none gives it plainly."""
    while key and key not in lines:
        key = key[:-1]
    return lines.get(key, 1)
