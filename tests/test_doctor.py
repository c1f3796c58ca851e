"""Every check of ``keepiton doctor``: what it says when all is well, and when it is not."""

import json
import os
import re
import shlex
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

import loopback
from conftest import Command, traces
from keepiton.base.connectivity import Connectivity
from keepiton.base.files import PART
from keepiton.base.language import ENGLISH
from keepiton.operate import doctor
from keepiton.operate.doctor import folder, machine, render, types
from keepiton.operate.doctor import runs as doctor_runs
from keepiton.operate.schedule import KINDS, Job
from keepiton.storage import lock, state
from keepiton.storage import writer as write
from keepiton.storage.rows import Run
from lab import KEEPITON, NAME_SERVER, RESOLVER, SITES, Lab

ROOT = Path(__file__).parent.parent
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
Row = dict[str, Any]
AGES = frozenset({"versions", "trust anchors"})
"""What grows old by itself, and is tested at a fixed time."""
ADVISED = frozenset({"problem"})


@dataclass
class Names:
    """A resolver on loopback, and what it was asked."""

    port: int = 0
    asked: list[str] = field(default_factory=list)


def answer(query: bytes, *, lies: bool) -> tuple[str, bytes]:
    """Say 127.0.0.1 of every name below test, and of others that they do not exist, or lie."""
    message = dns.message.from_wire(query)
    asked = message.question[0]
    name = asked.name.to_text(omit_final_dot=True)
    made = dns.message.make_response(message, recursion_available=True)
    kind = asked.rdtype.name
    if name.endswith(".test") or lies:
        if kind == "A":
            made.answer.append(dns.rrset.from_text(asked.name, 60, "IN", "A", "127.0.0.1"))
    else:
        made.set_rcode(dns.rcode.NXDOMAIN)
    return f"{name} {kind}", made.to_wire()


@contextmanager
def names(*, lies: bool = False, silent: bool = False) -> Iterator[Names]:
    """Resolve names, in a thread."""
    seen = Names()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        seen.port = sock.getsockname()[1]

        def serve() -> None:
            while True:
                query, sender = sock.recvfrom(4096)
                if query == b"end":
                    return
                asked, made = answer(query, lies=lies)
                seen.asked.append(asked)
                if not silent:
                    sock.sendto(made, sender)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield seen
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
                own.sendto(b"end", ("127.0.0.1", seen.port))
            thread.join(5)


@dataclass
class World:
    """Controls on loopback, and the words that make the command ask them."""

    words: list[str]
    names: Names
    server: loopback.Server


@contextmanager
def world(
    tmp_path: Path,
    *,
    body: bytes = b"well\n",
    clock: timedelta = timedelta(0),
    lies: bool = False,
    silent: bool = False,
    v6: bool = False,
) -> Iterator[World]:
    """Serve three foreign controls by name, one domestic one, and a target that is none."""

    def talk() -> loopback.Talk:
        async def told(reader: Any, writer: Any) -> None:  # noqa: ANN401 - asyncio's
            date = format_datetime(datetime.now(UTC) + clock, usegmt=True)
            await loopback.answering(loopback.page(body, extra=f"Date: {date}\r\n"))(reader, writer)

        return told

    with ExitStack() as stack:
        seen = stack.enter_context(names(lies=lies, silent=silent))
        server = stack.enter_context(loopback.serving(talk()))
        urls = [(f"c{n}", f"http://c{n}.test:{server.port}/", "foreign") for n in (1, 2, 3)]
        urls.append(("home", f"http://home.test:{server.port}/", "domestic"))
        if v6:
            six = stack.enter_context(loopback.serving(talk(), host="::1"))
            urls.append(("c6", f"http://[::1]:{six.port}/", "foreign"))
        expect = 'expect = { status = 200, body = "well" }\n'
        listed = 'title = "controls"\n[[target]]\nid = "no-control"\nurl = "http://never.test/"\n'
        for name, url, kind in urls:
            listed += f'[[target]]\nid = "{name}"\nurl = "{url}"\ncontrol = "{kind}"\n{expect}'
        path = tmp_path / "controls.toml"
        path.write_text(listed)
        words = [str(path), "--resolver", f"127.0.0.1:{seen.port}", "--allow-private"]
        yield World(words, seen, server)


