"""The throughput benchmark runs, on a log too small for its figures to mean anything."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "profile_throughput.py"


def test_the_quick_benchmark_runs():
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--quick", "--repeats", "1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "| 498,030 |" in done.stdout
