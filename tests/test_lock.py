"""One run at a time in a folder, and plain words where the folder or its lock cannot be had."""

import errno
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest

import campaign
import loopback
from conftest import Command
from keepiton.storage import lock
from lab import KEEPITON
from test_results import until_written

HOLD = """\
import sys, time
from pathlib import Path
from keepiton.storage import lock
with lock.hold(Path(sys.argv[1])):
    {do}
    print("held", flush=True)
    time.sleep(60)
"""


@contextmanager
def holding(data: Path, do: str = "pass"):  # type: ignore[no-untyped-def]  # noqa: ANN201
    """A process that holds the lock."""
    words = [sys.executable, "-c", HOLD.format(do=do), str(data)]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == b"held\n"
            yield process
        finally:
            process.kill()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def probe(tmp_path: Path, keepiton: Command):  # type: ignore[no-untyped-def]  # noqa: ANN201
    """Start a run of a list whose one target refuses."""
    (tmp_path / "list").write_text("http://127.0.0.1:1/\n")
    settled = ("--allow-private", "--confirm", "0", "--again")
    return lambda *words: keepiton("probe", "list", *settled, *words)


def test_a_second_run_is_exit_75_and_names_the_folder_where_somebody_reads(
    data: Path, probe: Command
) -> None:
    with holding(data) as holder:
        done = probe("-q")
        assert (done.returncode, done.stdout, done.stderr) == (75, "", "")
        done = probe("-v")
        assert done.returncode == 75
        assert f"another run is under way in {data}\n" in done.stderr
        holder.send_signal(signal.SIGSTOP)  # a suspended one holds it still
        with pytest.raises(lock.Locked), lock.hold(data):
            pass
        holder.kill()
    with lock.hold(data):
        pass


def test_a_run_that_was_killed_holds_nothing(data: Path, tmp_path: Path, probe: Command) -> None:
    with loopback.serving(loopback.silent) as server:
        (tmp_path / "slow").write_text(f"http://127.0.0.1:{server.port}/\n")
        words = [KEEPITON, "probe", str(tmp_path / "slow"), "--allow-private", "-q"]
        with subprocess.Popen([*words, "--data", str(data)]) as process:
            until_written(data, 1)
            process.kill()
    assert (data / "lock").exists()
    assert probe("-q").returncode == 4, "one target, and it refuses"
    assert len(list(data.rglob("*.jsonl"))) == 2
    assert not list(data.rglob("*.part"))


@pytest.mark.parametrize(
    "do",
    [
        "import subprocess; subprocess.Popen(['sleep', '60'], stdout=2, close_fds=False)",
        "import os; os.fork() or (os.close(1), time.sleep(60))",
    ],
    ids=["exec", "fork"],
)
def test_what_a_run_starts_does_not_keep_its_lock(data: Path, do: str) -> None:
    with holding(data, do) as holder:
        with pytest.raises(lock.Locked), lock.hold(data):
            pass
        children = Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().split()
        holder.kill()
        holder.wait()
        (child,) = map(int, children)
        os.kill(child, 0)  # lives
        try:
            until_free(data)
        finally:
            os.kill(child, signal.SIGKILL)


def until_free(data: Path) -> None:
    """A forked child lets go when it first runs."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            with lock.hold(data):
                return
        except lock.Locked:
            time.sleep(0.01)
    raise AssertionError("it is held")


@pytest.mark.slow
def test_two_hundred_at_once_and_one_at_a_time(data: Path, tmp_path: Path) -> None:
    """Each notes when it comes in and goes out; no two are in at once."""
    log = tmp_path / "log"
    code = f"""\
