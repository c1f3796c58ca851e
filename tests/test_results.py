"""Result files: sealed, linked, readable after anything."""

import gzip
import hashlib
import json
import os
import signal
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import jsonschema
import pytest
from pydantic import TypeAdapter

import generate
import loopback
import timelines
from conftest import Command
from keepiton.base.connectivity import Connectivity
from keepiton.base.errors import UserError
from keepiton.base.types import STAGES
from keepiton.detect import Policy, detect
from keepiton.lists.load import LoadedLists
from keepiton.lists.types import Target
from keepiton.probe import run as probing
from keepiton.probe.settings import Settings
from keepiton.probe.types import Progress, TargetResult
from keepiton.storage import reader, result_files, state
from keepiton.storage import writer as write
from keepiton.storage.database import connect
from keepiton.storage.rounds import FAILED, NO_CLOCK, TRIED
from keepiton.storage.rows import End, ListUsed, Measurement, Run
from keepiton.storage.run_name import RunName
from lab import KEEPITON
from timelines import START, STEP, Watch, plain, rounds, said

AT = datetime(2022, 2, 27, 12, 0, 3, tzinfo=UTC)
SAMPLES = Path(__file__).parent / "data" / "format-1"
DOCS = Path(__file__).parent.parent / "docs"


def a_run(run: str = "0123456789ab", vantage: str = "v-test") -> Run:
    return Run(
        run=run,
        software={"keepiton": "0"},
        vantage=vantage,
        perspective="outside",
        lists=(ListUsed(name="x", sha256="0" * 64, targets=1),),
        targets=1,
        settings={},
        planned_at=AT,
        started_at=AT,
    )


def a_row(number: int, run: str = "0123456789ab") -> Measurement:
    return Measurement(
        run=run, target=f"t{number}", stage="tcp", at=AT, state="ok", address="5.45.64.9", port=443
    )


def test_a_sealed_file_is_named_private_and_verifiable_with_common_tools(tmp_path: Path) -> None:
    writer = write.Writer(tmp_path, a_run())
    assert writer.part.name == "20220227T120003Z-v-test-0123456789ab.jsonl.part"
    for number in range(3):
        writer.add(a_row(number))
    whole = writer.seal(datetime.now(UTC), "finished", Connectivity.UP, 4096, 12, 0.0, "f" * 64)
    writer.close()
    path = write.publish(writer.part)
    assert path == tmp_path / "results/2022/02/27/20220227T120003Z-v-test-0123456789ab.jsonl"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    *before, last = path.read_bytes().splitlines(keepends=True)
    end = End.model_validate_json(last)
    assert end.sha256 == hashlib.sha256(b"".join(before)).hexdigest()
    assert (end.measurements, end.states, end.previous) == (3, {"ok": 3}, "f" * 64)
    sums = subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True)
    assert sums.stdout.split()[0] == whole


def test_what_is_written_reads_back(tmp_path: Path) -> None:
    writer = write.Writer(tmp_path, a_run())
    rows = [a_row(number) for number in range(5)]
    for row in rows:
        writer.add(row)
    writer.close()
    lines = writer.part.read_bytes().splitlines()
    assert Run.model_validate_json(lines[0]) == a_run()
    assert [Measurement.model_validate_json(line) for line in lines[1:]] == rows


@pytest.mark.parametrize("cut", [0, 1, 40, 90])
def test_a_torn_file_is_sealed_without_changing_what_it_holds(tmp_path: Path, cut: int) -> None:
    writer = write.Writer(tmp_path, a_run())
    for number in range(3):
        writer.add(a_row(number))
    writer.close()
    content = writer.part.read_bytes()
    content = content[: len(content) - cut]
    writer.part.write_bytes(content)
    found = write.recover(tmp_path, RunName.of(a_run()), "e" * 64)
    assert found
    part, whole = found
    path = write.publish(part)
    assert path.read_bytes().startswith(content)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == whole
    *before, last = path.read_bytes().splitlines(keepends=True)
    end = End.model_validate_json(last)
    assert (end.reason, end.measurements) == ("recovered", 3 if cut < 2 else 2)
    assert end.sha256 == hashlib.sha256(b"".join(before)).hexdigest()
    rows = reader.read([str(path)])
    assert sum(rows.bad_lines.values()) == (1 if cut > 1 else 0)


