"""Series that never existed, and the steps ahead of those that do.

Letters: N series, O origins, K samples, H steps ahead, V variables.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator

from habitus.models.base import AutoregressiveModel, Model, SeriesModel, State, Windows
from habitus.run import Run
from habitus.schema import Forecast, IntArray, Progress, no_progress
from habitus.series import Series, check_variables
from habitus.training.encoding import windows

TOGETHER = 2048  # series drawn at once
CONTEXT = 4  # windows of the past that are read before looking ahead


def series_model(model: Model) -> SeriesModel:
    """The model, which has to be one of series.

    Raises:
        ValueError: if it is one of profiles.
    """
    if not isinstance(model, SeriesModel):
        raise ValueError(
            f"a {type(model).__name__} is a model of profiles, not of series; give a run of lstm, tdlgm, ..."
        )
    return model


def autoregressive(model: Model) -> AutoregressiveModel:
    """The model, which has to be one that goes on from a given past.

    Raises:
        ValueError: if it is not.
    """
    found = series_model(model)
    if not isinstance(found, AutoregressiveModel):
        raise ValueError(
            f"a {type(model).__name__} draws whole series only, and reads no past; take a run of another model, "
            "such as tdlgm"
        )
    return found


def generate_series(
    run: Run, series: int, steps: int, seed: int, on_progress: Progress = no_progress
) -> Series:
    """Draw series from the model's own start.

    Args:
        run: A fitted model of series.
        series: How many, N.
        steps: How long each is.
        seed: Same seed, same series.
        on_progress: Called with series drawn, and series in all.

    Raises:
        ValueError: for a run of profiles, or fewer than one series or step.
    """
    if series < 1 or steps < 1:
        raise ValueError(f"expected at least 1 series of 1 step, got {series} of {steps}")
    model = series_model(run.model)
    generator = Generator().manual_seed(seed)
    drawn = list[NDArray[np.float32]]()
    with torch.inference_mode():
        for first in range(0, series, TOGETHER):
            drawn.append(model.generate(min(TOGETHER, series - first), steps, generator).numpy())
            on_progress(min(first + TOGETHER, series), series, "generating")
    return Series.from_arrays(np.concatenate(drawn), **vars(model.axes))


def last_rows(series: Series) -> NDArray[np.int64]:
    """The origin after the last row of every series."""
    return series.starts[1:][series.lengths > 0]


def rolling_rows(series: Series, after: float, every: int, steps: int) -> NDArray[np.int64]:
    """Origins after a share of each series, every so many rows, that have all their steps inside the series."""
    first = series.starts[:-1] + np.maximum(1, np.ceil(series.lengths * after)).astype(np.int64)
    found = [
        np.arange(a, b - steps + 1, every) for a, b in zip(first, series.starts[1:], strict=True)
    ]
    return np.concatenate([np.zeros(0, np.int64), *found])


def forecast_series(
    run: Run,
    series: Series,
    origins: IntArray,
    steps: int,
    samples: int,
    seed: int,
    on_progress: Progress = no_progress,
) -> Forecast:
    """Draw the steps after each origin, given the rows before it.

    Args:
        run: A fitted model that goes on from a past.
        series: What is known.
        origins: Rows of the first step ahead, [O].
        steps: H.
        samples: K.
        seed: Same seed, same draws.
        on_progress: Called with origins done, and origins in all.

    Raises:
        ValueError: for a model that reads no past, other variables, or no origin, step or sample.
    """
    model = autoregressive(run.model)
    check_variables(model.axes, series.axes)
    origins = np.asarray(origins, np.int64)
    if steps < 1 or samples < 1:
        raise ValueError(f"expected at least 1 step ahead and 1 sample, got {steps} and {samples}")
    if not len(origins):
        raise ValueError("expected rows to look ahead from, got none; the series is too short")
    shape = (len(origins), samples, steps, len(model.axes.variables))
    draws = np.zeros(shape, np.float32)
    generator = Generator().manual_seed(seed)
    done = 0
    with torch.inference_mode():
        for part, state in _states(model, series, origins, samples, generator):
            draws[part] = _continued(model, state, samples, steps, generator)
            done += len(part)
            on_progress(done, len(origins), "forecasting")
    return Forecast(origins, draws, draws.mean(1))


def _states(
    model: AutoregressiveModel,
    series: Series,
    origins: NDArray[np.int64],
    samples: int,
    generator: Generator,
) -> Iterator[tuple[NDArray[np.int64], State]]:
    """Some origins at a time, with the model's state there; those with as long a past are read together."""
    begins = series.starts[np.searchsorted(series.starts, origins - 1, side="right") - 1]
    lengths = np.minimum(origins - begins, CONTEXT * model.window)
    together = max(1, TOGETHER // samples)
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length)
        for first in range(0, len(rows), together):
            part = rows[first : first + together]
            x = Windows.unpack(windows(series, origins[part] - length, int(length)))
            yield part, model.read(x, generator)


def _continued(
    model: AutoregressiveModel, state: State, samples: int, steps: int, generator: Generator
) -> NDArray[np.float32]:
    """Draws [O, K, H, V] after states of O origins."""
    repeated = tuple(each.repeat_interleave(samples, 0) for each in state)
    drawn = model.continue_from(repeated, steps, generator)
    return drawn.unflatten(0, (-1, samples)).numpy()
