"""ARIMA by statsmodels, one per variable; its paths are simulated for all origins at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from habitus.evaluation.baselines.base import attempt
from habitus.evaluation.baselines.series.base import Paths, SeriesBaseline
from habitus.evaluation.panels import Float64, Panel, Rng, Stack
from habitus.schema import FloatArray

Order = tuple[int, int, int]

ORDERS: tuple[Order, ...] = ((1, 0, 0), (2, 0, 0), (1, 0, 1), (2, 0, 1), (0, 1, 1), (1, 1, 1))
MOST_POINTS = 2_000  # points of one variable to fit to
_ALL_POINTS = 20_000  # points of all variables together; the fit of each order takes a second
_FEWEST_POINTS = 600
_MEMORY = 200  # rows of the past from which residuals are computed


@dataclass(frozen=True)
class FittedArima:
    """ARIMA(p, d, q) with d of 0 or 1: phi(B) (z_t - mean) = theta(B) e_t.

    z are the values, or their differences where d = 1.

    Attributes:
        order: (p, d, q).
        mean: Mean of z; 0 where d = 1.
        ar: phi_1 to phi_p.
        ma: theta_1 to theta_q.
        sigma: Standard deviation of e.
    """

    order: Order
    mean: float
    ar: Float64
    ma: Float64
    sigma: float

    def simulate(self, past: Float64, steps: int, samples: int, rng: Rng) -> Float64:
        """Draws after pasts of equal length, [O, T] -> [O, K, H]."""
        # a first difference of 0 keeps the length
        z = np.diff(past, axis=1, prepend=past[:, :1]) if self.order[1] else past
        z = z - self.mean
        residual = np.asarray(lfilter(np.r_[1.0, -self.ar], np.r_[1.0, self.ma], z, axis=1))
        values = _last(z, len(self.ar), samples)
        shocks = _last(residual, len(self.ma), samples)
        draws = np.empty((len(past), samples, steps))
        for step in range(steps):
            shock = self.sigma * rng.standard_normal((len(past), samples))
            value = values @ self.ar + shocks @ self.ma + shock
            draws[..., step] = value
            values = np.concatenate([value[..., None], values], axis=2)[..., : len(self.ar)]
            shocks = np.concatenate([shock[..., None], shocks], axis=2)[..., : len(self.ma)]
        draws += self.mean
        return draws if not self.order[1] else past[:, -1, None, None] + np.cumsum(draws, axis=2)


class Arima(SeriesBaseline):
    """ARIMA of the order with the lowest AIC among :data:`ORDERS`, for each variable on its own.

    Errors are normal. Fitted to the last 2,000 points of the longest series, fewer for more than 10
    variables; where series are shorter than 200, to the longest ones end to end with gaps between
    them, and then without differencing.
    """

    name = "arima"
    memory = _MEMORY

    def __init__(self, train: Panel, seed: int = 0) -> None:
        super().__init__(train, seed)
        points, orders = _training_points(self.stack)
        self.fitted = [_best(points[:, each], orders) for each in range(points.shape[1])]

    def continued(self, pasts: list[FloatArray], steps: int, samples: int, rng: Rng) -> Paths:
        lengths = np.array([len(past) for past in pasts])
        paths = np.empty((len(pasts), samples, steps, self.rows.shape[1]), np.float32)
        for length in np.unique(lengths):
            rows = np.flatnonzero(lengths == length)
            same = np.stack([pasts[row] for row in rows]).astype(np.float64)
            for variable, fitted in enumerate(self.fitted):
                drawn = fitted.simulate(same[:, :, variable], steps, samples, rng)
                paths[rows, :, :, variable] = drawn
        return paths


def _training_points(stack: Stack) -> tuple[Float64, tuple[Order, ...]]:
    """Points to fit to, [T, V], and the orders that may be tried on them."""
    longest_first = np.argsort(-stack.lengths, kind="stable")
    most = min(MOST_POINTS, max(_FEWEST_POINTS, _ALL_POINTS // stack.variables))
    longest = stack.one(longest_first[0]).astype(np.float64)
    if len(longest) >= _MEMORY or len(stack) == 1:
        return longest[-most:], ORDERS
    gap = np.full((len(longest), stack.variables), np.nan)
    taken = longest_first[: max(1, most // (2 * len(longest)))]
    pieces = [each for number in taken for each in (stack.one(number), gap)]
    points = np.concatenate(pieces[:-1]).astype(np.float64)
    return points, tuple(order for order in ORDERS if not order[1])


def _best(points: Float64, orders: tuple[Order, ...]) -> FittedArima:
    """Fit with the lowest AIC; mean and standard deviation alone where there is nothing to fit."""
    known = points[~np.isnan(points)]
    mean = float(known.mean())
    spread = float(known.std())
    plain = FittedArima((0, 0, 0), mean, np.zeros(0), np.zeros(0), spread)
    if spread <= 1e-9 * max(1.0, abs(mean)) or len(known) < 20:
        return plain
    standard = (points - mean) / spread
    tried = [attempt(lambda order=order: _fit(standard, order)) for order in orders]
    found = [each for each in tried if each is not None and np.isfinite(each[0])]
    if not found:
        return plain
    _, best = min(found, key=lambda each: each[0])
    centre = 0.0 if best.order[1] else mean + spread * best.mean
    return FittedArima(best.order, centre, best.ar, best.ma, spread * best.sigma)


def _fit(points: Float64, order: Order) -> tuple[float, FittedArima]:
    """AIC and the fit of standardised points."""
    from statsmodels.tsa.arima.model import ARIMA

    result = ARIMA(points, order=order, trend="n" if order[1] else "c").fit()
    names = dict(zip(result.param_names, result.params, strict=True))
    mean = names.get("const", 0.0)
    sigma = names["sigma2"] ** 0.5
    fitted = FittedArima(order, mean, result.arparams, result.maparams, sigma)
    return float(result.aic), fitted


def _last(values: Float64, count: int, samples: int) -> Float64:
    """Last values, newest first, for each draw, [O, T] -> [O, K, count]; 0 before the first."""
    padded = np.concatenate([np.zeros((len(values), count)), values], axis=1)
    newest = padded[:, ::-1][:, :count]
    return np.repeat(newest[:, None], samples, axis=1)
