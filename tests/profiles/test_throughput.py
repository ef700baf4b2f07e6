"""The throughput benchmark runs, on a log too small for its figures to mean anything."""

from pathlib import Path

from forked import run_program

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "profile_throughput.py"


def test_the_quick_benchmark_runs():
    done = run_program(SCRIPT, "--quick", "--repeats", "1")
    assert done.code == 0, done.err
    assert "| 498,030 |" in done.out
