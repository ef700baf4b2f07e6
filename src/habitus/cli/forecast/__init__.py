"""Options of ``habitus forecast``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from habitus.cli._options import RunFolder, Samples, Seed, Stored, command
from habitus.cli._options.series import SERIES

Out = Annotated[Path, typer.Option("--out", help="Folder for the forecast.", show_default=False)]
Steps = Annotated[
    int | None,
    typer.Option(
        min=1, help="How many steps ahead.", rich_help_panel=SERIES, show_default="the run's window"
    ),
]
After = Annotated[
    float | None,
    typer.Option(
        min=0, max=1, help="From many rows on: the first one after this share of each series.",
        rich_help_panel=SERIES, show_default="after the last row",
    ),
]  # fmt: skip
Every = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Rows from one such row to the next.",
        rich_help_panel=SERIES,
        show_default="--steps",
    ),
]
Days = Annotated[int, typer.Option(help="How many days ahead.", min=1)]


@command(
    "Example: habitus forecast demo/runs/week demo/test --days 7 --samples 50 --out demo/forecast"
)
def forecast(
    run: RunFolder,
    profiles: Stored,
    out_: Out,
    days: Days = 7,
    samples: Samples = 50,
    seed: Seed = 0,
    steps: Steps = None,
    after: After = None,
    every: Every = None,
) -> None:
    """Look ahead: the days after each user's window, or the steps after a series' last row.

    The folder holds profiles on windows that end so many days later, all draws, and each day's
    total per user (daily_totals.parquet). The run has to be fitted with mask=last:K, K days at
    least, or mask=any.
    """
