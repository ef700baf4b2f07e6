"""Algorithm 1 of the tDLGM paper: overlap of the transitions v_t -> v_{t+s} of two sets of series.

TM and GM count the transitions of the true and the generated data between buckets of values; GM is
scaled to as many transitions as TM. The algorithm as printed is a sum over the cells with TM > 0 of
min(GM, TM) / TM. The paper's figures lie near 63, so it is reported as the mean of that over those
cells, in percent. The mean gives a cell that was seen once as much weight as one seen a thousand
times, so that independent draws from the training values score as well as the training series
itself. Weighted by the cells' true mass it becomes sum min(GM, TM) / sum TM: 1 less the total
variation distance of the two joint distributions, in percent.

Both scores grow with the size of the generated sample, "as printed" most: compare equal sizes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from habitus.evaluation.panels import Float64, Panel, Stack
from habitus.schema import FloatArray, IntArray

MOST_BUCKETS = 4_000  # a table of 128 MB
DEFAULT_BUCKETS = 50
_ROUNDING = 1e-6  # of the range: a value on a border stays above it after rounding to float32
Limits = tuple[float, float]
Counts = NDArray[np.int64]
Pairs = tuple[IntArray, IntArray]  # buckets before and after, [P, V] each


class Overlap(NamedTuple):
    """Both readings of Algorithm 1, in percent; higher is better, 100 is the same distribution."""

    printed: float
    weighted: float


@dataclass(frozen=True)
class Buckets:
    """Intervals of equal width for each variable.

    Attributes:
        count: Intervals per variable.
        low: Lower end of the first one, [V].
        high: Upper end of the last one, [V].
    """

    count: int
    low: Float64
    high: Float64

    @classmethod
    def of(cls, true: Stack, count: int = DEFAULT_BUCKETS, limits: Limits | None = None) -> Self:
        """Divide the range of the true data, or given limits such as (0, 1).

        Raises:
            ValueError: for an impossible count, limits in the wrong order, or a variable without a
                value.
        """
        if not 1 <= count <= MOST_BUCKETS:
            raise ValueError(f"expected 1 to {MOST_BUCKETS:,} buckets, got {count}")
        if limits is not None:
            low, high = limits
            if not low < high:
                raise ValueError(f"expected limits from low to high, got {low} and {high}")
            return cls(count, np.full(true.variables, low), np.full(true.variables, high))
        if not true.observed.any(axis=0).all():
            raise ValueError("expected at least one observed value of every variable of the true "
                             "data, found none")  # fmt: skip
        return cls(count, np.nanmin(true.values, axis=0), np.nanmax(true.values, axis=0))

    def indices(self, values: FloatArray) -> NDArray[np.int32]:
        """Interval of each value, in the shape [..., V] of the values: -1 where missing.

        A value beyond either end counts in the interval at that end.
        """
        width = np.where(self.high > self.low, (self.high - self.low) / self.count, 1.0)
        known = ~np.isnan(values)
        place = np.floor((np.where(known, values, 0.0) - self.low) / width + self.count * _ROUNDING)
        return np.where(known, np.clip(place, 0, self.count - 1), -1).astype(np.int32)


def transition_counts(before: IntArray, after: IntArray, count: int) -> Counts:
    """Count how often each bucket comes after each other, [count, count]; -1 is left out."""
    known = (before >= 0) & (after >= 0)
    keys = before[known].astype(np.int64) * count + after[known]
    return np.bincount(keys, minlength=count * count).reshape(count, count)


def overlap(true: Counts, generated: Counts) -> Overlap:
    """Overlap of two tables of counts.

    NaN where the true one is empty, 0 where only the generated one is.
    """
    seen = true > 0
    if not seen.any():
        return Overlap(np.nan, np.nan)
    scaled = generated[seen] * (true.sum() / max(generated.sum(), 1))
    shared = np.minimum(scaled, true[seen])
    printed = 100 * float(np.mean(shared / true[seen]))
    return Overlap(printed, 100 * float(shared.sum() / true.sum()))


def mean_overlap(each: Sequence[Overlap]) -> Overlap:
    """Mean of each score over variables or steps, NaN left out."""
    scores = np.array(each, np.float64).reshape(-1, 2)
    known = ~np.isnan(scores)
    total = np.where(known, scores, 0).sum(axis=0)
    count = known.sum(axis=0)
    printed, weighted = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return Overlap(float(printed), float(weighted))


def _mean_over_variables(true: Pairs, generated: Pairs, count: int) -> Overlap:
    """Mean over variables of the overlap of their pairs."""
    overlaps = []
    for variable in range(true[0].shape[1]):
        theirs, ours = (
            transition_counts(before[:, variable], after[:, variable], count)
            for before, after in (true, generated)
        )
        overlaps.append(overlap(theirs, ours))
    return mean_overlap(overlaps)


def transitions(
    generated: Panel,
    true: Panel,
    *,
    buckets: int = DEFAULT_BUCKETS,
    steps: Sequence[int] = (1,),
    limits: Limits | None = None,
) -> dict[int, Overlap]:
    """Overlap of the transitions inside each series, the mean over variables, for each step s.

    Args:
        generated: Generated series.
        true: True series, whose range the buckets divide unless limits are given.
        buckets: Buckets of equal width.
        steps: Steps forward s.
        limits: Ends of the buckets of every variable.

    Raises:
        ValueError: for different variables, impossible buckets, or a step below 1.
    """
    ours, theirs = Stack.pair(generated, true)
    cut = Buckets.of(theirs, buckets, limits)
    mine = cut.indices(ours.values)
    yours = cut.indices(theirs.values)
    scores = {}
    for step in checked_steps(steps):
        rows = ours.followed(step)
        true_rows = theirs.followed(step)
        scores[step] = _mean_over_variables(
            (yours[true_rows], yours[true_rows + step]), (mine[rows], mine[rows + step]), buckets
        )
    return scores


def forecast_transitions(
    draws: FloatArray,
    last: FloatArray,
    truth: FloatArray,
    *,
    buckets: int = DEFAULT_BUCKETS,
    steps: Sequence[int] = (1,),
    limits: Limits | None = None,
) -> dict[int, Overlap]:
    """Overlap of the transitions from the last known value to the value s steps ahead.

    TM and GM have the same first values, so only what follows them can differ.

    Args:
        draws: Draws of H steps after each of O origins, [O, K, H, V].
        last: Last known values, [O, V].
        truth: Observed values, [O, H, V]; with ``last`` they set the range of the buckets unless
            limits are given.
        buckets: Buckets of equal width.
        steps: Steps s from 1 to H.
        limits: Ends of the buckets of every variable.

    Raises:
        ValueError: for impossible buckets or steps.
    """
    cut = Buckets.of(Stack.of([last, truth.reshape(-1, truth.shape[-1])]), buckets, limits)
    before = cut.indices(last)
    repeated = np.repeat(before, draws.shape[1], axis=0)
    scores = {}
    for step in checked_steps(steps, truth.shape[1]):
        drawn = cut.indices(draws[:, :, step - 1]).reshape(repeated.shape)
        came = cut.indices(truth[:, step - 1])
        scores[step] = _mean_over_variables((before, came), (repeated, drawn), buckets)
    return scores


def checked_steps(steps: Sequence[int], most: int | None = None) -> Sequence[int]:
    """Steps forward, if all of them are possible.

    Raises:
        ValueError: if one is below 1, or above ``most``.
    """
    if not steps or min(steps) < 1 or (most is not None and max(steps) > most):
        above = "" if most is None else f" to {most}, the steps that were forecast"
        raise ValueError(f"expected steps forward from 1{above}, got {list(steps)}")
    return steps
