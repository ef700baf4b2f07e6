"""Work of ``habitus forecast`` for series."""

from __future__ import annotations

from pathlib import Path

from habitus import synthesis
from habitus.cli._console import bar, out
from habitus.cli._shared.series import about, read_for
from habitus.run import Run
from habitus.series import write_forecast
from habitus.synthesis import last_rows, rolling_rows


def forecast(
    run: Run,
    source: Path,
    path: Path,
    steps: int,
    samples: int,
    seed: int,
    after: float | None,
    every: int | None,
) -> None:
    """Draw the steps ahead into a file, after the last row or from many rows on."""
    series = read_for(run.model.axes, source)
    rolling = after is not None or every is not None
    origins = (
        rolling_rows(series, after or 0.0, every or steps, steps) if rolling else last_rows(series)
    )
    with bar("Forecasting", "origins") as advance:
        made = synthesis.forecast(
            run,
            series,
            origins=origins,
            steps=steps,
            samples=samples,
            seed=seed,
            on_progress=advance,
        )
    write_forecast(path, made, series, about(run, "forecast", seed=seed, source=str(source)))
    out(f"{path}: {len(origins):,} origins, {steps} steps ahead, {samples} draws each")
