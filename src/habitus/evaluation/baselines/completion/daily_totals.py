"""Baselines that forecast a user's daily totals: same weekday, ARIMA, exponential smoothing.

A total is over the slots and channels that are missing on the day in question, so that it can be
read off every day that knows them all. It is spread over the missing cells in proportion to the
user's own mean picture.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np

from habitus.evaluation.baselines.base import attempt
from habitus.evaluation.baselines.completion.base import CompletionBaseline, Float32, Rng, Task
from habitus.schema import DAYS_PER_WEEK, BoolArray, FloatArray, IntArray

SLOW_SAMPLE = 200  # profiles: a fit takes some tenths of a second
POPULATION_WEIGHT = 0.05  # so that a total does not fall on the few cells that a user has filled
FEWEST_DAYS = 8  # for an ARIMA of four parameters
FEWEST_SMOOTHED = 4
WEEKS_FOR_A_SEASON = 3
_STEPS = 50  # iterations of the optimiser

Totals = tuple[FloatArray, FloatArray]  # mean [n] and draws [K, n] of n days


class DailyTotals(CompletionBaseline):
    """Forecast of daily totals, spread over the missing cells of the day."""

    def _fill(self, task: Task, samples: int, rng: Rng) -> Totals:
        own, _ = task.mean_of(slice(None))
        own = own / task.peaks[:, None]
        weights = own + np.float32(1e-6)  # evenly where nothing was done
        if self.train is not None:
            population = self.train.mean.reshape(task.pictures.shape[1:]).mean(axis=0)
            weights += POPULATION_WEIGHT * population
        mean = np.empty(len(task.row))
        draws = np.empty((samples, len(task.row)), np.float32)
        bounds = np.searchsorted(task.row, np.arange(len(own) + 1))
        for user, peak in enumerate(task.peaks):
            cells = slice(bounds[user], bounds[user + 1])
            day = task.day[cells]
            scaled = task.pictures[user] / peak
            known = task.known[user]
            means, paths = self._by_day(scaled, known, own[user], samples, rng)
            share = np.where(known, 0, weights[user])
            share = peak * share / np.maximum(share.sum(axis=1, keepdims=True), 1e-30)
            share = share[day, task.place[cells]]
            mean[cells] = means[day] * share
            draws[:, cells] = paths[:, day] * share
        return mean, draws

    def _by_day(
        self, picture: Float32, known: BoolArray, own: Float32, samples: int, rng: Rng
    ) -> Totals:
        """Totals of what each day of one user misses, [D] and [K, D].

        Days that miss the same cells are forecast together.
        """
        means = np.zeros(len(picture))
        paths = np.zeros((samples, len(picture)))
        patterns, which = np.unique(~known, axis=0, return_inverse=True)
        for number, places in enumerate(patterns):
            if not places.any():
                continue
            days = np.flatnonzero(which.reshape(-1) == number)
            sums = picture[:, places].sum(axis=1, dtype=np.float64)
            totals = np.where(known[:, places].all(axis=1), sums, np.nan)
            if np.isnan(totals).all():
                means[days] = own[places].sum()
                paths[:, days] = own[places].sum()
                continue
            forecast = self._forecast(totals, days, samples, rng)
            if forecast is None or not all(np.isfinite(each).all() for each in forecast):
                forecast = _resampled(totals, days, samples, rng)
            means[days] = np.maximum(forecast[0], 0)
            paths[:, days] = np.maximum(forecast[1], 0)
        return means, paths

    @abstractmethod
    def _forecast(
        self, totals: FloatArray, days: IntArray, samples: int, rng: Rng
    ) -> Totals | None:
        """Forecast the totals of some unknown days of one user.

        Args:
            totals: Total of each day, NaN where unknown, at least one known, [D].
            days: Days to forecast, ascending, [n].
            samples: Draws (K).
            rng: Source of the draws.

        Returns:
            Mean [n] and draws [K, n]. For None, or values that are not finite, the caller takes
            the mean of the known totals and resamples them.
        """


class WeekdayTotals(DailyTotals):
    """Totals of the user's known days of the same weekday: their mean, or one of them.

    Where no day of the weekday is known, all known days stand in.
    """

    name = "seasonal_naive"

    def _forecast(self, totals: FloatArray, days: IntArray, samples: int, rng: Rng) -> Totals:
        parts = []
        for day in days:
            same = totals[day % DAYS_PER_WEEK :: DAYS_PER_WEEK]
            source = same if np.isfinite(same).any() else totals
            parts.append(_resampled(source, np.array([day]), samples, rng))
        means, paths = zip(*parts, strict=True)
        return np.concatenate(means), np.concatenate(paths, axis=1)


class ArimaTotals(DailyTotals):
    """ARIMA (1, 0, 0) x (1, 0, 0) with a week's season; draws are joint over days.

    Mean and draws are given all known days, those after the missing ones too.
    """

    name = "arima"
    sample = SLOW_SAMPLE

    def _forecast(
        self, totals: FloatArray, days: IntArray, samples: int, rng: Rng
    ) -> Totals | None:
        known = totals[np.isfinite(totals)]
        if len(known) < FEWEST_DAYS or np.ptp(known) == 0:
            return None
        smoothed = attempt(lambda: _smoothed(totals, samples, rng))
        return None if smoothed is None else (smoothed[0][days], smoothed[1][:, days])


class SmoothedTotals(DailyTotals):
    """Exponential smoothing of the known days just before the missing ones, without trend.

    Additive, with a week's season where there are at least three full weeks.
    """

    name = "ets"
    sample = SLOW_SAMPLE

    def _forecast(
        self, totals: FloatArray, days: IntArray, samples: int, rng: Rng
    ) -> Totals | None:
        unknown = np.flatnonzero(np.isnan(totals[: days[0]]))
        run = totals[unknown[-1] + 1 if len(unknown) else 0 : days[0]]
        if len(run) < FEWEST_SMOOTHED or np.ptp(run) == 0:
            return None
        steps = days - days[0]
        continued = attempt(lambda: _continued(run, int(steps[-1]) + 1, samples, rng))
        return None if continued is None else (continued[0][steps], continued[1][:, steps])


def _smoothed(totals: FloatArray, samples: int, rng: Rng) -> Totals:
    """Mean of every day given the known ones, [D], and joint draws, [K, D].

    Draws are those of the simulation smoother.
    """
    from statsmodels.tsa.statespace.sarimax import SARIMAX

    model = SARIMAX(totals, order=(1, 0, 0), seasonal_order=(1, 0, 0, DAYS_PER_WEEK), trend="c")
    fitted: Any = model.fit(disp=False, maxiter=_STEPS, cov_type="none")
    weights = model.ssm["design"][0]
    smoother: Any = model.simulation_smoother()
    paths = np.empty((samples, len(totals)))
    for path in paths:
        smoother.simulate(random_state=rng)
        path[:] = weights @ smoother.simulated_state
    return weights @ fitted.smoothed_state, paths


def _continued(run: FloatArray, steps: int, samples: int, rng: Rng) -> Totals:
    """Days after a run of days: mean [steps] and draws [K, steps]."""
    from statsmodels.tsa.exponential_smoothing.ets import ETSModel

    start: dict[str, Any] = {"initialization_method": "known", "initial_level": run.mean()}
    if len(run) >= WEEKS_FOR_A_SEASON * DAYS_PER_WEEK:
        weekly = np.array([run[day::DAYS_PER_WEEK].mean() for day in range(DAYS_PER_WEEK)])
        start |= {
            "seasonal": "add",
            "seasonal_periods": DAYS_PER_WEEK,
            "initial_seasonal": weekly - run.mean(),
        }
    fitted: Any = ETSModel(run, error="add", **start).fit(disp=False, maxiter=_STEPS)
    seed = int(rng.integers(2**31))
    paths = fitted.simulate(steps, anchor="end", repetitions=samples, random_state=seed)
    return np.asarray(fitted.forecast(steps)), np.asarray(paths).reshape(steps, samples).T


def _resampled(totals: FloatArray, days: IntArray, samples: int, rng: Rng) -> Totals:
    """Mean of the known totals, and one of them for each draw and day."""
    known = totals[np.isfinite(totals)]
    return np.full(len(days), known.mean()), rng.choice(known, (samples, len(days)))
