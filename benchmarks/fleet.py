"""A thousand runs to a store and back, beside boto3 and ``cp``, in the same run, on this machine.

    python benchmarks/fleet.py [RUNS]

The store is rclone's S3 server on loopback, so the network costs nothing here. boto3 sends and
fetches the same packed bytes, one after another and without looking at them. A run is made like one
of the default list: some 350 rows.
"""

import gzip
import hashlib
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3

from keepiton.fleet.object_store import LEVEL
from keepiton.storage.rows import End, Measurement, Run
from keepiton.storage.run_name import RunName

ROWS = 350
KEEPITON, RCLONE = (str(Path(sys.executable).with_name(name)) for name in ("keepiton", "rclone"))
KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
START = datetime(2022, 2, 27, tzinfo=UTC)


def a_run(number: int, dice: random.Random) -> tuple[str, bytes]:
    """Make one sealed run; addresses, hashes and durations are random, as in real runs."""
    began = START + number * timedelta(minutes=5)
    name = f"{dice.getrandbits(48):012x}"
    head = Run(
        run=name,
        software={"keepiton": "0"},
        vantage="v-bench",
        perspective="inside",
        lists=(),
        targets=ROWS // 4,
        settings={},
        planned_at=began,
        started_at=began,
    )
    rows = (
        Measurement(
            run=name,
            target=f"target-{row // 4}.example",
            operator="alpha",
            role="bank",
            check=0,
            stage=("dns", "tcp", "tls", "http")[row % 4],
            at=began + timedelta(seconds=row / 8),
            duration_ms=round(dice.uniform(5, 400), 3),
            state="ok",
            family=4,
            address=f"5.45.{row // 8}.{row % 250}",
            port=443,
            certificate_sha256=hashlib.sha256(f"{row // 40}".encode()).hexdigest(),
            body_sha256=f"{dice.getrandbits(256):064x}" if row % 4 == 3 else None,
            status=200,
            server="nginx",
        ).to_json_line()
        for row in range(ROWS)
    )
    before = head.to_json_line() + b"".join(rows)
    end = End(
        run=name,
        ended_at=began + timedelta(minutes=1),
        reason="finished",
        measurements=ROWS,
        states={"ok": ROWS},
        line="up",
        sha256=hashlib.sha256(before).hexdigest(),
    )
    return RunName.of(head).path, before + end.to_json_line()


def took(what: str, work: Callable[[], object], runs: int) -> None:
    """Print how long something takes."""
    began = time.perf_counter()
    work()
    seconds = time.perf_counter() - began
    print(f"{what:34} {seconds:7.1f} s {seconds / runs * 1000:8.2f} ms a run")


def main() -> None:
    """Copy there and back, each way."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    folder = Path(tempfile.mkdtemp(prefix="keepiton-fleet-"))
    (folder / "s3" / "ours").mkdir(parents=True)
    (folder / "s3" / "boto").mkdir()
    dice = random.Random(1)  # noqa: S311 - a benchmark
    plain = 0
    packed: dict[str, bytes] = {}
    for number in range(runs):
        place, content = a_run(number, dice)
        (folder / "data" / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / "data" / place).write_bytes(content)
        packed[place + ".gz"] = gzip.compress(content, LEVEL, mtime=0)
        plain += len(content)
    print(f"{runs} runs, {plain / runs / 1000:.0f} kB each,", end=" ")
    print(f"{sum(map(len, packed.values())) / runs / 1000:.1f} kB packed")
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    words = ["--config", "", "--addr", f"127.0.0.1:{port}", "--auth-key", "key,secret"]
    command = [RCLONE, "serve", "s3", *words, str(folder / "s3")]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server:
        endpoint = f"http://127.0.0.1:{port}"
        time.sleep(1)

        def keepiton(way: str, data: str) -> Callable[[], object]:
            words = ["s3://ours", "--endpoint", endpoint, "--data", str(folder / data)]
            command = [KEEPITON, "results", way, *words]
            env = os.environ | KEYS
            return lambda: subprocess.run(command, env=env, check=True, capture_output=True)

        options = {name.lower(): value for name, value in KEYS.items()}
        boto = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **options)
        took("cp -r of the lines", lambda: shutil.copytree(folder / "data", folder / "cp"), runs)
        took(
            "boto3, packed before, put",
            lambda: [boto.put_object(Bucket="boto", Key=k, Body=v) for k, v in packed.items()],
            runs,
        )
        took(
            "boto3, get",
            lambda: [boto.get_object(Bucket="boto", Key=k)["Body"].read() for k in packed],
            runs,
        )
        took("keepiton push", keepiton("push", "data"), runs)
        took("keepiton push, all there", keepiton("push", "data"), runs)
        took("keepiton pull", keepiton("pull", "two"), runs)
        took("keepiton pull, all here", keepiton("pull", "two"), runs)
        merge = [KEEPITON, "results", "merge", str(folder / "cp"), "--data", str(folder / "three")]
        for what in ("keepiton merge", "keepiton merge, all here"):
            took(what, lambda: subprocess.run(merge, check=True, capture_output=True), runs)
        server.kill()
    same = subprocess.run(["diff", "-r", folder / "data", folder / "two"], check=False)
    print("there and back identical:", same.returncode == 0)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
