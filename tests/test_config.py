"""Configuration: what wins, what is refused and where, what is shown and where it comes from."""

import json
import os
import re
import subprocess
import sys
import time
import tomllib
from itertools import combinations
from pathlib import Path
from typing import Any

import click
import pytest

import generate
from conftest import Command
from keepiton.base.errors import UserError
from keepiton.base.toml_lines import line_of
from keepiton.cli import config_layers
from keepiton.cli import keepiton as program
from keepiton.cli.settings_file import read_toml

LAYERS = ("system", "user", "project", "environment", "flag")
NUMBER = "a number, 0.1 at least, 5000 at most"
BARE = {"KEEPITON_DATA": "", "KEEPITON_NO_DOH": ""}
"""Without what the tests set everywhere: an empty variable is none."""


def test_every_key_is_on_its_page() -> None:
    assert generate.CONFIGURATION.read_text() == generate.configuration_page()


def test_the_examples_of_the_page_hold(keepiton: Command, tmp_path: Path) -> None:
    text = generate.CONFIGURATION.read_text()
    (example,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    (shown,) = re.findall(r"```console\n\$ keepiton (.*?)\n(.*?)```", text, re.DOTALL)
    write(tmp_path, "user", example.replace("rate = 50\nno-doh = true\n", ""))
    write(tmp_path, "project", 'resolver = ["9.9.9.9"]\nlang = "en"\nperspective = "outside"\n')
    done = keepiton(*shown[0].split(), env=BARE | {"KEEPITON_PROBE_RATE": "50"})
    home = str(tmp_path / "config")
    said = done.stdout.replace(home, "/home/me/.config").splitlines()
    for line in shown[1].splitlines()[4:]:
        assert line in said, said


FILES = {
    "system": Path("system/keepiton/keepiton.toml"),
    "user": Path("config/keepiton/keepiton.toml"),
    "project": Path("keepiton.toml"),
}


def write(folder: Path, layer: str, text: str | bytes) -> Path:
    """Write the file of a layer."""
    path = folder / FILES[layer]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.fixture(autouse=True)
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's file lies in the folder of the test, too."""
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "system"))


@pytest.mark.parametrize(
    ("far", "near", "key", "named"),
    [
        *((*pair, "since", "KEEPITON_REPORT_SINCE") for pair in combinations(LAYERS, 2)),
        ("project", "environment", "tz", "KEEPITON_TZ"),
        ("environment", "flag", "tz", "KEEPITON_TZ"),
    ],
)
def test_the_nearer_wins(
    keepiton: Command, tmp_path: Path, far: str, near: str, key: str, named: str
) -> None:
    """Also where it stands at the top, and the farther one in the table of the command."""
    words, env = ["report"], {}
    for layer, table in ((far, "[report]\n"), (near, "")):
        if layer == "flag":
            words += [f"--{key}", "from-flag"]
        elif layer == "environment":
            env[named] = "from-environment"
        else:
            write(tmp_path, layer, f'{table}{key} = "from-{layer}"\n')
    done = keepiton(*words, env=env)
    assert done.returncode == 2
    assert f"--{key} from-{near}: " in done.stderr


def shown(keepiton: Command, *words: str, **env: str) -> dict[tuple[str, str], tuple[object, str]]:
    """Return the values and origins that config show gives, by command and key."""
    done = keepiton("config", "show", "--format", "json", *words, env=BARE | env)
    assert done.returncode == 0, done.stderr
    values = json.loads(done.stdout)["values"]
    return {(one["command"], one["key"]): (one["value"], one["origin"]) for one in values}


def test_the_table_of_the_command_wins_over_what_stands_around_it(
    keepiton: Command, tmp_path: Path
) -> None:
    text = '[targets.check]\nschema = true\n[targets]\nallow_private = true\n[probe]\nlang = "be"\n'
    write(tmp_path, "project", f'lang = "en"\nallow-private = false\n{text}')
    found = shown(keepiton)
    assert found["report", "lang"] == ("en", "keepiton.toml:1")
    assert found["probe", "lang"] == ("be", "keepiton.toml:8")
    assert found["probe", "allow-private"] == (False, "keepiton.toml:2")
    assert found["targets check", "schema"] == (True, "keepiton.toml:4")
    for one in ("targets check", "targets list"):
        assert found[one, "allow-private"] == (True, "keepiton.toml:6")
    assert '"title"' in keepiton("targets", "check").stdout, "a nested command does as it is told"


