"""The command line: exit codes, streams, configuration, consent, start-up."""

import gzip
import inspect
import json
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click
import pytest

import loopback
import timelines
from conftest import HERE, Command, traces
from keepiton.base.errors import UserError
from keepiton.cli import detection
from keepiton.cli import keepiton as program
from lab import KEEPITON
from timelines import STEP, Watch

LIST = """\
title = "x"
[[target]]
id = "site"
url = "http://127.0.0.1:{port}/site"
operator = "alpha"
[[target]]
id = "control"
url = "http://127.0.0.1:{port}/"
control = "foreign"
"""


@pytest.fixture
def answering(tmp_path: Path):  # type: ignore[no-untyped-def]  # noqa: ANN201 - a pair
    """A list whose targets all answer, on a server that counts."""
    with loopback.serving(loopback.answering(loopback.page())) as server:
        path = tmp_path / "list.toml"
        path.write_text(LIST.format(port=server.port))
        yield str(path), server


HEAVY = {
    "pydantic",
    "duckdb",
    "numpy",
    "rich",
    "httpx2",
    "httpcore2",
    "dns",
    "cryptography",
    "OpenSSL",
    "asyncio",
    "ssl",
    "platformdirs",
    "filelock",
    "certifi",
    "idna",
    "importlib.metadata",
}
"""What neither help nor completion may load."""


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nsys.argv = ['keepiton', '--help']\n"
        "from keepiton.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(' '.join(sorted({name.split('.')[0] for name in sys.modules})), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Detect and document" in done.stdout
    loaded = set(done.stderr.split())
    assert "click" in loaded
    assert not loaded & HEAVY


