"""Rivals that fill missing cells without a learned model: what a completion must beat.

Each is a :class:`Baseline`; a new one is a class and a line in ``BASELINES``.
"""

from habitus.evaluation.baselines.base import Baseline, Training
from habitus.evaluation.baselines.daily import Arima, ExponentialSmoothing, SeasonalNaive
from habitus.evaluation.baselines.own import Interpolation, LastWeek, OwnMean
from habitus.evaluation.baselines.population import NearestNeighbours, PopulationMean, Zeros

BASELINES: dict[str, type[Baseline]] = {
    kind.name: kind
    for kind in (
        Zeros,
        PopulationMean,
        OwnMean,
        LastWeek,
        NearestNeighbours,
        Interpolation,
        SeasonalNaive,
        Arima,
        ExponentialSmoothing,
    )
}

__all__ = ["BASELINES", "Baseline", "Training"]