def test_a_key_at_the_top_holds_for_those_commands_that_can_take_the_value(
    keepiton: Command, tmp_path: Path
) -> None:
    write(tmp_path, "project", 'format = "html"\n')
    found = shown(keepiton)
    assert found["report", "format"] == ("html", "keepiton.toml:1")
    assert ("findings", "format") not in found


def test_lists_flags_and_negative_flags_do_what_they_say(keepiton: Command, tmp_path: Path) -> None:
    """A dry run says what would be asked."""

    def asked(*words: str, **env: str) -> tuple[str, bool]:
        done = keepiton("probe", *words, env=BARE | env)
        assert done.returncode == 0, done.stderr
        (names,) = re.findall(r"Names would be asked of: (.*) \(", done.stdout)
        return names, "left out with --no-doh" in done.stdout

    write(tmp_path, "user", '[probe]\nno-doh = true\nresolver = ["1.1.1.1"]\ndry-run = true\n')
    assert asked() == ("1.1.1.1", False)
    write(tmp_path, "project", 'no_doh = false\nresolver = ["tcp://8.8.8.8", "9.9.9.9"]\n')
    assert asked() == ("tcp://8.8.8.8, 9.9.9.9", True)
    variables = {"KEEPITON_RESOLVER": "8.8.8.8 1.1.1.1", "KEEPITON_PROBE_QUIC": "no"}
    assert asked(**variables) == ("8.8.8.8, 1.1.1.1", True)


def test_every_mistake_of_every_file_is_told_at_once_with_its_line(
    keepiton: Command, tmp_path: Path
) -> None:
    user = write(tmp_path, "user", '\nvantag = "x"\n\n[prob]\nrate = 5\n')
    write(
        tmp_path,
        "project",
        '# rate = 1\ncontact = """\nrate = 7\n"""\n'
        "rate = 9_000 # too much\n"
        "drill = true\n"
        "zzzzzz = 1\n"
        'accept-risk = "high"\n'
        "[report]\n"
        '  "format"   = "pdf"\n'
        "rate = 5\n"
        "events = 'one.toml'\n"
        "compare = ['a', 3]\n"
        "[probe]\n"
        "no-doh = 1\n"
        "no_doh = true\n"
        "confirm = 1.0\n"
        'pause = "5"\n'
        "jitter = nan\n"
        "max-bytes = true\n"
        "vantage = 5\n"
        "roots = '/nowhere/at/all.pem'\n"
        "rate.fast = 5\n"
        "[targets.chek]\n"
        "[targets.check]\nall = true\n"
        "[[status]]\n",
    )
    done = keepiton("explain")
    assert done.returncode == 2
    assert done.stdout == ""
    said = [one.removeprefix("keepiton: ") for one in done.stderr.splitlines()]
    keys = config_layers.keys(program)
    known = sorted({one.name for one in keys})
    formats = "table, md, html, csv, json, jsonl, atom, prometheus, svg, png, disclosure"
    where, every = (
        ", ".join(sorted({" ".join(one.command) for one in keys if one.name == name}))
        for name in ("rate", "all")
    )
    own = "not taken from the file of a folder; write it into the user's keepiton.toml"
    there = "the path of a file that is there"
    assert said == [
        f"{user}:2: vantag: unknown key; did you mean vantage?",
        f"{user}:4: prob: unknown table; did you mean probe?",
        f"keepiton.toml:5: rate: cannot be 9000; write {NUMBER}",
        "keepiton.toml:6: drill: a command; write a table, [drill]",
        f"keepiton.toml:7: zzzzzz: unknown key; known: {', '.join(known)}",
        f"keepiton.toml:8: accept-risk: {own}",
        f'keepiton.toml:10: format: cannot be "pdf"; write one of {formats}, disclosure-html',
        f"keepiton.toml:11: rate: unknown key in [report]; an option of: {where}",
        'keepiton.toml:12: events: cannot be "one.toml"; write a list, each the path of a file',
        "keepiton.toml:13: compare: cannot be 3; write a list, each the path of a file",
        "keepiton.toml:15: no-doh: cannot be 1; write true or false",
        "keepiton.toml:16: no_doh: written twice here; leave one of them",
        "keepiton.toml:17: confirm: cannot be 1.0; write a whole number, 0 at least, 2 at most",
        'keepiton.toml:18: pause: cannot be "5"; write a number, 0 at least, 60 at most',
        "keepiton.toml:19: jitter: cannot be NaN; write a number, 0 at least, 86400 at most",
        "keepiton.toml:20: max-bytes: cannot be true; write a whole number, 10000 at least",
        "keepiton.toml:21: vantage: cannot be 5; write text",
        f"keepiton.toml:22: roots: File '/nowhere/at/all.pem' does not exist; write {there}",
        f"keepiton.toml:23: rate: cannot be a table; write {NUMBER}",
        "keepiton.toml:24: chek: unknown table; did you mean check?",
        f"keepiton.toml:26: all: unknown key in [targets.check]; an option of: {every}",
        "keepiton.toml:27: status: a command; write a table, [status]",
    ]


