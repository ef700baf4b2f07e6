"""One call for each kind of file: generated, cleaned or forecast series, beside their baselines and their floor.

Everything returned can be written as JSON: plain floats, None for what is not defined.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from habitus.evaluation.baselines.series import SERIES_BASELINES
from habitus.evaluation.completion.denoising import Histogram, mean_squared_error, posterior_mean
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

ALL_BASELINES = tuple(SERIES_BASELINES)
HORIZONS = (1, 6, 24)
STEPS = (1,)
_BLOCKS = 20  # that a panel of few series is cut into for its floor
_ROUNDING = 1e-7
Json = dict[str, Any]


def evaluate_generated(
    generated: Panel,
    real: Panel,
    train: Panel | None = None,
    *,
    buckets: int = DEFAULT_BUCKETS,
    steps: Sequence[int] = STEPS,
    limits: Limits | None = None,
    lags: int = DEFAULT_LAGS,
    baselines: Sequence[str] = ALL_BASELINES,
    seed: int = 0,
) -> Json:
    """Scores of generated series against real ones.

    Baselines generate as many series and steps as there are generated ones, after learning from ``train``. Without it
    they learn from ``real`` itself and so know what they are judged by. The floor is the training panel scored as
    if it were generated, or without it one half of the real rows against the other: every second of 20 blocks
    in time.

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
        ``transitions{printed, weighted, by_step}``, ``marginal{ks, wasserstein}``, ``autocorrelation{mse}``,
        ``cross_correlation{mse, mse_lag_1}``, and the same under ``baselines{NAME}`` and ``floor``.
    """
    settings = {"buckets": buckets, "steps": tuple(steps), "limits": limits, "lags": lags}
    shape = len(generated), max(len(each) for each in generated)
    scores = _generated_scores(generated, real, **settings)
    learnt = real if train is None else train
    scores["baselines"] = {
        name: _generated_scores(
            SERIES_BASELINES[name](learnt, seed).generate(*shape), real, **settings
        )
        for name in baselines
    }
    scores["floor"] = _generated_scores(
        *(_halves(real) if train is None else (train, real)), **settings
    )
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
    """Reconstruction error of cleaned series, of the noisy ones as they are, and of each value's posterior mean.

    Args:
        cleaned: What a model made of ``noisy``.
        clean: The truth.
        noisy: What the model was given; NaN is a gap.
        train: Where the posterior mean takes the histogram of each variable from; ``clean`` itself if None.
        sigma: Standard deviation of the noise; measured where None.
        probability: Probability that a value was modified; measured where None.
        limits: What the noisy values were clamped to, if they were.

    Returns:
        ``reconstruction{mse, mse_gaps}``, the second over the gaps alone, and the same under
        ``baselines{identity, posterior_mean}``; identity fills a gap with the last value before it.
    """
    given = Stack.of(noisy)
    measured = _noise(given, Stack.of(clean))
    sigma = measured[0] if sigma is None else sigma
    probability = measured[1] if probability is None else probability
    prior = Stack.of(clean if train is None else train)
    columns = [
        posterior_mean(
            given.values[:, each], Histogram.of(prior.column(each)), sigma, probability, limits
        )
        for each in range(given.variables)
    ]
    estimates = {
        "identity": carried_forward(given).values,
        "posterior_mean": np.stack(columns, axis=1),
    }
    panels = {name: np.split(values, given.starts[1:-1]) for name, values in estimates.items()}
    scores: Json = {"reconstruction": _errors(cleaned, clean, noisy)}
    scores["baselines"] = {
        name: {"reconstruction": _errors(each, clean, noisy)} for name, each in panels.items()
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
    baselines: Sequence[str] = ALL_BASELINES,
    seed: int = 0,
) -> Json:
    """Scores of a forecast by steps ahead, and of baselines that draw as often from the same pasts.

    Args:
        draws: [O, K, H, V].
        truth: What came, NaN where it is not known, [O, H, V].
        pasts: What is known before each origin, O arrays [T_n, V] with at least one row.
        train: What the baselines learn from; the longest past if None.
        steps: Steps ahead; those above H are left out.
        buckets: Buckets of Algorithm 1.
        limits: Ends of its buckets; None for the range of the truth.
        scale: What each variable is divided by where their units differ, [V]; None to keep the unit.
        baselines: Names in SERIES_BASELINES.
        seed: Seed of the baselines.

    Returns:
        ``horizon{STEP{crps, coverage_90, mae}}``, ``transitions{printed, weighted, by_step}`` from the last known
        value to each step ahead, and the same under ``baselines{NAME}``.

    Raises:
        ValueError: if no step is left, or the pasts are not as many as the origins.
    """
    samples, ahead = draws.shape[1:3]
    within = [step for step in steps if step <= ahead]
    if not within or len(pasts) != len(draws):
        raise ValueError(
            f"expected {len(draws)} pasts and a step of at most {ahead}, got {len(pasts)} and {list(steps)}"
        )
    last = np.stack([carried_forward(Stack.of([past])).values[-1] for past in pasts])

    def scored(each: FloatArray) -> Json:
        by_step = horizons(each, truth, within, scale=scale)
        moved = forecast_transitions(
            each, last, truth, buckets=buckets, steps=within, limits=limits
        )
        horizon = {
            str(step): {name: _plain(value) for name, value in by_step[step].items()}
            for step in within
        }
        return {"horizon": horizon, "transitions": _overlaps(moved)}

    learnt = [max(pasts, key=len)] if train is None else train
    scores = scored(draws)
    scores["baselines"] = {
        name: scored(SERIES_BASELINES[name](learnt, seed).forecast(pasts, ahead, samples))
        for name in baselines
    }
    return scores


def _generated_scores(
    generated: Panel,
    real: Panel,
    *,
    buckets: int,
    steps: Sequence[int],
    limits: Limits | None,
    lags: int,
) -> Json:
    moved = transitions(generated, real, buckets=buckets, steps=steps, limits=limits)
    apart = wasserstein(generated, real)
    spread = spreads(real)
    return {
        "transitions": _overlaps(moved),
        "marginal": {
            "ks": _plain(np.mean(kolmogorov_smirnov(generated, real))),
            "wasserstein": _plain(np.mean(apart / np.where(spread > 0, spread, 1))),
        },
        "autocorrelation": {"mse": _plain(autocorrelation_mse(generated, real, lags))},
        "cross_correlation": {
            "mse": _plain(cross_correlation_mse(generated, real)),
            "mse_lag_1": _plain(cross_correlation_mse(generated, real, lag=1)),
        },
    }


def _overlaps(by_step: Mapping[int, Overlap]) -> Json:
    """The mean over steps, and each of them."""
    mean = mean_overlap(list(by_step.values()))
    return {
        **_overlap(mean),
        "by_step": {str(step): _overlap(each) for step, each in by_step.items()},
    }


def _overlap(score: Overlap) -> Json:
    return {"printed": _plain(score.printed), "weighted": _plain(score.weighted)}


def _errors(estimate: Panel, clean: Panel, noisy: Panel) -> Json:
    """Mean squared error over all known values, and over those that the noisy panel lacks."""
    truth = Stack.of(clean)
    given = Stack.of(noisy)
    gaps = np.where(given.observed, np.nan, truth.values)
    in_gaps = mean_squared_error(estimate, np.split(gaps, truth.starts[1:-1]))
    return {"mse": _plain(mean_squared_error(estimate, clean)), "mse_gaps": _plain(in_gaps)}


def _noise(noisy: Stack, clean: Stack) -> tuple[float, float]:
    """Standard deviation of the modifications, and the share of values modified, by looking at the truth."""
    difference = noisy.values - clean.values
    difference = difference[~np.isnan(difference)]
    changed = difference[np.abs(difference) > _ROUNDING]
    if not changed.size:
        return 0.0, 0.0
    return float(np.sqrt(np.square(changed).mean())), changed.size / difference.size


def _halves(real: Panel) -> tuple[Panel, Panel]:
    """Every second series, and the others; a panel of few series is cut into blocks of time first."""
    blocks = list(real)
    if len(blocks) < _BLOCKS:
        parts = -(-_BLOCKS // len(blocks))
        blocks = [block for each in blocks for block in np.array_split(each, parts) if len(block)]
    if len(blocks) < 2:
        raise ValueError(
            "expected at least 2 rows of real data to split for a floor; give the training series"
        )
    return blocks[::2], blocks[1::2]


def _plain(value: float | np.floating) -> float | None:
    """A float that JSON has, or None."""
    return float(value) if np.isfinite(value) else None
