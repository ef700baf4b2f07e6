"""The verb ``evaluate``: profiles, completed profiles, series or forecasts against real ones.

Profiles ────▶ evaluate_profiles ──▶ Evaluation
Completed ───▶ evaluate_profiles and evaluate_completion ──▶ Evaluation with ``completion``
Series ──────▶ evaluate_generated, or with ``noisy`` evaluate_cleaned ──▶ scores
Forecast ────▶ evaluate_forecast ──▶ scores
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol, overload

import numpy as np
from numpy.typing import NDArray

from habitus.evaluation.evaluate_completion import evaluate_completion
from habitus.evaluation.evaluate_profiles import Evaluation, evaluate_profiles
from habitus.evaluation.evaluate_series import (
    Json,
    evaluate_cleaned,
    evaluate_forecast,
    evaluate_generated,
)
from habitus.evaluation.metrics.marginals import spreads
from habitus.schema import FloatArray, Forecast, ProfileSource, SeriesAxes

FEWEST_ROWS = 100  # before the first origins, that baselines of a forecast can learn from


class SeriesSource(Protocol):
    """Series in memory: N of them, one after another in R rows.

    Attributes:
        axes: What the variables are.
        starts: Series n is rows starts[n]:starts[n + 1], int64 [N + 1].
    """

    @property
    def axes(self) -> SeriesAxes: ...
    @property
    def starts(self) -> NDArray[np.int64]: ...
    def arrays(self) -> list[NDArray[np.float64]]: ...


@overload
def evaluate(
    generated: ProfileSource,
    reference: ProfileSource,
    train: ProfileSource | None = None,
    *,
    zero_threshold: float | None = None,
    seed: int = 0,
    **options: Any,
) -> Evaluation: ...
@overload
def evaluate(
    generated: SeriesSource | Forecast,
    reference: SeriesSource,
    train: SeriesSource | None = None,
    *,
    noisy: SeriesSource | None = None,
    seed: int = 0,
    **options: Any,
) -> Json: ...


def evaluate(
    generated: Any, reference: Any, train: Any = None, *, seed: int = 0, **options: Any
) -> Evaluation | Json:
    """Score what a model made against real data, beside a floor and baselines.

    Args:
        generated: Profiles, completed profiles, series, or a forecast of series.
        reference: Real data to compare with, by best practice unseen by the model; for cleaned
            series the clean ones, for a forecast the series that go on after its origins.
        train: Real data for the floor and the baselines; without it parts of ``reference``.
        seed: Seed of everything drawn.
        options: ``noisy``, the series that were cleaned; and the keyword arguments of
            :func:`~habitus.evaluation.evaluate_profiles.evaluate_profiles`,
            :func:`~habitus.evaluation.evaluate_completion.evaluate_completion`,
            :func:`~habitus.evaluation.evaluate_series.evaluate_generated`,
            :func:`~habitus.evaluation.evaluate_series.evaluate_cleaned` or
            :func:`~habitus.evaluation.evaluate_series.evaluate_forecast`.

    Returns:
        An :class:`~habitus.evaluation.evaluate_profiles.Evaluation` of profiles, a dictionary of
        scores of series.

    Raises:
        ValueError: if the two cannot be compared.
    """
    if isinstance(generated, Forecast):
        learnt = _before(generated, reference) if train is None else panel_of(train)
        draws, truth, pasts = _matched(generated, reference)
        if len(reference.axes.variables) > 1:
            options.setdefault("scale", spreads(panel_of(reference)))
        return evaluate_forecast(draws, truth, pasts, learnt, seed=seed, **options)
    if not isinstance(generated.axes, SeriesAxes):
        threshold = options.pop("zero_threshold", None)
        found = evaluate_profiles(generated, reference, train, zero_threshold=threshold, seed=seed)
        if hasattr(generated, "pieces"):
            completion = evaluate_completion(generated, reference, train, seed=seed, **options)
            found = replace(found, completion=completion)
        return found
    ours = panel_of(generated)
    real = panel_of(reference)
    learnt = None if train is None else panel_of(train)
    if options.get("noisy") is not None:
        noisy = panel_of(options.pop("noisy"))
        return evaluate_cleaned(ours, real, noisy, learnt, **options)
    options.pop("noisy", None)
    return evaluate_generated(ours, real, learnt, seed=seed, **options)


def panel_of(series: SeriesSource) -> list[FloatArray]:
    """Series that have rows, [T, V] each; NaN is missing."""
    return [each for each in series.arrays() if len(each)]


def _matched(
    forecast: Forecast, real: SeriesSource
) -> tuple[FloatArray, FloatArray, list[FloatArray]]:
    """Draws, truth (NaN where not known) and past of every origin after which something is known.

    Raises:
        ValueError: if there is none.
    """
    arrays = real.arrays()
    origins, _, ahead, variables = forecast.draws.shape
    truth = np.full((origins, ahead, variables), np.nan)
    pasts: list[FloatArray] = []
    numbers = np.searchsorted(real.starts, forecast.origin, side="left") - 1
    known = forecast.origin - real.starts[numbers]
    for row, (number, rows) in enumerate(zip(numbers, known, strict=True)):
        came = arrays[number][rows : rows + ahead]
        truth[row, : len(came)] = came
        pasts.append(arrays[number][:rows])
    kept = np.flatnonzero((~np.isnan(truth)).any(axis=(1, 2)))
    if not len(kept):
        raise ValueError(f"expected values after the forecast's origins, got none after any of the "
                         f"{origins}; give series that go on")  # fmt: skip
    return forecast.draws[kept], truth[kept], [pasts[row] for row in kept]


def _before(forecast: Forecast, real: SeriesSource) -> list[FloatArray] | None:
    """Rows before the first origin of each series; None where there are hardly any."""
    numbers = np.searchsorted(real.starts, forecast.origin, side="left") - 1
    known = forecast.origin - real.starts[numbers]
    arrays = real.arrays()
    early = [arrays[number][: known[numbers == number].min()] for number in np.unique(numbers)]
    return early if sum(map(len, early)) >= FEWEST_ROWS else None