def found(done: subprocess.CompletedProcess[str]) -> dict[str, Row]:
    """Read the JSON: checks by name."""
    assert "Traceback" not in done.stderr
    shape = json.loads(done.stdout)
    assert list(shape) == ["format", "keepiton", "at", "exit", "problems", "checks"]
    assert (shape["format"], shape["exit"]) == (1, done.returncode)
    rows = {one["name"]: one for one in shape["checks"]}
    assert list(rows) == list(doctor.CHECKS), "every check, in the order of the table"
    assert shape["problems"] == sum(one["state"] == "problem" for one in rows.values())
    for one in rows.values():
        assert list(one) == ["name", "state", "message", "advice"]
        assert bool(one["advice"]) or one["state"] not in ADVISED, one
        assert "itself" not in one["message"], one
    return rows


def states(rows: dict[str, Row], *kinds: str) -> set[str]:
    return {name for name, one in rows.items() if one["state"] in kinds}


def runs(
    data: Path, now: datetime, *, every: timedelta, count: int, line: Connectivity = Connectivity.UP
) -> None:
    """Write runs with the program's own writer, the last one an interval ago."""
    for number in range(count):
        at = now - every * (count - number)
        run = Run(
            run=f"{number:012x}",
            software={},
            vantage="v-one",
            perspective="inside",
            lists=(),
            targets=0,
            settings={},
            planned_at=at,
            started_at=at,
        )
        writer = write.Writer(data, run)
        writer.seal(at, "finished", line, 0, 0, 0.0, None)
        writer.close()
        write.publish(writer.part)


def scheduled(config: Path, data: Path, until: date) -> None:
    """Put the schedule's own files of a systemd user timer in place, every 6 hours."""
    job = Job(
        python=sys.executable,
        options=(),
        every_s=21_600,
        phase_s=0,
        jitter_s=0,
        data=data,
        until=until,
        first_at=NOW,
        limit_s=900,
    )
    for path, text in KINDS["systemd"].files(job).items():
        own = config / "systemd" / "user" / Path(path).name
        own.parent.mkdir(parents=True, exist_ok=True)
        own.write_text(text)


def kept(data: Path) -> dict[str, tuple[bytes, int, int]]:
    """Read all that lies in a folder, with rights and times."""
    return {
        str(one): (one.read_bytes(), one.stat().st_mode, one.stat().st_mtime_ns)
        for one in data.rglob("*")
        if one.is_file()
    }