def test_recovery_goes_nowhere_a_name_should_not_lead(tmp_path: Path) -> None:
    (tmp_path / "precious.jsonl.part").write_text("x")
    for name in ("precious.jsonl", "../precious.jsonl", "results/../precious.jsonl", ""):
        assert RunName.parse_path(name) is None
        memory = state.DataFolderState(open_file=name)
        assert probing.seal_left_behind(tmp_path, memory) is None
    assert (tmp_path / "precious.jsonl.part").read_text() == "x"


def test_the_published_schema_is_that_of_the_models() -> None:
    schema = TypeAdapter(Run | Measurement | End).json_schema()
    published = json.loads(generate.RESULT_LINE.read_text())
    assert published == schema
    valid = jsonschema.Draft202012Validator(published)
    for path in SAMPLES.glob("*.jsonl"):
        for line in path.read_text().splitlines():
            valid.validate(json.loads(line))


def test_the_format_page_names_every_field() -> None:
    page = (DOCS / "reference" / "data-format.md").read_text()
    for model in (Run, Measurement, End, ListUsed):
        for name in model.model_fields:
            assert f"`{name}`" in page, f"{model.__name__}.{name}"


def test_the_first_version_stays_readable_for_ever() -> None:
    """These files are never made anew: a change that cannot read them breaks the format."""
    rows = reader.read(result_files.find([SAMPLES]))
    assert (rows.files, rows.unsealed, rows.bad_lines) == (3, 1, {})
    found = said(rows.rounds)
    sample = {"alpha-1.test": [True, False, None], "beta-1.test": [True, True, True]}
    began = {one["run"]: one["at"] for one in reversed(plain(rows.rounds))}
    runs = sorted(began, key=lambda run: began[run])
    for target, wanted in sample.items():
        assert [found.get((run, target)) for run in runs] == wanted


def written(folder: Path, name: str, *lines: str) -> str:
    path = folder / name
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return str(path)


def lines_of(
    run: str, vantage: str = "v1", *, ok: bool = True, checks: tuple[bool, ...] = (True, True)
) -> list[str]:
    """Write a run by hand: looks at two controls, one target after the first look."""
    head = a_run(run, vantage).to_json_line().decode().strip()
    rows = []
    for check, line_ok in enumerate(checks):
        rows += [
            Measurement(
                run=run,
                target=f"c{number}",
                control="foreign",
                check=check,
                stage="tcp",
                at=AT.replace(minute=check * 2),
                address="5.45.80.1",
                port=80,
                state="ok" if line_ok else "fail",
                failure=None if line_ok else "generic_timeout_error",
            )
            for number in range(2)
        ]
    rows.insert(
        2,
        Measurement(
            run=run,
            target="t",
            operator="alpha",
            check=0,
            stage="tcp",
            at=AT.replace(minute=1),
            address="5.45.70.1",
            port=443,
            state="ok" if ok else "fail",
            failure=None if ok else "connection_refused",
        ),
    )
    return [head, *(row.to_json_line().decode().strip() for row in rows)]


def reached(*files: str) -> dict[str, bool | None]:
    return {run: good for (run, _), good in said(reader.read(list(files)).rounds).items()}


def test_a_failure_counts_only_between_two_good_looks_at_the_own_line(tmp_path: Path) -> None:
    cases = {
        "a" * 12: ((True, True), False),
        "b" * 12: ((True, False), None),
        "c" * 12: ((False, True), None),
        "d" * 12: ((True,), None),
        "e" * 12: ((True, True, False), None),
    }
    for run, (checks, wanted) in cases.items():
        file = written(tmp_path, run, *lines_of(run, ok=False, checks=checks))
        assert reached(file) == {run: wanted}, checks
        good = written(tmp_path, run + "g", *lines_of(run, ok=True, checks=checks))
        # A run in which the own line died says nothing at all, however it began.
        assert reached(good) == {run: None if False in checks else True}, checks


