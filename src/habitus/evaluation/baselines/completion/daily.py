"""Baselines that forecast a user's daily totals: the same weekday's, ARIMA, and exponential smoothing.

A total is over the slots and channels that are missing on the day in question, so that it can be read off every
day that knows them all. It is spread over the missing cells in proportion to the user's own mean picture.
"""

from __future__ import annotations

import warnings
from abc import abstractmethod
from typing import Any

import numpy as np

from habitus.evaluation.baselines.completion.base import CompletionBaseline, Float32, Rng, Task
from habitus.evaluation.baselines.completion.own import mean_of
from habitus.schema import DAYS_PER_WEEK, BoolArray, FloatArray, IntArray

with (
    warnings.catch_warnings()
):  # statsmodels 0.14 calls what pandas 3 will drop, as soon as it is imported
    warnings.simplefilter("ignore")
    from statsmodels.tsa.exponential_smoothing.ets import ETSModel
    from statsmodels.tsa.statespace.sarimax import SARIMAX

SLOW_SAMPLE = 200  # profiles: a fit takes some tenths of a second
POPULATION_WEIGHT = (
    0.05  # so that a total does not fall on the few cells that the user happened to fill
)
FEWEST_DAYS = 8  # for an ARIMA of four parameters
FEWEST_SMOOTHED = 4
WEEKS_FOR_A_SEASON = 3
_STEPS = 50

Forecast = tuple[FloatArray, FloatArray]  # mean [n] and draws [K, n] of n days


class DailyTotals(CompletionBaseline):
    """A forecast of daily totals, spread over the missing cells of the day."""

    def _fill(self, task: Task, samples: int, rng: Rng) -> Forecast:
        own, _ = mean_of(task, slice(None))
        own = own / task.peaks[:, None]
        weights = own + np.float32(1e-6)  # evenly where nobody has done anything
        if self.train is not None:
            weights += POPULATION_WEIGHT * self.train.mean.reshape(task.pictures.shape[1:]).mean(
                axis=0
            )
        mean = np.empty(len(task.row))
        draws = np.empty((samples, len(task.row)), np.float32)
        bounds = np.searchsorted(task.row, np.arange(len(own) + 1))
        for user, peak in enumerate(task.peaks):
            cells = slice(bounds[user], bounds[user + 1])
            day = task.day[cells]
            place = task.place[cells]
            scaled = task.pictures[user] / peak
            known = task.known[user]
            means, paths = self._by_day(scaled, known, own[user], samples, rng)
            share = np.where(known, 0, weights[user])
            share = (peak * share / np.maximum(share.sum(axis=1, keepdims=True), 1e-30))[day, place]
            mean[cells] = means[day] * share
            draws[:, cells] = paths[:, day] * share
        return mean, draws

    def _by_day(
        self, picture: Float32, known: BoolArray, own: Float32, samples: int, rng: Rng
    ) -> Forecast:
        """Totals of what each day of one user misses, [D] and [K, D]; days that miss the same go together."""
        means = np.zeros(len(picture))
        paths = np.zeros((samples, len(picture)))
        patterns, which = np.unique(~known, axis=0, return_inverse=True)
        for number, places in enumerate(patterns):
            if not places.any():
                continue
            days = np.flatnonzero(which.reshape(-1) == number)
            totals = np.where(
                known[:, places].all(axis=1),
                picture[:, places].sum(axis=1, dtype=np.float64),
                np.nan,
            )
            if np.isnan(totals).all():
                means[days] = paths[:, days] = own[places].sum()
                continue
            mean, path = self._forecast(totals, days, samples, rng)
            means[days] = np.maximum(mean, 0)
            paths[:, days] = np.maximum(path, 0)
        return means, paths

    @abstractmethod
    def _forecast(self, totals: FloatArray, days: IntArray, samples: int, rng: Rng) -> Forecast:
        """Forecast some days, none of them known, from totals [D], nan where unknown; at least one is known."""


class SeasonalNaive(DailyTotals):
    """Totals of the user's known days of the same weekday, else of all known days: their mean, or one of them."""

    name = "seasonal_naive"

    def _forecast(self, totals: FloatArray, days: IntArray, samples: int, rng: Rng) -> Forecast:
        every = [totals[day % DAYS_PER_WEEK :: DAYS_PER_WEEK] for day in days]
        parts = [
            _resampled(same if np.isfinite(same).any() else totals, np.array([day]), samples, rng)
            for same, day in zip(every, days, strict=True)
        ]
        return np.concatenate([mean for mean, _ in parts]), np.concatenate(
            [path for _, path in parts], axis=1
        )


