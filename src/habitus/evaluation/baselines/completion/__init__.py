"""Baselines that fill missing cells: what a completion must beat.

Each is a :class:`CompletionBaseline`; a new one is a class and a line in ``COMPLETION_BASELINES``.
"""

from habitus.evaluation.baselines.completion.base import CompletionBaseline, Training
from habitus.evaluation.baselines.completion.daily_totals import (
    ArimaTotals,
    SmoothedTotals,
    WeekdayTotals,
)
from habitus.evaluation.baselines.completion.own_history import Interpolation, LastWeek, OwnMean
from habitus.evaluation.baselines.completion.population import (
    NearestNeighbours,
    PopulationMean,
    Zeros,
)

COMPLETION_BASELINES: dict[str, type[CompletionBaseline]] = {
    kind.name: kind
    for kind in (
        Zeros,
        PopulationMean,
        OwnMean,
        LastWeek,
        NearestNeighbours,
        Interpolation,
        WeekdayTotals,
        ArimaTotals,
        SmoothedTotals,
    )
}

__all__ = ["COMPLETION_BASELINES", "CompletionBaseline", "Training"]