def test_a_lookup_that_failed_two_looks_before_the_own_resolver_did_does_not_count(
    tmp_path: Path,
) -> None:
    """The look after the next one may hide a failure as well, where there is one."""
    run = "a" * 12
    no_name: dict[str, str | None] = {"stage": "dns", "state": "fail"}
    no_name |= {"failure": "generic_timeout_error", "address": None, "port": None}
    lines = lines_of(run, checks=(True, True, True))
    lines[3] = json.dumps(json.loads(lines[3]) | no_name)
    assert reached(written(tmp_path, "good", *lines)) == {run: False}
    named = json.loads(lines[-1]) | no_name
    lines += [json.dumps(named | {"target": f"named-{number}"}) for number in range(2)]
    assert reached(written(tmp_path, "no-resolver", *lines)) == {run: None}


def test_a_target_that_was_skipped_makes_no_round(tmp_path: Path) -> None:
    run = "a" * 12
    skipped = Measurement(
        run=run, target="skipped", check=0, at=AT, state="skipped", reason="deadline"
    )
    file = written(tmp_path, "a", *lines_of(run), skipped.to_json_line().decode().strip())
    assert {one["target"] for one in plain(reader.read([file]).rounds)} == {"c0", "c1", "t"}


def test_copies_of_a_run_count_once_and_a_claimed_run_not_at_all(tmp_path: Path) -> None:
    run = "a" * 12
    lines = lines_of(run, ok=False)
    one = written(tmp_path, "one.jsonl", *lines)
    two = written(tmp_path, "two.jsonl", *lines[:-2])
    assert plain(reader.read([one, two]).rounds) == plain(reader.read([one]).rounds)
    forged = written(tmp_path, "three.jsonl", *lines_of(run, "someone-else"))
    assert len(reader.read([one, forged]).rounds) == 0
    other = written(tmp_path, "four.jsonl", *lines_of("b" * 12, ok=False))
    assert {one["run"] for one in plain(reader.read([one, forged, other]).rounds)} == {"b" * 12}


