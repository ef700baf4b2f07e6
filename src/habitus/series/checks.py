"""Checks of series before a fit, and against the variables of a run."""

from __future__ import annotations

import numpy as np

from habitus.schema import SeriesAxes
from habitus.series.data import Series


def check_fit(series: Series, window: int, windows: int = 2) -> None:
    """Refuse series that nothing can be learned from.

    Args:
        series: What a model is to be fitted to.
        window: Rows of a window.
        windows: How many windows there have to be at least.

    Raises:
        ValueError: for a variable without a value or with a single one, or too few windows.

    >>> check_fit(Series.from_arrays([np.ones(9)], ["load"]), 3)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: the variable 'load' is 1 in every row; ... leave it out
    """
    for number, name in enumerate(series.axes.variables):
        values = series.values[series.observed[:, number], number]
        if not len(values):
            raise ValueError(f"the variable {name!r} has no value in any row; leave it out")
        if (values == values[0]).all():
            raise ValueError(
                f"the variable {name!r} is {values[0]:g} in every row; there is nothing to learn "
                "from it, so leave it out"
            )
    longest = int(series.lengths.max(initial=0))
    if longest < window:
        raise ValueError(
            f"every series is shorter than a window of {window} rows (the longest has {longest}); "
            "choose a shorter window, or give longer series"
        )
    found = int(np.maximum(series.lengths - window + 1, 0).sum())
    if found < windows:
        raise ValueError(
            f"expected at least {windows} windows of {window} rows, got {found}; choose a shorter "
            "window, or give longer series"
        )


def check_variables(run_axes: SeriesAxes, series_axes: SeriesAxes) -> None:
    """Refuse series of other variables than those of a run.

    Raises:
        ValueError: if number, names or order differ.

    >>> check_variables(SeriesAxes(("load",)), SeriesAxes(("load", "heat")))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: the run was fitted to 1 variable (load), ...; choose --column load
    """
    wanted = run_axes.variables
    found = series_axes.variables
    if wanted == found:
        return
    word = "variable" if len(wanted) == 1 else "variables"
    advice = " ".join(f"--column {name}" for name in wanted)
    raise ValueError(
        f"the run was fitted to {len(wanted)} {word} ({', '.join(wanted)}), "
        f"the series have {len(found)} ({', '.join(found)}); choose {advice}"
    )