def test_a_wrong_variable_is_named(keepiton: Command, tmp_path: Path) -> None:
    wrong = {"KEEPITON_PROBE_RATE": "fast", "KEEPITON_PERSPECTIVE": "in", "KEEPITON_NO_DOH": "x"}
    done = keepiton("probe", "--dry-run", env=wrong)
    assert done.returncode == 2
    assert sorted(done.stderr.splitlines()) == [
        'keepiton: KEEPITON_NO_DOH: cannot be "x"; write true or false',
        'keepiton: KEEPITON_PERSPECTIVE: cannot be "in"; write one of inside, outside',
        f'keepiton: KEEPITON_PROBE_RATE: cannot be "fast"; write {NUMBER}',
    ]
    assert keepiton("explain", env=wrong).returncode == 0, "it is not what this command reads"
    write(tmp_path, "project", 'lang = "en"\n')
    assert keepiton("explain", env=wrong).returncode == 0, "though every command is known now"
    assert keepiton("config", "show", env=wrong).returncode == 2, "but this one reads all"


def test_every_option_has_a_variable_of_its_own_or_one_that_is_shared_on_purpose() -> None:
    by_name: dict[str, set[bool]] = {}
    for key in config_layers.keys(program):
        assert re.fullmatch(r"KEEPITON(_[A-Z0-9]+)+", key.variable)
        by_name.setdefault(key.variable, set()).add(bool(key.option.envvar))
        if not key.option.envvar:
            words = [*key.command, key.name]
            assert key.variable == "_".join(["KEEPITON", *words]).upper().replace("-", "_")
    assert all(len(given) == 1 for given in by_name.values())


def test_each_value_has_its_origin(keepiton: Command, tmp_path: Path) -> None:
    system = write(tmp_path, "system", "\n[report]\ndefang = true\n")
    user = write(tmp_path, "user", 'report = {tz = "UTC"}\n[status]\nby = "stage"\n')
    write(tmp_path, "project", "report.until = '24h'\n")
    done = keepiton(
        *("config", "show", "report", "--origin", "--all"),
        env=BARE | {"KEEPITON_REPORT_COARSEN": "5m", "KEEPITON_REPORT_COMPARE": f"a{os.pathsep}b"},
    )
    assert (done.returncode, done.stderr.count("\n")) == (0, strangers(done.stderr))
    lines = done.stdout.splitlines()
    assert lines[1:4] == [
        f"# system   {system}  (read)",
        f"# user     {user}  (read)",
        "# project  keepiton.toml  (read)",
    ]
    assert lines[5] == "[report]"
    for line in (
        f"defang = true  # {system}:3",
        f'tz = "UTC"  # {user}:1',
        'until = "24h"  # keepiton.toml:1',
        'coarsen = "5m"  # environment KEEPITON_REPORT_COARSEN',
        'compare = ["a", "b"]  # environment KEEPITON_REPORT_COMPARE',
        "# since: not set  # default",
    ):
        assert line in lines
    assert "status" not in done.stdout
    by_json = shown(keepiton, "probe", "--all")
    assert by_json["probe", "confirm"] == (1, "default")
    assert by_json["probe", "rate"] == (20.0, "default")
    assert by_json["probe", "vantage"] == (None, "default")


def strangers(text: str) -> int:
    """Count the notes about variables that set nothing: the tests' own are such."""
    return text.count(": sets nothing; ")


