"""A real Spark standalone cluster on loopback: a master and two workers, each a process.

Needs pyspark, which brings the jars, and Java 17. Only what was started here is ended, by its id.
"""

import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import quote

WORKERS = 2
QUICK = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""Halves the time of what does not run for long."""
SETTINGS = {
    "spark.cores.max": "2",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.extraJavaOptions": QUICK,
    "spark.driver.host": "127.0.0.1",
    "spark.driver.memory": "512m",
    "spark.executor.cores": "1",
    "spark.executor.extraJavaOptions": QUICK,
    "spark.executor.memory": "512m",
    "spark.sql.shuffle.partitions": "2",
}
# What Spark's own launcher adds for Java 17 (org.apache.spark.launcher.JavaModuleOptions).
OPENED = """
    java.lang java.lang.invoke java.lang.reflect java.io java.net java.nio java.util
    java.util.concurrent java.util.concurrent.atomic sun.nio.ch sun.nio.cs sun.security.action
    sun.util.calendar
"""


def missing() -> str:
    """Say what is not here."""
    if not importlib.util.find_spec("pyspark"):
        return "pyspark is not installed"
    return "" if shutil.which("java") else "no java"


class Cluster:
    """Where it stands, and its processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        self.master = ""
        self.page = ""

    def url(self, lines: str) -> str:
        """Write the URL that keepiton is given."""
        settings = "&".join(f"{key}={quote(value)}" for key, value in SETTINGS.items())
        return f"{self.master}?lines={lines}&{settings}"

    def state(self) -> dict[str, Any]:
        """Ask the master."""
        page = self.page + "/json/"
        with urllib.request.urlopen(page, timeout=5) as answer:  # noqa: S310 - loopback
            return dict(json.load(answer))

    def start(self, name: str, what: str, *words: str) -> None:
        """Start a process of the cluster, as bin/spark-class would."""
        found = importlib.util.find_spec("pyspark")
        assert found
        assert found.submodule_search_locations
        home = Path(found.submodule_search_locations[0])
        jar = next(home.glob("jars/spark-core_*")).name
        env = os.environ | {
            "SPARK_CONF_DIR": str(self.folder / "conf"),
            "SPARK_HOME": str(home),
            "SPARK_LOCAL_DIRS": str(self.folder / "local"),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_SCALA_VERSION": jar.split("_")[1].split("-")[0],
        }
        opened = [f"--add-opens=java.base/{one}=ALL-UNNAMED" for one in OPENED.split()]
        where = ["--host", "127.0.0.1", "--port", "0", "--webui-port", "0"]
        command = ["java", "-cp", f"{home}/jars/*", "-Xmx256m", *QUICK.split(), *opened]
        command += [f"org.apache.spark.deploy.{what}", *where, *words]
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes.append(
                subprocess.Popen(command, stdout=log, stderr=log, env=env, cwd=self.folder)
            )

    def until(self, ready: Callable[[], Any]) -> Any:  # noqa: ANN401 - what is waited for
        """Wait for something."""
        end = time.monotonic() + 90
        while time.monotonic() < end and all(one.poll() is None for one in self.processes):
            with suppress(OSError):
                if found := ready():
                    return found
            time.sleep(0.1)
        raise AssertionError("\n".join(log.read_text() for log in self.folder.glob("*.log")))

    def said(self, pattern: str) -> str:
        """Find something in the master's log."""
        found = re.search(pattern, (self.folder / "master.log").read_text())
        return found[1] if found else ""


def below(process: int) -> list[int]:
    """List a process and all that it started."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    found = [process]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def reachable(processes: list[int]) -> set[str]:
    """List the addresses, but loopback, that sockets of these processes have at either end."""
    sockets = set()
    for process in processes:
        for path in Path(f"/proc/{process}/fd").glob("*"):
            with suppress(OSError):
                sockets |= set(re.findall(r"socket:\[(\d+)\]", str(path.readlink())))
    out = set()
    for name in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
            _, local, remote, state, *rest = line.split()
            if rest[5] in sockets:
                listens = name[:3] == "udp" or state == "0A"
                out |= {address(one) for one in ([local] if listens else [local, remote])}
    return {one for one in out if one and not ip_address(one).is_loopback}


def address(text: str) -> str:
    """Read an address as /proc/net writes it: words of four bytes, each turned about."""
    raw = bytes.fromhex(text.partition(":")[0])
    turned = b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4))
    if turned.startswith(b"\0" * 10 + b"\xff\xff"):
        turned = turned[12:]
    return str(ip_address(turned))


@contextmanager
def standing(folder: Path) -> Iterator[Cluster]:
    """Let a cluster stand."""
    (folder / "conf").mkdir()
    it = Cluster(folder)
    try:
        it.start("master", "master.Master")
        it.master = it.until(lambda: it.said(r"Starting Spark master at (spark://[\d.]+:\d+)"))
        it.page = "http://127.0.0.1:" + it.until(lambda: it.said(r"'MasterUI' on port (\d+)"))
        for number in range(WORKERS):
            words = ["--cores", "2", "--memory", "1g", "--work-dir", str(folder / f"work-{number}")]
            it.start(f"worker-{number}", "worker.Worker", *words, it.master)
        it.until(lambda: [one["state"] for one in it.state()["workers"]] == ["ALIVE"] * WORKERS)
        yield it
    finally:
        started = {one for process in it.processes for one in below(process.pid)}
        for process in reversed(it.processes):
            process.terminate()
            process.wait(20)
        end = time.monotonic() + 10
        while (left := [one for one in started if Path(f"/proc/{one}").exists()]) and (
            time.monotonic() < end
        ):
            time.sleep(0.1)
        for one in left:  # executors end with their workers, as a rule
            with suppress(OSError):
                os.kill(one, signal.SIGKILL)


def executors(session: Any) -> dict[str, int]:  # noqa: ANN401 - Spark's own, through Java
    """Count the tasks that each executor did."""
    found = session.sparkContext._jsc.sc().statusStore().executorList(True).iterator()  # noqa: SLF001
    done = {}
    while found.hasNext():
        one = found.next()
        done[str(one.id())] = int(one.completedTasks())
    done.pop("driver", None)
    return done
