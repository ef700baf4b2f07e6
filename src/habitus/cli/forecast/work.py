"""Work of ``habitus forecast``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from rich.table import Table

from habitus.cli._console import bar, out, out_table
from habitus.cli._shared.holidays import warn_of_own_holidays
from habitus.cli._shared.series import check_no_series_options, is_series_run, window_steps
from habitus.cli.forecast import series as series_command
from habitus.files import check_apart
from habitus.profiles.completed import TOTALS
from habitus.profiles.store import StoredProfiles
from habitus.run import load
from habitus.synthesis import forecast_to


def execute(
    run: Path,
    profiles: Path,
    out_: Path,
    days: int,
    samples: int,
    seed: int,
    steps: int | None,
    after: float | None,
    every: int | None,
) -> None:
    """Look ahead: the days after each user's window, or the steps after a series' last row."""
    check_apart(out_, run, profiles)
    fitted = load(run)
    if is_series_run(fitted):
        ahead = window_steps(fitted) if steps is None else steps
        series_command.forecast(fitted, profiles, out_, ahead, samples, seed, after, every)
        return
    check_no_series_options(steps=steps, after=after, every=every)
    source = StoredProfiles.open(profiles)
    warn_of_own_holidays(fitted.model, source)
    with bar("Forecasting", "profiles") as advance:
        made = forecast_to(out_, fitted, source, days, samples, seed, advance)
    out_table(_days(out_, made.axes.days))
    out(
        f"{out_}: {len(made):,} profiles, {days} days ahead, {samples} draws each; per user in "
        f"{out_ / TOTALS}"
    )


def _days(folder: Path, most: int) -> Table:
    """Expected total of each day and its interval, averaged over users."""
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
