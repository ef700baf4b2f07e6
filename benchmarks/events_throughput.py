"""Events per second from a folder of profiles to a log in Parquet, and what that takes of memory.

Profiles of simulated users (about 114 events each) are exported in a process of their own, so that peak memory is
its own; the libraries are imported before the clock starts.

Usage: python benchmarks/events_throughput.py [--users 400000] [--repeats 3] [--csv] [--quick]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median

from children import run_child
from habitus.events import EventLog
from habitus.events.writing import write_log
from habitus.profiles import ProfileConfig, StoredProfiles, profile_to
from habitus.profiles.logs import event_tables, format_of, log_schema
from habitus.profiles.sparse import CHUNK
from habitus.simulate import START
from habitus.simulate import write_log as simulate_log
from machine import describe

DAYS = 32
USERS = 400_000
QUICK_USERS = 200
TARGET = 1e6  # events per second on two cores


def prepare(folder: Path, users: int) -> Path:
    """Profiles of simulated users."""
    log = folder / "log.parquet"
    simulate_log(log, users, DAYS, seed=0)
    events = EventLog.open(log, user="user_id", time="timestamp", channel="platform")
    profile_to(folder / "profiles", events, ProfileConfig(start=START, days=DAYS))
    return folder / "profiles"


def work(profiles: Path, out: Path) -> None:
    """Write a folder of profiles as a log, in this process, and print how many events and seconds that was."""
    started = time.perf_counter()
    source = StoredProfiles.open(profiles)
    users = source.users.schema
    form = format_of(source.about, users)
    schema = log_schema(form, source.axes, users)
    pieces = ((group * CHUNK, source.read_group(group)) for group in range(source.groups))
    events = write_log(out, out.suffix[1:], form, schema, event_tables(pieces, 0, form, schema))
    print(json.dumps([events, time.perf_counter() - started]))


def measure(profiles: Path, out: Path, *, fork: bool) -> tuple[int, float, float]:
    """Events, seconds and peak memory in GiB of one export."""
    command = [sys.executable, __file__, "--only", str(profiles), str(out)]
    with tempfile.TemporaryFile() as said:
        code, usage = run_child(partial(work, profiles, out) if fork else command, said.fileno())
        if code:
            raise SystemExit("the export failed")
        said.seek(0)
        events, seconds = json.load(said)
    return events, seconds, usage.ru_maxrss / 2**20


def compare(users: int, kind: str, repeats: int, *, fork: bool) -> None:
    """Measure so many times, with a quarter of the users first: peak memory should not grow with them."""
    print(describe())
    with tempfile.TemporaryDirectory() as folder:
        for count in (users // 4, users):
            profiles = prepare(Path(folder), count)
            out = Path(folder) / f"out.{kind}"
            runs = [measure(profiles, out, fork=fork) for _ in range(repeats)]
            rate = median(events / seconds for events, seconds, _ in runs)
            peak = max(run[2] for run in runs)
            what = f"{rate:,.0f} events per second to {NAMES[kind]}"
            print(f"{count:,} users: {runs[0][0]:,} events, {what}, peak {peak:.2f} GiB")
    met = "met" if rate >= TARGET else "missed"
    print(
        f"target ({TARGET:,.0f} per second): {met}; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    )


NAMES = {"parquet": "Parquet", "csv": "CSV"}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--users", type=int, default=USERS)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--csv", action="store_true", help="write CSV")
    parser.add_argument("--quick", action="store_true", help="200 users, once, in a fork")
    parser.add_argument("--only", nargs=2, type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.only:
        work(*given.only)
    else:
        users, repeats = (QUICK_USERS, 1) if given.quick else (given.users, given.repeats)
        compare(users, "csv" if given.csv else "parquet", repeats, fork=given.quick)


if __name__ == "__main__":
    main()
