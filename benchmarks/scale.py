"""The whole flow at 10,000, 100,000 and 1,000,000 users: time per user and peak memory of every step.

    python benchmarks/scale.py                      # about an hour on two cores
    python benchmarks/scale.py --sizes 10000 100000
    python benchmarks/scale.py --quick              # 50 users

Every step is the public command in a process of its own, so that its peak memory (ru_maxrss, what the operating
system says of the finished process) is its own.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from machine import describe

GIB = 1024**3
LIMIT_GIB = 6


class Cost(NamedTuple):
    """What a step took."""

    seconds: float
    peak_bytes: int


def steps(users: int, folder: Path) -> dict[str, list[str]]:
    """The commands, by name, in order."""
    log, profiles, train, test = (
        str(folder / x) for x in ("events.parquet", "profiles", "train", "test")
    )
    run = str(folder / "run")
    drawn = str(folder / "generated")
    roles = ["--user", "user_id", "--time", "timestamp", "--channel", "platform"]
    window = ["--start", "2018-02-01", "--days", "32", "--timezone", "UTC"]
    return {
        "simulate": ["simulate", "--users", str(users), "--days", "32", "--seed", "0", "--out", log],
        "profile": ["profile", log, *roles, *window, "--out", profiles],
        "split": ["split", profiles, "--test", "0.26", "--seed", "0", "--out", train, test],
        "fit": ["fit", profiles, "--model", "beta-vae", "--epochs", "1", "--batch", "500", "--out", run],
        "generate": ["generate", run, "--users", str(users), "--seed", "1", "--out", drawn],
        "evaluate": ["evaluate", drawn, "--against", test, "--train", train, "--json", str(folder / "metrics.json"),
                     "--html", str(folder / "report.html")],
    }  # fmt: skip


def measure(arguments: list[str]) -> Cost:
    """Run one command to its end.

    Raises:
        SystemExit: if it fails.
    """
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "habitus", *arguments], stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"failed: habitus {' '.join(arguments)}")
    return Cost(time.perf_counter() - start, usage.ru_maxrss * 1024)


def run(sizes: list[int]) -> dict[int, dict[str, Cost]]:
    """Every step at every size; a line each as it is done."""
    costs: dict[int, dict[str, Cost]] = {}
    for users in sizes:
        folder = Path(tempfile.mkdtemp(prefix="habitus-scale-"))
        try:
            costs[users] = {}
            for name, arguments in steps(users, folder).items():
                cost = costs[users][name] = measure(arguments)
                each = 1e6 * cost.seconds / users
                peak = cost.peak_bytes / GIB
                print(
                    f"{users:>9,} users  {name:9} {cost.seconds:8.1f} s  {each:9.1f} us/user  {peak:5.2f} GiB",
                    flush=True,
                )
        finally:
            shutil.rmtree(folder)
    return costs


def verdict(costs: dict[int, dict[str, Cost]]) -> None:
    """Peak memory over all, and time per user at the largest size against the smallest."""
    peak = max(cost.peak_bytes for by_step in costs.values() for cost in by_step.values())
    print(f"highest peak {peak / GIB:.2f} GiB (limit {LIMIT_GIB})")
    few = min(costs)
    many = max(costs)
    for name in costs[few]:
        ratio = (costs[many][name].seconds / many) / (costs[few][name].seconds / few)
        print(f"{name:9} time per user at {many:,} / at {few:,}: {ratio:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    print(describe())
    verdict(run([50] if arguments.quick else arguments.sizes))


if __name__ == "__main__":
    main()
