"""Habits in words: what a dimension goes from and to, and what sets a group of users apart."""

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
ALMOST_ALL = 99  # below and from which two digits would not do
PARTS_OF_DAY = (
    (5, "night"),
    (11, "morning"),
    (14, "midday"),
    (18, "afternoon"),
    (23, "evening"),
    (24, "night"),
)


def part_of_day(hour: float) -> str:
    """What people call an hour.

    >>> [part_of_day(hour) for hour in (2, 9.5, 12, 16, 20, 23.5)]
    ['night', 'morning', 'midday', 'afternoon', 'evening', 'night']
    """
    return next(name for end, name in PARTS_OF_DAY if hour % 24 < end)


def poles(habit: str, low: float, high: float) -> tuple[str, str]:
    """Words for the lower and the higher of two values of a habit, in that order of the arguments.

    >>> poles("peak hour", 9, 20), poles("active days", 3, 12), poles("active days", 12, 3)
    (('morning', 'evening'), ('few active days', 'many active days'), ('many active days', 'few active days'))
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
    """What the high end has against what the low end has.

    >>> contrast("peak hour", 9, 20), contrast("share of web", 0.6, 0.1)
    ('evening against morning', 'less web against more web')
    """
    words = poles(habit, low, high)
    return f"{words[1]} against {words[0]}"


def channel_contrast(up: str, down: str) -> str:
    """One channel's share grows at the cost of another's.

    >>> channel_contrast("share of web", "share of phone")
    'web against phone'
    """
    return f"{up.removeprefix(CHANNEL)} against {down.removeprefix(CHANNEL)}"


def apart(habit: str, value: float, usual: float) -> str:
    """How a group differs from what is usual.

    >>> apart("peak hour", 20, 13), apart("weekend share", 0.1, 0.3), apart("share of web", 0.9, 0.4)
    ('evening', 'weekdays', 'more web')
    """
    return poles(habit, usual, value)[1]


def shown(habit: str, value: float) -> str:
    """A value of a habit as people write it.

    >>> shown("peak hour", 20.5), shown("night share", 0.123), shown("active days", 12), shown("burstiness", -0.41)
    ('20:30', '12 %', '12', '-0.41')
    >>> shown("share of web", 0.997), shown("share of web", 2e-7), shown("total activity", 12345.6)
    ('99.7 %', '<0.01 %', '12,346')
    """
    if not math.isfinite(value):
        return "–"
    if is_circular(habit):
        minutes = round(value * 60) % (24 * 60)
        return f"{minutes // 60:02d}:{minutes % 60:02d}"
    if _is_share(habit):
        return _percent(value)
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _is_share(habit: str) -> bool:
    return habit.startswith(CHANNEL) or habit.endswith(" share")


def _percent(share: float) -> str:
    percent = 100 * share
    if 0 < percent < LEAST_PERCENT:
        return f"<{LEAST_PERCENT:g} %"
    return f"{percent:.{2 if percent < ALMOST_ALL else 3}g} %"


def joined(phrases: Sequence[str]) -> str:
    """Phrases as one name, each once.

    >>> joined(["evening", "weekends", "evening"])
    'evening, weekends'
    """
    return BETWEEN.join(dict.fromkeys(phrases))


def strongest(scores: Mapping[str, float], most: int, least: float) -> list[str]:
    """The habits with the largest scores in size, at most so many, none below ``least``.

    >>> strongest({"a": 0.1, "b": -2.0, "c": 1.0}, most=2, least=0.2)
    ['b', 'c']
    """
    known = [
        habit for habit, score in scores.items() if math.isfinite(score) and abs(score) >= least
    ]
    return sorted(known, key=lambda habit: -abs(scores[habit]))[:most]