def test_files_looked_for_are_named_there_or_not(keepiton: Command, tmp_path: Path) -> None:
    done = keepiton("config", "show", "--origin", env=BARE)
    assert done.stdout.splitlines()[1:] == [
        f"# system   {tmp_path / FILES['system']}  (not there)",
        f"# user     {tmp_path / FILES['user']}  (not there)",
        "# project  keepiton.toml  (not there)",
        "",
        "# Nothing is set.",
    ]
    write(tmp_path, "user", 'lang = "en"\n')
    done = keepiton("config", "show", "--format", "json", env=BARE)
    assert [(one["layer"], one["read"]) for one in json.loads(done.stdout)["files"]] == [
        ("system", False),
        ("user", True),
        ("project", False),
    ]
    assert str(tmp_path) not in keepiton("config", "show", env=BARE).stdout


def leaves(table: dict[str, Any]) -> dict[str, object]:
    """Return the values of nested tables by dotted key."""
    found: dict[str, object] = {}
    for name, one in table.items():
        if isinstance(one, dict):
            found |= {f"{name}.{key}": value for key, value in leaves(one).items()}
        else:
            found[name] = one
    return found


def test_what_is_shown_can_be_saved_and_shows_the_same(keepiton: Command, tmp_path: Path) -> None:
    odd = 'a "b" \\ \x1b[31m\u202e # ё 🙂 \x7f'
    write(
        tmp_path,
        "user",
        f'lang = "be"\nvantage = "v"\n[probe]\ncontact = {json.dumps(odd[:14])}\nlang = "ru"\n'
        "rate = 50\npause = 1e-5\nmax-bytes = 0x100000\n[results]\n[targets.list]\nall = true\n",
    )
    env = BARE | {
        "KEEPITON_DATA": str(tmp_path / odd),
        "KEEPITON_RESOLVER": "system 192.0.2.1",
        "KEEPITON_PROBE_QUIC": "yes",
        "KEEPITON_PROBE_JITTER": "3",
    }
    for words in ([], ["--all"], ["probe", "--origin"]):
        first = keepiton("config", "show", *words, env=env)
        assert first.returncode == 0, first.stderr
        assert all(one.isprintable() for one in first.stdout.replace("\n", ""))
        assert tomllib.loads(first.stdout) is not None
        saved = tmp_path / "other"
        (saved / "keepiton").mkdir(parents=True, exist_ok=True)
        (saved / "keepiton" / "keepiton.toml").write_text(first.stdout)
        again = keepiton("config", "show", *words, env=BARE | {"XDG_CONFIG_HOME": str(saved)})
        plain = [re.sub(r"  # .*", "", one) for one in first.stdout.splitlines()]
        assert [re.sub(r"  # .*", "", one) for one in again.stdout.splitlines()][-9:] == plain[-9:]
        if "--origin" not in words:
            assert again.stdout == first.stdout
    whole = tomllib.loads(keepiton("config", "show", env=env).stdout)
    every = tomllib.loads(keepiton("config", "show", "--all", env=env).stdout)
    assert leaves(every) == leaves(whole), "defaults are comments"
    assert whole["data"] == str(tmp_path / odd)
    assert whole["vantage"] == "v"
    assert whole["probe"]["lang"] == "ru"
    assert whole["report"]["lang"] == "be"
    assert whole["probe"] | {"quic": True, "jitter": 3.0, "rate": 50} == whole["probe"]


def test_variables_that_set_nothing_are_named_where_one_looks(keepiton: Command) -> None:
    odd = {"KEEPITON_PROBE_RAET": "5", "KEEPITON_PROBE_TZ_": "x", "KEEPITON_REPORT_TZ": "secret"}
    assert "RAET" not in keepiton("explain", env=odd).stderr
    done = keepiton("config", "show", "report", env=odd)
    assert done.returncode == 0
    said = done.stderr.splitlines()
    assert "keepiton: KEEPITON_PROBE_RAET: sets nothing; did you mean KEEPITON_PROBE_RATE?" in said
    assert "keepiton: KEEPITON_REPORT_TZ: sets nothing; did you mean KEEPITON_TZ?" in said
    assert "secret" not in done.stdout + done.stderr
    assert "KEEPITON_DATA" not in done.stderr


