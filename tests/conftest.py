"""The guard, the lab, and a way to run the installed command."""

import getpass
import os
import re
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import network_guard  # noqa: F401 - its import is the guard
import pytest

import lab as lab_module

HERE = Path(__file__).parent
SKIPPED: list[str] = []
SLOW_FIXTURES = frozenset(
    {
        "bucket",
        "chromium",
        "keepiton",
        "lab",
        "lab_or_root",
        "open_lab",
        "server",
        "strict",
        "wheel",
    }
)
"""Each starts processes (the installed command, a network, a browser, a server, a build) or needs
root."""
SLOW_FILES = frozenset(
    {
        "test_browser.py",
        "test_campaign.py",
        "test_drill.py",
        "test_end_to_end.py",
        "test_engine.py",
        "test_fuzz.py",
        "test_hostile.py",
        "test_safety.py",
        "test_scenarios.py",
        "test_schedule.py",
        "test_watch.py",
    }
)
"""Files whose tests take seconds each, or need root or a Debian package."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark slow tests by rule: by file, by fixture, and by ``skipif``, which asks for a tool.

    A single one elsewhere that takes a second, or needs root or a tool, has ``@pytest.mark.slow``.
    """
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        needs_more = item.get_closest_marker("skipif") or SLOW_FIXTURES.intersection(fixtures)
        if needs_more or item.path.name in SLOW_FILES:
            item.add_marker(pytest.mark.slow)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """Remember which modules were skipped."""
    if report.skipped:
        SKIPPED.append(report.nodeid)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember which tests were skipped."""
    if report.skipped:
        SKIPPED.append(report.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a skipped test is a failed one."""
    if SKIPPED and os.environ.get("KEEPITON_SKIPS_FAIL"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def lab() -> Iterator[lab_module.Lab]:
    """A small internet that stands for the whole session."""
    reason = lab_module.missing()
    if reason:
        pytest.skip(reason)
    with lab_module.standing() as standing:
        yield standing


@pytest.fixture
def open_lab(lab: lab_module.Lab) -> Iterator[lab_module.Lab]:
    """The lab with nothing cut, before and after."""
    yield lab
    lab.link("up")
    lab.nft("")


def traces(text: str, *addresses: str) -> list[str]:
    """Return what in a text names this machine: its host or user name, home, or such an address.

    As a word: a host may be called "vm", and random names hold that too.
    """
    names = [socket.gethostname(), str(Path.home()), *addresses]
    if getpass.getuser() != "root":
        names.append(getpass.getuser())
    return [one for one in names if re.search(rf"(?<![\w.-]){re.escape(one)}(?![\w-]|\.\w)", text)]


Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def keepiton(tmp_path: Path) -> Command:
    """Run the installed command, guarded, in an empty folder and home."""
    return in_folder(tmp_path)


def in_folder(tmp_path: Path) -> Command:
    """Give what runs the installed command, guarded, with a folder for all that it writes."""

    def run(
        *words: str, stdin: str = "", env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        base = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
        return subprocess.run(
            [lab_module.KEEPITON, *words],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            cwd=tmp_path,
            env=base
            | {
                "HOME": str(tmp_path),
                "KEEPITON_DATA": str(tmp_path / "data"),
                "KEEPITON_NO_DOH": "1",
                "PYTHONPATH": str(HERE / "guard"),
                "XDG_CONFIG_DIRS": str(tmp_path / "system"),
                "XDG_CONFIG_HOME": str(tmp_path / "config"),
            }
            | (env or {}),
        )

    return run
