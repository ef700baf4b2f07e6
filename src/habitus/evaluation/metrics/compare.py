"""The figures of ``metrics.json`` from two summaries: a nested dictionary, the same for floors and baselines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from habitus.evaluation.metrics.active_users import (
    ACTIVITIES,
    Activity,
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
Curve = Callable[[FloatArray], FloatArray]


def compare(generated: Summary, reference: Summary) -> Figures:
    """All figures of one set against another ("Time pictures" 5.3.1 and 5.3.2, and ours).

    Args:
        generated: Summary of the set that is judged (a generated population, a real sample, a baseline).
        reference: Summary of the set that it is judged against, on axes that match.

    Returns:
        ``users`` and ``reference_users``; ``daily_mean`` and ``daily_std`` {kld, mse}; ``total_cdf`` {ks};
        ``dau``, ``wau``, ``mau`` {relative_error, kld}, None where the window is too short for one;
        ``raw_daily_mean`` and ``raw_daily_std`` where both sets hold counts; ``empty_cells`` {generated,
        reference}; ``hour_of_day`` and ``weekday`` {jsd: {channel: value}}; ``hour_of_week`` {jsd};
        ``channel_overlap`` and ``channel_correlation`` {mean_absolute_difference}; ``user_totals`` {ks,
        log_quantile_error, tail_index_error}, in events where both sets hold counts; ``silences`` {days_ks,
        slots_ks}; ``retention`` {relative_error}; ``stickiness`` {dau_mau, dau_wau}; ``autocorrelation``.
        Divergences are in nats and may be ``inf``.
    """
    return {
        "users": generated.users,
        "reference_users": reference.users,
        "daily_mean": _curve_figures(daily_mean, generated.daily_totals, reference.daily_totals),
        "daily_std": _curve_figures(daily_std, generated.daily_totals, reference.daily_totals),
        "total_cdf": {"ks": kolmogorov_distance(generated.daily_totals, reference.daily_totals)},
        **{
            activity.name: _activity_figures(activity, generated, reference)
            for activity in ACTIVITIES
        },
        **_raw_figures(generated, reference),
        "empty_cells": {"generated": generated.empty_share, "reference": reference.empty_share},
        "hour_of_day": {
            "jsd": _per_channel(generated, generated.slot_channel, reference.slot_channel)
        },
        "weekday": {"jsd": _weekday_jsd(generated, reference)},
        "hour_of_week": {"jsd": _hour_of_week_jsd(generated, reference)},
        "channel_overlap": _overlap_figures(generated, reference),
        "channel_correlation": _correlation_figures(generated, reference),
        "user_totals": _user_total_figures(generated, reference),
        "silences": _silence_figures(generated, reference),
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


def _curve_figures(curve: Curve, generated: FloatArray, reference: FloatArray) -> Figures:
    ours = curve(generated)
    theirs = curve(reference)
    return {"kld": kl_divergence(theirs, ours), "mse": mean_squared_error(theirs, ours)}


def _raw_figures(generated: Summary, reference: Summary) -> Figures:
    ours = generated.raw_daily_totals
    theirs = reference.raw_daily_totals
    if ours is None or theirs is None:
        return {}
    return {
        "raw_daily_mean": _curve_figures(daily_mean, ours, theirs),
        "raw_daily_std": _curve_figures(daily_std, ours, theirs),
    }


def _activity_figures(activity: Activity, generated: Summary, reference: Summary) -> Figures:
    """KLD is over the whole curve, as the paper draws it; the relative error over full windows."""
    ours, theirs = (
        active_users(summary.active, activity.window) for summary in (generated, reference)
    )
    error = relative_error(ours, theirs, activity.first_day)
    return {"relative_error": error, "kld": None if error is None else kl_divergence(theirs, ours)}


def _per_channel(
    summary: Summary, generated: FloatArray, reference: FloatArray
) -> dict[str, float]:
    """Jensen-Shannon divergence of each channel's shape along the first axis, [K, C]."""
    shapes = zip(summary.axes.channels, reference.T, generated.T, strict=True)
    return {channel: jensen_shannon(theirs, ours) for channel, theirs, ours in shapes}


def _weekday_jsd(generated: Summary, reference: Summary) -> dict[str, float] | None:
    """Divergence of the week's shape per channel, over the weekdays that both windows have."""
    week = shared_week(generated, reference)
    return None if week is None else _per_channel(generated, *(each.sum(axis=1) for each in week))


