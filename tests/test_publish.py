"""The commands that publish: what they refuse, in a line, and what they leave behind."""

import json
import os
import re
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import Command
from timelines import Watch, write

DATA = Path(__file__).parent / "data"
CALM, OUT = "." * 30, "x" * 8


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Write what two vantages saw of two operators in February 2022."""
    marks = {f"www{n}.alpha.example@alpha": CALM + OUT + CALM for n in range(3)}
    marks |= {f"www{n}.beta.example@beta": "." * 68 for n in range(3)}
    write(tmp_path / "results", Watch("v-one", marks), Watch("v-two", marks))
    return tmp_path / "results"


@pytest.mark.slow
def test_a_format_is_a_module_and_a_line_of_the_table(results: Path, tmp_path: Path) -> None:
    (tmp_path / "count_format.py").write_text(
        "def render(report):\n    return f'{len(report.windows)} windows\\n'\n"
    )
    code = (
        "from keepiton.report.formats import REPORT_FORMATS, Format\n"
        "REPORT_FORMATS['count'] = Format('count_format', 'render', ('.count',))\n"
        "from keepiton.cli import main\n"
        "main()\n"
    )
    env = os.environ | {"PYTHONPATH": os.pathsep.join((str(tmp_path), *sys.path))}

    def run(*words: str) -> str:
        command = [sys.executable, "-c", code, "report", *words]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout

    assert "count" in run("--help")
    assert re.fullmatch(r"[1-9]\d* windows\n", run(str(results), "--format", "count"))
    run(str(results), "--output", str(tmp_path / "made.count"))
    assert (tmp_path / "made.count").read_text(encoding="utf-8").endswith(" windows\n")


@pytest.mark.parametrize(
    ("ending", "start"),
    [
        (".html", "<!doctype html>"),
        (".md", "## Disruptions"),
        (".csv", "\ufeffid,scope,subject"),
        (".json", '{\n "report": 1'),
        (".jsonl", '{"id": "'),
        (".atom", "<?xml"),
        (".prom", "# HELP keepiton_state"),
        (".svg", "<svg"),
        (".txt", "Disruptions."),
        ("", "Disruptions."),
    ],
)
def test_the_ending_of_the_output_chooses_the_format(
    ending: str, start: str, keepiton: Command, results: Path, tmp_path: Path
) -> None:
    output = tmp_path / f"made{ending}"
    done = keepiton("report", str(results), "-o", str(output))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert output.read_text(encoding="utf-8").startswith(start)
    assert stat.S_IMODE(output.stat().st_mode) == 0o600


def test_a_picture_in_pixels(keepiton: Command, results: Path, tmp_path: Path) -> None:
    assert keepiton("report", str(results), "-o", str(tmp_path / "a.png")).returncode == 0
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("report", "--lang", "xx"), 2, "--lang xx: no such language; known: en, ru, be"),
        (("status", "--lang", "xx"), 2, "--lang xx: no such language; known: en, ru, be"),
        (("report", "--tz", "Mars/Base"), 2, "--tz Mars/Base: no such zone"),
        (("report", "--event", "referendum-2023"), 2, "did you mean referendum-2022?"),
        (("report", "--events", "nowhere.toml"), 2, "nowhere.toml: cannot be read"),
        (("report", "--compare", "nowhere.json"), 2, "nowhere.json"),
        (("report", "--since", "yesterday"), 2, "--since yesterday: not a time"),
        (("report", "--since", "2022-03-02", "--until", "2022-03-01"), 2, "the range is empty"),
        (("report", "--since", "2030-01-01"), 6, "no data in the asked range"),
        (("report", "-o", "made.pdf"), 2, "no format is known by that ending"),
        (("report", "-o", "no/such/folder.html"), 5, "not written: No such file or directory"),
        (("report", "--coarsen", "often"), 2, "--coarsen often: not a length of time"),
        (("status", "--watch", "--format", "json"), 2, "--watch shows the table on the terminal"),
        (("status", "-o", "made.pdf"), 2, "no format is known by that ending"),
        (("status", "--operator", "nobody"), 6, "no measurements of such targets"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_no_file(
    words: tuple[str, ...], code: int, said: str, keepiton: Command, results: Path, tmp_path: Path
) -> None:
    before = {one.name for one in tmp_path.iterdir()}
    done = keepiton(words[0], str(results), *words[1:])
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert {one.name for one in tmp_path.iterdir()} - before <= {"data"}


def test_a_file_of_events_tells_its_mistakes_with_their_lines(
    keepiton: Command, results: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text('title = "x"\nzone = "UTC"\n[[event]]\nid = "a"\nwhen = 3\n')
    done = keepiton("report", str(results), "--events", str(mine))
    assert done.returncode == 2
    assert re.search(r"mine\.toml:5: .*when", done.stderr)


def test_a_report_of_an_event_compares_it_in_the_readers_language(
    keepiton: Command, results: Path, tmp_path: Path
) -> None:
    output = tmp_path / "a.html"
    done = keepiton(
        "report", str(results), "--event", "referendum-2022", "--lang", "be", "-o", str(output)
    )
    assert (done.returncode, done.stderr) == (0, "")
    text = output.read_text(encoding="utf-8")
    assert '<html lang="be">' in text
    assert "Europe/Minsk" in text
    done = keepiton("report", str(results), "--event", "referendum-2022", "--format", "json")
    whole = json.loads(done.stdout)
    assert whole["event"] == "referendum-2022"
    assert {one["subject"] for one in whole["comparisons"]} >= {"alpha", "beta"}
    assert {tuple(one["insufficient"]) for one in whole["comparisons"]} == {
        ("too little seen before", "too little seen after")
    }


def test_events_of_ones_own_are_named_and_drawn(
    keepiton: Command, results: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text(
        'title = "Mine"\nzone = "UTC"\n[[event]]\nid = "rally"\ntitle = "A rally <b>"\n'
        'start = 2022-02-27\nkind = "other"\nwhere = "Minsk"\nprecision = "day"\n'
        'source = "seen"\nconfidence = "medium"\n'
    )
    output = tmp_path / "a.svg"
    done = keepiton(
        "report", str(results), "--events", str(mine), "--event", "rally", "-o", str(output)
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "A rally &lt;b&gt;" in output.read_text(encoding="utf-8")


def test_other_peoples_figures_are_drawn_and_change_nothing(
    keepiton: Command, results: Path
) -> None:
    files = [("--compare", str(file)) for file in sorted((DATA / "others").iterdir())]
    given = [word for pair in files for word in pair]
    plain = keepiton("report", str(results), "--format", "jsonl")
    beside = keepiton("report", str(results), "--format", "jsonl", *given)
    assert (beside.returncode, beside.stderr) == (0, "")
    assert beside.stdout == plain.stdout
    drawn = keepiton("report", str(results), "--format", "svg", *given)
    for name in ("IODA", "OONI", "Cloudflare Radar"):
        assert name in drawn.stdout


def test_a_file_that_is_replaced_keeps_its_mode_and_is_never_half_there(
    keepiton: Command, results: Path, tmp_path: Path
) -> None:
    """So may node_exporter read it, and at any moment it reads a whole one."""
    output = tmp_path / "keepiton.prom"
    output.write_text("old\n")
    output.chmod(0o644)
    old = output.open()
    done = keepiton("status", str(results), "-o", str(output))
    assert (done.returncode, done.stderr) == (0, "")
    assert old.read() == "old\n"
    old.close()
    assert output.read_text().startswith("# HELP keepiton_state")
    assert stat.S_IMODE(output.stat().st_mode) == 0o644
    assert [one.name for one in tmp_path.glob(".*")] == []


def test_a_full_disk_leaves_the_old_file(keepiton: Command, results: Path, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("a small disk needs root")
    import subprocess  # noqa: PLC0415

    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", str(small)], check=True)
    try:
        (small / "a.html").write_text("old")
        done = keepiton("report", str(results), "-o", str(small / "a.html"))
        assert done.returncode == 5
        assert "not written: No space left on device" in done.stderr
        assert [one.name for one in small.iterdir()] == ["a.html"]
        assert (small / "a.html").read_text() == "old"
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_help_and_summary_speak_the_language_asked_for(keepiton: Command) -> None:
    for words, env in (
        (("report", "--lang", "ru", "--help"), {}),
        (("report", "--help"), {"KEEPITON_LANG": "ru"}),
        (("report", "--help"), {"LANG": "ru_RU.UTF-8"}),
    ):
        done = keepiton(*words, env={"LC_ALL": "", "LC_MESSAGES": "", "LANG": ""} | env)
        assert done.returncode == 0
        assert "Использование: keepiton report" in done.stdout
        assert "Показать эту справку и выйти." in done.stdout
    done = keepiton("--lang", "be", "--help")
    assert "Каманды" in done.stdout
    assert "Usage: keepiton report" in keepiton("report", "--help").stdout


@pytest.mark.slow
def test_status_refreshes_in_place(results: Path, tmp_path: Path) -> None:
    """In a real terminal: the table is there, is drawn again, and Ctrl-C gives the screen back."""
    import shutil  # noqa: PLC0415
    import subprocess  # noqa: PLC0415

    import lab  # noqa: PLC0415

    if not shutil.which("tmux"):
        pytest.skip("tmux is not installed")
    socket = tmp_path / "tmux"

    def tmux(*words: str) -> str:
        return subprocess.run(
            ["tmux", "-S", str(socket), *words], capture_output=True, text=True, check=False
        ).stdout

    command = (
        f"KEEPITON_DATA={tmp_path / 'data'} {lab.KEEPITON} status {results} --watch; echo E=$?"
    )
    tmux("-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "40", "sh")
    try:
        tmux("send-keys", command, "Enter")
        shown = ""
        for _ in range(100):
            shown = tmux("capture-pane", "-p")
            if "alpha" in shown and "OLD DATA" in shown:
                break
            time.sleep(0.2)
        assert "OLD DATA" in shown
        assert "alpha" in shown
        tmux("send-keys", "C-c")
        for _ in range(50):
            shown = tmux("capture-pane", "-p")
            if re.search(r"^E=\d", shown, re.MULTILINE):
                break
            time.sleep(0.1)
        assert re.search(r"^E=130", shown, re.MULTILINE)
        assert "OLD DATA" not in shown
    finally:
        tmux("kill-server")
