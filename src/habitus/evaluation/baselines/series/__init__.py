"""What a model of time series must beat: independent draws, a Markov chain, blocks of the past, last season, ARIMA.

All of them are drawn from their own predictive distribution, so that CRPS and coverage judge them as they judge a
model. ``SERIES_BASELINES[name](train, seed)`` learns from a panel; then ``generate`` and ``forecast``.
"""

from habitus.evaluation.baselines.series.arima import Arima
from habitus.evaluation.baselines.series.base import SeriesBaseline
from habitus.evaluation.baselines.series.resampling import BlockBootstrap, Independent, MarkovChain
from habitus.evaluation.baselines.series.seasonal import SeasonalNaive

SERIES_BASELINES: dict[str, type[SeriesBaseline]] = {
    "independent": Independent,
    "markov_chain": MarkovChain,
    "block_bootstrap": BlockBootstrap,
    "seasonal_naive": SeasonalNaive,
    "arima": Arima,
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
