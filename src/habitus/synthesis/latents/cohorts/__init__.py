"""Cohorts: users with like habits, and users that never existed drawn from them."""

from habitus.synthesis.latents.cohorts.cohort import Cohort, Cohorts
from habitus.synthesis.latents.cohorts.sources import around, mix
from habitus.synthesis.latents.cohorts.store import (
    load_cohorts,
    remember,
    remembered,
    save_cohorts,
    write_cohorts,
)

__all__ = [
    "Cohort",
    "Cohorts",
    "around",
    "load_cohorts",
    "mix",
    "remember",
    "remembered",
    "save_cohorts",
    "write_cohorts",
]
