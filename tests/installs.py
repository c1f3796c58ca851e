"""Installs keepiton on empty environments, in every way and on every Python named, and uses it.

python tests/installs.py python3.11 python3.12 …   needs root, uv and pipx on PATH, and a registry.
Not part of the test suite: it takes minutes. Prints a table; exits 1 where anything failed.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

ROOT = Path(__file__).parent.parent
SHARED = (
    "share/man/man1/keepiton.1",
    "share/bash-completion/completions/keepiton",
    "share/zsh/site-functions/_keepiton",
    "share/fish/vendor_completions.d/keepiton.fish",
)
NO_LINE = 4
KEPT = ("PATH", "LANG", "PIP_CONFIG_FILE")
CACHE = str(Path(tempfile.gettempdir()) / "installs-cache")


def ran(words: list[str], env: Mapping[str, str], code: int = 0) -> str:
    """Run a command; return what it printed. Raises AssertionError on another exit code."""
    done = subprocess.run(words, capture_output=True, text=True, env=env, cwd="/", check=False)
    shown = (done.stdout + done.stderr).strip()[-600:]
    assert done.returncode == code, f"{' '.join(words)}: exit {done.returncode}: {shown}"
    return done.stdout


def pip(python: str, home: Path, env: dict[str, str]) -> list[str]:
    """Install with plain pip into a new environment; return the command that takes it away."""
    place = home / "venv"
    (home / "bin").symlink_to(place / "bin")
    ran([python, "-m", "venv", str(place)], env)
    ran([str(place / "bin/pip"), "install", "-q", str(ROOT)], env)
    assert "No broken requirements" in ran([str(place / "bin/pip"), "check"], env)
    landed(place)
    return [str(place / "bin/pip"), "uninstall", "-qy", "keepiton"]


def pipx(python: str, home: Path, env: dict[str, str]) -> list[str]:
    """Install with pipx, which also links the man page."""
    env |= {"PIPX_HOME": str(home / "pipx"), "PIPX_BIN_DIR": str(home / "bin")}
    env |= {"PIPX_MAN_DIR": str(home / "man")}
    ran(["pipx", "install", "--python", python, str(ROOT)], env)
    landed(home / "pipx/venvs/keepiton")
    assert (home / "man/man1/keepiton.1").is_file()
    return ["pipx", "uninstall", "keepiton"]


def uv(python: str, home: Path, env: dict[str, str]) -> list[str]:
    """Install with uv."""
    env |= {"UV_TOOL_DIR": str(home / "uv"), "UV_TOOL_BIN_DIR": str(home / "bin")}
    ran(["uv", "tool", "install", "-q", "--python", python, str(ROOT)], env)
    landed(home / "uv/keepiton")
    return ["uv", "tool", "uninstall", "keepiton"]


def landed(place: Path) -> None:
    """Raise AssertionError unless the man page and the completions are there."""
    missing = [one for one in SHARED if not (place / one).is_file()]
    assert not missing, f"not installed: {missing}"


def used(keepiton: str, data: str, env: dict[str, str]) -> None:
    """Use an installed keepiton, without a network."""
    ran([keepiton, "--version"], env)
    assert "Commands:" in ran([keepiton, "--help"], env)
    ran([keepiton, "targets", "check"], env)
    ran([keepiton, "drill", "--fast", "--scenario", "calm"], env)
    ran(["unshare", "-n", keepiton, "probe", "-q", "--data", data], env, NO_LINE)
    for command in ("report", "status"):
        json.loads(ran([keepiton, command, "--format", "json", "--data", data], env))


def tried(way: Callable[..., list[str]], python: str) -> str:
    """Install in one way on one Python, use, take away; say what went wrong, or nothing."""
    with tempfile.TemporaryDirectory(prefix="installs-") as name:
        home = Path(name)
        env = {one: os.environ[one] for one in os.environ if one in KEPT or "CERT" in one}
        env |= {"HOME": name, "PIP_CACHE_DIR": CACHE, "UV_CACHE_DIR": CACHE}
        try:
            remove = way(python, home, env)
            used(str(home / "bin/keepiton"), str(home / "data"), env)
            ran(remove, env)
            locks = {home / "pipx/venvs/.keepiton.storage.lock"}  # pipx's own, and empty
            left = {*home.rglob("*keepiton*")} - locks - {*(home / "data").rglob("*")}
            assert not left, f"left behind: {left}"
        except AssertionError as exc:
            return str(exc)
    return ""


def main() -> None:
    """Print the table."""
    failed = False
    for python in sys.argv[1:]:
        version = ran([python, "-c", "import platform; print(platform.python_version())"], {})
        for way in (pip, pipx, uv):
            began = time.monotonic()
            wrong = tried(way, python)
            failed |= bool(wrong)
            took = time.monotonic() - began
            line = f"{version.strip():8} {way.__name__:5} {took:4.0f} s  {wrong or 'all done'}"
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
    sys.exit(failed)


if __name__ == "__main__":
    main()
