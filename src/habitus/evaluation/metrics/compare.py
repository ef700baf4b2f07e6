"""Figures of ``metrics.json`` from two summaries: nested, the same for floors and baselines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from habitus.evaluation.metrics.active_users import (
    ACTIVITIES,
    active_users,
    relative_error,
    retention,
    stickiness,
)
from habitus.evaluation.metrics.correlations import daily_autocorrelation
from habitus.evaluation.metrics.distances import (
    jensen_shannon,
    kl_divergence,
    kolmogorov_distance,
    mean_squared_error,
    step_distance,
)
from habitus.evaluation.metrics.silences import silences
from habitus.evaluation.metrics.summary import Summary
from habitus.evaluation.metrics.totals import (
    LEVELS,
    channel_correlation,
    daily_mean,
    daily_std,
    log_error,
    tail_index,
    user_quantiles,
)
from habitus.schema import FloatArray, IntArray

Figures = dict[str, Any]


def compare(generated: Summary, reference: Summary) -> Figures:
    """Compute all figures of one set against another ("Time pictures" 5.3.1 and 5.3.2, and ours).

    Args:
        generated: Summary of the set that is evaluated (a generated population, a real sample, a
            baseline).
        reference: Summary of the set that it is compared with, on axes that match.

    Returns:
        ``users`` and ``reference_users``; ``daily_mean`` and ``daily_std`` {kld, mse};
        ``total_cdf`` {ks}; ``dau``, ``wau``, ``mau`` {relative_error, kld}, None where the window
        is too short for one; ``raw_daily_mean`` and ``raw_daily_std`` where both sets hold counts;
        ``empty_cells`` {generated, reference}; ``hour_of_day`` and ``weekday`` {jsd: {channel:
        value}}; ``hour_of_week`` {jsd}; ``channel_overlap`` and ``channel_correlation``
        {mean_absolute_difference}; ``user_totals`` {ks, log_quantile_error, tail_index_error}, in
        events where both sets hold counts; ``silences`` {days_ks, slots_ks}; ``retention``
        {relative_error}; ``stickiness`` {dau_mau, dau_wau}; ``autocorrelation``. Divergences are
        in nats and may be ``inf``.
    """
    totals = generated.daily_totals, reference.daily_totals
    raw_generated = generated.raw_daily_totals
    raw_reference = reference.raw_daily_totals
    raw = {}
    if raw_generated is not None and raw_reference is not None:
        raw = {
            "raw_daily_mean": _curve_figures(daily_mean, raw_generated, raw_reference),
            "raw_daily_std": _curve_figures(daily_std, raw_generated, raw_reference),
        }
    hours = _per_channel(generated, generated.slot_channel, reference.slot_channel)
    week = _shared_week(generated, reference)
    weekday = hour_of_week = None
    if week is not None:
        weekday = _per_channel(generated, *(each.sum(axis=1) for each in week))
        hour_of_week = jensen_shannon(*(each.sum(axis=2) for each in week))
    return {
        "users": generated.users,
        "reference_users": reference.users,
        "daily_mean": _curve_figures(daily_mean, *totals),
        "daily_std": _curve_figures(daily_std, *totals),
        "total_cdf": {"ks": kolmogorov_distance(*totals)},
        **_activity_figures(generated, reference),
        **raw,
        "empty_cells": {"generated": generated.empty_share, "reference": reference.empty_share},
        "hour_of_day": {"jsd": hours},
        "weekday": {"jsd": weekday},
        "hour_of_week": {"jsd": hour_of_week},
        "channel_overlap": _overlap_figures(generated, reference),
        "channel_correlation": _correlation_figures(generated, reference),
        "user_totals": _user_total_figures(generated, reference),
        "silences": {
            "days_ks": step_distance(silent_days(generated), silent_days(reference)),
            "slots_ks": step_distance(generated.silent_slots, reference.silent_slots),
        },
        "retention": {"relative_error": _retention_error(generated, reference)},
        "stickiness": _stickiness_figures(generated, reference),
        "autocorrelation": {
            "mean_absolute_difference": _autocorrelation_error(generated, reference)
        },
    }


def conditional_overlap(channel_overlap: IntArray) -> NDArray[np.float64]:
    """P(channel b in the hour | channel a in the hour).

    Args:
        channel_overlap: Hours shared by a and b, [C, C]; on the diagonal the hours of each.

    Returns:
        Shares, [a, b]; a row of zeros where channel a never occurs.

    >>> conditional_overlap(np.array([[4, 1], [1, 2]]))
    array([[1.  , 0.25],
           [0.5 , 1.  ]])
    """
    hours = np.diagonal(channel_overlap)[:, None]
    return channel_overlap / np.maximum(hours, 1)


def user_totals(first: Summary, second: Summary) -> tuple[FloatArray, FloatArray]:
    """Total of each user by channel, [U, C]: in events if both sets hold counts, else in peaks."""
    if first.raw_channel_totals is None or second.raw_channel_totals is None:
        return first.channel_totals, second.channel_totals
    return first.raw_channel_totals, second.raw_channel_totals


def silent_days(summary: Summary) -> NDArray[np.int64]:
    """Silences by their length in days, between active days of the same user, [D]."""
    return silences(np.flatnonzero(summary.active), summary.active.shape[1])


def _curve_figures(
    curve: Callable[[FloatArray], FloatArray], generated: FloatArray, reference: FloatArray
) -> Figures:
    ours = curve(generated)
    theirs = curve(reference)
    return {"kld": kl_divergence(theirs, ours), "mse": mean_squared_error(theirs, ours)}


def _activity_figures(generated: Summary, reference: Summary) -> Figures:
    """Compare DAU, WAU and MAU: KLD over all days as in the paper, error over full windows only."""
    figures = {}
    for activity in ACTIVITIES:
        ours = active_users(generated.active, activity.window)
        theirs = active_users(reference.active, activity.window)
        error = relative_error(ours, theirs, activity.first_day)
        kld = None if error is None else kl_divergence(theirs, ours)
        figures[activity.name] = {"relative_error": error, "kld": kld}
    return figures


def _per_channel(
    summary: Summary, generated: FloatArray, reference: FloatArray
) -> dict[str, float]:
    """Jensen-Shannon divergence of each channel's shape along the first axis, [K, C]."""
    shapes = zip(summary.axes.channels, reference.T, generated.T, strict=True)
    return {channel: jensen_shannon(theirs, ours) for channel, theirs, ours in shapes}


