"""The whole flow at 10,000, 100,000 and 1,000,000 users: time per user and peak memory of every step.

    python benchmarks/scale.py                      # about an hour on two cores
    python benchmarks/scale.py --sizes 10000 100000
    python benchmarks/scale.py --quick              # 50 users

Every step is the public command in a process of its own, so that its peak memory (ru_maxrss, what the operating
system says of the finished process) is its own. With --quick it is a fork, which has no imports to wait for, and
evaluate writes no page, whose figures take as long for any number of users.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from children import run_child
from machine import describe

GIB = 1024**3
LIMIT_GIB = 6


class Cost(NamedTuple):
    """What a step took."""

    seconds: float
    peak_bytes: int


def steps(users: int, folder: Path, *, quick: bool) -> dict[str, list[str]]:
    """The commands, by name, in order."""
    log, profiles, train, test = (
        str(folder / x) for x in ("events.parquet", "profiles", "train", "test")
    )
    run = str(folder / "run")
    drawn = str(folder / "generated")
    roles = ["--user", "user_id", "--time", "timestamp", "--channel", "platform"]
    window = ["--start", "2018-02-01", "--days", "32", "--timezone", "UTC"]
    page = [] if quick else ["--html", str(folder / "report.html")]
    return {
        "simulate": ["simulate", "--users", str(users), "--days", "32", "--seed", "0", "--out", log],
        "profile": ["profile", log, *roles, *window, "--out", profiles],
        "split": ["split", profiles, "--test", "0.26", "--seed", "0", "--out", train, test],
        "fit": ["fit", profiles, "--model", "beta-vae", "--epochs", "1", "--batch", "500", "--out", run],
        "generate": ["generate", run, "--users", str(users), "--seed", "1", "--out", drawn],
        "evaluate": ["evaluate", drawn, "--against", test, "--train", train, "--json", str(folder / "metrics.json"),
                     *page],
    }  # fmt: skip


def measure(arguments: list[str], *, fork: bool = False) -> Cost:
    """Run one command to its end, by an interpreter or in a fork of this process.

    A fork begins with the time and memory of this process's imports already spent.

    Raises:
        SystemExit: if it fails.
    """
    start = time.perf_counter()
    forked = partial(import_module("habitus.cli").main, arguments) if fork else None
    with Path(os.devnull).open("w") as nothing:
        code, usage = run_child(
            forked or [sys.executable, "-m", "habitus", *arguments], nothing.fileno()
        )
    if code:
        raise SystemExit(f"failed: habitus {' '.join(arguments)}")
    return Cost(time.perf_counter() - start, usage.ru_maxrss * 1024)


def run(sizes: list[int], *, quick: bool) -> dict[int, dict[str, Cost]]:
    """Every step at every size; a line each as it is done."""
    costs: dict[int, dict[str, Cost]] = {}
    for users in sizes:
        folder = Path(tempfile.mkdtemp(prefix="habitus-scale-"))
        try:
            costs[users] = {}
            for name, arguments in steps(users, folder, quick=quick).items():
                cost = costs[users][name] = measure(arguments, fork=quick)
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
    verdict(run([50] if arguments.quick else arguments.sizes, quick=arguments.quick))


if __name__ == "__main__":
    main()