def _overlap_figures(generated: Summary, reference: Summary) -> Figures:
    """Mean absolute difference over ordered pairs of different channels whose first the reference has."""
    ours, theirs = (
        conditional_overlap(summary.channel_overlap) for summary in (generated, reference)
    )
    pairs = ~np.eye(len(ours), dtype=bool) & (np.diagonal(reference.channel_overlap) > 0)[:, None]
    difference = float(np.abs(ours - theirs)[pairs].mean()) if pairs.any() else None
    return {
        "mean_absolute_difference": difference,
        "generated": ours.tolist(),
        "reference": theirs.tolist(),
    }


def shared_week(generated: Summary, reference: Summary) -> tuple[FloatArray, FloatArray] | None:
    """The mean week of both sets by slot and channel, over the weekdays that both windows have, [W, S, C] each."""
    ours = generated.weekday_slot_channel
    theirs = reference.weekday_slot_channel
    if ours is None or theirs is None:
        return None
    shared = generated.days_of_weekday.any(axis=1) & reference.days_of_weekday.any(axis=1)
    return ours[shared], theirs[shared]


def _hour_of_week_jsd(generated: Summary, reference: Summary) -> float | None:
    """Divergence of all channels' activity over the slots of the week, [W, S]."""
    week = shared_week(generated, reference)
    return None if week is None else jensen_shannon(*(each.sum(axis=2) for each in week))


def user_totals(first: Summary, second: Summary) -> tuple[FloatArray, FloatArray]:
    """Total of each user by channel, [U, C]: in events where both sets hold counts, else in peaks."""
    if first.raw_channel_totals is None or second.raw_channel_totals is None:
        return first.channel_totals, second.channel_totals
    return first.raw_channel_totals, second.raw_channel_totals


def _user_total_figures(generated: Summary, reference: Summary) -> Figures:
    ours, theirs = (
        each.sum(axis=1, dtype=np.float64) for each in user_totals(generated, reference)
    )
    quantiles = [user_quantiles(each) for each in (ours, theirs)]
    return {
        "ks": kolmogorov_distance(ours, theirs),
        "log_quantile_error": float(np.mean(log_error(*quantiles))),
        "tail_index_error": _tail_index_error(ours, theirs),
        "levels": list(LEVELS),
        "generated": quantiles[0].tolist(),
        "reference": quantiles[1].tolist(),
    }


def _tail_index_error(generated: FloatArray, reference: FloatArray) -> float | None:
    ours = tail_index(generated)
    theirs = tail_index(reference)
    return None if ours is None or theirs is None else float(abs(np.log(ours / theirs)))


def _correlation_figures(generated: Summary, reference: Summary) -> Figures:
    """Mean absolute difference over pairs of channels that vary in the reference."""
    ours, theirs = (channel_correlation(each) for each in user_totals(generated, reference))
    pairs = np.triu(np.isfinite(theirs), 1)
    difference = float(np.abs(np.nan_to_num(ours) - theirs)[pairs].mean()) if pairs.any() else None
    return {
        "mean_absolute_difference": difference,
        "generated": ours.tolist(),
        "reference": theirs.tolist(),
    }


def _silence_figures(generated: Summary, reference: Summary) -> Figures:
    return {
        "days_ks": step_distance(*(silent_days(each) for each in (generated, reference))),
        "slots_ks": step_distance(generated.silent_slots, reference.silent_slots),
    }


def silent_days(summary: Summary) -> NDArray[np.int64]:
    """Silences by their length in days, between active days of the same user, [D]."""
    return silences(np.flatnonzero(summary.active), summary.active.shape[1])


def _retention_error(generated: Summary, reference: Summary) -> float | None:
    """Over the days after the first on which users of both sets are still watched."""
    curves = [retention(each.active) for each in (generated, reference)]
    known = np.isfinite(curves[0]) & np.isfinite(curves[1])
    return relative_error(curves[0][known], curves[1][known], first_day=1)


def _stickiness_figures(generated: Summary, reference: Summary) -> Figures:
    figures: Figures = {}
    for name, window in (("dau_mau", 30), ("dau_wau", 7)):
        ours, theirs = (stickiness(each.active, window) for each in (generated, reference))
        figures[name] = None if ours is None or not theirs else abs(ours - theirs) / theirs
    return figures


def _autocorrelation_error(generated: Summary, reference: Summary) -> float | None:
    ours, theirs = (daily_autocorrelation(each.daily_totals) for each in (generated, reference))
    known = np.isfinite(ours) & np.isfinite(theirs)
    return float(np.abs(ours - theirs)[known].mean()) if known.any() else None
