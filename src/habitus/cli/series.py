"""What commands do with files of series, and the options that say how such a file is read."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from habitus import synthesis
from habitus.cli.console import bar, out
from habitus.models.base import Model, SeriesModel
from habitus.run import Run
from habitus.schema import SeriesAxes
from habitus.series import Series, read_series, write_forecast, write_series
from habitus.synthesis import CleanConfig, Noise, clean, last_rows, rolling_rows

SERIES = "Series (a file instead of a folder)"
FIRST = "tdlgm"

Column = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        help="A variable; repeatable.",
        rich_help_panel=SERIES,
        show_default="every column of numbers",
    ),
]
Scale = Annotated[
    float | None,
    typer.Option(help="What values are multiplied by; undone when they are written.", rich_help_panel=SERIES,
                 show_default="1"),
]  # fmt: skip
Time = Annotated[
    str | None,
    typer.Option(
        help="Column of times.", rich_help_panel=SERIES, show_default="the order of the rows"
    ),
]
SeriesId = Annotated[
    str | None,
    typer.Option(
        help="Column that says which series a row is of.",
        rich_help_panel=SERIES,
        show_default="one series",
    ),
]
TrainShare = Annotated[
    float | None,
    typer.Option(
        help="Share of each series, from its beginning, that is fitted to.",
        rich_help_panel=SERIES,
        show_default="1",
    ),
]


def is_series(path: Path) -> bool:
    """Whether a path is a file, as series are; profiles are folders."""
    return path.is_file()


def is_series_run(run: Run) -> bool:
    """Whether a run is of a model of series."""
    return isinstance(run.model, SeriesModel)


def window_of(run: Run) -> int:
    """Steps of the windows that a run of series was fitted to."""
    return cast(SeriesModel, run.model).window


def check_kind(kind: type[Model], path: Path) -> None:
    """Refuse a model of profiles for a file, and one of series for a folder.

    Raises:
        ValueError: saying what the model takes.
    """
    if issubclass(kind, SeriesModel) and not is_series(path):
        what = "a folder" if path.is_dir() else "not there"
        raise ValueError(
            f"a {kind.__name__} is fitted to a file of series (.csv or .parquet); {path} is {what}"
        )
    if is_series(path) and not issubclass(kind, SeriesModel):
        raise ValueError(
            f"a {kind.__name__} is fitted to a folder of profiles; {path} is a file; for it take --model {FIRST}"
        )


def check_no_series_options(**given: Any) -> None:
    """Refuse options of series where profiles are given.

    Raises:
        ValueError: naming the first.
    """
    for name, value in given.items():
        if value:
            raise ValueError(
                f"--{name.replace('_', '-')} is for series, but profiles were given; leave it out"
            )


def read_for(
    axes: SeriesAxes, path: Path, column: list[str] | None = None, **options: Any
) -> Series:
    """Series in the columns and scale that a run or another file has; what is given here goes before."""
    own = {"scale": axes.scale, "time": axes.time, "series_id": axes.series_id}
    given = {name: value for name, value in options.items() if value is not None}
    return read_series(path, column or list(axes.variables), **(own | given))


def fitted_part(series: Series, share: float | None) -> Series:
    """The first share of each series.

    Raises:
        ValueError: for a share that is not above 0 and at most 1.
    """
    if share is None or share == 1:
        return series
    if not 0 < share <= 1:
        raise ValueError(f"--train-share must be above 0 and at most 1, got {share}")
    return series.split(share)[0]


def generate(run: Run, path: Path, series: int, steps: int | None, seed: int) -> None:
    """Draw series into a file."""
    length = window_of(run) if steps is None else steps
    with bar("Generating", "series") as advance:
        made = synthesis.generate(run, series=series, steps=length, seed=seed, on_progress=advance)
    write_series(path, made, _about(run, "generated", seed=seed, steps=length))
    out(f"{path}: {series:,} series of {length:,} steps; {', '.join(run.model.axes.variables)}")


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
    write_forecast(path, made, series, _about(run, "forecast", seed=seed, source=str(source)))
    out(f"{path}: {len(origins):,} origins, {steps} steps ahead, {samples} draws each")


def complete(
    run: Run, source: Path, path: Path, noise: str, share: float | None, samples: int, seed: int
) -> None:
    """Fill gaps and remove noise into a file."""
    series = read_for(run.model.axes, source)
    config = CleanConfig(noise_of(noise, share), samples, seed)
    with bar("Completing", "steps") as advance:
        made = clean(run, series, config, advance)
    found = [asdict(each) for each in made.noise]
    write_series(
        path, made.series, _about(run, "completed", seed=seed, source=str(source), noise=found)
    )
    out(
        f"{path}: {made.filled:,} missing values filled; {told_noise(made.noise, run.model.axes.scale)}"
    )


def noise_of(text: str, share: float | None) -> Noise | None:
    """The noise that --noise and --noise-share stand for: None for auto.

    Raises:
        ValueError: for what is neither auto, none nor a number.

    >>> noise_of("auto", None), noise_of("none", None), noise_of("0.1", 0.5)
    (None, Noise(sigma=0.0, share=1.0), Noise(sigma=0.1, share=0.5))
    """
    if text in ("auto", "none"):
        if share is not None:
            raise ValueError("--noise-share needs the noise itself: give --noise NUMBER")
        return None if text == "auto" else Noise(0.0)
    try:
        return Noise(float(text), 1.0 if share is None else share)
    except ValueError as error:
        if "could not convert" in str(error):
            raise ValueError(
                f"--noise must be auto, none or a standard deviation, got {text!r}"
            ) from None
        raise


def told_noise(noises: tuple[Noise, ...], scale: float) -> str:
    """What was removed, in words."""
    found = [noise for noise in noises if noise.sigma]
    if not found:
        return "no noise removed"
    typical = sorted(found, key=lambda noise: noise.sigma)[len(found) // 2]
    unit = "" if scale == 1 else f" (values times {scale:g})"
    return f"noise of standard deviation {typical.sigma:.3g}{unit} in {typical.share:.0%} of values removed"


def _about(run: Run, how: str, **settings: Any) -> dict[str, Any]:
    return {"how": how, "run": str(run.path or ""), "model": type(run.model).__name__, **settings}
