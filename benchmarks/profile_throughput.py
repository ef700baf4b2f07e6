"""Events per second from a log to a profiles folder, against pandas, and against merely reading the file.

Each way runs in a process of its own, in turn, so that peak memory is its own. From a 50-million-event Parquet log:

* ours: ``profile_to`` a folder;
* pandas: read_parquet, day and hour of the time, groupby([user, day, hour, channel]).size(), to_parquet;
* scan: DuckDB reads every value of the file, which no way can do without.

Usage: python benchmarks/profile_throughput.py [--log events.parquet] [--repeats 3] [--quick]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import duckdb
import pandas as pd
import pyarrow.parquet as pq

from children import run_child
from habitus.events import EventLog
from habitus.profiles import ProfileConfig, profile_to
from habitus.simulate import START, write_log

USERS = 440_000
QUICK_USERS = 4_400  # about 114 events each
DAYS = 32
TIMES = "times.json"
TARGET_RATIO = 5.0
TARGET_GIB = 3.0
ENOUGH_MEMORY = 150  # bytes of free memory that pandas needs for an event: 130 measured


@dataclass(frozen=True)
class Cost:
    """Seconds and seconds of processor time of the work, without the imports before it; peak memory in GiB."""

    wall: float
    cpu: float
    peak: float


def ours(log: Path, out: Path, rows: int) -> None:
    """Our way."""
    events = EventLog.open(log, user="user_id", time="timestamp", channel="platform")
    made = profile_to(out / "profiles", events, ProfileConfig(start=START, days=DAYS))
    assert made.about["rows"]["events"] == rows


def by_pandas(log: Path, out: Path, rows: int) -> None:
    """The straightforward way, on the first ``rows`` events."""
    whole = rows == pq.read_metadata(log).num_rows
    frame = pd.read_parquet(log) if whole else _first_rows(log, rows)
    frame["day"] = frame["timestamp"].dt.normalize()
    frame["hour"] = frame["timestamp"].dt.hour
    counts = (
        frame.groupby(["user_id", "day", "hour", "platform"], observed=True).size().rename("count")
    )
    counts.reset_index().to_parquet(out / "counts.parquet")
    assert counts.sum() == len(frame)


def scan(log: Path, out: Path, rows: int) -> None:
    """Every value of every column read, and nothing done with it."""
    columns = ", ".join(f'max("{name}")' for name in pq.read_schema(log).names)
    duckdb.sql(f"SELECT {columns} FROM read_parquet('{log}')").to_arrow_table()


WAYS: dict[str, Callable[[Path, Path, int], None]] = {
    "ours": ours,
    "pandas": by_pandas,
    "scan": scan,
}


def _first_rows(log: Path, rows: int) -> pd.DataFrame:
    file = pq.ParquetFile(log)
    groups = []
    count = 0
    while count < rows:
        count += file.metadata.row_group(len(groups)).num_rows
        groups.append(len(groups))
    return file.read_row_groups(groups).slice(0, rows).to_pandas()


def measure(way: str, log: Path, rows: int, *, fork: bool) -> Cost:
    """Run one way in a process of its own."""
    with tempfile.TemporaryDirectory() as out:
        command = [
            sys.executable,
            __file__,
            "--log",
            str(log),
            "--only",
            way,
            "--rows",
            str(rows),
            "--out",
            out,
        ]
        forked = partial(work, way, log, rows, Path(out)) if fork else None
        code, usage = run_child(forked or command, sys.stdout.fileno())
        if code:
            raise SystemExit(f"{way} failed")
        wall, cpu = json.loads((Path(out) / TIMES).read_text())
    return Cost(wall, cpu, usage.ru_maxrss / 2**20)


def work(way: str, log: Path, rows: int, out: Path) -> None:
    """Do it one way, in this process, and write down how long it took."""
    wall = time.perf_counter()
    cpu = time.process_time()
    WAYS[way](log, out, rows)
    (out / TIMES).write_text(json.dumps((time.perf_counter() - wall, time.process_time() - cpu)))


def free_memory() -> int:
    """Bytes of memory that are free or can be made so."""
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def compare(log: Path, repeats: int, *, fork: bool) -> dict[str, list[Cost]]:
    """Run the ways in turn."""
    rows = pq.read_metadata(log).num_rows
    held = min(rows, free_memory() // ENOUGH_MEMORY)
    print(
        f"{rows:,} events; pandas holds {'all' if held == rows else f'{held:,}'} of them",
        flush=True,
    )
    costs: dict[str, list[Cost]] = {way: [] for way in WAYS}
    for repeat in range(repeats):
        for way in WAYS:
            cost = measure(way, log, held if way == "pandas" else rows, fork=fork)
            costs[way].append(cost)
            done = held if way == "pandas" else rows
            print(
                f"{repeat} {way:7s} {cost.wall:6.2f} s, {cost.cpu:6.2f} s of processor, {cost.peak:5.2f} GiB, "
                f"{done / cost.wall / 1e6:6.2f} M events/s",
                flush=True,
            )
    report(costs, rows, held)
    return costs


def report(costs: dict[str, list[Cost]], rows: int, held: int) -> None:
    """Print the medians as one row of a table, and each ratio."""
    fastest = {way: min(c.wall for c in costs[way]) for way in WAYS}
    rate = {
        way: (held if way == "pandas" else rows) / median(c.wall for c in costs[way])
        for way in WAYS
    }
    cpu = {
        way: median(c.cpu for c in costs[way]) / (held if way == "pandas" else rows) for way in WAYS
    }
    ratio = rate["ours"] / rate["pandas"]
    peak = max(c.peak for c in costs["ours"])
    fraction = median(c.wall for c in costs["scan"]) / median(c.wall for c in costs["ours"])
    print(f"fastest of each: {json.dumps({way: round(s, 2) for way, s in fastest.items()})} s")
    busy = os.getloadavg()[0]
    print(f"load at the end: {busy:.1f} on {os.cpu_count()} cores (pandas uses one, ours all)")
    print(f"ratio in processor time: {cpu['pandas'] / cpu['ours']:.1f}")
    print(
        "| events | ours, M/s | pandas, M/s | ratio | peak of ours | peak of pandas | scan / ours |"
    )
    print("|---|---|---|---|---|---|---|")
    print(
        f"| {rows:,} | {rate['ours'] / 1e6:.2f} | {rate['pandas'] / 1e6:.2f} | {ratio:.1f} | {peak:.2f} GiB | "
        f"{max(c.peak for c in costs['pandas']):.2f} GiB | {fraction:.0%} |"
    )
    met = ratio >= TARGET_RATIO and peak < TARGET_GIB
    print(f"target (ratio {TARGET_RATIO}, below {TARGET_GIB} GiB): {'met' if met else 'missed'}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--log", type=Path, help="a log as habitus simulate writes it; made if absent"
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="half a million events")
    parser.add_argument("--only", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--rows", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    given = arguments()
    if given.only:
        work(given.only, given.log, given.rows, given.out)
    elif given.log:
        compare(given.log, given.repeats, fork=given.quick)
    else:
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder) / "events.parquet"
            write_log(log, QUICK_USERS if given.quick else USERS, DAYS, seed=0)
            compare(log, given.repeats, fork=given.quick)


if __name__ == "__main__":
    main()
