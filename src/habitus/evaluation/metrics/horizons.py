"""Proper scores of a forecast that is known by its draws, for each step ahead."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from habitus.evaluation.metrics.proper_scores import coverage, crps
from habitus.evaluation.metrics.transitions import checked_steps
from habitus.schema import FloatArray

COVERAGE = 0.9


def horizons(
    draws: FloatArray,
    truth: FloatArray,
    steps: Sequence[int],
    *,
    scale: FloatArray | None = None,
) -> dict[int, dict[str, float]]:
    """CRPS, coverage of the central 90 % interval and absolute error of the median, by step ahead.

    Coverage is the share of truths in the central 90 % of the draws, where those equal to draws
    count in part, so that draws of the truth's own distribution score 0.9 however few
    (:func:`habitus.evaluation.metrics.proper_scores.coverage`).

    Args:
        draws: [O, K, H, V].
        truth: Observed values, NaN where unknown, [O, H, V].
        steps: Steps ahead from 1 to H.
        scale: What each variable is divided by where their units differ, [V]; None to keep the
            unit.

    Returns:
        For each step the means over origins and variables of ``crps``, ``coverage_90`` and ``mae``;
        NaN where no truth is known.

    Raises:
        ValueError: for shapes that do not match, or a step that was not forecast.
    """
    if draws.ndim != 4 or truth.shape != (draws.shape[0], *draws.shape[2:]):
        raise ValueError(f"expected draws [O, K, H, V] and truth [O, H, V], "
                         f"got {draws.shape} and {truth.shape}")  # fmt: skip
    unit = np.ones(truth.shape[-1]) if scale is None else scale
    scores = {}
    for step in checked_steps(steps, truth.shape[1]):
        drawn = draws[:, :, step - 1] / unit
        came = truth[:, step - 1] / unit
        known = ~np.isnan(came)
        if not known.any():
            scores[step] = dict.fromkeys(("crps", "coverage_90", "mae"), np.nan)
            continue
        ordered = np.sort(np.moveaxis(drawn, 1, 0)[:, known].astype(np.float64), axis=0)
        came = came[known]
        scores[step] = {
            "crps": float(crps(ordered, came).mean()),
            "coverage_90": float(coverage(ordered, came, COVERAGE).mean()),
            "mae": float(np.abs(np.median(ordered, axis=0) - came).mean()),
        }
    return scores
