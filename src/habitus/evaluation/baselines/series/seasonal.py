"""Seasonal naive forecast: the last season repeated, with residuals of the training panel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from habitus.evaluation.baselines.series.base import Paths, SeriesBaseline
from habitus.evaluation.metrics.correlations import autocorrelation
from habitus.evaluation.panels import Panel, Rng, Stack
from habitus.schema import FloatArray

LONGEST_PERIOD = 200


class SeasonalNaive(SeriesBaseline):
    """Value one period (or the fewest whole periods) before, plus a residual.

    The residual of h steps ahead is drawn from the training differences at the same distance in
    time, rows whole, so that the spread is right at every horizon. The period is the lag of the
    highest peak of the training autocorrelation, mean over variables; 1 (the last value) where no
    peak is above chance.

    Attributes:
        memory: The period.
    """

    name = "seasonal_naive"

    def __init__(self, train: Panel, seed: int = 0) -> None:
        super().__init__(train, seed)
        self.memory = period_of(self.stack)

    def continued(self, pasts: list[FloatArray], steps: int, samples: int, rng: Rng) -> Paths:
        # a past shorter than a period is preceded by its first row
        repeats = [np.maximum(np.arange(-self.memory, 0) + len(past), 0) for past in pasts]
        season = np.stack([past[rows] for past, rows in zip(pasts, repeats, strict=True)])
        ahead = np.arange(steps)
        paths = np.repeat(season[:, None, ahead % self.memory], samples, axis=1).astype(np.float32)
        for seasons in range(-(-steps // self.memory)):
            now = ahead // self.memory == seasons
            pool = self._residuals((seasons + 1) * self.memory)
            size = (len(pasts), samples, int(now.sum()))
            paths[:, :, now] += pool[rng.integers(len(pool), size=size)]
        return paths

    def _residuals(self, lag: int) -> NDArray[np.float32]:
        """Differences of training rows ``lag`` apart, or the most periods there are, [P, V]."""
        while lag > self.memory and not len(self.stack.followed(lag)):
            lag -= self.memory
        before = self.stack.followed(lag)
        if not len(before):
            return np.zeros((1, self.rows.shape[1]), np.float32)
        return (self.rows[before + lag] - self.rows[before]).astype(np.float32)


def period_of(stack: Stack) -> int:
    """Find the lag from 2 to 200 of the highest peak of the autocorrelation; 1 without a peak.

    Lags are at most a third of the longest series. A peak at lag l must exceed 0.1 and four
    standard errors; its variance, given the autocorrelations r_k at shorter lags and no season, is
    (1 + 2 sum of r_k^2 over k < l) / R (Bartlett 1946).
    """
    longest = min(LONGEST_PERIOD, int(stack.lengths.max()) // 3)
    if longest < 2:
        return 1
    series = np.split(stack.values, stack.starts[1:-1])
    level = np.nanmean(autocorrelation(series, longest + 1), axis=1)
    inner = level[1:-1]
    error = np.sqrt((1 + 2 * (np.cumsum(inner**2) - inner**2)) / len(stack.values))
    above = (inner > level[:-2]) & (inner >= level[2:]) & (inner > np.maximum(0.1, 4 * error))
    peaks = np.flatnonzero(above) + 1
    peaks = peaks[peaks >= 2]
    return int(peaks[np.argmax(level[peaks])]) if len(peaks) else 1
