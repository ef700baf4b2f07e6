"""Options of commands that write a log of events."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import typer

from habitus.cli._options.types import DATE

LOG = "Logs of events"

Format = Annotated[
    str | None,
    typer.Option(
        "--format", help="Format of the log.", metavar="parquet|csv", rich_help_panel=LOG,
        show_default="by the ending of --out; csv for standard output",
    ),
]  # fmt: skip
Start = Annotated[
    dt.date | None,
    typer.Option(
        help="First day of the window. It must be the same weekday as the "
            "original first day, except with a run of a rhythm.",
        show_default="the original first day", **DATE,
    ),
]  # fmt: skip
Shard = Annotated[
    str | None,
    typer.Option(
        help="Make one of several parts, to be made side by side: 3/16 is the third of sixteen. "
        "Together they are the whole.",
        metavar="I/N", show_default=False,
    ),
]  # fmt: skip
