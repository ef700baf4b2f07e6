"""What users have done so far, as exact numbers for a network to be told: a recurrent state has to learn to count.

:class:`Memory` takes in one day after another, :func:`memories` looks at all days of a fit at once.
"""

from habitus.models.rhythm.history.all_days import memories
from habitus.models.rhythm.history.balance import (
    PER_PAIR,
    Balance,
    balanced_pairs,
    pair_steps,
    told_of_differences,
)
from habitus.models.rhythm.history.day_by_day import Memory
from habitus.models.rhythm.history.features import (
    NEVER_BEFORE,
    OF_CHANNEL,
    OF_DAYS,
    RECALLED,
    Before,
    Past,
    memory_features,
)

__all__ = [
    "NEVER_BEFORE",
    "OF_CHANNEL",
    "OF_DAYS",
    "PER_PAIR",
    "RECALLED",
    "Balance",
    "Before",
    "Memory",
    "Past",
    "balanced_pairs",
    "memories",
    "memory_features",
    "pair_steps",
    "told_of_differences",
]
