"""Generated, cleaned or forecast series against real ones, beside their baselines and their floor.

A panel is a sequence of arrays [T_n, V], one for each series of one sort; NaN is a missing value.

    generated panel ──evaluate_generated──▶ transitions, marginal, auto- and cross-correlation
    cleaned values  ──evaluate_cleaned────▶ reconstruction
    draws           ──evaluate_forecast───▶ CRPS, coverage and transitions by horizon

Everything returned can be written as JSON: plain floats, None for what is not defined.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from habitus.evaluation.baselines.series import SERIES_BASELINES
from habitus.evaluation.completion.denoising import (
    ValueHistogram,
    posterior_mean,
    reconstruction_error,
)
from habitus.evaluation.metrics.correlations import (
    DEFAULT_LAGS,
    autocorrelation_mse,
    cross_correlation_mse,
)
from habitus.evaluation.metrics.horizons import horizons
from habitus.evaluation.metrics.marginals import kolmogorov_smirnov, spreads, wasserstein
from habitus.evaluation.metrics.transitions import (
    DEFAULT_BUCKETS,
    Limits,
    Overlap,
    forecast_transitions,
    mean_overlap,
    transitions,
)
from habitus.evaluation.panels import Panel, Stack, carried_forward
from habitus.schema import FloatArray

HORIZONS = (1, 6, 24)
_BLOCKS = 20  # that a panel of few series is cut into for its floor
_ROUNDING = 1e-7
Json = dict[str, Any]


def evaluate_generated(
    generated: Panel,
    real: Panel,
    train: Panel | None = None,
    *,
    buckets: int = DEFAULT_BUCKETS,
    steps: Sequence[int] = (1,),
    limits: Limits | None = None,
    lags: int = DEFAULT_LAGS,
    baselines: Sequence[str] = tuple(SERIES_BASELINES),
    seed: int = 0,
) -> Json:
    """Scores of generated series against real ones.

    Baselines generate as many series and steps as there are generated ones, after learning from
    ``train``. Without it they learn from ``real`` itself and so know what they are scored by. The
    floor is the training panel scored as if it were generated, or without it one half of the real
    rows against the other: every second of 20 blocks in time.

    Args:
        generated: Generated panel.
        real: Real panel, unseen by the model where that is possible.
        train: What the model learnt from.
        buckets: Buckets of Algorithm 1.
        steps: Its steps forward.
        limits: Ends of its buckets; None for the range of ``real``.
        lags: Largest lag of the autocorrelation.
        baselines: Names in SERIES_BASELINES.
        seed: Seed of the baselines.

    Returns:
        ``transitions{printed, weighted, by_step}``, ``marginal{ks, wasserstein}``,
        ``autocorrelation{mse}``, ``cross_correlation{mse, mse_lag_1}``, and the same under
        ``baselines{NAME}`` and ``floor``.
    """

    def scored(panel: Panel, real: Panel) -> Json:
        moved = transitions(panel, real, buckets=buckets, steps=tuple(steps), limits=limits)
        spread = spreads(real)
        distance = wasserstein(panel, real) / np.where(spread > 0, spread, 1)
        return {
            "transitions": _overlaps(moved),
            "marginal": {
                "ks": _plain(np.mean(kolmogorov_smirnov(panel, real))),
                "wasserstein": _plain(np.mean(distance)),
            },
            "autocorrelation": {"mse": _plain(autocorrelation_mse(panel, real, lags))},
            "cross_correlation": {
                "mse": _plain(cross_correlation_mse(panel, real)),
                "mse_lag_1": _plain(cross_correlation_mse(panel, real, lag=1)),
            },
        }

    shape = len(generated), max(len(each) for each in generated)
    learnt = real if train is None else train
    scores = scored(generated, real)
    scores["baselines"] = {
        name: scored(SERIES_BASELINES[name](learnt, seed).generate(*shape), real)
        for name in baselines
    }
    scores["floor"] = scored(*(_halves(real) if train is None else (train, real)))
    return scores


def evaluate_cleaned(
    cleaned: Panel,
    clean: Panel,
    noisy: Panel,
    train: Panel | None = None,
    *,
    sigma: float | None = None,
    probability: float | None = None,
    limits: Limits | None = None,
) -> Json:
    """Reconstruction error of cleaned series, the noisy ones, and each value's posterior mean.

    Args:
        cleaned: What a model made of ``noisy``.
        clean: The truth.
        noisy: What the model was given; NaN is missing.
        train: Where the posterior mean takes the histogram of each variable from; ``clean`` itself
            if None.
        sigma: Standard deviation of the noise; measured where None.
        probability: Probability that a value was modified; measured where None.
        limits: What the noisy values were clamped to, if they were.

    Returns:
        ``reconstruction{mse, mse_gaps}``, the second over the values missing in ``noisy`` alone,
        and the same under ``baselines{identity, posterior_mean}``; identity fills a missing value
        with the last one before it.
    """
    given = Stack.of(noisy)
    truth = Stack.of(clean)
    measured = _noise(given, truth)
    sigma = measured[0] if sigma is None else sigma
    probability = measured[1] if probability is None else probability
    prior = truth if train is None else Stack.of(train)
    columns = [
        posterior_mean(values, ValueHistogram.of(known), sigma, probability, limits)
        for values, known in zip(given.values.T, prior.columns(), strict=True)
    ]
    estimates = {
        "identity": carried_forward(given).values,
        "posterior_mean": np.stack(columns, axis=1),
    }
    missing = np.split(np.where(given.observed, np.nan, truth.values), truth.starts[1:-1])

    def scored(estimate: Panel) -> Json:
        errors = {
            "mse": _plain(reconstruction_error(estimate, clean)),
            "mse_gaps": _plain(reconstruction_error(estimate, missing)),
        }
        return {"reconstruction": errors}

    scores = scored(cleaned)
    scores["baselines"] = {
        name: scored(np.split(values, given.starts[1:-1])) for name, values in estimates.items()
    }
    return scores


def evaluate_forecast(
    draws: FloatArray,
    truth: FloatArray,
    pasts: Sequence[FloatArray],
    train: Panel | None = None,
    *,
    steps: Sequence[int] = HORIZONS,
    buckets: int = DEFAULT_BUCKETS,
    limits: Limits | None = None,
    scale: FloatArray | None = None,
    baselines: Sequence[str] = tuple(SERIES_BASELINES),
    seed: int = 0,
) -> Json:
    """Scores of a forecast by steps ahead, and of baselines that draw as often from the same pasts.

    Args:
        draws: Draws of the forecast, [O, K, H, V].
        truth: Observed values, NaN where unknown, [O, H, V].
        pasts: Values up to each origin, O arrays [T_n, V] with at least one row.
        train: Training panel of the baselines; the longest past if None.
        steps: Steps ahead; those above H are left out.
        buckets: Buckets of Algorithm 1.
        limits: Ends of its buckets; None for the range of the truth.
        scale: What each variable is divided by where their units differ, [V]; None to keep the
            unit.
        baselines: Names in SERIES_BASELINES.
        seed: Seed of the baselines.

    Returns:
        ``horizon{STEP{crps, coverage_90, mae}}``, ``transitions{printed, weighted, by_step}`` from
        the last known value to each step ahead, and the same under ``baselines{NAME}``.

    Raises:
        ValueError: if no step is left, or the pasts are not as many as the origins.
    """
    samples, ahead = draws.shape[1:3]
    within = [step for step in steps if step <= ahead]
    if not within or len(pasts) != len(draws):
        raise ValueError(f"expected {len(draws)} pasts and a step of at most {ahead}, "
                         f"got {len(pasts)} and {list(steps)}")  # fmt: skip
    last = np.stack([carried_forward(Stack.of([past])).values[-1] for past in pasts])

    def scored(each: FloatArray) -> Json:
        by_step = horizons(each, truth, within, scale=scale)
        moved = forecast_transitions(
            each, last, truth, buckets=buckets, steps=within, limits=limits
        )
        horizon = {
            str(step): {name: _plain(value) for name, value in scores.items()}
            for step, scores in by_step.items()
        }
        return {"horizon": horizon, "transitions": _overlaps(moved)}

    learnt = [max(pasts, key=len)] if train is None else train
    scores = scored(draws)
    scores["baselines"] = {
        name: scored(SERIES_BASELINES[name](learnt, seed).forecast(pasts, ahead, samples))
        for name in baselines
    }
    return scores


def _overlaps(by_step: Mapping[int, Overlap]) -> Json:
    """Mean over steps, and each of them."""
    return {
        **_overlap(mean_overlap(list(by_step.values()))),
        "by_step": {str(step): _overlap(each) for step, each in by_step.items()},
    }


def _overlap(score: Overlap) -> Json:
    return {"printed": _plain(score.printed), "weighted": _plain(score.weighted)}


def _noise(noisy: Stack, clean: Stack) -> tuple[float, float]:
    """Standard deviation of the modifications, and share of values modified, from the truth."""
    difference = noisy.values - clean.values
    difference = difference[~np.isnan(difference)]
    changed = difference[np.abs(difference) > _ROUNDING]
    if not changed.size:
        return 0.0, 0.0
    return float(np.sqrt(np.square(changed).mean())), changed.size / difference.size


def _halves(real: Panel) -> tuple[Panel, Panel]:
    """Every second series, and the others; a panel of few is cut into blocks of time first."""
    blocks = list(real)
    if len(blocks) < _BLOCKS:
        parts = -(-_BLOCKS // len(blocks))
        blocks = [block for each in blocks for block in np.array_split(each, parts) if len(block)]
    if len(blocks) < 2:
        raise ValueError("expected at least 2 rows of real data to split for a floor; "
                         "give the training series")  # fmt: skip
    return blocks[::2], blocks[1::2]


def _plain(value: float | np.floating) -> float | None:
    """Float that JSON has, or None."""
    return float(value) if np.isfinite(value) else None
