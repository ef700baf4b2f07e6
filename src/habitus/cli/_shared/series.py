"""Files of series as commands take them, and the options that go with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from habitus.models.base import SeriesModel
from habitus.run import Run
from habitus.schema import SeriesAxes
from habitus.series import Series, read_series


def is_series_run(run: Run) -> bool:
    """Check for a run of a model of series."""
    return isinstance(run.model, SeriesModel)


def window_steps(run: Run) -> int:
    """Steps of the windows that a run of series was fitted to."""
    return cast(SeriesModel, run.model).window


def read_for(axes: SeriesAxes, path: Path, **options: Any) -> Series:
    """Read series in the columns and scale of a run or another file, but for what is given."""
    own = {"scale": axes.scale, "time": axes.time, "series_id": axes.series_id}
    given = {name: value for name, value in options.items() if value is not None}
    return read_series(path, list(axes.variables), **(own | given))


def about(run: Run, how: str, **settings: Any) -> dict[str, Any]:
    """Origin of a file of series, as its metadata keeps it."""
    return {"how": how, "run": str(run.path or ""), "model": type(run.model).__name__, **settings}
