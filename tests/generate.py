"""Writes every generated file of the repository, or checks that each is what it must be.

    python tests/generate.py            # write all, and print those that changed
    python tests/generate.py --check    # print those that differ, and exit with status 1

Generated are the reference pages of commands, configuration keys and failures, the table of the
rules of findings, the JSON Schemas, the manual page, the shells' completions, the catalogues of
translations (which keep every translation) and the golden outputs (tests/golden.py), whose changes
the changelog lists. The tests call the same functions.
"""

import argparse
import json
import os
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from click.testing import CliRunner
from pydantic import TypeAdapter

import catalogue
import golden
import manual
from keepiton.cli import config_layers, keepiton
from keepiton.commands.config_run import default
from keepiton.findings.rules import RULES
from keepiton.probe import failures
from keepiton.report import explain
from keepiton.report.json import ReportDocument, StatusDocument
from keepiton.storage.rows import End, Measurement, Run

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "docs" / "reference"
COMMANDS = REFERENCE / "commands.md"
CONFIGURATION = REFERENCE / "configuration.md"
FAILURES = REFERENCE / "failures.md"
FINDINGS = REFERENCE / "findings.md"
RESULT_LINE = REFERENCE / "result-line.schema.json"
SCHEMAS: dict[Path, Any] = {
    REFERENCE / "report.schema.json": ReportDocument,
    REFERENCE / "status.schema.json": StatusDocument,
    RESULT_LINE: Run | Measurement | End,
}
"""Each published JSON Schema with the type that it describes."""


def commands(group: click.Group, path: str = "keepiton") -> dict[str, click.Command]:
    """Find every command, by the words that call it."""
    found: dict[str, click.Command] = {path: group}
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command
        if isinstance(command, click.Group):
            found |= commands(command, f"{path} {name}")
        else:
            found[f"{path} {name}"] = command
    return found


def commands_page() -> str:
    """Write the page of all commands: what ``--help`` prints."""
    out = ["# Commands", "", "What `--help` prints; a test holds this page against the program."]
    for path in commands(keepiton):
        shown = CliRunner(env={"COLUMNS": "100"}).invoke(
            keepiton, [*path.split()[1:], "--help"], prog_name="keepiton", terminal_width=100
        )
        out += ["", f"## {path}", "", "```text", shown.output.rstrip(), "```"]
    return "\n".join(out) + "\n"


def shows(condition: failures.Condition) -> str:
    """Return the signs by which Python shows a condition."""
    reasons = condition.reason
    if condition.alert is not None:
        reasons = ("…" + reasons[0].lstrip("SLV3"),)
    ways = {
        "": condition.errno,
        "gaierror ": condition.gai,
        "rcode ": condition.rcode,
        "SSLError ": reasons,
        "verify code ": condition.verify,
        "type ": condition.types,
        "text ": tuple(f"“{text}…”" for text in condition.prefixes),
    }
    if not condition.written:
        return "not written by this version"
    written = [f"{how}{', '.join(map(str, signs))}" for how, signs in ways.items() if signs]
    return "; ".join(written) or "keepiton's own look"


def failures_page() -> str:
    """Write the page of all failure strings, from the table of conditions."""
    out = [
        "# Failures",
        "",
        "Every way in which a stage goes wrong, the string that result files hold, and how",
        "Python shows it; made from the table in `src/keepiton/probe/failures.py` and the texts in",
        "`src/keepiton/report/explain.toml`, and held against them by a test. The",
        "strings are OONI's (df-007); `unknown_failure: …` is for what",
        "has none there, with Go's own text where OONI Probe keeps that. `keepiton explain CODE`",
        "says what a string means, what commonly causes it and what it does not prove.",
        "",
        "What already has its name keeps it. Else the innermost cause that has a name wins: for",
        "TLS and look-ups their own codes, then the system's error number, then the type; texts",
        "never, save those given here. What the table does not know is `unknown_failure: ` with",
        "the exception's type and text, without addresses. A *local* condition is a fault of the",
        "probing machine: its row is inconclusive.",
        "",
        "| condition | failure | stages | how Python shows it | local |",
        "|---|---|---|---|---|",
    ]
    explanations = explain.kinds()["failure"]
    for condition in failures.TABLE:
        cells = (
            explanations[condition.failure].short,
            f"`{condition.failure}`",
            " ".join(condition.stages),
            shows(condition),
        )
        out.append(f"| {' | '.join(cells)} | {'yes' if condition.local else ''} |")
    return "\n".join(out) + "\n"


