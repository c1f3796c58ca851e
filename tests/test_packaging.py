"""What is shipped beside the program is true of it, and the wheel is whole."""

import gettext
import json
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import pytest

import manual
from catalogue import TRANSLATED
from conftest import Command
from test_cli import HEAVY

ROOT = manual.ROOT
BIN = Path(sys.executable).parent
PIP = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index"]
HOSTILE = r".TH \fBold\fR '.so /etc/passwd' --a-b \n(.g “…” `x` ^~ \(aq \\ \*(Tm \" \c"
"""Text that a roff reader would obey, or print as something else."""


def rendered(source: str) -> str:
    """Return what groff makes of a man page. Fails on any warning."""
    done = subprocess.run(
        ["groff", "-ww", "-man", "-Tutf8", "-P-cbou", "-rLL=400n"],
        input=source,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout


def test_the_man_page_and_the_completions_are_the_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in [one for one in os.environ if one.startswith("XDG_")]:
        monkeypatch.delenv(variable)
    there = {path.name: path.read_text() for path in manual.PACKAGING.iterdir()}
    dated = re.search(r"^\.TH KEEPITON 1 (\d{4}-\d\d-\d\d) ", there["keepiton.1"], re.MULTILINE)
    assert dated
    assert there == manual.wanted(dated[1])


@pytest.mark.skipif(not shutil.which("groff"), reason="groff is not installed")
def test_the_man_page_renders_without_a_warning_and_prints_help_as_it_is() -> None:
    shown = rendered((manual.PACKAGING / "keepiton.1").read_text())
    assert not re.search(r"[‐−’‘´ˆ˜]", shown), "nothing that cannot be pasted into a shell"
    for words in (
        "Begin with:  keepiton probe      one look at every target, about a minute\n",
        "130/143\n",
        "https://9.9.9.9/dns-query",
        "spark://HOST:PORT?lines=FOLDER",
    ):
        assert words in shown


@pytest.mark.skipif(not shutil.which("mandoc"), reason="mandoc is not installed")
def test_mandoc_finds_nothing_to_say_of_the_man_page() -> None:
    done = subprocess.run(
        ["mandoc", "-Tlint", manual.PACKAGING / "keepiton.1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.skipif(not shutil.which("groff"), reason="groff is not installed")
def test_no_text_is_obeyed_by_what_shows_the_page() -> None:
    """Wherever it stands: in a paragraph, in lines that are kept, as a term and its meaning."""
    told = f"{HOSTILE}\n\n\b\n{HOSTILE}\n'.br {HOSTILE}"
    source = ["." + 'TH X 1 2026-01-01 "x" "y"', ".SH NAME", r"x \- y", ".SH TEXT"]
    source += [*manual.prose(told), *manual.entry(HOSTILE, HOSTILE)]
    shown = rendered("\n".join(source) + "\n")
    assert [" ".join(line.split()) for line in shown.splitlines() if "TH \\fB" in line] == [
        HOSTILE,
        HOSTILE,
        f"'.br {HOSTILE}",
        HOSTILE,
        HOSTILE,
    ]


def pressed(keys: list[tuple[str, str]], folder: Path) -> list[float]:
    """Type into an interactive bash until each answer is seen; return the seconds of each."""
    took = []
    child, terminal = pty.fork()
    if child == 0:
        path = f"{BIN}:/usr/bin:/bin"
        env = {"PATH": path, "HOME": str(folder), "TERM": "dumb", "INPUTRC": "/dev/null"}
        os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], env)  # noqa: S606
    try:
        for typed, awaited in keys:
            began = time.monotonic()
            os.write(terminal, typed.encode())
            seen = ""
            while awaited not in seen:
                left = began + 20 - time.monotonic()
                assert select.select([terminal], [], [], max(left, 0))[0], (typed, seen)
                seen += os.read(terminal, 4096).decode(errors="replace")
            took.append(time.monotonic() - began)
    finally:
        os.close(terminal)
        os.waitpid(child, 0)
    return took


def test_a_tab_completes_commands_options_and_choices_in_bash(tmp_path: Path) -> None:
    """What is awaited is longer than what was typed, so no echo can stand for it."""
    keys = [
        (f"source {manual.PACKAGING}/keepiton.bash; PS1=; echo be''gin\n", "begin"),
        ("keepiton pro\t", "keepiton probe "),
        ("--persp\t", "--perspective "),
        ("ins\t", "inside "),
        ("\x15echo e''nd\n", "end"),
        ("keepiton results ver\t", "keepiton results verify "),
    ]
    pressed(keys, tmp_path)
    assert not list(tmp_path.rglob("*keepiton*")), "nothing is written by it"


@pytest.mark.parametrize("words", ["keepiton pro", "keepiton probe --", "keepiton results "])
def test_completing_loads_nothing_heavy_and_nothing_that_sends(words: str, tmp_path: Path) -> None:
    """Not even where the configuration is wrong."""
    (tmp_path / "keepiton.toml").write_text("not toml")
    code = (
        "import sys\nfrom keepiton.cli import main\ntry:\n    main()\n"
        "except SystemExit as exc:\n    assert exc.code == 0\n"
        "print(' '.join(sorted({name.split('.')[0] for name in sys.modules})), file=sys.stderr)"
    )
    env = {"_KEEPITON_COMPLETE": "bash_complete", "COMP_WORDS": words, "LANG": "be_BY.UTF-8"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=env | {"COMP_CWORD": str(words.count(" "))},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.fullmatch(r"(plain,[a-z-]+\n)+", done.stdout)
    loaded = set(done.stderr.split())
    assert "click" in loaded
    assert not loaded & {*HEAVY, "socket"}


def built(root: Path, out: Path, kind: str) -> Path:
    """Build a wheel or a source distribution."""
    words = [str(BIN / "python"), "-m", "hatchling", "build", "-t", kind, "-d", str(out)]
    done = subprocess.run(words, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (made,) = out.iterdir()
    return made


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    return built(ROOT, tmp_path_factory.mktemp("wheel"), "wheel")


def record(wheel: Path) -> dict[str, str]:
    """Return what a wheel says it holds: the hash of every file, by its name."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [one for one in archive.namelist() if one.endswith(".dist-info/RECORD")]
        lines = archive.read(name).decode().splitlines()
    return dict(one.rsplit(",", 1)[0].split(",", 1) for one in lines if not one.endswith(",,"))


def test_the_wheel_holds_the_program_and_what_is_shipped_beside_it_and_no_more(wheel: Path) -> None:
    names = set(record(wheel))
    shared = {one.partition(".data/data/")[2] for one in names} - {""}
    assert shared == {
        "share/bash-completion/completions/keepiton",
        "share/fish/vendor_completions.d/keepiton.fish",
        "share/man/man1/keepiton.1",
        "share/zsh/site-functions/_keepiton",
    }
    assert {re.split(r"[/-]", one)[0] for one in names} == {"keepiton"}
    assert not [one for one in names if re.search(r"test|\.po\b.*\.py|__pycache__|\.pyc$", one)]
    with zipfile.ZipFile(wheel) as archive:
        for one in archive.namelist():
            assert str(ROOT).encode() not in archive.read(one), f"{one} names where it was built"


def test_a_source_distribution_and_the_containerfiles_copies_build_the_same_wheel(
    wheel: Path, tmp_path: Path
) -> None:
    """So nothing that building needs is left out of either."""
    with tarfile.open(built(ROOT, tmp_path / "sdist", "sdist")) as archive:
        archive.extractall(tmp_path / "source", filter="data")
    (source,) = (tmp_path / "source").iterdir()
    copied = tmp_path / "copied"
    copied.mkdir()
    for line in containerfile():
        if line[0] == "COPY" and not line[1].startswith("--from"):
            for name in line[1:-1]:
                place = ROOT / name
                if place.is_dir():
                    shutil.copytree(place, copied / line[-1])
                else:
                    shutil.copy(place, copied / line[-1])
    for root in (source, copied):
        assert record(built(root, tmp_path / f"of {root.name}", "wheel")) == record(wheel)


def test_the_wheel_holds_the_compiled_catalogues(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for code in TRANSLATED:
            with archive.open(f"keepiton/locale/{code}/LC_MESSAGES/keepiton.mo") as file:
                made = gettext.GNUTranslations(file)
            assert made.gettext("Timeline") != "Timeline"


def test_the_wheel_carries_the_lists_and_runs_anywhere(
    wheel: Path, tmp_path: Path, keepiton: Command
) -> None:
    place = tmp_path / "site"
    subprocess.run(
        [*PIP, "--target", place, wheel],
        check=True,
        capture_output=True,
    )
    assert (place / "share/man/man1/keepiton.1").is_file()
    done = subprocess.run(
        [sys.executable, "-m", "keepiton", "targets", "check"],
        cwd="/",
        env={"PYTHONPATH": str(place), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == keepiton("targets", "check").stdout
    where = subprocess.run(
        [sys.executable, "-c", "import keepiton.lists.load as t; print(t.SHIPPED_FOLDER)"],
        cwd="/",
        env={"PYTHONPATH": str(place)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert where.stdout.startswith(str(place))


def containerfile() -> list[list[str]]:
    """Return the instructions of the Containerfile, in words."""
    text = (ROOT / "Containerfile").read_text().replace("\\\n", " ")
    return [one.split() for one in text.splitlines() if one and not one.startswith("#")]


def test_the_container_runs_as_nobody_known_without_a_shell_and_writes_to_its_volume_only() -> None:
    """What else it claims is in docs/guides/install.md, with how it was tried."""
    lines = containerfile()
    stages = [number for number, line in enumerate(lines) if line[0] == "FROM"]
    last = lines[stages[-1] :]
    given = {line[0]: " ".join(line[1:]) for line in last}
    assert given["USER"] == "65532:65532"
    assert given["VOLUME"] == given["WORKDIR"] == "/data"
    assert json.loads(given["ENTRYPOINT"]) == ["keepiton"]
    assert isinstance(json.loads(given["CMD"]), list)
    assert {"HOME=/data", "KEEPITON_DATA=/data"} <= set(given["ENV"].split())
    assert {"RUN", "ADD", "EXPOSE", "SHELL"} & set(given) == set(), "nothing is made or added there"
    assert all(line[1].startswith("--from=") for line in last if line[0] == "COPY")
