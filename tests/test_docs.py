"""The documents are held against the code."""

import re
from dataclasses import fields
from pathlib import Path

import click
from click.testing import CliRunner

from keepiton.cli import COMMANDS, common, keepiton
from keepiton.detect import Policy
from keepiton.probe import failures
from keepiton.report import explain

ROOT = Path(__file__).parent.parent


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


def page() -> str:
    """Write docs/reference/commands.md as it must be."""
    out = ["# Commands", "", "What `--help` prints; a test holds this page against the program."]
    for path in commands(keepiton):
        shown = CliRunner(env={"COLUMNS": "100"}).invoke(
            keepiton, [*path.split()[1:], "--help"], prog_name="keepiton", terminal_width=100
        )
        out += ["", f"## {path}", "", "```text", shown.output.rstrip(), "```"]
    return "\n".join(out) + "\n"


def test_every_command_and_option_is_on_its_page() -> None:
    """Made anew, in tests/, by: python -c 'import test_docs as t; print(t.page(), end="")'."""
    assert (ROOT / "docs" / "reference" / "commands.md").read_text() == page()


def shows(one: failures.Condition) -> str:
    """Write how Python shows a condition."""
    ways = {
        "": one.errno,
        "gaierror ": one.gai,
        "rcode ": one.rcode,
        "SSLError ": one.reason if one.alert is None else ("…" + one.reason[0].lstrip("SLV3"),),
        "verify code ": one.verify,
        "type ": one.types,
        "text ": tuple(f"“{text}…”" for text in one.said),
    }
    if not one.written:
        return "not written by this version"
    written = [f"{how}{', '.join(map(str, signs))}" for how, signs in ways.items() if signs]
    return "; ".join(written) or "keepiton's own look"


def failures_page() -> str:
    """Write docs/reference/failures.md as it must be."""
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
    words = explain.kinds()["failure"]
    for one in failures.TABLE:
        cells = (words[one.failure].short, f"`{one.failure}`", " ".join(one.stages), shows(one))
        out.append(f"| {' | '.join(cells)} | {'yes' if one.local else ''} |")
    return "\n".join(out) + "\n"


def test_every_failure_is_on_its_page() -> None:
    """Made anew like the page above, with t.failures_page()."""
    assert (ROOT / "docs" / "reference" / "failures.md").read_text() == failures_page()


def test_every_threshold_of_detection_is_on_its_page() -> None:
    """``--policy`` refers to it."""
    text = (ROOT / "docs" / "method" / "detection.md").read_text()
    assert [one.name for one in fields(Policy) if f"`{one.name}`" not in text] == []


def test_the_short_help_is_the_beginning_of_the_long_one() -> None:
    for name, short in COMMANDS.items():
        long = commands(keepiton)[f"keepiton {name}"].help
        assert long
        assert long.startswith(short.removesuffix("."))


def test_every_exit_status_is_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text()
    for code in (
        0,
        1,
        2,
        common.FAIL_ON,
        common.OWN_LINE_DOWN,
        common.NOT_WRITTEN,
        common.NO_DATA,
        common.LOCKED,
    ):
        assert f"\n| {code} | " in text
    assert "| 130 / 143 |" in text


def test_links_between_documents_lead_somewhere() -> None:
    for document in [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("targets/*.md")]:
        for link in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
            assert (document.parent / link).exists(), f"{document.name}: {link}"


def test_every_dependency_is_justified() -> None:
    import tomllib  # noqa: PLC0415

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    text = (ROOT / "docs" / "development" / "dependencies.md").read_text().lower()
    named = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    for entry in named:
        assert re.split(r"[\[><=;]", entry)[0].strip().lower() in text, entry


def test_no_document_claims_what_a_probe_cannot_see() -> None:
    for path in (ROOT / "src").rglob("*.py"):
        text = path.read_text()
        for word in ("shutdown", "censored", "blocked"):
            assert word not in text.lower().replace("shutdown_asyncgens", ""), f"{path}: {word}"
