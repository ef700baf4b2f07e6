"""``habitus forecast``: days ahead of profiles, or steps ahead of series."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

import habitus
from habitus.cli._console import bar, out, out_table
from habitus.cli._options import Overwrite, RunFolder, Samples, Seed, Stored, command
from habitus.cli._options.series import series_option
from habitus.cli._options.types import CLOSED_SHARE, DAYS, POSITIVE
from habitus.files import check_outputs

Out = Annotated[Path, typer.Option("--out", help="Folder for the forecast.", show_default=False)]
Steps = Annotated[
    int | None, series_option("How many steps ahead.", "the run's window", **POSITIVE)
]
After = Annotated[
    float | None,
    series_option(
        "Forecast from several origins: the first after this share of a "
            "series.", "after the last row",
        **CLOSED_SHARE,
    ),
]  # fmt: skip
Every = Annotated[
    int | None, series_option("Rows from one origin to the next.", "--steps", **POSITIVE)
]
Days = Annotated[int, typer.Option(help="How many days ahead.", **DAYS)]


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
    overwrite: Overwrite = False,
) -> None:
    """Look ahead: the days after each user's window, or the steps after a series' last row.

    The folder holds profiles on windows that end so many days later, all draws, and each day's
    total per user (daily_totals.parquet). The run has to be fitted with mask=last:K, K days at
    least, or mask=any.
    """
    from habitus.cli._shared.holidays import warn_of_own_holidays
    from habitus.cli._shared.series import about, is_series_run, read_for, window_steps
    from habitus.cli._shared.texts import refuse_options_of
    from habitus.profiles.completed import TOTALS
    from habitus.profiles.store import StoredProfiles
    from habitus.run import load
    from habitus.series import check_table_path, write_forecast
    from habitus.synthesis import forecast_to, last_rows, rolling_rows

    fitted = load(run)
    of_series = is_series_run(fitted)
    what = "forecast" if of_series else "profiles"
    check_outputs("forecast", {what: out_}, [run, profiles], overwrite=overwrite)
    if of_series:
        check_table_path(out_, "forecast")
        ahead = window_steps(fitted) if steps is None else steps
        series = read_for(fitted.model.axes, profiles)
        if after is None and every is None:
            origins = last_rows(series)
        else:
            origins = rolling_rows(series, after or 0.0, every or ahead, ahead)
        with bar("Forecasting", "origins") as advance:
            drawn = habitus.forecast(
                fitted,
                series,
                origins=origins,
                steps=ahead,
                samples=samples,
                seed=seed,
                on_progress=advance,
            )
        origin = about(fitted, "forecast", seed=seed, source=str(profiles))
        write_forecast(out_, drawn, series, origin, command="forecast", overwrite=overwrite)
        out(f"{out_}: {len(origins):,} origins, {ahead} steps ahead, {samples} draws each")
        return
    refuse_options_of("series", steps=steps, after=after, every=every)
    source = StoredProfiles.open(profiles)
    warn_of_own_holidays(fitted.model, source)
    with bar("Forecasting", "profiles") as advance:
        made = forecast_to(out_, fitted, source, days, samples, seed, advance, overwrite=overwrite)
    out_table(_totals(out_ / TOTALS, made.axes.days))
    out(
        f"{out_}: {len(made):,} profiles, {days} days ahead, {samples} draws each; per user in "
        f"{out_ / TOTALS}"
    )


def _totals(path: Path, most: int) -> Table:
    """Expected total of each day and its interval, averaged over users."""
    import numpy as np
    import pyarrow.parquet as pq

    names = ("mean", "q05", "q50", "q95")
    sums = np.zeros((len(names) + 1, most))
    for batch in pq.ParquetFile(path).iter_batches(columns=["day", *names]):
        day = batch["day"].to_numpy()
        columns = [np.ones(len(day)), *(batch[name].to_numpy() for name in names)]
        sums += [np.bincount(day, column, most) for column in columns]
    table = Table(title="Per user and day, averaged over users", title_justify="left")
    for name in ("day", "expected", "5 %", "median", "95 %"):
        table.add_column(name, justify="right")
    for number, (users, *totals) in enumerate(sums.T[sums[0] > 0], 1):
        table.add_row(f"+{number}", *(f"{total / users:.3g}" for total in totals))
    return table
