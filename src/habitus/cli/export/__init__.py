"""Options of ``habitus export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from habitus.cli._options import Seed, Stored, command
from habitus.cli._options.logs import Format, Shard, Start

Out = Annotated[
    Path,
    typer.Option(
        "--out",
        help="The log, a .parquet or .csv file, or - for standard output.",
        show_default=False,
    ),
]


@command("Example: habitus export demo/profiles --out demo/again.parquet")
def export(
    profiles: Stored,
    out_: Out,
    seed: Seed = 0,
    format: Format = None,
    start: Start = None,
    shard: Shard = None,
) -> None:
    """Turn profiles of counts, real or generated, into an event log.

    A count becomes as many events at random times within its slot, as fine as the times of the log
    that was profiled, and as often in each minute. Columns have that log's names and types. Users
    come one after the other, each one's events in order of time. Profiling the new log gives the
    same counts.
    """
