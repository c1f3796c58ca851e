"""The documents are held against the code."""

import ast
import re
from dataclasses import fields
from pathlib import Path

import pytest

import generate
from keepiton.cli import COMMANDS, exits, keepiton
from keepiton.detect import Policy

ROOT = Path(__file__).parent.parent


def test_every_command_and_option_is_on_its_page() -> None:
    assert generate.COMMANDS.read_text() == generate.commands_page()


def test_every_failure_is_on_its_page() -> None:
    assert generate.FAILURES.read_text() == generate.failures_page()


def test_every_rule_of_findings_is_on_its_page() -> None:
    assert generate.FINDINGS.read_text() == generate.findings_page()


def test_every_threshold_of_detection_is_on_its_page() -> None:
    """``--policy`` refers to it."""
    text = (ROOT / "docs" / "method" / "detection.md").read_text()
    assert [one.name for one in fields(Policy) if f"`{one.name}`" not in text] == []


def test_the_short_help_is_the_beginning_of_the_long_one() -> None:
    for name, short in COMMANDS.items():
        long = generate.commands(keepiton)[f"keepiton {name}"].help
        assert long
        assert long.startswith(short.removesuffix("."))


def test_every_exit_status_is_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text()
    for code in (
        0,
        1,
        2,
        exits.DISRUPTION_FOUND,
        exits.VANTAGE_OFFLINE,
        exits.NOT_WRITTEN,
        exits.NO_DATA,
        exits.LOCKED,
    ):
        assert f"\n| {code} | " in text
    assert "| 130 / 143 |" in text


DOCUMENTS = [
    *ROOT.glob("[CRS]*.md"),
    *ROOT.glob("docs/**/*.md"),
    *ROOT.glob("targets/*.md"),
    ROOT / ".github" / "pull_request_template.md",
]
ENDINGS = {".cfg", ".css", ".js", ".jinja", ".md", ".mjs", ".po", ".py", ".sql", ".toml", ".txt"}
REFERENCE = re.compile(r"(?<![\w/])docs/[\w/.-]+\.(?:md|svg|json)\b(?:#[\w-]+)?")
DANGLING = re.compile(
    r"(?<!\w)\((?:see )?1\.[1-9](?:(?:,| to) 1\.[1-9])*\)|section 1\.[1-9]|; 1\.[1-9]\)"
    r"|shared (?:method|failure|scorer|samples|list)|(?:DETECTION|FAILURES|SCENARIOS)\.md"
    r"|SAFETY(?!(?:\.md)? S\d)"
)


def written() -> dict[Path, str]:
    """Read every text of the repository that people wrote, but for this file."""
    folders = ("src", "tests", "docs", "benchmarks", "packaging", "targets")
    found = [path for folder in folders for path in (ROOT / folder).rglob("*")]
    found = [path for path in found if path.suffix in ENDINGS and "node_modules" not in path.parts]
    found += [path for path in (ROOT / ".github").rglob("*") if path.is_file()]
    named = ("pyproject.toml", "noxfile.py", "Containerfile", "packaging/keepiton.1")
    found += [*ROOT.glob("*.md"), *(ROOT / name for name in named)]
    return {path: path.read_text() for path in found if path != Path(__file__)}


def anchors(page: str) -> set[str]:
    """Return the anchors of a page's headings, as the usual hosts make them."""
    headings = re.findall(
        r"^#+ (.+)$", re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL), re.MULTILINE
    )
    plain = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", one).lower() for one in headings]
    set_by_hand = re.findall(r'<a (?:id|name)="([^"]+)"', page)
    return {re.sub(r"[^\w -]", "", one).replace(" ", "-") for one in plain} | set(set_by_hand)


def leads(path: Path, anchor: str) -> bool:
    """Whether a file is there, and the heading in it that is named."""
    return path.exists() and (not anchor or anchor in anchors(path.read_text()))


def test_links_between_documents_lead_somewhere() -> None:
    for document in DOCUMENTS:
        for link in re.findall(r"\]\(([^):]+)\)", document.read_text()):
            path, _, anchor = link.partition("#")
            target = document.parent / path if path else document
            assert leads(target, anchor), f"{document.name}: {link}"


def test_every_reference_to_a_document_leads_somewhere() -> None:
    seen = 0
    for path, text in written().items():
        for found in REFERENCE.findall(text):
            name, _, anchor = found.partition("#")
            assert leads(ROOT / name, anchor), f"{path}: {found}"
            seen += 1
    assert seen > 100


def test_no_reference_leads_to_a_document_that_is_not_here() -> None:
    wrong = {str(path): DANGLING.findall(text) for path, text in written().items()}
    assert {path: found for path, found in wrong.items() if found} == {}


@pytest.mark.parametrize(
    "text",
    [
        "a median of 165 min (1.3).",
        "and both sides (1.5, 1.7)",
        "levels (1.4 to 1.6)",
        "0.9; 1.7)",
        "(shared method, section 1.4)",
        "(shared failure table, row 22)",
        "a name (SAFETY)",
    ],
)
def test_a_dangling_reference_is_noticed(text: str) -> None:
    assert DANGLING.search(text)


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text()
    pages = [one for one in (ROOT / "docs").glob("*/*") if one.suffix in (".md", ".json")]
    missing = [one.name for one in pages if f"({one.parent.name}/{one.name})" not in index]
    assert missing == []
    assert [one.name for one in (ROOT / "docs").iterdir() if one.is_file()] == ["README.md"]