def test_what_may_hold_a_password_is_never_shown(keepiton: Command, tmp_path: Path) -> None:
    """Neither in any form nor when the key is mistaken."""
    write(tmp_path, "user", 'on-change = "curl -H hunter2"\n[report]\nengine = "x://u:hunter2@h"\n')
    env = BARE | {"KEEPITON_ENGINE": "clickhouse://u:hunter2@h/d"}
    for words in ([], ["--origin"], ["--all"], ["--format", "json"]):
        done = keepiton("config", "show", *words, env=env)
        assert done.returncode == 0
        assert "hunter2" not in done.stdout + done.stderr
    origin = keepiton("config", "show", "--origin", env=env).stdout
    assert "\n# engine: set, not shown  # environment KEEPITON_ENGINE\n" in origin
    assert tomllib.loads(origin) == {}


def test_a_command_that_there_is_not_is_a_mistake(keepiton: Command) -> None:
    done = keepiton("config", "show", "prob")
    assert done.returncode == 2
    assert "config show prob: no such command; did you mean probe?" in done.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x80\x02\x00binary", "cannot be used: 'utf-8' codec can't decode byte 0x80"),
        (b"\x00\x01", "cannot be used: "),
        (b"# " + b"x" * 10_000_000, "larger than 16384 bytes; not a file of settings"),
        (b"x = " + b"[" * 16_000, "cannot be used: "),
        (b"rate = 0x" + b"f" * 16_000, ":1: rate: cannot be so large; write a number"),
        (b"rate" + b".a" * 2_000 + b" = 1\n", ":1: rate: cannot be a table; write a number"),
        (b"a = 1\na = 2\n", "cannot be used: "),
        (b'"\\u001b[31m" = 1\n', ":1: \N{REPLACEMENT CHARACTER}[31m: unknown key; "),
        (b"".join(b"k%d = 1\n" % n for n in range(1_500)), "and more; not read any further"),
        ("folder", "not a file; "),
        ("pipe", "not a file; "),
        ("circle", "cannot be used: Too many levels of symbolic links"),
    ],
)
def test_a_hostile_file_of_any_layer_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | str, said: str
) -> None:
    """In a moment, whatever it holds."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for layer in FILES:
        place(tmp_path, layer, content)
    began = time.monotonic()
    with pytest.raises(UserError) as caught:
        config_layers.settings(program)
    assert time.monotonic() - began < 10, "some seconds at the most, on a busy machine"
    told = str(caught.value).splitlines()
    for name in (FILES["project"], tmp_path / FILES["system"], tmp_path / FILES["user"]):
        assert any(line.startswith(f"{name}:") and said in line for line in told)
    assert len(str(caught.value)) < 200_000
    assert "\x1b" not in str(caught.value)


def place(folder: Path, layer: str, content: bytes | str) -> None:
    """Put bytes, or a thing of the file system, where a layer's file lies."""
    path = write(folder, layer, content if isinstance(content, bytes) else b"")
    if isinstance(content, bytes):
        return
    path.unlink()
    if content == "folder":
        path.mkdir()
    elif content == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(path if content == "circle" else content)


def test_a_hostile_file_ends_the_command(keepiton: Command, tmp_path: Path) -> None:
    place(tmp_path, "project", "folder")
    place(tmp_path, "user", "/proc/self/mem")
    done = keepiton("explain")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        f"keepiton: {tmp_path / FILES['user']}: cannot be used: Input/output error",
        "keepiton: keepiton.toml: not a file; remove it, or write settings into one of this name",
    ]


def test_a_mark_of_utf_8_and_windows_line_ends_are_taken(keepiton: Command, tmp_path: Path) -> None:
    write(tmp_path, "project", b'\xef\xbb\xbf# mine\r\nlang = "en"\r\n')
    assert shown(keepiton)["report", "lang"] == ("en", "keepiton.toml:2")


def test_a_folder_that_may_not_be_entered_counts_as_one_without_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor one whose name is a file's."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir("/")
    path = write(tmp_path, "user", 'lang = "en"\n')
    assert config_layers.present_files() == {"user": path}
    root = os.geteuid() == 0  # whom modes do not stop
    path.parent.chmod(0)
    try:
        if root:
            os.seteuid(65534)
        assert config_layers.present_files() == {}
    finally:
        if root:
            os.seteuid(0)
        path.parent.chmod(0o700)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(path))
    assert config_layers.present_files() == {}


