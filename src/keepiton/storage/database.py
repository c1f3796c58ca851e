"""The columns that are read of result files, the SQL texts and the DuckDB that runs them."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

COLUMNS = {
    "type": "VARCHAR",
    "format": "BIGINT",
    "run": "VARCHAR",
    "vantage": "VARCHAR",
    "perspective": "VARCHAR",
    "country": "VARCHAR",
    "target": "VARCHAR",
    "operator": "VARCHAR",
    "role": "VARCHAR",
    "control": "VARCHAR",
    "check": "BIGINT",
    "stage": "VARCHAR",
    "attempt": "BIGINT",
    "hop": "BIGINT",
    "aside": "VARCHAR",
    "at": "TIMESTAMP",
    "duration_ms": "DOUBLE",
    "state": "VARCHAR",
    "failure": "VARCHAR",
    "line": "VARCHAR",
    "address": "VARCHAR",
    "port": "BIGINT",
    "transport": "VARCHAR",
    "clock_offset_ms": "BIGINT",
}
DUCKDB_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "memory_limit": "600MB",
    "preserve_insertion_order": False,
}
"""DuckDB would fetch extensions from the network by itself (SAFETY S4), and take all the memory."""


def connect() -> "duckdb.DuckDBPyConnection":
    """Open a database in memory that sends, fetches and shows nothing by itself."""
    import duckdb  # noqa: PLC0415 - heavy, and not needed where all is known

    database = duckdb.connect(config=DUCKDB_CONFIG)
    database.execute("set enable_progress_bar = false")  # it would write between a report's lines
    return database


def statement(name: str) -> str:
    """Return one of the SQL texts, in DuckDB's dialect and in words that other engines know."""
    return Path(__file__).with_name(f"{name}.sql").read_text(encoding="utf-8")
