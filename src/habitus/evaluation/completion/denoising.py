"""Noise as the tDLGM paper adds it, the best estimate of a single value, and the error of cleaning.

Each value is modified with probability p by adding N(0, sigma^2). The paper calls sigma^2 the
variance, but its errors fit its figures read as standard deviations only: :data:`READINGS` has
both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy import special

from habitus.evaluation.metrics.transitions import Limits
from habitus.evaluation.panels import Float64, Panel, Rng, Stack
from habitus.schema import FloatArray

READINGS: dict[str, Callable[[float], float]] = {"variance": np.sqrt, "standard deviation": float}
MOST_ATOMS = 2_000
BINS = 500
_ROUNDING = 1e-6  # far above what float32 rounds off
_CELLS = 1 << 22  # of noisy value x atom at a time: 32 MB


def sigma_of(level: float, reading: str) -> float:
    """Standard deviation that a printed noise level stands for under a reading.

    Raises:
        ValueError: for an unknown reading or a negative level.

    >>> sigma_of(0.01, "variance"), sigma_of(0.01, "standard deviation")
    (0.1, 0.01)
    """
    if reading not in READINGS:
        raise ValueError(f"reading must be one of {', '.join(READINGS)}, got {reading!r}")
    if level < 0:
        raise ValueError(f"a noise level must not be negative, got {level}")
    return float(READINGS[reading](level))


def noised(
    values: FloatArray, probability: float, sigma: float, rng: Rng, limits: Limits | None = None
) -> Float64:
    """Add N(0, sigma^2) to each value of any shape with a probability, then clamp to the limits."""
    changed = rng.random(values.shape) < probability
    noisy = np.where(changed, values + sigma * rng.standard_normal(values.shape), values)
    return noisy if limits is None else np.clip(noisy, *limits)


@dataclass(frozen=True)
class ValueHistogram:
    """Distribution of one value: normals N(atom, bandwidth^2), or points where that is 0.

    Attributes:
        atoms: The distinct values, or the centres of bins of equal width, ascending, [A].
        weights: Their shares, [A].
        bandwidth: 0 for distinct values, else the width of a bin.
    """

    atoms: Float64
    weights: Float64
    bandwidth: float = 0.0

    @classmethod
    def of(cls, values: FloatArray) -> Self:
        """Take the distinct values where there are at most 2,000, else 500 bins of equal width.

        Raises:
            ValueError: if there is no value.
        """
        if not values.size:
            raise ValueError(
                "expected at least one observed value to make a histogram of, got none"
            )
        atoms, counts = np.unique(values.astype(np.float64), return_counts=True)
        bandwidth = 0.0
        if len(atoms) > MOST_ATOMS:
            counts, edges = np.histogram(values, BINS)
            atoms = (edges[:-1] + edges[1:]) / 2
            bandwidth = float(edges[1] - edges[0])
        seen = counts > 0
        return cls(atoms[seen], counts[seen] / counts.sum(), bandwidth)

    def log_likelihood(self, noisy: Float64, spread: float, limits: Limits | None) -> Float64:
        """Log of weight x N(y; atom, spread^2), [n] -> [n, A]; the tail at an end of the limits."""
        z = (noisy[:, None] - self.atoms) / spread
        logs = -0.5 * np.square(z) - np.log(spread * np.sqrt(2 * np.pi))
        if limits is not None:
            low, high = (noisy == limit for limit in limits)
            logs[low] = special.log_ndtr(z[low])
            logs[high] = special.log_ndtr(-z[high])
        return logs + np.log(self.weights)


def posterior_mean(
    noisy: FloatArray,
    histogram: ValueHistogram,
    sigma: float,
    probability: float = 1.0,
    limits: Limits | None = None,
) -> Float64:
    """Expectation of each value given its noisy form alone: no estimate has a lower error.

    With prior weights w_a the likelihood of y under atom a is p N(y; a, sigma^2) + (1 - p) [y = a].
    Where a value equals an atom it was almost surely not modified, up to rounding. With a bandwidth
    h the two cases are N(y; a, sigma^2 + h^2) and N(y; a, h^2). At the ends of a clamped range each
    normal becomes its tail beyond the end.

    Args:
        noisy: Noisy values of any shape; a missing one gets the prior mean.
        histogram: Distribution of the clean values.
        sigma: Standard deviation of the noise.
        probability: Probability p that a value was modified.
        limits: What the noisy values were clamped to, if they were.

    Returns:
        Estimates in the shape of ``noisy``.
    """
    prior_mean = float(histogram.atoms @ histogram.weights)
    result = np.where(np.isnan(noisy), prior_mean, noisy).astype(np.float64)
    if sigma == 0 or probability == 0:
        return result
    variance = histogram.bandwidth**2
    total = variance + sigma**2
    known = np.flatnonzero(~np.isnan(noisy))
    for rows in np.array_split(known, max(1, -(-known.size * len(histogram.atoms) // _CELLS))):
        values = result.flat[rows]
        logs = histogram.log_likelihood(values, np.sqrt(total), limits)
        modified = np.asarray(special.logsumexp(logs, axis=1))
        centre = np.exp(logs - modified[:, None]) @ histogram.atoms
        expected = centre + variance / total * (values - centre)
        kept = np.zeros_like(values)  # probability that a value was not modified
        if probability != 1:
            odds = _log_evidence_if_kept(values, histogram, limits) - modified
            kept = special.expit(odds + np.log1p(-probability) - np.log(probability))
        result.flat[rows] = kept * values + (1 - kept) * expected
    return result


def _log_evidence_if_kept(
    noisy: Float64, histogram: ValueHistogram, limits: Limits | None
) -> Float64:
    """Compute the log evidence of noisy values [n] under the case of no modification, [n].

    In a histogram of distinct values these have point masses: a value that equals one has infinite
    density, any other none. At the limits, where a modified value has a point mass too, the log
    weight of the value is returned.
    """
    if histogram.bandwidth:
        logs = histogram.log_likelihood(noisy, histogram.bandwidth, limits)
        return np.asarray(special.logsumexp(logs, axis=1))
    nearest = np.searchsorted((histogram.atoms[1:] + histogram.atoms[:-1]) / 2, noisy)
    equal = np.abs(noisy - histogram.atoms[nearest]) <= _ROUNDING * (1 + np.abs(noisy))
    at_end = np.isin(noisy, [] if limits is None else limits)
    return np.where(equal, np.where(at_end, np.log(histogram.weights[nearest]), np.inf), -np.inf)


def reconstruction_error(estimate: Panel, clean: Panel) -> float:
    """Mean of (estimate - clean)^2 over the values of ``clean`` that are known; NaN for none.

    Raises:
        ValueError: for panels of different shapes, or a known value without an estimate.
    """
    ours = Stack.of(estimate)
    truth = Stack.of(clean)
    if ours.values.shape != truth.values.shape or not np.array_equal(ours.starts, truth.starts):
        raise ValueError(
            f"expected the same series in both, got {len(ours)} with {len(ours.values):,} rows and "
            f"{len(truth)} with {len(truth.values):,} rows"
        )
    known = truth.observed
    if not ours.observed[known].all():
        raise ValueError("expected an estimate of every known value, got missing ones")
    if not known.any():
        return np.nan
    return float(np.square(ours.values[known] - truth.values[known]).mean())
