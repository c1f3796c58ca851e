"""Start-up: ``keepiton --help`` beside ``python -c "import click"``, in turn, on this machine.

    python benchmarks/startup.py [RUNS]

Prints the medians and the median of the pairwise ratios. The bar is 1.5.
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

KEEPITON = str(Path(sys.executable).with_name("keepiton"))


def took(command: list[str]) -> float:
    """Run a command once; return its wall time in seconds."""
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def main() -> None:
    """Time both commands in turn."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    ours, theirs = [KEEPITON, "--help"], [sys.executable, "-c", "import click"]
    took(ours), took(theirs)
    pairs = [(took(ours), took(theirs)) for _ in range(runs)]
    ratio = statistics.median(ours / other for ours, other in pairs)
    print(f"keepiton --help      {statistics.median(ours for ours, _ in pairs) * 1000:7.1f} ms")
    print(f"python import click  {statistics.median(other for _, other in pairs) * 1000:7.1f} ms")
    print(f"ratio                {ratio:7.2f}     (bar: 1.50, {runs} pairs)")


if __name__ == "__main__":
    main()