def commands_below(group: click.Group) -> Iterator[click.Command]:
    """Yield every command below a group."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command
        yield command
        if isinstance(command, click.Group):
            yield from commands_below(command)


def test_the_function_of_every_command_takes_the_options_of_the_command() -> None:
    """Also where it lies in a module that is loaded when the command is called."""
    deferrals = 0
    for command in commands_below(program):
        declared = command.callback
        assert declared
        module = getattr(declared, "deferred_to", None)
        if not module:
            continue
        deferrals += 1
        assert module.rpartition(".")[0] == declared.__module__.rpartition(".")[0]
        taken = inspect.signature(getattr(import_module(module), declared.__name__)).parameters
        options = {param.name for param in command.params if param.expose_value}
        named = {
            name
            for name, one in taken.items()
            if one.annotation is not click.Context and one.kind is not one.VAR_KEYWORD
        }
        rest = any(one.kind is one.VAR_KEYWORD for one in taken.values())
        assert named <= options if rest else named == options
    assert deferrals


def test_python_dash_m(keepiton: Command) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "keepiton", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == keepiton("--version").stdout
    assert done.stdout.startswith("keepiton ")


def test_the_first_run_tells_once_and_later_ones_are_silent(
    keepiton: Command, answering: tuple[str, loopback.Server]
) -> None:
    path, _ = answering
    first = keepiton("probe", path, "--allow-private")
    assert (first.returncode, first.stdout) == (0, "")
    for word in ("Your provider can see", "Ваш правайдар", "Ваш провайдер"):
        assert word in first.stderr
    assert "taking outside" in first.stderr
    second = keepiton("probe", path, "--allow-private", "--again")
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")


def test_from_outside_the_probe_says_what_it_is_and_from_inside_it_looks_ordinary(
    keepiton: Command, answering: tuple[str, loopback.Server]
) -> None:
    path, server = answering
    words = ["probe", path, "--allow-private", "--again", "-q"]
    contact = ["--contact", "https://example.org/probes"]
    assert keepiton(*words, *contact, "--perspective", "outside").returncode == 0
    assert b"User-Agent: keepiton/" in server.requests[0]
    assert b"(network reachability measurement; https://example.org/probes)" in server.requests[0]
    server.requests.clear()
    assert keepiton(*words, *contact, "--perspective", "inside").returncode == 0
    assert server.requests
    for request in server.requests:
        assert b"User-Agent: Mozilla/5.0" in request
        assert b"keepiton" not in request
        assert b"example.org" not in request
    for mode, perspective, said in (
        ("ordinary", "outside", b"User-Agent: Mozilla/5.0"),
        ("named", "inside", b"User-Agent: keepiton/"),
    ):
        server.requests.clear()
        told = ("--perspective", perspective, "--user-agent", mode)
        assert keepiton(*words, *contact, *told).returncode == 0
        assert said in server.requests[0]


def test_a_random_vantage_is_made_once_and_kept(
    keepiton: Command, answering: tuple[str, loopback.Server], tmp_path: Path
) -> None:
    path, _ = answering
    for _ in range(2):
        assert keepiton("probe", path, "--allow-private", "--again").returncode == 0
    files = sorted((tmp_path / "data").rglob("*.jsonl"))
    runs = [json.loads(file.read_text().splitlines()[0]) for file in files]
    assert len(runs) == 2
    assert len({run["vantage"] for run in runs}) == 1
    assert runs[0]["vantage"].startswith("v-")
    assert {run["perspective"] for run in runs} == {"outside"}


def test_a_dry_run_prints_what_would_be_sent_and_sends_and_writes_nothing(
    keepiton: Command, answering: tuple[str, loopback.Server], tmp_path: Path
) -> None:
    path, server = answering
    done = keepiton("probe", path, "--allow-private", "--dry-run")
    assert done.returncode == 0
    assert f"GET http://127.0.0.1:{server.port}/site" in done.stdout
    assert "Names would be asked of: system" in done.stdout
    assert server.connections == 0
    assert not (tmp_path / "data").exists()


def test_a_risky_list_is_not_probed_unasked_and_acceptance_is_recorded(
    keepiton: Command, answering: tuple[str, loopback.Server], tmp_path: Path
) -> None:
    path, server = answering
    risky = Path(path)
    risky.write_text('risk = "high"\nwhy = "a reason"\n' + risky.read_text())
    words = ["probe", path, "--allow-private"]
    refused = keepiton(*words)
    assert refused.returncode == 2
    assert "a reason" in refused.stderr
    assert "Your provider can see" in refused.stderr
    assert "--accept-risk high" in refused.stderr
    too_low = keepiton(*words, "--accept-risk", "medium")
    assert too_low.returncode == 2
    assert "Your provider can see" not in too_low.stderr, "said once, also by a refused run"
    assert server.connections == 0
    assert keepiton(*words, "--accept-risk", "high").returncode == 0
    memory = json.loads((tmp_path / "data" / "state.json").read_text())
    assert set(memory["accepted"]["high"]) == {"at", "consent"}
    assert keepiton(*words, "--again").returncode == 0, "accepted once, kept"


def test_flag_over_environment_over_project_over_user_configuration(
    keepiton: Command, answering: tuple[str, loopback.Server], tmp_path: Path
) -> None:
    path, _ = answering

    def vantage(*words: str, env: dict[str, str] | None = None) -> str:
        done = keepiton("probe", path, "--allow-private", "--again", *words, env=env)
        assert done.returncode == 0, done.stderr
        newest = max((tmp_path / "data").rglob("*.jsonl"), key=lambda file: file.stat().st_mtime_ns)
        return str(json.loads(newest.read_text().splitlines()[0])["vantage"])

    user = tmp_path / "config" / "keepiton"
    user.mkdir(parents=True)
    (user / "keepiton.toml").write_text('vantage = "from-user"\n')
    assert vantage() == "from-user"
    (tmp_path / "keepiton.toml").write_text('[probe]\nvantage = "from-project"\nconfirm = 0\n')
    assert vantage() == "from-project"
    assert vantage(env={"KEEPITON_VANTAGE": "from-env"}) == "from-env"
    assert vantage("--vantage", "from-flag", env={"KEEPITON_VANTAGE": "from-env"}) == "from-flag"


def test_unknown_keys_of_the_configuration_are_mistakes(keepiton: Command, tmp_path: Path) -> None:
    (tmp_path / "keepiton.toml").write_text('# mine\nvantag = "x"\n[probe]\ndead-line = 5\n')
    done = keepiton("targets", "check")
    assert done.returncode == 2
    assert "keepiton.toml:2: vantag: unknown key; did you mean vantage?" in done.stderr
    assert "keepiton.toml:4: dead-line: unknown key; did you mean deadline?" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["probe", "nowhere"], "nowhere: no such file or list; shipped lists: by/a1"),
        (["probe", "--vantage", "../x"], "write lower-case letters, digits and hyphens"),
        (["probe", "--resolver", "no way"], "not a resolver; write an address"),
        (["probe", "--confirm", "9"], "9 is not in the range"),
        (["report", "--tz", "Nowhere/Land"], "no such zone"),
        (["report", "--since", "yesterday"], "not a time; write 2022-02-27T08:00"),
        (["report", "missing.jsonl"], "missing.jsonl: no such file or folder"),
        (["reprot"], "No such command"),
    ],
)
def test_mistakes_are_exit_2_with_the_remedy(
    keepiton: Command, words: list[str], said: str
) -> None:
    done = keepiton(*words)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_no_data_is_exit_6(keepiton: Command, tmp_path: Path) -> None:
    for command in ("report", "status"):
        done = keepiton(command)
        assert (done.returncode, done.stdout) == (6, "")
        assert "begin with: keepiton probe" in done.stderr
    (tmp_path / "empty").mkdir()
    assert keepiton("report", "empty").returncode == 6
    samples = str(HERE / "data" / "format-1")
    assert keepiton("report", samples, "--since", "2023-01-01").returncode == 6
    assert keepiton("report", samples, "--target", "nobody").returncode == 6


def test_reports_read_files_folders_globs_and_filters(keepiton: Command, tmp_path: Path) -> None:
    samples = HERE / "data" / "format-1"
    for places in (
        [str(samples)],
        [str(samples / "*.jsonl*")],
        [str(one) for one in samples.iterdir()],
    ):
        done = keepiton("report", *places, "--format", "json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["basis"]["runs"] == 3
    only = keepiton("report", str(samples), "--operator", "beta", "--format", "json")
    assert 0 < json.loads(only.stdout)["basis"]["rounds"] < 30
    assert "alpha" not in only.stdout
    out = tmp_path / "report.md"
    assert keepiton("report", str(samples), "--format", "md", "-o", str(out)).stdout == ""
    assert out.read_text().startswith("## Disruptions")
    assert out.stat().st_mode & 0o777 == 0o600
    for command in (["status"], ["status", "--by", "target"]):
        assert "beta" in keepiton(*command, str(samples), "--tz", "Europe/Minsk").stdout
        assert ".test" not in keepiton(*command, str(samples), "--defang").stdout


CALM = "." * 20
OUT = "xxxxxx"


@pytest.fixture
def outage(tmp_path: Path) -> Path:
    """Result files of two vantages that saw an operator fail for an hour, and then no more."""
    marks = {"www.a.example@alpha": CALM + OUT + CALM, "b.example@alpha": CALM + OUT + CALM}
    watches = [Watch("v1", marks), Watch("v2", marks, late=STEP / 2)]
    timelines.write(tmp_path / "given", *watches)
    return tmp_path / "given"


def test_a_window_names_lines_that_show_its_failures(keepiton: Command, outage: Path) -> None:
    """Also where the file is packed by gzip; a line in another form has no number."""
    (squeezed := outage.parent / "gz").mkdir()
    for path in outage.rglob("*.jsonl"):
        (squeezed / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    for place, unpack in ((outage, bytes), (squeezed, gzip.decompress)):
        done = keepiton("report", str(place), "--format", "json")
        assert done.returncode == 0, done.stderr
        (window,) = json.loads(done.stdout)["windows"]
        assert (window["scope"], window["subject"]) == ("operator", "alpha")
        assert window["confidence_label"] == "confirmed by several vantages"
        assert len(window["evidence"]) >= 3
        shown = keepiton("report", str(place)).stdout
        for one in window["evidence"]:
            (path,) = place.rglob(one["file"])
            row = json.loads(unpack(path.read_bytes()).splitlines()[one["line"] - 1])
            assert (row["state"], row["run"]) == ("fail", one["run"])
            assert row["target"] == one["target"]
            assert row["target"] in window["targets"]
            assert f"  witness    {one['file']}:{one['line']} ({one['target']})" in shown
            assert keepiton("report", str(place), "--defang").stdout.count(one["target"]) == 0


def test_thresholds_come_from_a_file(keepiton: Command, outage: Path, tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text("# of mine\noperator_targets = 3\ncap_one_perspective = 0.9\n")
    for command in (["report", "--format", "json"], ["report"], ["status"]):
        assert keepiton(*command, str(outage), "--policy", str(path)).returncode == 0
    done = keepiton("report", str(outage), "--format", "json", "--policy", str(path))
    whole = json.loads(done.stdout)
    assert whole["policy"]["operator_targets"] == 3
    assert {one["scope"] for one in whole["windows"]} == {"target"}
    assert {one["confidence"] for one in whole["windows"]} == {0.9}
    shown = keepiton("report", str(outage), "--policy", str(path)).stdout
    assert "operator_targets=3 (usually 2), cap_one_perspective=0.9 (usually 0.95)" in (
        " ".join(shown.split()).replace(
            "cap_one_perspective=0.9 (usually 0.95), operator_targets=3 (usually 2)",
            "operator_targets=3 (usually 2), cap_one_perspective=0.9 (usually 0.95)",
        )
    )
    (tmp_path / "keepiton.toml").write_text(f'policy = "{path}"\n')
    done = keepiton("report", str(outage), "--format", "json")
    assert json.loads(done.stdout)["policy"]["operator_targets"] == 3, "by configuration too"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# x\noperator_shar = 0.5\n", ":2: operator_shar: no such threshold; did you mean"),
        ("zzz = 0.5\n", ":1: zzz: no such threshold; known: recovery_s, "),
        ('target_bad = "two"\n', ":1: target_bad: write a number, such as 2"),
        ("target_bad = true\n", ":1: target_bad: write a number"),
        ("cap = [1]\n", ":1: cap: write a number"),
        ("[cap]\nx = 1\n", ":1: cap: write a number"),
        ("\n\ncap = 1.5\n", ":3: cap: a share: must lie between 0 and 1"),
        ("cap_one_vantage = 0.7\ncap = 1.5\n", ":2: cap: a share"),
        ("open_below = 0\n", ":1: open_below: must be above 0"),
        ("recovery_s = -5\n", ":1: recovery_s: must be above 0"),
        ("recovery_s = nan\n", ":1: recovery_s: must be above 0"),
        ("recovery_s = inf\n", ":1: recovery_s: must be"),
        ("unit_least = 1\n", ":1: unit_least: must be below 0"),
        ("unit_least = nan\n", ":1: unit_least: must be below 0"),
        ("target_bad = 2.5\n", ":1: target_bad: "),
        ("target_bad = 0.5\n", ":1: target_bad: "),
        ("cap = \n", "cannot be used: "),
    ],
)
def test_a_threshold_that_cannot_be_meant_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        detection.policy_from(path)
    (line,) = str(caught.value).splitlines()
    assert line.removeprefix(str(path)).removeprefix(": ").startswith(said)


def test_every_mistake_in_thresholds_is_told_at_once(
    keepiton: Command, outage: Path, tmp_path: Path
) -> None:
    path = tmp_path / "policy.toml"
    path.write_text('cap = 2\nfull_fro = 1\nopen_below = "x"\n')
    for command in ("report", "status"):
        done = keepiton(command, str(outage), "--policy", str(path))
        assert (done.returncode, done.stdout) == (2, "")
        assert [line.split(": ")[1] for line in done.stderr.splitlines()] == [
            f"{path}:{number}" for number in (1, 2, 3)
        ]
    assert keepiton("report", str(outage), "--policy", "nowhere.toml").returncode == 2


def test_rounded_reports_withhold_what_leads_back(keepiton: Command, outage: Path) -> None:
    exact = json.loads(keepiton("report", str(outage), "--format", "json").stdout)
    (window,) = exact["windows"]
    for form in ("table", "json", "csv", "md"):
        shown = keepiton("report", str(outage), "--format", form, "--coarsen", "1h").stdout
        assert "alpha" in shown
        assert window["id"] not in shown
        for one in window["evidence"]:
            assert one["file"] not in shown
            assert one["run"] not in shown
        assert not re.search(r"2022-02-2\d[T ]\d\d:(?!00)", shown), form


def test_only_disruptions_make_fail_on_fail(
    keepiton: Command, outage: Path, tmp_path: Path
) -> None:
    words = ("--fail-on", "disruption", "--format", "json")
    assert keepiton("report", str(outage), *words).returncode == 3
    cut = Watch("v1", {"a@alpha": CALM + OUT + CALM}, line=CALM + OUT + CALM)
    timelines.write(tmp_path / "cut", cut)
    done = keepiton("report", str(tmp_path / "cut"), *words)
    assert done.returncode == 0, done.stderr
    whole = json.loads(done.stdout)
    assert whole["windows"] == []
    assert [one["scope"] for one in whole["vantage_outages"]] == ["own_line"]


def test_a_report_says_the_same_again_and_from_copies(
    keepiton: Command, outage: Path, tmp_path: Path
) -> None:
    """Read anew, from what was kept, from a merged folder, in one folder or as two."""
    data = tmp_path / "data"

    def told(*places: str) -> tuple[object, object]:
        whole = json.loads(keepiton("report", *places, "--format", "json").stdout)
        return whole["windows"], whole["basis"]

    first = told(str(outage))
    assert list((data / "cache").iterdir())
    assert told(str(outage)) == first
    assert told(str(outage / "v1"), str(outage / "v2")) == first
    shutil.copytree(outage, tmp_path / "merged" / "one")
    shutil.copytree(outage, tmp_path / "merged" / "two")
    assert told(str(tmp_path / "merged")) == first
    shutil.rmtree(data / "cache")
    assert told(str(outage)) == first


def test_since_finds_what_began_before_it(keepiton: Command, tmp_path: Path) -> None:
    """Noise and usual times are known from before; a long window is followed to its beginning."""
    watch = Watch("v1", {"a@alpha": "......" + "x     " * 24 * 23})
    timelines.write(tmp_path / "given", watch)
    words = ("--since", "2022-03-21", "--format", "json")
    done = keepiton("report", str(tmp_path / "given"), *words)
    assert done.returncode == 0, done.stderr
    (window,) = json.loads(done.stdout)["windows"]
    assert window["start_earliest"].startswith("2022-02-27T08:52")


def test_wipe_removes_all_that_is_ours_and_nothing_else(
    keepiton: Command, answering: tuple[str, loopback.Server], tmp_path: Path
) -> None:
    path, _ = answering
    keepiton("probe", path, "--allow-private")
    assert keepiton("report").returncode == 0
    data = tmp_path / "data"
    assert list((data / "cache").iterdir()), "what was read is kept"
    (data / "letter.txt").write_text("mine")
    config = tmp_path / "config" / "keepiton"
    config.mkdir(parents=True)
    (config / "keepiton.toml").write_text('vantage = "x"\n')
    refused = keepiton("wipe", stdin="n\n")
    assert refused.returncode != 0
    assert (data / "results").is_dir()
    assert keepiton("wipe", "--yes").returncode == 0
    assert [one.name for one in data.iterdir()] == ["letter.txt"]
    assert not config.exists()
    (data / "letter.txt").unlink()
    assert keepiton("wipe", "--yes").returncode == 0


def on_terminal(words: list[str], answers: str, folder: Path, **env: str) -> tuple[int, str]:
    """Run a command on a terminal of its own, type answers, and return what it showed."""
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [KEEPITON, *words],
        stdin=child,
        stdout=child,
        stderr=child,
        close_fds=True,
        cwd=folder,
        env=os.environ
        | {
            "HOME": str(folder),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "KEEPITON_DATA": str(folder / "data"),
            "PYTHONPATH": str(HERE / "guard"),
            "TERM": "xterm",
            "COLUMNS": "100",
        }
        | env,
    )
    os.close(child)
    os.write(parent, answers.encode())
    shown = b""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        ready, _, _ = select.select([parent], [], [], 0.2)
        if ready:
            try:
                shown += os.read(parent, 65_536)
            except OSError:
                break
        elif process.poll() is not None:
            break
    code = process.wait(10)
    os.close(parent)
    return code, shown.decode("utf-8", "replace")


@pytest.mark.slow
def test_on_a_terminal_it_asks_shows_a_bar_and_sums_up(
    answering: tuple[str, loopback.Server], tmp_path: Path
) -> None:
    path, _ = answering
    words = ["probe", path, "--allow-private", "--again"]
    code, shown = on_terminal(words, "inside\nmy-vantage\n", tmp_path)
    assert code == 0, shown
    assert "Is this machine inside or outside" in shown
    assert "A name for this vantage" in shown
    assert "Targets: 1 answered, 0 failed, 0 inconclusive, 0 skipped." in shown
    assert "This machine's own line is up (1 of 1 foreign controls answered)." in shown
    run = json.loads(next((tmp_path / "data").rglob("*.jsonl")).read_text().splitlines()[0])
    assert (run["vantage"], run["perspective"]) == ("my-vantage", "inside")
    code, shown = on_terminal(words, "", tmp_path, NO_COLOR="1")
    assert "inside or outside" not in shown, "asked once"
    assert "Results: " in shown
    for colour in ("\x1b[31m", "\x1b[32m", "\x1b[1;"):
        assert colour not in shown
    code, shown = on_terminal([*words, "-q"], "", tmp_path)
    assert (code, shown) == (0, "")


def test_what_is_written_says_nothing_of_its_machine(
    keepiton: Command, answering: tuple[str, loopback.Server], tmp_path: Path
) -> None:
    path, _ = answering
    keepiton("probe", path, "--allow-private", "--resolver", "192.168.7.1", "--resolver", "system")
    assert keepiton("report").returncode == 0
    everything = b"".join(
        file.read_bytes() for file in (tmp_path / "data").rglob("*") if file.is_file()
    ).decode("latin-1")
    assert "192.168.7.1" not in everything
    assert str(tmp_path) not in everything
    assert not traces(everything)


def test_findings_name_rule_artefact_and_lines(keepiton: Command, tmp_path: Path) -> None:
    """A block page of a known operator is named; what was merely refused is not judged."""
    place = "Location: http://82.209.230.23/\r\n"
    talk = loopback.answering(loopback.page(b"", "302 Found", place))
    with (
        loopback.serving(loopback.answering(loopback.page())) as good,
        loopback.serving(talk) as server,
    ):
        path = tmp_path / "list.toml"
        path.write_text(
            'title = "x"\n'
            f'[[target]]\nid = "site"\nurl = "http://127.0.0.1:{server.port}/"\n'
            '[[target]]\nid = "gone"\nurl = "http://127.0.0.1:1/"\n'
            + "".join(
                f'[[target]]\nid = "c{n}"\nurl = "http://127.0.0.1:{good.port}/"\n'
                'control = "foreign"\n'
                for n in range(1)
            )
        )
        forbid = tmp_path / "forbidden.txt"
        forbid.write_text("82.209.230.23\n")
        words = ("probe", str(path), "--allow-private", "--pause", "0")
        done = keepiton(*words, "--perspective", "inside", "--do-not-probe", str(forbid))
        assert done.returncode == 0, done.stderr
    found = json.loads(keepiton("findings", "--format", "json").stdout)
    by_target = {one["target"]: one for one in found if one["kind"] != "insufficient"}
    one = by_target["site"]
    assert (one["kind"], one["artefact"]) == ("interference", "fingerprint:beltelecom-address")
    (result,) = (tmp_path / "data").rglob("*.jsonl")
    (at,) = one["rows"]
    witness = json.loads(result.read_text().splitlines()[at - 1])
    assert (witness["target"], witness["fingerprint"]) == ("site", "beltelecom-address")
    shown = keepiton("findings", "--defang", str(result)).stdout
    assert "fingerprint:beltelecom-address" in shown
    assert "gone" in shown
    assert keepiton("findings", "--target", "nothing").returncode == 6
    assert keepiton("findings", str(path)).returncode == 2


@pytest.mark.slow
@pytest.mark.parametrize("missing", ["numpy", "duckdb"])
def test_where_readers_cannot_be_had_it_says_so(outage: Path, missing: str) -> None:
    """As on Android: the rest of the program works without them."""
    script = f"import sys; sys.modules[{missing!r}] = None; from keepiton.cli import main; main()"
    readers = ("report", "status", "findings")
    told = {("--help",): 0} | {(one, str(outage)): 2 for one in readers}
    for words, code in told.items():
        done = subprocess.run(
            [sys.executable, "-c", script, *words], capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stderr
        assert ("not installed here" in done.stderr) == (code == 2)
        assert "Traceback" not in done.stderr
