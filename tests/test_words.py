"""The glossary is the authority for words: names it has replaced do not come back."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "keepiton"
GLOSSARY = (ROOT / "docs" / "reference" / "glossary.md").read_text()


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the tables below a heading of the glossary, without their heads."""
    section = GLOSSARY.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def replaced_names() -> set[str]:
    """Return the names that the glossary forbids in code."""
    return {
        name for row in rows("Names that are not used") for name in re.findall(r"`(\w+)`", row[0])
    }


def bound_names(source: str) -> list[str]:
    """Return every name that a module binds: variables, arguments, fields, functions, classes."""
    names: list[str | None] = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                names.append(name)
            case ast.arg(arg=name) | ast.alias(asname=name):
                names.append(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                names.append(name)
            case ast.ClassDef(name=name) | ast.ExceptHandler(name=name):
                names.append(name)
            case ast.MatchAs(name=name) | ast.MatchStar(name=name):
                names.append(name)
    return [name for name in names if name]


def test_no_module_binds_a_replaced_name() -> None:
    replaced = replaced_names()
    assert len(replaced) > 100
    bound = {
        path.relative_to(PACKAGE).as_posix(): sorted(replaced & set(bound_names(path.read_text())))
        for path in sorted(PACKAGE.rglob("*.py"))
    }
    assert {module: names for module, names in bound.items() if names} == {}


@pytest.mark.parametrize(
    "source",
    [
        "for told in range(3): ...",
        "def f(told): ...",
        "def f(*, told=1): ...",
        "class A:\n    told: int",
        "def told(): ...",
        "class told: ...",
        "self.told = 1",
        "[told for told in ()]",
        "import os as told",
        "lambda told: 1",
        "(told := 1)",
        "with open('') as told: ...",
        "try: ...\nexcept OSError as told: ...",
        "match 1:\n    case told: ...",
    ],
)
def test_a_name_is_noticed_wherever_it_is_bound(source: str) -> None:
    assert "told" in bound_names(source)


def test_no_word_is_both_used_and_not_used() -> None:
    """A name that one row forbids is no other row's replacement."""
    used = {
        name for row in rows("Names that are not used") for name in re.findall(r"`(\w+)`", row[1])
    }
    assert used & replaced_names() == set()


def documents() -> list[Path]:
    """Return the pages that people write: all but generated ones, and but the glossary itself."""
    pages = [*(ROOT / "docs").rglob("*.md"), ROOT / "targets" / "README.md"]
    apart = {"commands.md", "configuration.md", "failures.md", "glossary.md"}
    return sorted(path for path in pages if path.name not in apart)


def phrases() -> list[str]:
    """Return the phrases that the glossary forbids in documents."""
    return [
        phrase
        for row in rows("Phrases that are not used")
        for phrase in re.findall(r"“(.+?)”", row[0])
    ]


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_document_uses_a_replaced_phrase(path: Path) -> None:
    text = " ".join(re.sub(r"```.*?```|`[^`]*`", "", path.read_text(), flags=re.DOTALL).split())
    assert len(phrases()) > 10
    found = [phrase for phrase in phrases() if re.search(rf"\b{phrase}\b", text, re.IGNORECASE)]
    assert found == []


ARCHITECTURE = (ROOT / "docs" / "development" / "architecture.md").read_text()


def test_every_module_has_one_row_on_the_architecture_page() -> None:
    """To add a module: its path and its job, below its room in docs/development/architecture.md."""
    table = ARCHITECTURE.split("\n## Modules\n")[1].split("\n## ")[0]
    named = re.findall(r"^\| (?:\*\*)?`([\w/.]+)`(?:\*\*)? \| \S", table, re.MULTILINE)
    modules = [path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py")]
    expected = [re.sub(r"(?<=/)__init__\.py$", "", module) for module in modules]
    assert sorted(named) == sorted(expected)


def test_every_decision_of_the_architecture_is_held_by_a_test() -> None:
    decisions = ARCHITECTURE.split("\n## Decisions\n")[1].split("\n## ")[0]
    lines = [line for line in decisions.splitlines() if line.startswith("| ")][1:]
    tests = "\n".join(path.read_text() for path in (ROOT / "tests").glob("test_*.py"))
    assert len(lines) > 15
    for line in lines:
        names = re.findall(r"`(test_\w+)`", line)
        assert names, line
        for name in names:
            assert f"def {name}(" in tests, name


def test_the_rooms_on_the_architecture_page_are_the_layers_that_are_checked() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = [layer.split(" | ") for layer in contracts["contracts"][0]["layers"]]
    block = ARCHITECTURE.split("\n## Rooms\n")[1].split("```")[1]
    lines = [line.split() for line in block.splitlines() if line and not line.startswith("---")]
    assert [["__main__"], *lines] == layers


def test_what_the_architecture_names_is_there() -> None:
    """Paths of the reading order and of the places to change."""
    for name in re.findall(r"`([\w/]+/\w+\.(?:py|sql|toml))`", ARCHITECTURE):
        assert (PACKAGE / name).exists() or (ROOT / name).exists(), name
