"""Scores of filled cells against what was there ("Time pictures" 5.3.3), gathered piece by piece.

Values are compared as shares of the true profile's own largest cell, hidden cells included ("Time
pictures" 5.1.1): counts are divided by it, other units are on that scale already. The figures
``coverage_50`` and ``coverage_90`` are of daily totals, as coverage of single cells says little:
98 in 100 cells are empty, and any interval covers an empty cell.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from habitus.evaluation.blocks import blocks, is_count
from habitus.evaluation.metrics.compare import Figures
from habitus.evaluation.metrics.proper_scores import crps, pit
from habitus.schema import (
    Axes,
    Filled,
    FloatArray,
    ProfileSource,
    starts_of_runs,
    sums_of_runs,
)

LEVELS = ("cell", "day", "profile")
NOMINAL = np.arange(1, 20) / 20
# (a, b] each: empty, then doubling shares
EDGES = np.array([-np.inf, 0, 1 / 16, 1 / 8, 1 / 4, 1 / 2, np.inf])
_SMALLEST_RATE = 1e-6  # so that a bin which the population never fills has a finite logarithm
_RANK_BINS = 40  # the ends of every interval of NOMINAL are edges of these


@dataclass(frozen=True)
class Calibration:
    """Coverage of the draws' intervals, and the rank of the truth among the draws.

    Attributes:
        nominal: Probabilities of the central intervals, 0.05 to 0.95, [19].
        cell: Share of the missing cells within each, [19].
        day: Share of the daily totals of missing cells within each, [19].
        pit: Share of the daily totals in each twentieth of the draws' distribution, low to high,
            [20]; even where the forecast is calibrated (Czado, Gneiting and Held 2009).
    """

    nominal: NDArray[np.float64]
    cell: NDArray[np.float64]
    day: NDArray[np.float64]
    pit: NDArray[np.float64]

    def to_json(self) -> dict[str, list[float | None]]:
        """Lists by name; what is undefined, as nothing was missing, is None."""
        curves = {name: getattr(self, name) for name in ("nominal", "cell", "day", "pit")}
        return {name: [_number(value) for value in curve] for name, curve in curves.items()}


@dataclass(frozen=True)
class RegionFigures:
    """Scores that a :class:`RegionTally` has added up.

    Attributes:
        figures: Means over profiles of sums over missing cells: ``squared_error`` of the mean,
            ``mean_absolute_error`` of the median draw, ``crps``, ``log_likelihood`` in nats.
            Shares: ``coverage_50`` and ``coverage_90`` of daily totals, None where nothing was
            missing. Also ``profiles``, and ``levels`` {cell, day, profile: {crps, coverage_50,
            coverage_90}}, of cells and of their totals.
        calibration: Coverage at every level, to be drawn.
    """

    figures: Figures
    calibration: Calibration


@dataclass
class _Level:
    """Sum of scores of cells, or of their totals."""

    crps: float = 0.0
    ranks: NDArray[np.int64] = field(default_factory=lambda: np.zeros(_RANK_BINS, np.int64))

    def add(
        self,
        ordered: FloatArray,
        truth: FloatArray,
        scale: FloatArray,
        items: int,
        rng: np.random.Generator,
    ) -> None:
        """Add the scores of m cells, or of m totals of cells, in the unit of the set.

        Args:
            ordered: Draws in ascending order, [K, m].
            truth: True values, [m].
            scale: Divisor of each CRPS, [m].
            items: Number of items in all; those not passed are zero in truth and draws, and are
                ranked at random.
            rng: Source of the random ranks.
        """
        self.crps += float((crps(ordered, truth) / scale).sum())
        places = (pit(ordered, truth, rng) * _RANK_BINS).astype(np.int64)
        self.ranks += np.bincount(np.minimum(places, _RANK_BINS - 1), minlength=_RANK_BINS)
        self.ranks += rng.multinomial(items - len(truth), np.full(_RANK_BINS, 1 / _RANK_BINS))

    @property
    def coverage(self) -> NDArray[np.float64]:
        """Share of the items within each central interval of NOMINAL, [19]; NaN for no item."""
        if not self.ranks.any():
            return np.full(len(NOMINAL), np.nan)
        middle = _RANK_BINS // 2
        halves = self.ranks[middle:] + self.ranks[:middle][::-1]
        return halves.cumsum()[: len(NOMINAL)] / self.ranks.sum()

    def figures(self, profiles: int) -> Figures:
        """CRPS per profile, and coverage of the central 50 % and 90 %."""
        coverage = self.coverage
        return {
            "crps": self.crps / profiles,
            "coverage_50": _number(coverage[9]),
            "coverage_90": _number(coverage[17]),
        }


class RegionTally:
    """Sum of scores of filled cells, to which pieces are added; a set need not fit in memory.

    Args:
        axes: Axes of the completed set; its unit is that of the values.
        base_rates: Share of cells in each bin of EDGES over a population (:func:`base_rates`), [6].
        seed: Seed of the ranks of ties.
    """

    def __init__(self, axes: Axes, base_rates: FloatArray, seed: int = 0) -> None:
        self._axes = axes
        self._rates = np.maximum(base_rates, _SMALLEST_RATE)
        self._rng = np.random.default_rng(seed)
        self._profiles = 0
        self._sums = dict.fromkeys(("squared_error", "mean_absolute_error", "log_likelihood"), 0.0)
        self._levels = {name: _Level() for name in LEVELS}

    def add(self, filled: Filled, truth: FloatArray, peaks: FloatArray) -> None:
        """Add some profiles.

        Args:
            filled: Their missing cells: M of them, in the unit of the axes.
            truth: What was there, in that unit, [M].
            peaks: Each profile's largest true cell, [profiles]; used for counts only, and zero
                counts as 1.
        """
        counts = is_count(self._axes)
        scale = np.where(peaks > 0, peaks, 1.0) if counts else np.ones(filled.profiles)
        self._profiles += filled.profiles
        error = (truth - filled.mean) / scale[filled.row]
        self._sums["squared_error"] += float((error**2).sum(dtype=np.float64))
        # elsewhere truth and draws are zero, and so is every score but the likelihood, which is the
        # same for all
        active = np.flatnonzero((truth != 0) | (filled.draws != 0).any(axis=0))
        draws = filled.draws[:, active].astype(np.float64)
        actual = truth[active].astype(np.float64)
        self._add_cells(draws, actual, scale[filled.row[active]], len(truth))
        _, slots, channels = self._axes.shape
        day = filled.row * self._axes.days + filled.cell // (slots * channels)
        for name, key, days in (("day", day, self._axes.days), ("profile", filled.row, 1)):
            first = starts_of_runs(key[active])
            totals = sums_of_runs(draws, first)
            sums = sums_of_runs(actual, first)
            items = len(starts_of_runs(key))
            owner = key[active[first]] // days
            self._levels[name].add(np.sort(totals, axis=0), sums, scale[owner], items, self._rng)

    def _add_cells(
        self, draws: FloatArray, truth: FloatArray, scale: FloatArray, cells: int
    ) -> None:
        """Add the scores of single cells.

        Only the m cells with a non-zero truth or draw are passed. The likelihood of a cell is that
        of the bin of EDGES in which its truth lies: (draws in the bin + base rate) / (K + 1).

        Args:
            draws: Draws in the unit of the set, [K, m].
            truth: True values, [m].
            scale: Peak of each cell's profile for counts, else 1, [m].
            cells: Number of missing cells, including those that are not passed.
        """
        ordered = np.sort(draws, axis=0)
        self._levels["cell"].add(ordered, truth, scale, cells, self._rng)
        middle = len(draws) // 2
        median = (ordered[middle] + ordered[-middle - 1]) / 2
        self._sums["mean_absolute_error"] += float((np.abs(truth - median) / scale).sum())
        share = draws / scale
        bins = np.searchsorted(EDGES, truth / scale) - 1
        hits = np.count_nonzero((share > EDGES[bins]) & (share <= EDGES[bins + 1]), axis=0)
        empty = (cells - len(truth)) * np.log((len(draws) + self._rates[0]) / (len(draws) + 1))
        logs = np.log((hits + self._rates[bins]) / (len(draws) + 1))
        self._sums["log_likelihood"] += float(logs.sum() + empty)

    def result(self) -> RegionFigures:
        """Figures of all that was added.

        Raises:
            ValueError: if nothing was added.
        """
        if not self._profiles:
            raise ValueError("expected at least one completed profile to score, got none; "
                             "complete the set again")  # fmt: skip
        levels = {name: level.figures(self._profiles) for name, level in self._levels.items()}
        sums = {name: total / self._profiles for name, total in self._sums.items()}
        figures = {
            "squared_error": sums["squared_error"],
            "mean_absolute_error": sums["mean_absolute_error"],
            "crps": levels["cell"]["crps"],
            "coverage_50": levels["day"]["coverage_50"],
            "coverage_90": levels["day"]["coverage_90"],
            "log_likelihood": sums["log_likelihood"],
            "profiles": self._profiles,
            "levels": levels,
        }
        day = self._levels["day"]
        ranks = day.ranks.reshape(20, -1).sum(axis=1)
        pit_shares = ranks / max(1, int(ranks.sum()))
        cell_coverage = self._levels["cell"].coverage
        return RegionFigures(
            figures, Calibration(NOMINAL.copy(), cell_coverage, day.coverage, pit_shares)
        )


def base_rates(source: ProfileSource) -> NDArray[np.float64]:
    """Share of all cells of a set in each bin of EDGES, as shares of the profile's peak, [6].

    Raises:
        ValueError: if the set is empty.
    """
    if not len(source):
        raise ValueError("expected at least one profile to take base rates from, got none; "
                         "profile the log again")  # fmt: skip
    found = np.zeros(len(EDGES) - 1)
    for block in blocks(source):
        bins = np.searchsorted(EDGES, block.peak_values(source.axes)) - 1
        found += np.bincount(bins, minlength=len(found))
    found[0] += len(source) * source.axes.cells - found.sum()
    return found / found.sum()


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
