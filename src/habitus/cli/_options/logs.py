"""Options of commands that write a log of events."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import typer

from habitus.cli._options import DAY

LOG = "Logs of events"

Format = Annotated[
    str | None,
    typer.Option(
        "--format", help="Of a log.", metavar="parquet|csv", rich_help_panel=LOG,
        show_default="as --out ends; csv to standard output",
    ),
]  # fmt: skip
Start = Annotated[
    dt.datetime | None,
    typer.Option(
        help="First day of the window, on the weekday that it was counted from; of a rhythm's "
        "run, on any.",
        formats=DAY, metavar="DATE", show_default="as it was counted",
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