@pytest.mark.parametrize(
    "names",
    [
        ("20220227T080000Z-v1.jsonl", "20220227T080001Z-v1.jsonl", "20220227T080002Z-v1.jsonl"),
        ("20220227T080000Z-v1.jsonl", "x.jsonl", "20220301T080000Z-v1.jsonl"),
        ("one.jsonl", "two.jsonl", "three.jsonl"),
    ],
)
def test_a_run_whose_rows_lie_in_several_files_is_whole(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    """The middle one has neither the beginning nor the end of the run."""
    watch = Watch("v1", {"a@alpha": "x", "b@alpha": "."})
    (whole,) = timelines.write(tmp_path / "whole", watch)
    lines = whole.read_text(encoding="utf-8").splitlines()
    parts = (lines[:1], lines[1:-1], lines[-1:])
    split = [written(tmp_path, name, *part) for name, part in zip(names, parts, strict=True)]
    got = plain(reader.read(split).rounds)
    assert unnamed(got) == unnamed(plain(rounds(watch)))
    assert [one["file"] for one in got if one["file"]] == [names[1]]


def test_a_failure_is_shown_by_the_file_that_holds_it(tmp_path: Path) -> None:
    """A target's look-up lies in one file, and its failure in another."""
    watch = Watch("v1", {"a@alpha": "x"})
    (whole,) = timelines.write(tmp_path / "whole", watch)
    lines = whole.read_text(encoding="utf-8").splitlines()
    bad = [line for line in lines if '"state":"fail"' in line]
    good = written(tmp_path, "a.jsonl", *(line for line in lines if line not in bad))
    shown = written(tmp_path, "b.jsonl", *bad)
    (one,) = (one for one in plain(reader.read([good, shown]).rounds) if one["target"] == "a")
    assert one["file"] == "b.jsonl"


def test_a_lie_beside_an_empty_answer_keeps_its_name(tmp_path: Path) -> None:
    """The commonest lie of a resolver: a bogon for IPv4, nothing for IPv6."""
    answers = [
        a_row(1).model_copy(
            update={
                "stage": "dns",
                "attempt": attempt,
                "state": state,
                "failure": failure,
                "address": None,
                "port": None,
                "at": datetime(2022, 2, 27, 12, 0, attempt, tzinfo=UTC),
            }
        )
        for attempt in (1, 2)
        for state, failure in (("fail", "dns_bogon_error"), ("ok", None))
    ]
    writer = write.Writer(tmp_path, a_run())
    for row in answers:
        writer.add(row)
    writer.close()
    folded = reader.read([str(writer.part)]).rounds
    assert [STAGES[stage] for stage in folded.stage] == ["dns"]
    assert [str(folded.failures[number]) for number in folded.failure] == ["dns_bogon_error"]
    (flags,) = folded.flags
    assert flags & FAILED
    assert flags & TRIED["dns"]
    assert not flags & TRIED["tcp"]


def unnamed(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out which file shows a failure, as that depends on how files are packed."""
    return sorted(({**one, "file": ""} for one in found), key=json.dumps)


SERIES = (
    Watch("v1", {"a@alpha": "..xxs.d~..t", "b#cdn": "......     "}),
    Watch("v2", {"a@alpha": "x.x.x.x.x.."}, inside=True, line=".xbmrv?....", late=STEP / 2),
)


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    return timelines.write(tmp_path / "runs", *SERIES)


def pack(files: list[Path], to: Path, options: str, columns: str = "*") -> Path:
    """Let DuckDB write what result files hold in another form."""
    to.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as database:
        database.execute(
            f"copy (select {columns} from read_json($files, format = 'newline_delimited',"  # noqa: S608
            " union_by_name = true, filename = true, sample_size = -1))"
            f" to '{to}' ({options})",
            {"files": [str(path) for path in files]},
        )
    return to


def test_packed_files_say_what_plain_ones_do(tmp_path: Path, runs: list[Path]) -> None:
    wanted = plain(reader.read([str(path) for path in runs]).rounds)
    assert wanted == plain(rounds(*SERIES))
    squeezed = tmp_path / "gz"
    squeezed.mkdir()
    for path in runs:
        (squeezed / (path.name + ".gz")).write_bytes(gzip.compress(path.read_bytes()))
    got = reader.read(result_files.find([squeezed]))
    assert (got.files, got.unsealed, got.bad_lines) == (len(runs), 0, {})
    named = [{**one, "file": one["file"] and one["file"] + ".gz"} for one in wanted]
    assert plain(got.rounds) == sorted(named, key=lambda one: json.dumps(one, sort_keys=True))
    for name, options in (
        ("x.jsonl.zst", "format json, compression zstd"),
        ("x.parquet", "format parquet"),
    ):
        made = pack(runs, tmp_path / name / name, options)
        got = reader.read(result_files.find([made.parent]))
        assert (got.files, got.unsealed, got.bad_lines) == (1, 0, {})
        assert unnamed(plain(got.rounds)) == unnamed(wanted)
        assert {one["file"] for one in plain(got.rounds)} == {"", name}


def test_parquet_may_name_the_file_of_each_row_and_lack_columns(
    tmp_path: Path, runs: list[Path]
) -> None:
    wanted = plain(reader.read([str(path) for path in runs]).rounds)
    named = "* exclude (filename), parse_filename(filename) as file"
    made = pack(runs, tmp_path / "x.parquet", "format parquet", named)
    assert plain(reader.read([str(made)]).rounds) == wanted
    few = 'type, run, vantage, perspective, target, "at", state, address, control, "check"'
    made = pack(runs, tmp_path / "y.parquet", "format parquet", few)
    got = plain(reader.read([str(made)]).rounds)
    assert len(got) == len(wanted)
    assert {(one["operator"], one["country"]) for one in got} == {("", "")}


def test_forms_and_folders_mix_and_copies_count_once(tmp_path: Path, runs: list[Path]) -> None:
    wanted = unnamed(plain(reader.read([str(path) for path in runs]).rounds))
    half = len(runs) // 2
    (tmp_path / "one").mkdir()
    packed = tmp_path / "one" / (runs[0].name + ".gz")
    packed.write_bytes(gzip.compress(runs[0].read_bytes()))
    pack(runs[1:half], tmp_path / "two" / "x.parquet", "format parquet")
    pack(runs[half - 1 :], tmp_path / "three" / "x.jsonl.zst", "format json, compression zstd")
    places = [tmp_path / name for name in ("one", "two", "three")]
    assert unnamed(plain(reader.read(result_files.find(places)).rounds)) == wanted
    assert (
        unnamed(plain(reader.read(result_files.find([*places, tmp_path / "runs"])).rounds))
        == wanted
    )
    assert result_files.find([*places, places[0], packed]) == result_files.find(places), (
        "each file once"
    )


def test_a_folder_and_a_file_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("x")
    assert result_files.find([tmp_path]) == []
    with pytest.raises(UserError, match="no such file or folder"):
        result_files.find([tmp_path / "nowhere"])


@pytest.mark.parametrize("form", result_files.EXTENSIONS)
def test_a_file_that_is_none_of_its_form_is_named_and_no_traceback(
    tmp_path: Path, form: str
) -> None:
    path = tmp_path / ("x" + form)
    path.write_bytes(b"\x00garbage, " * 100)
    if form in result_files.PLAIN_EXTENSIONS:
        got = reader.read([str(path)])
        assert (len(got.rounds), got.bad_lines) == (0, {path.name: 1})
        return
    with pytest.raises(UserError, match="x" + form.replace(".", r"\.")):
        reader.read([str(path)])


def test_only_recent_days_are_looked_at(runs: list[Path]) -> None:
    files = [str(path) for path in runs]
    day = datetime(2022, 2, 27, 12, tzinfo=UTC)
    near = reader.read(files, None, day + timedelta(days=1))
    assert (near.complete, len(near.rounds)) == (True, len(reader.read(files).rounds))
    far = reader.read(files, None, day + timedelta(days=3))
    assert (far.complete, len(far.rounds), far.files) == (False, 0, 0)


def test_garbage_is_left_out_counted_and_named(tmp_path: Path) -> None:
    run = "a" * 12
    hostile = [
        "garbage",
        "[1, 2]",
        '"text"',
        '{"type": "measurement", "run":',
        "\x1b[31m",
        '{"type":"measurement","run":"' + run + '","target":"t","at":"yesterday","state":"ok"}',
        '{"type":"measurement","run":{"a":1},"target":"\\u001b[2J","state":"ok","attempt":"many"}',
        '{"type":"other"}',
    ]
    file = written(tmp_path, "x.jsonl", *lines_of(run, ok=False), *hostile)
    rows = reader.read([file])
    assert said(rows.rounds) == {(run, "t"): False}
    assert rows.bad_lines == {"x.jsonl": 8}
    assert all("\x1b" not in complaint for complaint in rows.warnings())


@pytest.mark.parametrize(
    ("good", "forged"),
    [
        ('"vantage":"v1"', '"vantage":"\\u001b[2J"'),
        ('"vantage":"v1"', '"vantage":"../../v"'),
        ('"perspective":"outside"', '"perspective":"everywhere"'),
        ('"at":"2022-02-27T12:01:03.000Z"', '"at":"infinity"'),
        ('"at":"2022-02-27T12:01:03.000Z"', '"at":"9999-01-01T00:00:00Z"'),
    ],
)
def test_a_strangers_file_says_nothing_it_should_not(
    tmp_path: Path, good: str, forged: str
) -> None:
    lines = lines_of("a" * 12, ok=False)
    assert any(good in line for line in lines)
    file = written(tmp_path, "x.jsonl", *(line.replace(good, forged) for line in lines))
    assert said(reader.read([file]).rounds) == {}


def test_a_newer_format_is_refused_by_name(tmp_path: Path) -> None:
    line = a_run().to_json_line().decode().replace('"format":1', '"format":2').strip()
    with pytest.raises(Exception, match="written by a newer keepiton"):
        reader.read([written(tmp_path, "x.jsonl", line)])


def list_of(folder: Path, port: int, count: int) -> str:
    """Write a list of targets that never answer, and one control that does."""
    text = 'title = "x"\n'
    for number in range(count):
        text += f'[[target]]\nid = "t{number}"\nurl = "http://127.0.0.1:{port}/{number}"\n'
    path = folder / "list.toml"
    path.write_text(
        text + f'[[target]]\nid = "c"\nurl = "http://127.0.0.1:{port}/c"\ncontrol = "foreign"\n'
    )
    return str(path)


def until_written(data: Path, lines: int) -> None:
    """Wait until a run's unsealed file holds so many lines."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if any(part.read_bytes().count(b"\n") >= lines for part in data.rglob("*.part")):
            return
        time.sleep(0.01)
    raise AssertionError(f"no file with {lines} lines")


@pytest.mark.parametrize("lines", [1, 20, 150])
def test_killed_at_any_moment_everything_flushed_stays_and_the_next_run_seals_it(
    tmp_path: Path, keepiton: Command, lines: int
) -> None:
    answer = loopback.answering(loopback.page())
    with loopback.serving(answer) as server:
        targets = list_of(tmp_path, server.port, 300)
        data = tmp_path / "data"
        words = ["probe", targets, "--allow-private", "--data", str(data), "-q"]
        with subprocess.Popen([KEEPITON, *words]) as process:
            until_written(data, lines)
            process.send_signal(signal.SIGKILL)
        (part,) = data.rglob("*.part")
        left = part.read_bytes()
        seen = server.connections
        assert left.count(b'"stage":"http"') >= seen - 25, "what was asked was written at once"
        assert reader.read(result_files.find([data])).unsealed == 1
        done = keepiton(*words, "--rate", "1000")
    assert done.returncode == 0, done.stderr
    assert not list(data.rglob("*.part"))
    recovered = part.with_name(part.name.removesuffix(".part"))
    assert recovered.read_bytes().startswith(left)
    (second,) = (path for path in data.rglob("*.jsonl") if path != recovered)
    end = End.model_validate_json(second.read_bytes().splitlines()[-1])
    assert end.previous == hashlib.sha256(recovered.read_bytes()).hexdigest()


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_it_ends_within_two_seconds_and_keeps_what_was_measured(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    with (
        loopback.serving(loopback.silent) as server,
        loopback.serving(loopback.answering(loopback.page())) as good,
    ):
        targets = Path(list_of(tmp_path, server.port, 60))
        text = targets.read_text().replace(f"{server.port}/c", f"{good.port}/c")
        targets.write_text(text)
        data = tmp_path / "data"
        words = ["probe", str(targets), "--allow-private", "--data", str(data), "-q"]
        with subprocess.Popen([KEEPITON, *words]) as process:
            until_written(data, 20)
            process.send_signal(number)
            at = time.monotonic()
            assert process.wait(10) == code
            assert time.monotonic() - at < 2
    (path,) = data.rglob("*.jsonl")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[-1]["reason"] == {130: "interrupted", 143: "terminated"}[code]
    assert {line["target"] for line in lines[1:-1]} == {"c", *(f"t{n}" for n in range(60))}
    assert not reader.read([str(path)]).bad_lines


@pytest.mark.slow
def test_with_few_open_files_it_takes_turns_and_blames_nobody(tmp_path: Path) -> None:
    with loopback.serving(loopback.answering(loopback.page())) as server:
        targets = list_of(tmp_path, server.port, 200)
        words = ["probe", targets, "--allow-private", "--data", str(tmp_path / "data"), "-q"]
        command = " ".join([KEEPITON, *words, "--rate", "5000"])
        subprocess.run(["bash", "-c", f"ulimit -n 56; exec {command}"], check=True, timeout=60)
    found = said(reader.read(result_files.find([tmp_path / "data"])).rounds)
    assert len(found) == 200
    assert all(found.values())


def test_a_full_disk_is_exit_5_said_plainly_and_the_rest_stays_readable(
    tmp_path: Path, lab_or_root: None
) -> None:
    del lab_or_root
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", small], check=True)
    try:
        with loopback.serving(loopback.answering(loopback.page())) as server:
            targets = list_of(tmp_path, server.port, 300)
            words = ["probe", targets, "--allow-private", "--data", str(small), "--rate", "1000"]
            words += ["--min-free", "0"]
            done = subprocess.run(
                [KEEPITON, *words], capture_output=True, text=True, check=False, timeout=60
            )
        assert done.returncode == 5
        assert "No space left on device; what was written stays readable" in done.stderr
        assert "Traceback" not in done.stderr
        rows = reader.read(result_files.find([small]))
        assert rows.unsealed == 1
        assert len(rows.rounds) > 20
    finally:
        subprocess.run(["umount", small], check=True)


@pytest.fixture
def lab_or_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")


def test_two_runs_at_once_the_second_says_nothing_and_exits_75(
    tmp_path: Path, keepiton: Command
) -> None:
    with loopback.serving(loopback.silent) as server:
        targets = list_of(tmp_path, server.port, 5)
        data = tmp_path / "data"
        words = ["probe", targets, "--allow-private", "--data", str(data)]
        with subprocess.Popen([KEEPITON, *words, "-q"]) as process:
            until_written(data, 1)
            second = keepiton(*words, "-q")
            third = keepiton(*words)
            process.terminate()
        assert (second.returncode, second.stdout, second.stderr) == (75, "", "")
        assert third.returncode == 75
        assert "another" not in third.stderr


def test_a_read_only_folder_is_exit_5_and_names_the_place(
    tmp_path: Path, keepiton: Command
) -> None:
    """Root may write anywhere, so the folder is a file's child instead."""
    (tmp_path / "file").write_text("x")
    done = keepiton("probe", "--data", str(tmp_path / "file" / "data"))
    assert done.returncode == 5
    assert "file" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_state_file_with_the_names_of_before_is_read_and_written_as_before(
    tmp_path: Path,
) -> None:
    """As the program wrote it before its fields were renamed (commit 1405689)."""
    text = """{
 "vantage": "v-7kq2mmxw",
 "perspective": "inside",
 "told": 2,
 "accepted": {
  "medium": {
   "at": "2026-11-20T08:00:00.000Z",
   "consent": 2
  }
 },
 "open": "results/2022/02/27/20220227T120003Z-v-test-0123456789ab.jsonl",
 "chain": {
  "v-7kq2mmxw": "%s"
 },
 "asked_at": {
  "site-1": "2026-11-25T09:30:00.000Z"
 },
 "ending": {
  "cron": "2027-02-20"
 }
}""" % ("ab" * 32)
    (tmp_path / state.FILE).write_text(text)
    memory = state.load(tmp_path)
    assert (memory.vantage, memory.perspective, memory.first_run_shown) == (
        "v-7kq2mmxw",
        "inside",
        2,
    )
    assert memory.accepted["medium"].consent == 2
    assert memory.open_file == RunName.of(a_run()).path
    assert memory.chain == {"v-7kq2mmxw": "ab" * 32}
    assert memory.probed_at == {"site-1": datetime(2026, 11, 25, 9, 30, tzinfo=UTC)}
    assert {name: str(day) for name, day in memory.expiry_announced.items()} == {
        "cron": "2027-02-20"
    }
    state.save(tmp_path, memory)
    assert (tmp_path / state.FILE).read_text() == text


def test_state_is_replaced_whole_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    memory = state.DataFolderState(vantage="v-1", chain={"v-1": "a" * 64})
    state.save(tmp_path, memory)
    assert state.load(tmp_path) == memory
    assert (tmp_path / state.FILE).stat().st_mode & 0o777 == 0o600
    (tmp_path / state.FILE).write_text("{")
    with pytest.raises(Exception, match="damaged; delete it"):
        state.load(tmp_path)


def test_a_clock_that_jumps_back_does_not_lock_targets_out(tmp_path: Path) -> None:
    del tmp_path
    memory = state.DataFolderState()
    memory.note_probed(["t"], AT)
    assert memory.too_soon(["t"], AT.replace(minute=1)) == AT.replace(minute=5)
    assert memory.too_soon(["t"], AT.replace(minute=6)) is None
    assert memory.too_soon(["t"], AT.replace(year=2021)) is None
    assert memory.too_soon(["u"], AT) is None


def test_a_schedule_of_five_minutes_may_begin_a_run_one_minute_early() -> None:
    memory = state.DataFolderState()
    memory.note_probed(["t"], AT)
    early = AT + timedelta(minutes=4)
    assert memory.too_soon(["t"], early) is None
    assert memory.too_soon(["t"], early - timedelta(seconds=1)) == AT + timedelta(minutes=5)


@pytest.mark.parametrize(
    ("line", "private", "kept"),
    [
        (Connectivity.UP, False, True),
        (Connectivity.BORDER, False, True),
        (Connectivity.DOWN, False, False),
        (Connectivity.PORTAL, False, False),
        (Connectivity.UP, True, False),
    ],
)
def test_a_run_whose_own_line_was_dead_does_not_lock_its_targets_for_five_minutes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    line: Connectivity,
    *,
    private: bool,
    kept: bool,
) -> None:
    target = Target(id="t", url="http://t.example/")

    async def probe(*_: object) -> Progress:
        return Progress(
            planned=1, results=[TargetResult(target, state="ok")], connectivities=[line]
        )

    monkeypatch.setattr(probing, "_probe", probe)
    settings = Settings(resolvers=(), headers=(), allow_private=private)
    plan = probing.RunPlan(
        tmp_path, LoadedLists(targets=[target]), "v-test", "outside", settings, planned_at=AT
    )
    memory = state.DataFolderState()
    done = probing.run_once(plan, memory)
    assert memory.probed_at == ({"t": done.started_at} if kept else {})
    assert state.load(tmp_path).probed_at.keys() == memory.probed_at.keys()


def test_duckdb_fetches_nothing_by_itself() -> None:
    """It would load and install extensions from the network when a query seems to want them."""
    database = connect()
    shown = ("enable_progress_bar",)
    for name in ("autoinstall_known_extensions", "autoload_known_extensions", *shown):
        assert database.execute(f"select current_setting('{name}')").fetchone() == (False,)
    database.close()


def test_an_offset_that_no_clock_has_is_unknown(tmp_path: Path) -> None:
    watch = Watch("v1", {"a@alpha": "...xxx..."}, clock=timedelta(seconds=30))
    late = 10 * 366 * 86_400_000  # a board that was off for years
    for number, offset in enumerate((2**62, -(10**15), late)):
        folder = tmp_path / str(number)
        for path in timelines.write(folder, watch):
            text = path.read_text(encoding="utf-8")
            assert '"clock_offset_ms":30000' in text
            path.write_text(text.replace(":30000", f":{offset}"), encoding="utf-8")
        rows = reader.read(result_files.find([folder])).rounds
        assert set(rows.run_clock_ms) == {late if offset == late else NO_CLOCK}
        (window,) = detect(rows, Policy(), START + 6000 * timedelta(days=1)).windows
        assert (window.start.year - START.year >= 10) == (offset == late)