def test_a_user_file_called_in_its_own_folder_is_the_users(tmp_path: Path) -> None:
    """Consent in it holds there, too."""
    path = write(tmp_path, "user", 'accept-risk = "high"\n')
    done = subprocess.run(
        [sys.executable, "-m", "keepiton", "config", "show", "--origin", "probe"],
        cwd=path.parent,
        env=os.environ | BARE | {"XDG_CONFIG_HOME": str(tmp_path / "config")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f'accept-risk = "high"  # {path}:1' in done.stdout
    assert "# project  keepiton.toml  (not read)" in done.stdout


def test_what_is_a_persons_own_is_an_option_that_there_is() -> None:
    assert {key.name for key in config_layers.keys(program)} >= config_layers.OWN


HEAVY = {"asyncio", "duckdb", "httpx2", "numpy", "pydantic", "rich", "ssl", "jinja2", "babel"}


def loaded(folder: Path, *words: str) -> set[str]:
    """Run a command without any variable of ours; return the modules it loaded."""
    code = (
        "import sys\nfrom keepiton.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(' '.join(sys.modules), file=sys.stderr)"
    )
    env = {key: one for key, one in os.environ.items() if not key.startswith("KEEPITON_")}
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=folder,
        env=env | {"XDG_CONFIG_HOME": str(folder / "config")},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stderr.split())


def test_without_configuration_nothing_of_it_is_loaded_and_with_it_nothing_heavy(
    tmp_path: Path,
) -> None:
    words = ("explain", "own_line")
    bare = loaded(tmp_path, *words)
    assert "keepiton.cli.explain" in bare
    assert not {"keepiton.cli.config_layers", "keepiton.cli.report", "difflib"} & bare
    assert "tomllib" not in loaded(tmp_path, "--help")
    write(tmp_path, "project", 'lang = "en"\n')
    given = loaded(tmp_path, *words)
    assert {"keepiton.cli.config_layers", "keepiton.cli.report", "tomllib"} <= given
    assert not {one.split(".")[0] for one in given - bare} & HEAVY
    assert "difflib" not in given
    assert "keepiton.cli.config_layers" not in loaded(tmp_path, "--help")


class Own(click.ParamType[object]):
    """A kind of text that some command may have."""

    name = "own"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> object:
        """Refuse one text."""
        if value == "bad":
            self.fail("bad: write good", param, ctx)
        return value


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        (click.Option(["--a"], type=Own()), "bad", "bad: write good"),
        (click.Option(["--a"], type=Own()), "good", None),
        (click.Option(["--a"], type=Own(), multiple=True), ["good", "bad"], "bad: write good"),
        (click.Option(["--a"], count=True), 3, None),
        (click.Option(["--a"], count=True), -1, "-1; write a whole number, 0 at least"),
        (click.Option(["--a/--no-a"], default=True), False, None),
        (click.Option(["--a"], type=int), "1", '"1"; write a whole number'),
        (click.Option(["--a"], type=float, multiple=True), [1, 2.5], None),
        (click.Option(["--a"], type=float, multiple=True), [1, True], "cannot be true; "),
        (click.Option(["--a"]), "x" * 10_000, None),
        (click.Option(["--a"], type=click.Choice(["b"])), "x" * 10_000, "…; write one of b"),
    ],
)
def test_each_kind_of_option_takes_its_kind_of_value(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    option: click.Option,
    value: object,
    said: str | None,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "keepiton.toml").write_text(f"[run]\na = {json.dumps(value)}\n")
    group = click.Group("group", {"run": click.Command("run", params=[option])})
    if said is None:
        assert config_layers.defaults(group, "run") == {"run": {"a": value}}
        return
    with pytest.raises(UserError) as caught:
        config_layers.defaults(group, "run")
    assert said in str(caught.value)
    assert len(str(caught.value)) < 200


def test_lines_are_found_in_any_way_of_writing(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(
        'a.b = 1\n"c" = """\nd = 2\n"""\nd = 3\n[ e . f ]\n\'g\' = [\n1]\n[[h]]\ni = {j = 1}\n'
    )
    lines, _ = read_toml(path)
    for key, number in {
        "a.b": 1,
        "c": 2,
        "d": 5,
        "e.f": 6,
        "e.f.g": 7,
        "h": 9,
        "h.0.i.j": 10,
        "k": 1,
    }.items():
        names = (int(name) if name.isdecimal() else name for name in key.split("."))
        assert line_of(lines, *names) == number, key
