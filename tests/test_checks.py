"""The checks that hold the code together, run with the tests: one command for all."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["mypy"],
        ["lint-imports"],
        ["deptry", "src"],
    ],
    ids=" ".join,
)
def test_holds(command: list[str]) -> None:
    done = subprocess.run(
        [str(BIN / command[0]), *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_module_that_calls_itself_pure_is_held_to_it() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = config["tool"]["importlinter"]["contracts"]
    (purity,) = [c for c in contracts if c["name"].startswith("Modules that call themselves")]
    assert not purity.get("allow_indirect_imports")
    held = tuple(purity["source_modules"])
    pure = []
    for path in sorted((ROOT / "src").rglob("*.py")):
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        if re.search(r"\bPure\b", docstring):
            name = path.relative_to(ROOT / "src").with_suffix("").as_posix().replace("/", ".")
            pure.append(name.removesuffix(".__init__"))
    assert "keepiton.detect.belief" in pure
    assert [name for name in pure if not f"{name}.".startswith(tuple(f"{m}." for m in held))] == []
