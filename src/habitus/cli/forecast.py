"""habitus forecast."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow.parquet as pq
import typer
from rich.table import Table

from habitus.cli import series as series_command
from habitus.cli.console import bar, out, out_table
from habitus.cli.holidays import warn_of_own_holidays
from habitus.cli.options import RunFolder, Samples, Seed, Stored, command_app
from habitus.cli.series import SERIES, check_no_series_options, is_series_run, window_of
from habitus.files import check_apart
from habitus.profiles.completed import TOTALS
from habitus.profiles.store import StoredProfiles
from habitus.run import load
from habitus.synthesis import forecast_to

app = command_app()

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


@app.command(
    epilog="Example: habitus forecast demo/runs/week demo/test --days 7 --samples 50 --out demo/forecast"
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

    The folder holds profiles on windows that end so many days later, all draws, and each day's total per user
    (daily_totals.parquet). The run has to be fitted with mask=last:K, K days at least, or mask=any.
    """
    check_apart(out_, run, profiles)
    fitted = load(run)
    if is_series_run(fitted):
        ahead = window_of(fitted) if steps is None else steps
        series_command.forecast(fitted, profiles, out_, ahead, samples, seed, after, every)
        return
    check_no_series_options(steps=steps, after=after, every=every)
    source = StoredProfiles.open(profiles)
    warn_of_own_holidays(fitted.model, source)
    with bar("Forecasting", "profiles") as advance:
        made = forecast_to(out_, fitted, source, days, samples, seed, advance)
    out_table(_days(out_, made.axes.days))
    out(
        f"{out_}: {len(made):,} profiles, {days} days ahead, {samples} draws each; per user in {out_ / TOTALS}"
    )


def _days(folder: Path, most: int) -> Table:
    """Each day's expected total and its interval, averaged over users."""
    names = ("mean", "q05", "q50", "q95")
    sums = np.zeros((len(names) + 1, most))
    for batch in pq.ParquetFile(folder / TOTALS).iter_batches(columns=["day", *names]):
        day = batch["day"].to_numpy()
        columns = [np.ones(len(day)), *(batch[name].to_numpy() for name in names)]
        sums += [np.bincount(day, column, most) for column in columns]
    table = Table(title="Per user and day, averaged over users", title_justify="left")
    for name in ("day", "expected", "5 %", "median", "95 %"):
        table.add_column(name, justify="right")
    for number, (users, *totals) in enumerate(sums.T[sums[0] > 0], 1):
        table.add_row(f"+{number}", *(f"{total / users:.3g}" for total in totals))
    return table
