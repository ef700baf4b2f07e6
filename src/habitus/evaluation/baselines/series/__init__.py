"""Baselines of time series, from independent draws to ARIMA: what a model must beat.

All are drawn from their own predictive distribution, so that CRPS and coverage score them as they
score a model. ``SERIES_BASELINES[name](train, seed)`` learns from a panel; then ``generate`` and
``forecast``. A new one is a class and a line in ``SERIES_BASELINES``.
"""

from habitus.evaluation.baselines.series.arima import Arima
from habitus.evaluation.baselines.series.base import SeriesBaseline
from habitus.evaluation.baselines.series.resampling import BlockBootstrap, Independent, MarkovChain
from habitus.evaluation.baselines.series.seasonal import SeasonalNaive

SERIES_BASELINES: dict[str, type[SeriesBaseline]] = {
    kind.name: kind for kind in (Independent, MarkovChain, BlockBootstrap, SeasonalNaive, Arima)
}

__all__ = [
    "SERIES_BASELINES",
    "Arima",
    "BlockBootstrap",
    "Independent",
    "MarkovChain",
    "SeasonalNaive",
    "SeriesBaseline",
]
