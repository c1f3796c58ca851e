"""What a watch of a day costs, and whether it grows: 24 simulated hours, a run every 5 minutes.

    python benchmarks/watch.py [HOURS] [SPEED]      # 24 100; needs libfaketime

The real command on a terminal, table and all, with 60 targets on loopback of which one flaps; the
clock runs SPEED times as fast. Prints the most memory in the third and fourth hour and in the last
two (it swings with what DuckDB keeps between runs), and the CPU time of one run, beside that
of ``keepiton probe`` alone on the same list in the same run.
"""

import os
import pty
import resource
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from world import KEEPITON

FAKETIME = next(Path("/usr/lib").rglob("faketime/libfaketimeMT.so.1"))
WORDS = ("--allow-private", "--again", "--no-doh", "--perspective", "outside", "--vantage", "v-b")
TARGETS = 60
EVERY_S = 300
LOOKS_TO_WARM = 24


class Server(ThreadingHTTPServer):
    """Keeps quiet of those who leave early."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing."""


class Site(BaseHTTPRequestHandler):
    """Answers one small page; flaps where the path says so."""

    asked = 0

    def do_GET(self) -> None:
        """Answer, or not."""
        if self.path == "/flaps":
            Site.asked += 1
            if Site.asked // 40 % 2:
                return
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"well\n")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base names it so
        """Say nothing."""


def listed(port: int) -> str:
    """Write the list."""
    base = f"http://127.0.0.1:{port}"
    rows = [("flaps", "alpha")] + [(f"t{n}", f"op{n % 8}") for n in range(TARGETS - 1)]
    out = ['title = "a watch"']
    for name, operator in rows:
        out += ["[[target]]", f'id = "{name}"', f'url = "{base}/{name}"']
        out += [f'operator = "{operator}"']
    for number in range(3):
        out += ["[[target]]", f'id = "c{number}"', f'url = "{base}/c{number}"']
        out += ['control = "foreign"']
    return "\n".join(out) + "\n"


def memory_mib(pid: int) -> float:
    """Read the memory that a process has for itself (its Pss without what is shared)."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    fields = dict(line.split(":", 1) for line in text.splitlines()[1:])
    kib = sum(int(fields[name].split()[0]) for name in ("Private_Clean", "Private_Dirty"))
    return kib / 1024


def cpu_s(pid: int) -> float:
    """Read the CPU seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def runs_made(data: Path) -> int:
    """Count sealed runs."""
    return sum(1 for _ in data.rglob("*.jsonl"))


def watched(path: Path, data: Path, speed: int, count: int) -> tuple[list[float], float]:
    """Watch for a number of runs; return memory after each, and the CPU time of one run."""
    leader, follower = pty.openpty()
    words = ["watch", str(path), "--data", str(data), "--every", f"{EVERY_S // 60}m", *WORDS]
    process = subprocess.Popen(
        [KEEPITON, *words],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env=os.environ | {"LD_PRELOAD": str(FAKETIME), "FAKETIME": f"+0 x{speed}", "TERM": "xterm"},
    )
    os.close(follower)
    threading.Thread(target=_drain, args=(leader,), daemon=True).start()
    seen: list[float] = []
    warm = 0.0
    while len(seen) < count and process.poll() is None:
        if runs_made(data) > len(seen):
            seen.append(memory_mib(process.pid))
            if len(seen) == LOOKS_TO_WARM:
                warm = cpu_s(process.pid)
        time.sleep(0.05)
    spent = (cpu_s(process.pid) - warm) / (len(seen) - LOOKS_TO_WARM)
    process.terminate()
    process.wait()
    return seen, spent


def _drain(leader: int) -> None:
    try:
        while os.read(leader, 65_536):
            pass
    except OSError:
        pass


def probed(path: Path, data: Path) -> float:
    """Probe once; return the CPU time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [KEEPITON, "probe", str(path), "--data", str(data), "--rate", "5000", "-q", *WORDS],
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> None:
    """Watch, then probe, and print both."""
    hours = int(sys.argv[1]) if len(sys.argv) > 1 else 24
    speed = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    server = Server(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "list.toml"
        path.write_text(listed(server.server_port))
        seen, spent = watched(path, folder / "data", speed, hours * 3600 // EVERY_S)
        alone = probed(path, folder / "alone")
    first, last = max(seen[LOOKS_TO_WARM : 2 * LOOKS_TO_WARM]), max(seen[-LOOKS_TO_WARM:])
    print(f"runs                         {len(seen):7}")
    print(f"most memory, hours 3 and 4   {first:7.1f} MiB")
    print(f"most memory, last two hours  {last:7.1f} MiB  ratio {last / first:.2f} (bar: 1.10)")
    hourly = [max(seen[at : at + 12]) for at in range(0, len(seen), 12)]
    print("most memory, hour by hour    " + " ".join(f"{kib:.0f}" for kib in hourly))
    print(f"CPU of a run with table     {spent:7.2f} s")
    print(f"CPU of keepiton probe        {alone:7.2f} s    ratio {spent / alone:.2f} (bar: 2)")


if __name__ == "__main__":
    main()
