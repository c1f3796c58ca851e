"""Every code has its words, and no words are left over."""

import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from conftest import Command
from keepiton.base.connectivity import Connectivity
from keepiton.findings.types import FindingKind
from keepiton.probe.failures import NOT_HTTP, TABLE
from keepiton.report import explain

SRC = Path(explain.__file__).parent.parent


def test_every_failure_of_the_table_has_its_words_and_nothing_else_has() -> None:
    assert set(explain.kinds()["failure"]) == {one.failure for one in TABLE} | {explain.UNKNOWN}


def test_every_verdict_and_finding_has_its_words_and_nothing_else_has() -> None:
    assert set(explain.kinds()["line"]) == set(Connectivity)
    assert set(explain.kinds()["finding"]) == set(get_args(FindingKind))


def test_every_reason_has_its_words_and_nothing_else_has() -> None:
    """The format page names them; the program writes them."""
    page = (SRC.parent.parent / "docs" / "reference" / "data-format.md").read_text()
    row = next(line for line in page.splitlines() if line.startswith("| `reason` | of `inc"))
    named = set(re.findall(r"`([a-z_]+)`", row)) - {"reason", "inconclusive", "skipped"}
    assert set(explain.kinds()["reason"]) == named
    source = "".join(
        path.read_text() for path in SRC.rglob("*.py") if path != Path(explain.__file__)
    )
    for reason in explain.kinds()["reason"]:
        assert f'"{reason}"' in source, reason


@pytest.mark.parametrize("kind", explain.TITLES)
def test_the_words_are_whole_sentences_within_80_columns(kind: str) -> None:
    for name, text in explain.kinds()[kind].items():
        assert not text.short.endswith("."), name
        for words in (text.means, text.causes, text.not_proof):
            assert words[0].isupper(), name
            assert words.endswith("."), name
            assert "  " not in words, name
        shown = explain.text(kind, name)
        assert shown.startswith(name.split()[0])
        assert max(map(len, shown.splitlines())) <= 80, name
    assert max(map(len, explain.listing())) <= 80


def test_no_two_codes_are_mistaken_for_each_other() -> None:
    for kind, texts in explain.kinds().items():
        assert len({explain.key(name) for name in texts}) == len(texts)
        for name in texts:
            assert (kind, name) in explain.find(name)


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("connection_reset", ["connection_reset"]),
        ("Connection-Reset", ["connection_reset"]),
        (" CONNECTION  RESET ", ["connection_reset"]),
        ("unknown_failure: malformed HTTP response", [NOT_HTTP]),
        ("malformed http response", [NOT_HTTP]),
        ("handshake failure", ["unknown_failure: remote error: tls: handshake failure"]),
        (
            "unexpected message",
            [
                "unknown_failure: local error: tls: unexpected message",
                "unknown_failure: remote error: tls: unexpected message",
            ],
        ),
        ("unknown_failure: ValueError: x", [explain.UNKNOWN]),
        ("unknown", ["unknown"]),
        ("own line", ["own_line", "own_line"]),
        ("", []),
        ("\x1b[2J", []),
        ("ValueError: x", []),
    ],
)
def test_a_code_is_found_however_it_is_written(code: str, names: list[str]) -> None:
    assert [name for _, name in explain.find(code)] == names


def test_the_command_prints_what_a_code_means(keepiton: Command) -> None:
    done = keepiton("explain", "connection_reset")
    assert done.returncode == 0
    assert "TCP reset" in done.stdout
    for title in ("What it means", "Common causes", "What it does not prove"):
        assert f"\n{title}\n" in done.stdout
    assert keepiton("explain", "unknown_failure:", "CNAME", "loop").stdout.startswith("unknown_f")


def test_without_a_code_it_lists_all_and_a_misspelt_one_gets_the_nearest(keepiton: Command) -> None:
    listed = keepiton("explain")
    assert listed.returncode == 0
    for texts in explain.kinds().values():
        for name in texts:
            assert name.removeprefix("unknown_failure: ") in listed.stdout
    for misspelt, right in (("conection_resett", "connection_reset"), ("nxdomain", "nxdomain_e")):
        wrong = keepiton("explain", misspelt)
        assert (wrong.returncode, wrong.stdout) == (2, "")
        assert right in wrong.stderr
    hostile = keepiton("explain", "\x1b]0;x\x07")
    assert hostile.returncode == 2
    assert "\x1b" not in hostile.stderr


def test_explaining_loads_nothing_heavy_and_needs_no_folder() -> None:
    code = (
        "import sys\nfrom keepiton.cli.explain import explain\n"
        "explain.main(['own_line'], standalone_mode=False)\n"
        "print(' '.join(sorted({name.split('.')[0] for name in sys.modules})), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "own line was down" in done.stdout
    heavy = {"pydantic", "asyncio", "ssl", "httpcore2", "dns", "cryptography", "duckdb", "rich"}
    assert not heavy & set(done.stderr.split())


def test_the_texts_are_read_at_first_use_alone() -> None:
    code = (
        "import sys\nfrom keepiton.report import explain\nassert 'tomllib' not in sys.modules\n"
        "assert explain.kinds() is explain.kinds()\nassert 'tomllib' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    code = (
        "import sys\nsys.argv = ['keepiton', '--help']\nfrom keepiton.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "assert 'keepiton.report.explain' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


WHOLE = {"short": "a", "means": "B.", "causes": "C.", "not_proof": "D."}


@pytest.mark.parametrize(
    "entry",
    [
        "text",
        {**WHOLE, "short": ""},
        {**WHOLE, "means": 1},
        {**WHOLE, "cause": "C."},
        {"short": "a", "means": "B."},
        {"short": "a", "means": "B.", "like": "nothing"},
        {"short": "a", "like": "odd"},
    ],
    ids=["no table", "empty", "number", "unknown key", "missing", "like nothing", "no meaning"],
)
def test_an_entry_that_is_not_whole_is_a_fault_of_the_program(entry: object) -> None:
    shared = {"odd": {"means": "E.", "causes": "F.", "not_proof": "G."}}
    with pytest.raises(ValueError, match=r"^explain\.toml: name: "):
        explain._text("name", entry, shared)  # noqa: SLF001 - as the file is read
    assert explain._text("name", WHOLE, shared) == explain.Text("a", "B.", "C.", "D.")  # noqa: SLF001
    like = {"short": "a", "means": "B.", "like": "odd"}
    assert explain._text("name", like, shared) == explain.Text("a", "B. E.", "F.", "G.")  # noqa: SLF001
