"""CPU time of one full HTTPS chain, beside curl and blackbox_exporter on the same server.

    sudo python benchmarks/chain.py [ROUNDS]

keepiton's figure is the difference between runs of 401 and of 1 target, over 400: start-up is shown
apart. curl is a process a request, as scripts use it; blackbox_exporter is a server that is asked.
All three check the certificate. The three are measured in turn in every round.
"""

import os
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import world

COUNT = 400
TARGET = f"https://{world.ADDRESS}:{world.HTTPS}/"


def cpu_of(pid: int) -> float:
    """Read the CPU seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def keepiton(folder: Path) -> tuple[float, float]:
    """Return milliseconds a chain, and of a run with one target."""
    urls = [f"{TARGET}{n}" for n in range(COUNT + 1)]
    few = world.probe(folder, urls[:1], "--rate", "1000")
    many = world.probe(folder, urls, "--rate", "1000")
    return (many.cpu_s - few.cpu_s) / COUNT * 1000, few.cpu_s * 1000


def curl(folder: Path) -> float:
    """Return milliseconds a request."""
    command = ["curl", "-sS", "-o", "/dev/null", "--cacert", str(folder / "roots.pem"), TARGET]
    costs = [world.measured(*command) for _ in range(50)]
    if any(cost.code for cost in costs):
        raise SystemExit("curl failed")
    return sum(cost.cpu_s for cost in costs) / len(costs) * 1000


def blackbox(pid: int) -> float:
    """Return milliseconds a probe."""
    before = cpu_of(pid)
    for _ in range(COUNT):
        with urllib.request.urlopen(
            f"http://127.0.0.1:9115/probe?module=web&target={TARGET}"
        ) as reply:
            if b"probe_success 1" not in reply.read():
                raise SystemExit("blackbox_exporter failed")
    return (cpu_of(pid) - before) / COUNT * 1000


def main() -> None:
    """Measure the three in turn."""
    world.enter_own_network()
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with world.nginx() as folder:
        config = folder / "blackbox.yml"
        config.write_text(
            "modules:\n  web:\n    prober: http\n    timeout: 5s\n    http:\n"
            f"      tls_config: {{ca_file: {folder}/roots.pem}}\n"
        )
        command = ["prometheus-blackbox-exporter", f"--config.file={config}"]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as exporter:
            time.sleep(1)
            try:
                results = [
                    (*keepiton(folder), curl(folder), blackbox(exporter.pid)) for _ in range(rounds)
                ]
            finally:
                exporter.terminate()
    names = (
        "keepiton, a chain",
        "keepiton, start-up and end",
        "curl, a process",
        "blackbox_exporter",
    )
    for index, name in enumerate(names):
        values = [result[index] for result in results]
        ratio = statistics.median(result[0] / result[index] for result in results)
        print(f"{name:28} {statistics.median(values):8.2f} ms CPU  (chain / this: {ratio:.2f})")


if __name__ == "__main__":
    main()
