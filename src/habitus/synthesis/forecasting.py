"""Forecasts: days ahead of profiles, whose window moves on and is filled; steps ahead of series.

Letters of series: O origins, K samples, H steps ahead, V variables.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator

from habitus.files import check_outputs
from habitus.memory import check_memory
from habitus.models.base import AutoregressiveModel, State, Windows
from habitus.models.parts.masks import parse_mask
from habitus.profiles.batches import Population
from habitus.profiles.completed import Completed, CompletedPiece, StoredCompleted, save_completed
from habitus.profiles.sparse import concat
from habitus.profiles.windows import Later, cut
from habitus.run import Run
from habitus.schema import DAYS_PER_WEEK, Axes, Forecast, IntArray, Progress, no_progress
from habitus.series import Series, check_variables
from habitus.synthesis.capabilities import autoregressive_model, completing_model
from habitus.synthesis.cleaning import CONTEXT
from habitus.synthesis.completion import CompleteConfig, Completing
from habitus.training.windows import windows

TOGETHER = 2048  # series continued at once


@dataclass(frozen=True)
class _Plan:
    """Plan of a forecast: the window moves by ``shift`` days, the first ``days`` are kept."""

    days: int
    shift: int
    axes: Axes  # of the outcome


@overload
def forecast(
    run: Run,
    data: Population,
    days: int = 7,
    *,
    samples: int = 50,
    seed: int = 0,
    on_progress: Progress = no_progress,
) -> Completed: ...
@overload
def forecast(
    run: Run,
    data: Series,
    *,
    steps: int | None = None,
    origins: IntArray | None = None,
    samples: int = 50,
    seed: int = 0,
    on_progress: Progress = no_progress,
) -> Forecast: ...
def forecast(
    run: Run,
    data: Population | Series,
    days: int = 7,
    *,
    steps: int | None = None,
    origins: IntArray | None = None,
    samples: int = 50,
    seed: int = 0,
    on_progress: Progress = no_progress,
) -> Completed | Forecast:
    """Forecast the days after each profile's window, or the steps after rows of series, in memory.

    Args:
        run: A run fitted to the mask last:K or any; of series, one whose model continues a past.
        data: Profiles, whose last days are the context, or series.
        days: Days ahead of profiles.
        steps: Steps ahead of series, H; None for a window of the model.
        origins: Rows of series at which the first step ahead would stand, [O]; None for the end of
            every series.
        samples: Draws of each, K.
        seed: Seed of the draws.
        on_progress: Called with profiles or origins done, and all of them.

    Returns:
        Profiles whose window ends ``days`` days later than the given ones' and whose last ``days``
        are forecast; or the draws of the steps ahead of series.

    Raises:
        ValueError: for more days than the run was fitted for, or as :func:`habitus.complete`; of
            series, for a model that reads no past, other variables, or no origin, step or sample.
    """
    if isinstance(data, Series):
        return _forecast_series(run, data, steps, origins, samples, seed, on_progress)
    plan, work = _work(run, data, days, samples, seed)
    pieces = [_cut(piece, plan) for piece in work.pieces(_renamed(on_progress))]
    whole = replace(concat([piece.profiles for piece in pieces]), about=_about(work, days))
    return Completed(whole, tuple(piece.filled for piece in pieces))


def _renamed(on_progress: Progress) -> Progress:
    """Progress of a completion as that of a forecast."""
    return lambda done, total, _: on_progress(done, total, "forecasting")


def forecast_to(
    path: Path | str,
    run: Run,
    profiles: Population,
    days: int = 7,
    samples: int = 50,
    seed: int = 0,
    on_progress: Progress = no_progress,
    *,
    overwrite: bool = False,
) -> StoredCompleted:
    """Forecast the days after each profile's window into a folder, in bounded memory.

    Args:
        path: The folder.
        run: A run whose model completes.
        profiles: The profiles.
        days: Days to forecast.
        samples: Draws of each cell.
        seed: Seed of the draws.
        on_progress: Called with profiles done, and profiles in all.
        overwrite: Replace whatever folder stands there, not only an earlier forecast.

    Raises:
        ValueError: as :func:`forecast`; or if run or profiles lie at ``path``, or something else
            stands there and ``overwrite`` is not given.
    """
    reads = [run.path, getattr(profiles, "path", None)]
    check_outputs("forecast", {"profiles": path}, reads, overwrite=overwrite)
    plan, work = _work(run, profiles, days, samples, seed)
    missing = parse_mask(f"last:{days}", plan.axes).fixed
    pieces = (_cut(piece, plan) for piece in work.pieces(_renamed(on_progress)))
    return save_completed(
        path, pieces, plan.axes.with_unit(work.axes.unit), missing, _about(work, days),
        command="forecast", overwrite=overwrite,
    )  # fmt: skip


def _work(
    run: Run, profiles: Population, days: int, samples: int, seed: int
) -> tuple[_Plan, Completing]:
    shift = _shift(run, profiles.axes, days)
    source = Later(profiles, shift)
    axes = replace(source.axes, days=source.axes.days - shift + days)
    return _Plan(days, shift, axes), Completing(
        run, source, CompleteConfig(f"last:{shift}", samples, seed)
    )


def _about(work: Completing, days: int) -> dict[str, Any]:
    """Provenance of a forecast; the mask is that of its own window."""
    about = work.about
    return {**about, "completed": {**about["completed"], "mask": f"last:{days}"}}


def _shift(run: Run, axes: Axes, days: int) -> int:
    """Days that the window moves by: those the run fills; whole weeks where weekdays are fixed."""
    most = completing_model(run.model).forecast_days
    mask = getattr(run.model.config, "mask", None)
    fitted = f"mask={mask or 'none'}"
    if days < 1:
        raise ValueError(f"days must be at least 1, got {days}")
    if days > most:
        raise ValueError(
            f"this run, fitted with {fitted}, can look {most} days ahead, got {days}; fit a "
            "context-mixture, which looks half a window ahead, or with --set mask=last:K"
        )
    anywhere = axes.weekday(0) is None or run.model.conditions_on_calendar
    week = 1 if anywhere else DAYS_PER_WEEK
    shift = -(-days // week) * week if mask in (None, "any") else most
    if shift > most or shift % week:
        raise ValueError(
            f"windows start on the same weekday, so a forecast moves them by whole weeks; {days} "
            f"days with {fitted} would move them by {shift}; "
            f"fit with --set mask=last:{-(-days // week) * week}"
        )
    return shift


def _cut(piece: CompletedPiece, plan: _Plan) -> CompletedPiece:
    """Cut a piece to the days that were asked for."""
    if plan.days == plan.shift:
        return piece
    first_days = piece.filled.select(piece.filled.cell < plan.axes.cells)
    return CompletedPiece(cut(piece.profiles, plan.axes.days), first_days)


def last_rows(series: Series) -> NDArray[np.int64]:
    """Origins after the last row of every series, [O]."""
    return series.starts[1:][series.lengths > 0]


def rolling_rows(series: Series, after: float, every: int, steps: int) -> NDArray[np.int64]:
    """Origins [O] after a share of each series, every so many rows, all steps inside the series."""
    first = series.starts[:-1] + np.maximum(1, np.ceil(series.lengths * after)).astype(np.int64)
    found = [
        np.arange(a, b - steps + 1, every) for a, b in zip(first, series.starts[1:], strict=True)
    ]
    return np.concatenate([np.zeros(0, np.int64), *found])


def _forecast_series(
    run: Run,
    series: Series,
    steps: int | None,
    origins: IntArray | None,
    samples: int,
    seed: int,
    on_progress: Progress,
) -> Forecast:
    """Draw the steps after each origin, given the rows before it."""
    model = autoregressive_model(run.model)
    check_variables(model.axes, series.axes)
    origins = last_rows(series) if origins is None else np.asarray(origins, np.int64)
    steps = model.window if steps is None else steps
    if steps < 1 or samples < 1:
        raise ValueError(f"expected at least 1 step ahead and 1 sample, got {steps} and {samples}")
    if not len(origins):
        raise ValueError("expected rows to look ahead from, got none; the series is too short")
    shape = (len(origins), samples, steps, len(model.axes.variables))
    check_memory(
        12 * math.prod(shape),
        f"{samples:,} draws of {steps:,} steps from {len(origins):,} origins",
        "steps or samples",
    )
    draws = np.zeros(shape, np.float32)
    generator = Generator().manual_seed(seed)
    done = 0
    with torch.inference_mode():
        for part, state in _states(model, series, origins, samples, generator):
            repeated = tuple(each.repeat_interleave(samples, 0) for each in state)
            drawn = model.continue_from(repeated, steps, generator)
            draws[part] = drawn.unflatten(0, (-1, samples)).numpy()
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
    """Yield batches of origins and the model's state there, those of equal history together."""
    begins = series.starts[np.searchsorted(series.starts, origins - 1, side="right") - 1]
    lengths = np.minimum(origins - begins, CONTEXT * model.window)
    together = max(1, TOGETHER // samples)
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length)
        for first in range(0, len(rows), together):
            part = rows[first : first + together]
            x = Windows.unpack(windows(series, origins[part] - length, int(length)))
            yield part, model.read(x, generator)