import os, sys, time
from pathlib import Path
import filelock
from keepiton.storage import lock
log = os.open({str(log)!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
for _ in range(200):
    if os.fork() == 0:
        time.sleep(0.2)
        try:
            with lock.hold(Path({str(data)!r})):
                os.write(log, b"in\\n")
                time.sleep(0.05)
                os.write(log, b"out\\n")
        except lock.Locked:
            os._exit(75)
        os._exit(0)
print(*(os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(200)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    codes = [int(one) for one in done.stdout.split()]
    assert set(codes) == {0, 75}
    came = log.read_text().split()
    assert came == ["in", "out"] * codes.count(0)


def read_only(data: Path) -> AbstractContextManager[None]:
    return mounted(data, "-t", "tmpfs", "-o", "ro", "none")


@contextmanager
def mounted(data: Path, *words: str):  # type: ignore[no-untyped-def]  # noqa: ANN201
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    data.mkdir()
    subprocess.run(["mount", *words, str(data)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(data)], check=True)


def file(data: Path) -> None:
    data.write_text("mine")


def link(data: Path) -> None:
    data.symlink_to("nowhere")


def lock_is_folder(data: Path) -> None:
    (data / "lock").mkdir(parents=True)


def lock_is_link(data: Path) -> None:
    data.mkdir()
    (data / "lock").symlink_to("nowhere")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "at", "said"),
    [
        (read_only, "lock", "Read-only file system; name another folder with --data"),
        (file, "", "File exists; it must be a folder; remove it, or name another"),
        (link, "", "File exists; it must be a folder; remove it, or name another"),
        (lock_is_folder, "lock", "Is a directory; the lock is a plain file; remove what stands"),
        (lock_is_link, "lock", "the lock is a plain file; remove the link that stands in its"),
    ],
)
def test_a_folder_that_cannot_be_had_is_named_with_the_remedy(
    data: Path, place: Callable[[Path], AbstractContextManager[None] | None], at: str, said: str
) -> None:
    with ExitStack() as stack:
        if context := place(data):
            stack.enter_context(context)
        with pytest.raises(OSError, match=said) as caught, lock.hold(data):
            pass
    assert caught.value.filename == str(data / at)


def test_it_is_told_in_one_line_with_exit_5(data: Path, probe: Command) -> None:
    lock_is_folder(data)
    done = probe("-q")
    assert done.returncode == 5
    assert done.stderr.startswith(f"keepiton: results not written: {data / 'lock'}: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_another_users_folder_is_named(data: Path) -> None:
    """Root without its powers is as any user."""
    if os.geteuid() != 0:
        pytest.skip("giving a folder away needs root")
    data.mkdir(0o700)
    os.chown(data, 12345, 12345)
    code = HOLD.format(do="pass")
    bare = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all"]
    words = [*bare, sys.executable, "-c", code, str(data)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert "Permission denied; check who owns it, or name another folder with --data" in done.stderr


@pytest.mark.parametrize("name", ["ENOSYS", "ENOLCK", "EOPNOTSUPP"])
def test_a_disk_without_locks_is_refused(data: Path, tmp_path: Path, name: str) -> None:
    """A mark in the lock's place would outlive the process that set it."""
    made = campaign.shim(tmp_path)
    env = {"LD_PRELOAD": made, "SHIM_UNDER": str(data), "SHIM_CALLS": "flock", "SHIM_AT": "1"}
    words = [sys.executable, "-W", "error", "-c", HOLD.format(do="pass"), str(data)]
    number = str(getattr(errno, name))
    done = subprocess.run(
        words,
        env=os.environ | env | {"SHIM_DO": number},
        capture_output=True,
        text=True,
        check=False,
    )
    said = "this disk cannot lock files; name a folder on a local disk with --data"
    assert re.search(rf"OSError: \[Errno {number}\] .*; {said}: '{data}", done.stderr), done.stderr
    with lock.hold(data):  # nothing is left that would lock others out
        pass


def test_what_goes_wrong_inside_is_not_taken_for_the_lock(data: Path) -> None:
    with pytest.raises(PermissionError, match="mine"), lock.hold(data):
        raise PermissionError(errno.EACCES, "mine")
    with lock.hold(data):
        pass