def findings_page() -> str:
    """Write the page of findings: its text stays, the table of rules is generated."""
    head = "| finding | rule | when |\n"
    before, _, rest = FINDINGS.read_text(encoding="utf-8").partition(head)
    rows = []
    for previous, rule in zip((None, *RULES), RULES, strict=False):
        kind = "" if previous and previous.kind == rule.kind else f"`{rule.kind}` "
        rows.append(f"| {kind}| `{rule.name}` | {rule.meaning} |\n")
    return before + head + "|---|---|---|\n" + "".join(rows) + "\n" + rest.partition("\n\n")[2]


def configuration_page() -> str:
    """Write the page of all configuration keys: its head stays, the tables are generated."""
    head, mark, _ = CONFIGURATION.read_text(encoding="utf-8").partition("## Keys\n")
    out = [head + mark]
    out += ["Made from the options of the commands; a test holds them against the program."]
    tables: dict[tuple[str, ...], list[str]] = {}
    for key in config_layers.keys(keepiton):
        about, _, stated = (key.option.help or "").partition("[default: ")
        value = default(key.option)
        shown = stated.rstrip("]") if stated else "" if value is None else f"`{json.dumps(value)}`"
        cells = (
            f"`{key.name}`",
            f"`{key.variable}`",
            config_layers.valid_values(key.option),
            shown,
            " ".join(about.split()),
        )
        row = " | ".join(cell.replace("|", "\\|") for cell in cells)
        tables.setdefault(key.command, []).append(f"| {row} |")
    for command, rows in tables.items():
        out += ["", f"### {' '.join(command)}", ""]
        out += [
            "| key | environment | takes | default | what it is |",
            "|---|---|---|---|---|",
            *rows,
        ]
    return "\n".join(out) + "\n"


def manual_date() -> str:
    """Return the date of the manual page: the one it has, unless the rest of the page changed."""
    there = (manual.PACKAGING / "keepiton.1").read_text(encoding="utf-8")
    dated = re.search(r"^\.TH KEEPITON 1 (\d{4}-\d\d-\d\d) ", there, re.MULTILINE)
    if dated and manual.page(dated[1]) == there:
        return dated[1]
    return f"{datetime.now(UTC):%Y-%m-%d}"


def generated() -> dict[Path, bytes]:
    """Return every generated file with the content that it must have."""
    texts = {
        COMMANDS: commands_page(),
        CONFIGURATION: configuration_page(),
        FAILURES: failures_page(),
        FINDINGS: findings_page(),
    }
    for path, model in SCHEMAS.items():
        texts[path] = json.dumps(TypeAdapter(model).json_schema(), indent=1) + "\n"
    for name, text in manual.wanted(manual_date()).items():
        texts[manual.PACKAGING / name] = text
    return (
        {path: text.encode() for path, text in texts.items()}
        | {catalogue.path(code): catalogue.written(code) for code in catalogue.TRANSLATED}
        | {golden.FOLDER / name: content for name, content in golden.expected().items()}
    )


def main() -> int:
    """Write or check the generated files; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail on a difference")
    check = parser.parse_args().check
    for variable in [name for name in os.environ if name.startswith(("XDG_", "KEEPITON_"))]:
        del os.environ[variable]
    differing = {
        path: content
        for path, content in generated().items()
        if not path.exists() or path.read_bytes() != content
    }
    for path, content in differing.items():
        sys.stdout.write(f"{path.relative_to(ROOT)}\n")
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    if check:
        return 1 if differing else 0
    for code in catalogue.TRANSLATED:
        catalogue.compile_catalogue(code)
    return 0


if __name__ == "__main__":
    sys.exit(main())
