"""Populations before and after small generated values are set to zero.

The paper describes the threshold for active users only (5.3.2), and says of its distribution of
totals that values near zero are no true zeros (6.2.2): its statistics seem to be taken before. What
habitus generates has true zeros.
"""

from __future__ import annotations

from typing import NamedTuple

from habitus.papers.time_pictures.lab import Lab
from habitus.papers.time_pictures.measures import Distances, distances, distances_of_totals
from habitus.schema import FloatArray


class Stage(NamedTuple):
    """Population before or after small values are set to zero, with its name and description."""

    zeroed: bool
    name: str
    description: str


BEFORE = Stage(
    False, "before", "Before small values are set to zero, as the paper seems to have it."
)
AFTER = Stage(True, "after", "After small values are set to zero, as habitus evaluate has it.")
STAGES = {"a": BEFORE, "b": AFTER}
"""By part of a figure."""


def totals_of(lab: Lab, beta: float, stage: Stage) -> FloatArray:
    """Daily totals [U, D] of a beta's population."""
    run = lab.vae(beta)
    return (
        lab.evaluation(run).generated.daily_totals
        if stage.zeroed
        else lab.totals_before_zeroing(run)
    )


def distances_of(lab: Lab, beta: float, stage: Stage) -> Distances:
    """A row of Table 6.1."""
    if stage.zeroed:
        return distances(lab.evaluation(lab.vae(beta)).figures)
    return distances_of_totals(lab.reference.daily_totals, totals_of(lab, beta, stage))
