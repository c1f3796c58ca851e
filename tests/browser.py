"""Opens a page in headless Chromium, cut off from every network, and says what happened."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).parent / "browser" / "look.mjs"
TIMEOUT = 120
NO_NETWORK = ["unshare", "-n"]


@dataclass(frozen=True)
class View:
    """How to open the page; a print view becomes name.pdf, any other name.png."""

    name: str
    width: int = 1280
    height: int = 800
    dark: bool = False
    print: bool = False
    scripts: bool = True
    ask: str = ""
    """JavaScript to evaluate in the page before its picture is taken."""


@dataclass(frozen=True)
class Seen:
    """What a view showed: all three lists are empty for a sound page that stands alone."""

    console: list[str]
    """Errors, warnings, uncaught exceptions and what the page's policy forbade."""
    requests: list[str]
    """Addresses other than the file's own, data: among them, cut to 200 characters."""
    axe: list[dict[str, Any]]
    """Violations: id, impact, help, and nodes with target and html."""
    scroll_width: int
    title: str
    told: Any = None
    """What ``ask`` came to."""


def missing() -> str | None:
    """Say what the browser lacks on this machine and what installs it, or None."""
    if not Path("/usr/bin/chromium").exists():
        return "chromium is not installed: apt-get install chromium fonts-dejavu-core"
    if not shutil.which("node"):
        return "node is not installed: apt-get install nodejs npm"
    if not SCRIPT.with_name("node_modules").exists():
        return "puppeteer-core and axe-core are not installed: npm ci --prefix tests/browser"
    return None


def look(file: Path, out: Path, views: Sequence[View]) -> dict[str, Seen]:
    """Open the file once for each view; pictures go to the folder."""
    permitted = not subprocess.run(
        [*NO_NETWORK, "true"], capture_output=True, check=False
    ).returncode
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(
            [*(NO_NETWORK if permitted else []), "node", SCRIPT, file, out],
            input=json.dumps([asdict(view) for view in views]),
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
            env={"HOME": home, "PATH": os.environ["PATH"], "TMPDIR": home},
        )
    assert done.returncode == 0, done.stderr
    return {name: Seen(**seen) for name, seen in json.loads(done.stdout).items()}