def _shared_week(generated: Summary, reference: Summary) -> tuple[FloatArray, FloatArray] | None:
    """Mean week of both sets, over the weekdays that both windows have, [W, S, C] each."""
    ours = generated.weekday_slot_channel
    theirs = reference.weekday_slot_channel
    if ours is None or theirs is None:
        return None
    shared = generated.days_of_weekday.any(axis=1) & reference.days_of_weekday.any(axis=1)
    return ours[shared], theirs[shared]


def _overlap_figures(generated: Summary, reference: Summary) -> Figures:
    """Difference over ordered pairs of different channels whose first the reference has."""
    ours = conditional_overlap(generated.channel_overlap)
    theirs = conditional_overlap(reference.channel_overlap)
    pairs = ~np.eye(len(ours), dtype=bool) & (np.diagonal(reference.channel_overlap) > 0)[:, None]
    return _matrix_figures(ours, theirs, np.abs(ours - theirs)[pairs])


def _correlation_figures(generated: Summary, reference: Summary) -> Figures:
    """Difference over pairs of channels that vary in the reference."""
    ours, theirs = (channel_correlation(each) for each in user_totals(generated, reference))
    pairs = np.triu(np.isfinite(theirs), 1)
    return _matrix_figures(ours, theirs, np.abs(np.nan_to_num(ours) - theirs)[pairs])


def _matrix_figures(ours: FloatArray, theirs: FloatArray, differences: FloatArray) -> Figures:
    return {
        "mean_absolute_difference": float(differences.mean()) if len(differences) else None,
        "generated": ours.tolist(),
        "reference": theirs.tolist(),
    }


def _user_total_figures(generated: Summary, reference: Summary) -> Figures:
    ours, theirs = (
        each.sum(axis=1, dtype=np.float64) for each in user_totals(generated, reference)
    )
    quantiles = [user_quantiles(each) for each in (ours, theirs)]
    indices = tail_index(ours), tail_index(theirs)
    tail_error = None
    if indices[0] is not None and indices[1] is not None:
        tail_error = float(abs(np.log(indices[0] / indices[1])))
    return {
        "ks": kolmogorov_distance(ours, theirs),
        "log_quantile_error": float(np.mean(log_error(*quantiles))),
        "tail_index_error": tail_error,
        "levels": list(LEVELS),
        "generated": quantiles[0].tolist(),
        "reference": quantiles[1].tolist(),
    }


def _retention_error(generated: Summary, reference: Summary) -> float | None:
    """Error over the days after the first on which users of both sets are still watched."""
    ours = retention(generated.active)
    theirs = retention(reference.active)
    known = np.isfinite(ours) & np.isfinite(theirs)
    return relative_error(ours[known], theirs[known], first_day=1)


def _stickiness_figures(generated: Summary, reference: Summary) -> Figures:
    figures: Figures = {}
    for name, window in (("dau_mau", 30), ("dau_wau", 7)):
        ours = stickiness(generated.active, window)
        theirs = stickiness(reference.active, window)
        figures[name] = None if ours is None or not theirs else abs(ours - theirs) / theirs
    return figures


def _autocorrelation_error(generated: Summary, reference: Summary) -> float | None:
    ours = daily_autocorrelation(generated.daily_totals)
    theirs = daily_autocorrelation(reference.daily_totals)
    known = np.isfinite(ours) & np.isfinite(theirs)
    return float(np.abs(ours - theirs)[known].mean()) if known.any() else None