def test_every_safety_requirement_that_is_named_has_a_row() -> None:
    page = (ROOT / "docs" / "development" / "safety.md").read_text()
    rows = re.findall(
        r"^\| (S\d+[a-z]?) \| [^|]+ \| (Yes|Partly|Not yet)\b[^|]+\|$", page, re.MULTILINE
    )
    ids = [number for number, _ in rows]
    added = {"S3a", "S5a", "S10a", "S12a", "S18a", "S19a"}
    assert len(ids) == len(set(ids))
    assert set(ids) == {f"S{number}" for number in range(1, 21)} | added
    named = re.compile(r"SAFETY(?:\.md)? (S\d+[a-z]?(?:(?:, | and )S\d+[a-z]?)*)")
    found = {
        (str(path), one)
        for path, text in written().items()
        for several in named.findall(text)
        for one in re.findall(r"S\d+[a-z]?", several)
    }
    assert len(found) > 20
    assert {(path, one) for path, one in found if one not in ids} == set()


def test_what_a_safety_row_names_is_there() -> None:
    """Modules by their path, options by their name."""
    page = (ROOT / "docs" / "development" / "safety.md").read_text()
    for name in re.findall(r"`([\w/*]+\.\w+)`", page):
        assert list((ROOT / "src" / "keepiton").glob(name)) or (ROOT / name).exists(), name
    options = {
        option
        for command in generate.commands(keepiton).values()
        for parameter in command.params
        for option in parameter.opts
    }
    assert set(re.findall(r"`(?:[\w ]+ )?(--[a-z-]+)", page)) <= options


def test_every_dependency_is_justified() -> None:
    import tomllib  # noqa: PLC0415

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    text = (ROOT / "docs" / "development" / "dependencies.md").read_text().lower()
    extras = project["optional-dependencies"].values()
    for entry in (*project["dependencies"], *(entry for extra in extras for entry in extra)):
        assert re.split(r"[\[><=;]", entry)[0].strip().lower() in text, entry


CLAIMS = re.compile(
    r"shutdown|censor|\bblocked\b"
    r"|отключени|блокиров|заблокир|цензур|шатдаун|адключэнн|блакіро|заблакір|цэнзур|шатдаўн",
    re.IGNORECASE,
)
"""Words that say why, or who meant it: a probe sees neither."""
QUOTED = {
    "docs/method/detection.md": ("national_shutdown",),  # names of simulated series
    "docs/reference/glossary.md": (
        "«отключение»", "«блокировка»", "«цензура»", "«шатдаун»", "«адключэнне»", "«блакіроўка»",
        "«цэнзура»", "«шатдаўн»",
    ),  # the words that are not said
}  # fmt: skip
"""What may stand there all the same."""


def constants(source: str) -> list[str]:
    """Return the strings of a module that may be shown: all but docstrings."""
    tree = ast.parse(source)
    bare = {id(one.value) for one in ast.walk(tree) if isinstance(one, ast.Expr)}
    return [
        one.value
        for one in ast.walk(tree)
        if isinstance(one, ast.Constant) and isinstance(one.value, str) and id(one) not in bare
    ]


def shown() -> dict[str, str]:
    """Read what people who use the program see: documents, catalogues, templates, texts."""
    package = ROOT / "src" / "keepiton"
    found = [*DOCUMENTS, ROOT / "CHANGELOG.md", *(ROOT / "packaging").iterdir()]
    for kind in ("po", "jinja", "txt", "toml"):
        found += package.rglob(f"*.{kind}")
    texts = {path.relative_to(ROOT).as_posix(): path.read_text() for path in found}
    for path in package.rglob("*.py"):
        texts[path.relative_to(ROOT).as_posix()] = "\n".join(constants(path.read_text()))
    return texts


def test_no_document_claims_what_a_probe_cannot_see() -> None:
    texts = shown()
    assert {Path(name).suffix for name in texts} >= {".md", ".po", ".jinja", ".txt", ".toml", ".py"}
    for name, quoted in QUOTED.items():
        for words in quoted:
            assert words in texts[name], f"{name}: {words} is not there: no exception is needed"
            texts[name] = texts[name].replace(words, "")
    wrong = {name: CLAIMS.findall(text) for name, text in texts.items()}
    assert {name: found for name, found in wrong.items() if found} == {}


@pytest.mark.parametrize(
    "text",
    [
        "The site is blocked.",
        "a shutdown",
        "Censored by",
        "сайт заблокирован",
        "отключение сети",
        "блакіроўка сайта",
        "цэнзура",
    ],
)
def test_such_a_claim_is_noticed(text: str) -> None:
    assert CLAIMS.search(text)


def test_a_claim_is_noticed_in_what_a_module_shows_and_not_in_its_docstrings() -> None:
    source = '"""Blocked."""\nTEXT = "a"\n"""Blocked."""\n# blocked\nprint(f"is blocked {TEXT}")\n'
    assert CLAIMS.findall("\n".join(constants(source))) == ["blocked"]
