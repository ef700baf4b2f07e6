"""Files of series as commands take them, and the options that go with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from habitus.models.base import Model, SeriesModel
from habitus.run import Run
from habitus.schema import SeriesAxes
from habitus.series import Series, read_series

FIRST = "tdlgm"


def is_series(path: Path) -> bool:
    """Check for a file, as series are; profiles are folders."""
    return path.is_file()


def is_series_run(run: Run) -> bool:
    """Check for a run of a model of series."""
    return isinstance(run.model, SeriesModel)


def window_steps(run: Run) -> int:
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
            f"a {kind.__name__} is fitted to a folder of profiles; {path} is a file; for it take "
            f"--model {FIRST}"
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
    """Read series in the columns and scale of a run or another file, but for what is given."""
    own = {"scale": axes.scale, "time": axes.time, "series_id": axes.series_id}
    given = {name: value for name, value in options.items() if value is not None}
    return read_series(path, column or list(axes.variables), **(own | given))


def fitted_part(series: Series, share: float | None) -> Series:
    """First share of each series, which a model is fitted to.

    Raises:
        ValueError: for a share that is not above 0 and at most 1.
    """
    if share is None or share == 1:
        return series
    if not 0 < share <= 1:
        raise ValueError(f"--train-share must be above 0 and at most 1, got {share}")
    return series.split(share)[0]


def about(run: Run, how: str, **settings: Any) -> dict[str, Any]:
    """Origin of a file of series, as its metadata keeps it."""
    return {"how": how, "run": str(run.path or ""), "model": type(run.model).__name__, **settings}
