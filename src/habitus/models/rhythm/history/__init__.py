"""History of users as exact numbers: a recurrent state alone would have to learn to count."""

from habitus.models.rhythm.history.all_days import history_of_days
from habitus.models.rhythm.history.balance import (
    DIFFERENCE_FEATURES,
    EXACT_DIFFERENCE,
    LARGEST_DIFFERENCE,
    PAIR_FEATURES,
    Balance,
    balanced_pairs,
    difference_features,
    pair_steps,
)
from habitus.models.rhythm.history.features import (
    CHANNEL_FEATURES,
    DAY_DECAY,
    NEVER_ACTIVE,
    PSEUDO_DAYS,
    RECENT_DAYS,
    RECENT_FEATURES,
    SLOT_DECAY,
    SLOT_FEATURES,
    DayHistory,
    History,
    feature_count,
)

__all__ = [
    "CHANNEL_FEATURES",
    "DAY_DECAY",
    "DIFFERENCE_FEATURES",
    "EXACT_DIFFERENCE",
    "LARGEST_DIFFERENCE",
    "NEVER_ACTIVE",
    "PAIR_FEATURES",
    "PSEUDO_DAYS",
    "RECENT_DAYS",
    "RECENT_FEATURES",
    "SLOT_DECAY",
    "SLOT_FEATURES",
    "Balance",
    "DayHistory",
    "History",
    "balanced_pairs",
    "difference_features",
    "feature_count",
    "history_of_days",
    "pair_steps",
]