def test_where_all_is_well_nothing_more_is_sent_than_to_the_controls_and_nothing_is_altered(
    keepiton: Command, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    runs(data, datetime.now(UTC), every=timedelta(hours=6), count=20)
    state.save(
        data,
        state.DataFolderState(perspective="inside", vantage="v-one", first_run_shown=state.CONSENT),
    )
    (data / lock.FILE).touch(0o600)
    scheduled(tmp_path / "config", data, datetime.now(UTC).date() + timedelta(days=60))
    before = kept(data)
    with world(tmp_path, v6=True) as there:
        done = keepiton("doctor", *there.words, "--format", "json")
    rows = found(done)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert states(rows, "ok") >= set(doctor.CHECKS) - AGES, rows
    assert kept(data) == before
    assert len(there.server.requests) == 4, "each control once, and not the target"
    told = b"".join(there.server.requests)
    assert b"keepiton" not in told, "from inside nobody is told who asks"
    assert re.findall(rb"GET \S+", told) == [b"GET /"] * 4
    asked = {one for one in there.names.asked if not one.endswith(".example.net A")}
    assert asked == {
        f"{one}.test {kind}" for one in ("c1", "c2", "c3", "home") for kind in ("A", "AAAA")
    }
    (made,) = [one for one in there.names.asked if one.endswith(".example.net A")]
    assert re.fullmatch(r"[a-z]{12}\.example\.net A", made)
    assert rows["IPv6"]["message"] == "1 of 1 controls answered over IPv6."
    assert "Last 5 days: 20 of " in rows["last runs"]["message"]
    assert "Own line up in 10 of the last 10 runs." in rows["last runs"]["message"]
    assert not traces(done.stdout.replace(str(tmp_path), ""))


HOLDS = """
import sys, time
from pathlib import Path
from keepiton.storage import lock
with lock.hold(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""
FEW_FILES = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.mark.slow
def test_what_is_wrong_is_told_with_advice_and_without_secrets(tmp_path: Path) -> None:
    """At once: clock, resolver, rights, configuration, memory, files, proxy, a run under way."""
    data = tmp_path / "data"
    now = datetime.now(UTC)
    runs(data, now - timedelta(days=3), every=timedelta(hours=1), count=6, line=Connectivity.DOWN)
    newest = max(data.rglob("*.jsonl"))
    newest.rename(newest.with_name(newest.name + PART))
    data.chmod(0o755)
    (data / state.FILE).write_text("{")
    config = tmp_path / "keepiton.toml"
    (tmp_path / "never").write_text("home.test\n")
    config.write_text(
        '[probe]\ncontact = "https://example.org/us"\nuser-agent = "named"\n'
        'do-not-probe = "never"\n'
    )
    config.chmod(0o666)
    secret = "http://somebody:hunter2@10.9.8.7:3128"  # noqa: S105 - the point
    with (
        world(tmp_path, clock=timedelta(minutes=-10), lies=True) as there,
        subprocess.Popen([sys.executable, "-c", HOLDS, str(data)], stdout=subprocess.PIPE) as other,
    ):
        assert other.stdout
        assert other.stdout.readline() == b"held\n"
        try:
            env = os.environ | {
                "HOME": str(tmp_path),
                "KEEPITON_DATA": str(data),
                "XDG_CONFIG_HOME": str(tmp_path / "config"),
                "PYTHONPATH": str(ROOT / "tests" / "guard"),
                "HTTPS_PROXY": secret,
                "http_proxy": secret,
            }
            words = [KEEPITON, "doctor", *there.words, "--format", "json"]
            done = subprocess.run(
                [sys.executable, "-c", FEW_FILES, *words],
                capture_output=True,
                text=True,
                cwd=tmp_path,
                env=env,
                check=False,
                timeout=60,
            )
        finally:
            other.terminate()
    rows = found(done)
    assert done.returncode == 0, "a run could be made"
    said = {name: f"{one['message']} {one['advice']}" for name, one in rows.items()}
    bad = {"configuration", "open files", "who may read", "memory", "made-up answers", "clock"}
    assert states(rows, "problem") - AGES == bad
    assert "10 min ahead" in said["clock"]
    assert "timedatectl set-ntp true" in said["clock"]
    assert "chmod -R go= ~/data" in said["who may read"]
    assert "~/" not in said["configuration"], "a relative path is shown as it is"
    assert "Delete state.json" in said["memory"]
    assert "resolver-1 gave an address" in said["made-up answers"]
    assert "100 files" in said["open files"]
    assert rows["lock"]["state"] == rows["way out"]["state"] == rows["last runs"]["state"] == "info"
    assert f"as process {other.pid}" in said["lock"]
    assert "HTTPS_PROXY, http_proxy" in said["way out"]
    assert "Own line up in 0 of the last 5 runs." in said["last runs"]
    assert "Since then there was none" in said["last runs"]
    for one in ("hunter2", "somebody", "10.9.8.7", "3128"):
        assert one not in done.stdout + done.stderr
    assert len(there.server.requests) == 3, "what is configured for probe holds: one is left out"
    assert all(b"example.org/us" in one for one in there.server.requests)


def test_a_portal_and_a_silent_resolver_are_told_apart(tmp_path: Path, keepiton: Command) -> None:
    """Both at a time, since silence takes the resolver's five seconds."""
    with ExitStack() as stack:
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
        portal = stack.enter_context(world(tmp_path / "one", body=b"log in first"))
        silent = stack.enter_context(world(tmp_path / "two", silent=True, v6=True))
        outcomes: list[subprocess.CompletedProcess[str]] = []
        thread = threading.Thread(
            target=lambda: outcomes.append(keepiton("doctor", *silent.words, "--format", "json"))
        )
        thread.start()
        done = keepiton("doctor", *portal.words, "--lang", "en")
        thread.join()
    assert done.returncode == 4
    plain = " ".join(done.stdout.split())
    assert "! trouble captive portal 3 of 3 foreign controls answered with another page" in plain
    assert "> Open a browser and log in to this network" in plain
    assert b"keepiton" not in b"".join(portal.server.requests), "inside or not is not known"
    assert "In trouble: own line, captive portal (" in plain
    (other,) = outcomes
    rows = found(other)
    assert other.returncode == 4
    assert rows["resolver"]["state"] == rows["own line"]["state"] == "problem"
    assert "resolver-1 answered none of 8 questions" in rows["resolver"]["message"]
    assert "--resolver 9.9.9.9" in rows["resolver"]["advice"]
    assert rows["made-up answers"]["state"] == "skipped"
    assert not any(one.endswith("example.net A") for one in silent.names.asked)
    assert rows["captive portal"]["state"] == "ok"


def test_in_an_empty_network_the_own_line_is_down(keepiton: Command, tmp_path: Path) -> None:
    """The shipped controls are asked, and there is nothing to ask them through."""
    del keepiton
    done = subprocess.run(
        ["unshare", "-n", KEEPITON, "doctor", "--data", str(tmp_path / "data")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"HOME": str(tmp_path), "KEEPITON_TEST_NAMESPACE": "1"},
        check=False,
        timeout=60,
    )
    assert done.returncode == 4, done.stderr
    assert "Traceback" not in done.stderr
    plain = " ".join(done.stdout.split())
    assert "0 of 8 foreign controls answered as they must." in plain
    assert "This machine's own line is down: results are inconclusive." in plain
    assert "> Look at the cable" in plain
    assert "~ note IPv6 This machine has no IPv6, and measures without." in plain
    assert "keepiton, before the first run" in done.stderr, "said before anything is sent"
    assert not (tmp_path / "data").exists()


READ_ONLY = 'mount -t tmpfs -o ro none "$1"; shift; exec "$@"'
FULL = (
    'mount -t tmpfs -o size=256k none "$1"; head -c 1m /dev/zero >"$1/rest" 2>&-; shift; exec "$@"'
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "why", "advice"),
    [
        (READ_ONLY, "Read-only file system", "The disk is read-only"),
        (FULL, "No space left on device", "Make room on this disk"),
    ],
    ids=["read-only", "full"],
)
def test_a_folder_that_takes_nothing_is_found_by_trying(
    tmp_path: Path, before: str, why: str, advice: str
) -> None:
    data = tmp_path / "data"
    data.mkdir(0o700)
    words = [KEEPITON, "doctor", "--offline", "--format", "json", "--data", str(data)]
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", before, "sh", str(data), *words],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"HOME": str(tmp_path), "PYTHONPATH": str(ROOT / "tests" / "guard")},
        check=False,
        timeout=60,
    )
    rows = found(done)
    assert done.returncode == 5
    assert rows["write access"]["state"] == "problem"
    assert rows["write access"]["message"] == f"Nothing can be written in ~/data: {why}."
    assert advice in rows["write access"]["advice"]
    assert (rows["disk"]["state"] == "problem") == (before == FULL)
    assert states(rows, "skipped") >= {"own line", "clock"}
    assert rows["own line"]["message"] == "The network was not asked."


