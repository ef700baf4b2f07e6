"""Words for habits: the ends of a latent dimension, and the differences of a group of users."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from habitus.evaluation.habits import CHANNEL, difference, is_circular

POLES = {
    "total activity": ("little activity", "much activity"),
    "weekend share": ("weekdays", "weekends"),
    "night share": ("days", "nights"),
    "first active day": ("there from the start", "joins late"),
    "last active day": ("leaves early", "stays to the end"),
    "active days": ("few active days", "many active days"),
    "burstiness": ("even days", "bursts"),
}
BETWEEN = ", "  # phrases of a name
LEAST_PERCENT = 0.01
ALMOST_ALL = 99  # percent, from which two digits are too few
PARTS_OF_DAY = (
    (5, "night"),
    (11, "morning"),
    (14, "midday"),
    (18, "afternoon"),
    (23, "evening"),
    (24, "night"),
)


def part_of_day(hour: float) -> str:
    """Name of the part of the day of an hour.

    >>> [part_of_day(hour) for hour in (2, 9.5, 12, 16, 20, 23.5)]
    ['night', 'morning', 'midday', 'afternoon', 'evening', 'night']
    """
    return next(name for end, name in PARTS_OF_DAY if hour % 24 < end)


def poles(habit: str, low: float, high: float) -> tuple[str, str]:
    """Words for two values of a habit, in the order of the arguments.

    >>> poles("peak hour", 9, 20), poles("active days", 3, 12)
    (('morning', 'evening'), ('few active days', 'many active days'))
    >>> poles("active days", 12, 3)
    ('many active days', 'few active days')
    """
    if is_circular(habit):
        words = part_of_day(low), part_of_day(high)
        if words[0] != words[1]:
            return words
        pair = (f"earlier in the {words[0]}", f"later in the {words[0]}")
    elif habit.startswith(CHANNEL):
        name = habit.removeprefix(CHANNEL)
        pair = (f"less {name}", f"more {name}")
    else:
        pair = POLES[habit]
    return pair if difference(habit, np.asarray(high), np.asarray(low)) >= 0 else (pair[1], pair[0])


def contrast(habit: str, low: float, high: float) -> str:
    """Phrase for the high against the low value of a habit.

    >>> contrast("peak hour", 9, 20), contrast("share of web", 0.6, 0.1)
    ('evening against morning', 'less web against more web')
    """
    words = poles(habit, low, high)
    return f"{words[1]} against {words[0]}"


def channel_contrast(up: str, down: str) -> str:
    """Phrase for a channel whose share grows at the cost of another's.

    >>> channel_contrast("share of web", "share of phone")
    'web against phone'
    """
    return f"{up.removeprefix(CHANNEL)} against {down.removeprefix(CHANNEL)}"


def distinction(habit: str, value: float, usual: float) -> str:
    """Phrase for the difference of a group from the usual value of a habit.

    >>> distinction("peak hour", 20, 13), distinction("weekend share", 0.1, 0.3)
    ('evening', 'weekdays')
    >>> distinction("share of web", 0.9, 0.4)
    'more web'
    """
    return poles(habit, usual, value)[1]


def habit_text(habit: str, value: float) -> str:
    """Format a value of a habit.

    >>> habit_text("peak hour", 20.5), habit_text("night share", 0.123)
    ('20:30', '12 %')
    >>> habit_text("active days", 12), habit_text("burstiness", -0.41)
    ('12', '-0.41')
    >>> habit_text("share of web", 0.997), habit_text("share of web", 2e-7)
    ('99.7 %', '<0.01 %')
    >>> habit_text("total activity", 12345.6)
    '12,346'
    """
    if not math.isfinite(value):
        return "–"
    if is_circular(habit):
        minutes = round(value * 60) % (24 * 60)
        return f"{minutes // 60:02d}:{minutes % 60:02d}"
    if habit.startswith(CHANNEL) or habit.endswith(" share"):
        return _percent(value)
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _percent(share: float) -> str:
    """Format a share as a percentage, with more digits near its ends."""
    percent = 100 * share
    if 0 < percent < LEAST_PERCENT:
        return f"<{LEAST_PERCENT:g} %"
    return f"{percent:.{2 if percent < ALMOST_ALL else 3}g} %"


def joined(phrases: Sequence[str]) -> str:
    """Join phrases to one name, each once.

    >>> joined(["evening", "weekends", "evening"])
    'evening, weekends'
    """
    return BETWEEN.join(dict.fromkeys(phrases))


def strongest(scores: Mapping[str, float], most: int, least: float) -> list[str]:
    """Habits with the largest absolute scores, at most ``most``, none below ``least``.

    >>> strongest({"a": 0.1, "b": -2.0, "c": 1.0}, most=2, least=0.2)
    ['b', 'c']
    """
    known = [
        habit for habit, score in scores.items() if math.isfinite(score) and abs(score) >= least
    ]
    return sorted(known, key=lambda habit: -abs(scores[habit]))[:most]