class Arima(DailyTotals):
    """ARIMA (1, 0, 0) x (1, 0, 0) with a week's season; draws are joint over days, given all known days.

    Where it cannot be fitted, the known days' totals: their mean, or one of them.
    """

    name = "arima"
    sample = SLOW_SAMPLE

    def _forecast(self, totals: FloatArray, days: IntArray, samples: int, rng: Rng) -> Forecast:
        known = totals[np.isfinite(totals)]
        if len(known) < FEWEST_DAYS or np.ptp(known) == 0:
            return _resampled(totals, days, samples, rng)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a user's few days often leave the optimiser unsure
            try:
                forecast = _smoothed(totals, samples, rng)
            except (ValueError, np.linalg.LinAlgError):
                return _resampled(totals, days, samples, rng)
        return _sound(forecast[0][days], forecast[1][:, days], totals, days, rng)


class ExponentialSmoothing(DailyTotals):
    """Exponential smoothing of the known days just before the gap, additive, without trend.

    With a week's season where there are at least three full weeks; where there are fewer than four days, the
    known days' totals: their mean, or one of them.
    """

    name = "ets"
    sample = SLOW_SAMPLE

    def _forecast(self, totals: FloatArray, days: IntArray, samples: int, rng: Rng) -> Forecast:
        unknown = np.flatnonzero(np.isnan(totals[: days[0]]))
        run = totals[unknown[-1] + 1 if len(unknown) else 0 : days[0]]
        if len(run) < FEWEST_SMOOTHED or np.ptp(run) == 0:
            return _resampled(totals, days, samples, rng)
        steps = days - days[0]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as above
            try:
                mean, paths = _continued(run, int(steps[-1]) + 1, samples, rng)
            except (ValueError, np.linalg.LinAlgError):
                return _resampled(totals, days, samples, rng)
        return _sound(mean[steps], paths[:, steps], totals, days, rng)


def _smoothed(totals: FloatArray, samples: int, rng: Rng) -> Forecast:
    """Mean of every day given the known ones, [D], and joint draws, [K, D], by the simulation smoother."""
    model = SARIMAX(totals, order=(1, 0, 0), seasonal_order=(1, 0, 0, DAYS_PER_WEEK), trend="c")
    fitted: Any = model.fit(disp=False, maxiter=_STEPS, cov_type="none")
    weights = model.ssm["design"][0]
    smoother: Any = model.simulation_smoother()
    paths = np.empty((samples, len(totals)))
    for path in paths:
        smoother.simulate(random_state=rng)
        path[:] = weights @ smoother.simulated_state
    return weights @ fitted.smoothed_state, paths


def _continued(run: FloatArray, steps: int, samples: int, rng: Rng) -> Forecast:
    """The days after a run of days: mean [steps] and draws [K, steps]."""
    seasonal = len(run) >= WEEKS_FOR_A_SEASON * DAYS_PER_WEEK
    start: dict[str, Any] = {"initialization_method": "known", "initial_level": run.mean()}
    if seasonal:
        weekly = np.array([run[day::DAYS_PER_WEEK].mean() for day in range(DAYS_PER_WEEK)])
        start |= {
            "seasonal": "add",
            "seasonal_periods": DAYS_PER_WEEK,
            "initial_seasonal": weekly - run.mean(),
        }
    fitted: Any = ETSModel(run, error="add", **start).fit(disp=False, maxiter=_STEPS)
    paths = fitted.simulate(
        steps, anchor="end", repetitions=samples, random_state=int(rng.integers(2**31))
    )
    return np.asarray(fitted.forecast(steps)), np.asarray(paths).reshape(steps, samples).T


def _resampled(totals: FloatArray, days: IntArray, samples: int, rng: Rng) -> Forecast:
    """Mean of the known totals, and one of them for each draw and day."""
    known = totals[np.isfinite(totals)]
    return np.full(len(days), known.mean()), rng.choice(known, (samples, len(days)))


def _sound(
    mean: FloatArray, paths: FloatArray, totals: FloatArray, days: IntArray, rng: Rng
) -> Forecast:
    """The forecast, or the known totals where an optimiser ran off to what is not finite."""
    if np.isfinite(mean).all() and np.isfinite(paths).all():
        return mean, paths
    return _resampled(totals, days, len(paths), rng)