@pytest.mark.slow
def test_without_streams_home_or_locale_all_is_looked_at_but_lists_of_a_risk_not_accepted(
    tmp_path: Path,
) -> None:
    env = {
        **{name: one for name, one in os.environ.items() if name not in ("HOME", "LANG")},
        "LC_ALL": "POSIX",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONIOENCODING": "ascii",
        "XDG_DATA_HOME": str(tmp_path / "share"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "PYTHONPATH": str(ROOT / "tests" / "guard"),
    }
    with world(tmp_path) as there:
        path = Path(there.words[0])
        path.write_text('risk = "medium"\nwhy = "a test"\n' + path.read_text())
        words = [KEEPITON, "doctor", *there.words, "--format", "json"]
        done = subprocess.run(
            ["sh", "-c", f"exec {shlex.join(words)} <&- 2>&-"],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=env,
            check=False,
            timeout=60,
        )
    rows = found(done)
    assert done.returncode == 0
    assert rows["surroundings"]["state"] == "info"
    assert rows["surroundings"]["message"].startswith("HOME is not set. Data folder: ")
    assert "Name the data folder with --data" in rows["surroundings"]["advice"]
    assert "risk (medium) is not accepted yet" in rows["own line"]["message"]
    assert (there.server.connections, there.names.asked) == (0, [])


def test_only_controls_and_the_resolver_are_contacted_and_a_clock_years_off_is_told(
    open_lab: Lab, tmp_path: Path
) -> None:
    lab, seen = open_lab, set[str]()
    words = ("doctor", str(lab.list), "--data", str(tmp_path / "data"), "--format", "json")
    with lab.capture(seen):
        done = lab.run(*words, "--perspective", "outside", at="2022-02-27 08:00:00")
    controls = {address for name, address in SITES.items() if name[:4] in ("fore", "home")}
    assert seen == {RESOLVER, NAME_SERVER, *controls}
    assert done.returncode == 0, done.stderr
    rows = found(done)
    assert rows["own line"]["message"] == (
        "4 of 4 foreign controls answered as they must. 2 of 2 domestic ones did."
    )
    assert rows["clock"]["state"] == "problem"
    assert re.match(
        r"The clock is 1,\d\d\d days( \d+ hr)? behind\. The dates of cert", rows["clock"]["message"]
    )
    assert rows["IPv6"]["state"] == "info"


# One check at a time, in this process: real files, sockets and limits.


@pytest.fixture
def place(tmp_path: Path) -> types.CheckContext:
    """A data folder with nothing wrong."""
    data = tmp_path / "data"
    runs(data, NOW, every=timedelta(hours=6), count=20)
    return types.CheckContext(
        data=data,
        data_given=True,
        config=(tmp_path / "config" / "keepiton.toml",),
        environment={"HOME": str(tmp_path)},
        now=NOW,
        memory=state.DataFolderState(perspective="outside"),
    )


def said(one: types.CheckResult) -> str:
    told = [*one.messages, *([one.advice] if one.advice else [])]
    return " ".join(text.translated(ENGLISH) for text in told)


def test_parts_that_nobody_keeps_up_any_more_are_told(
    place: types.CheckContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert machine.versions(place).state == "ok"
    old = machine.versions(replace(place, now=datetime(2040, 1, 1, tzinfo=UTC)))
    known = sys.version_info[:2] in machine.PYTHON_ENDS
    assert (old.state == "problem", "newer Python" in said(old)) == (known, known)
    monkeypatch.setattr(ssl, "OPENSSL_VERSION", "OpenSSL 1.1.1w  11 Sep 2023")
    monkeypatch.setattr(ssl, "OPENSSL_VERSION_INFO", (1, 1, 1, 23, 15))
    assert "This OpenSSL gets no more" in said(machine.versions(place))
    monkeypatch.setattr(machine, "LIBRARIES", ("certifi", "no-such-library"))
    assert "Missing: no-such-library." in said(machine.versions(place))


def test_trust_anchors_grow_old_and_can_be_unreadable(
    place: types.CheckContext, tmp_path: Path
) -> None:
    import certifi  # noqa: PLC0415

    (made,) = re.findall(r"(\d{4})\.", version("certifi"))[:1]
    new_year = datetime(int(made) + 1, 1, 1, tzinfo=UTC)
    for years, expected in ((0, "ok"), (2, "info"), (4, "problem")):
        seen = machine.trust_anchors(replace(place, now=new_year + timedelta(days=365 * years)))
        assert seen.state == expected
        assert bool(seen.advice) == bool(years)
    number = Path(certifi.where()).read_text().count("BEGIN CERTIFICATE")
    assert f"{number} trust anchors." in said(seen)
    empty = tmp_path / "empty.pem"
    empty.touch()
    seen = machine.trust_anchors(replace(place, roots=empty))
    assert (seen.state, "no certificate can be judged" in said(seen)) == ("problem", True)


@pytest.mark.slow
def test_a_home_matters_where_no_folder_is_named(place: types.CheckContext, tmp_path: Path) -> None:
    assert machine.surroundings(replace(place, environment={})).advice is None
    usual = replace(place, data_given=False)
    assert machine.surroundings(usual).state == "ok"
    assert machine.surroundings(replace(usual, environment={})).state == "info"
    os.chown(tmp_path, 12345, -1)
    assert machine.surroundings(place).state == "ok"
    seen = machine.surroundings(usual)
    assert (seen.state, "sudo -H" in said(seen)) == ("problem", True)


def test_configuration_is_the_owners(place: types.CheckContext) -> None:
    (path,) = place.config
    assert said(machine.configuration(place)) == "No configuration file; the usual values hold."
    path.parent.mkdir()
    path.touch(0o600)
    assert said(machine.configuration(place)) == "Read: ~/config/keepiton.toml."
    path.chmod(0o620)
    assert machine.configuration(place).state == "problem"


@pytest.mark.slow
def test_a_low_limit_of_open_files_is_told() -> None:
    code = """
import resource
from keepiton.operate.doctor import machine
for limit in (4096, 1000, 100):
    resource.setrlimit(resource.RLIMIT_NOFILE, (50, limit))
    print(machine.open_files(None).state)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["ok", "info", "problem"]


@pytest.mark.slow
def test_a_tunnel_on_the_way_out_is_a_note() -> None:
    """In a network of its own, whose default route leads into a tunnel, and then elsewhere."""
    code = """
import subprocess
from keepiton.operate.doctor import machine
subprocess.run("ip link add veth9 type veth peer name veth8".split(), check=True)
subprocess.run("ip tuntap add tun9 mode tun".split(), check=True)
subprocess.run("ip link set veth8 up".split(), check=True)
for name in ("tun9", "veth9"):
    subprocess.run(["ip", "addr", "add", "10.77.0.2/24", "dev", name], check=True)
    subprocess.run(["ip", "link", "set", name, "up"], check=True)
    subprocess.run(["ip", "route", "add", "default", "dev", name], check=True)
    print(machine._tunnel())
    subprocess.run(["ip", "link", "del", name], check=True)
print(machine._tunnel())
"""
    words = ["unshare", "-n", sys.executable, "-c", code]
    env = os.environ | {"KEEPITON_TEST_NAMESPACE": "1"}
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=env)
    assert done.stdout.split() == ["True", "False", "False"]


def test_a_folder_that_even_root_may_not_change_is_found_by_trying(
    place: types.CheckContext,
) -> None:
    subprocess.run(["chattr", "+i", str(place.data)], check=True)
    try:
        seen = folder.write_access(place)
    finally:
        subprocess.run(["chattr", "-i", str(place.data)], check=True)
    assert seen.state == "problem"
    assert said(seen).startswith("Nothing can be written in ~/data: Operation not permitted.")
    assert folder.write_access(place).state == "ok"
    assert said(folder.write_access(replace(place, data=place.data / "new"))) == (
        "~/data/new is not there yet, and can be made."
    )


@pytest.mark.slow
def test_rights_matter_less_behind_a_closed_door(place: types.CheckContext) -> None:
    assert folder.who_may_read(place).state == "ok"
    some = next(place.data.rglob("*.jsonl"))
    some.chmod(0o644)
    assert "itself keeps others out" in said(folder.who_may_read(place))
    place.data.chmod(0o711)
    assert folder.who_may_read(place).state == "problem"
    os.chown(some, 12345, -1)
    seen = folder.who_may_read(place)
    assert (seen.state, "never with sudo" in said(seen)) == ("problem", True)


def test_a_disk_is_full_in_time(place: types.CheckContext, monkeypatch: pytest.MonkeyPatch) -> None:
    assert folder.disk(place).state == "ok"
    assert "Results grow by" in said(folder.disk(place))
    free = shutil.disk_usage(place.data).free
    assert "Little: runs keep" in said(folder.disk(replace(place, min_free=free * 2 // 3)))
    assert folder.disk(replace(place, min_free=free * 2)).state == "problem"
    monkeypatch.setattr(folder, "SOON_DAYS", 10**12)
    assert (folder.disk(place).state, "Make room" in said(folder.disk(place))) == ("info", True)


def test_a_lock_that_a_run_has_held_for_days_is_trouble(place: types.CheckContext) -> None:
    free = folder.lock(place)
    with lock.hold(place.data):
        busy = folder.lock(place)
        name = max(place.data.rglob("*.jsonl")).relative_to(place.data).as_posix()
        hung = replace(
            place, now=NOW + timedelta(days=2), memory=state.DataFolderState(open_file=name)
        )
        stuck = folder.lock(hung)
        part = place.data / (name + PART)
        part.touch(0o600)
        assert folder.left_behind(place).state == "ok", "it is that run's"
    left = folder.lock(place)
    assert (free.state, busy.state, stuck.state, left.state) == ("ok", "info", "problem", "ok")
    assert f"kill {os.getpid()}" in said(stuck)
    assert folder.left_behind(place).state == "info"
    part.unlink()
    assert folder.left_behind(place).state == "ok"


def test_a_schedule_is_renewed_in_time_and_its_silence_is_trouble(
    place: types.CheckContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    none = doctor_runs.schedule(place)
    assert (none.state, "keepiton schedule --install" in said(none)) == ("info", True)
    silent = replace(place, now=NOW + timedelta(hours=19))
    assert doctor_runs.last_runs(silent).state == "info", "whoever runs it by hand may stop"
    for days, expected in ((60, "ok"), (0, "info"), (-1, "problem")):
        scheduled(tmp_path / "config", place.data, NOW.date() + timedelta(days=days))
        seen = doctor_runs.schedule(place)
        assert seen.state == expected
        assert bool(seen.advice) == (expected != "ok")
        assert said(seen).startswith("By systemd every 6h, until 20")
    assert doctor_runs.last_runs(place).state == "ok"
    missing = doctor_runs.last_runs(silent)
    assert (missing.state, "begin one by hand" in said(missing)) == ("problem", True)
    other = replace(place, data=tmp_path / "other")
    assert "writes into another folder" in said(doctor_runs.schedule(other))


def test_runs_in_the_future_are_trouble_and_none_is_a_note(place: types.CheckContext) -> None:
    assert doctor_runs.last_runs(place).state == "ok"
    ahead = doctor_runs.last_runs(replace(place, now=NOW - timedelta(days=4)))
    assert ahead.state == "problem"
    assert "in the future" in said(ahead)
    packed = place.data.parent / "packed" / "results" / "2026" / "11"
    packed.mkdir(parents=True)
    (packed / "20261101-v-one.parquet").touch()
    old = doctor_runs.last_runs(replace(place, data=place.data.parent / "packed"))
    assert said(old) == "The last run was on 2026-11-01, and is packed."
    (place.data.parent / "other").mkdir()
    none = doctor_runs.last_runs(replace(place, data=place.data.parent / "other"))
    assert (none.state, "Begin with: keepiton probe" in said(none)) == ("info", True)


def test_a_check_that_fails_itself_says_so_and_takes_none_with_it(
    place: types.CheckContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: types.CheckContext) -> types.CheckResult:
        raise RuntimeError("names somebody")

    monkeypatch.setitem(doctor.CHECKS, "disk", fails)
    looks = {one.name: one for one in doctor.run_checks(place)}
    assert list(looks) == list(doctor.CHECKS)
    assert (looks["disk"].state, said(looks["disk"])) == (
        "skipped",
        "This check failed itself (RuntimeError).",
    )
    assert looks["lock"].state == "ok"


@pytest.mark.parametrize("width", [40, 80, 100])
def test_the_table_fits_its_screen_and_needs_no_colour(
    place: types.CheckContext, width: int
) -> None:
    text = render.table(doctor.run_checks(place), ENGLISH, width)
    lines = text.plain.splitlines()
    assert max(len(one) for one in lines if "/" not in one) <= width
    for sign, word, _colour in render.SIGNS.values():
        coloured = {text.plain[one.start : one.end] for one in text.spans}
        assert all(one.split(" ", 1)[0] in "+~!?" for one in coloured)
        assert f"{sign} {word}" in coloured or word in ("trouble", "note")


def test_every_check_is_on_its_page() -> None:
    """docs/reference/doctor.md has a row for each, in order."""
    text = (ROOT / "docs" / "reference" / "doctor.md").read_text().partition("## Exit status")[0]
    assert re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE) == list(doctor.CHECKS)
