"""Names of cohorts: the habits that set their users apart from all users."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from habitus.evaluation.habits import CHANNEL, Habits, difference, middle, spread
from habitus.evaluation.naming import BETWEEN, distinction, joined, strongest
from habitus.schema import IntArray

LEAST = 0.3  # least distance of a named habit from its median over all users, in spreads
USUAL = 2  # habits in a name, at most
ONE_MORE = 3  # habits in a name, at most, where two cohorts would have the same name
LIKE_ALL = "like everybody"

Medians = dict[str, float]
"""Habit -> its typical value."""


def habit_medians(habits: Habits) -> Medians:
    """Typical value of each habit."""
    return {name: middle(name, values) for name, values in habits.items()}


def medians_of_groups(habits: Habits, labels: IntArray, k: int) -> list[Medians]:
    """Typical values of each of k groups, from the habits and the group of every user."""
    return [
        habit_medians({name: values[labels == group] for name, values in habits.items()})
        for group in range(k)
    ]


def scores(group: Medians, usual: Medians, spreads: Medians) -> Medians:
    """Distance of a group's habits from all users', in spreads; without habits of no spread."""
    return {
        name: float(difference(name, np.asarray(group[name]), np.asarray(usual[name])))
        / spreads[name]
        for name in usual
        if spreads[name] > 0
    }


def spreads_of(habits: Habits) -> Medians:
    """Spread of each habit over users."""
    return {name: spread(name, values) for name, values in habits.items()}


def name_groups(groups: Sequence[Medians], usual: Medians, spreads: Medians) -> list[str]:
    """Name of each group, all different.

    >>> usual = {"peak hour": 13.0, "night share": 0.1}
    >>> spreads = {"peak hour": 4.0, "night share": 0.1}
    >>> groups = [{**usual, "peak hour": 20.0}, {**usual, "night share": 0.11}]
    >>> name_groups(groups, usual, spreads)
    ['evening', 'like everybody']
    """
    found = [_name(group, usual, spreads, USUAL) for group in groups]
    longer = [_name(group, usual, spreads, ONE_MORE) for group in groups]
    twice = Counter(map(_phrases, found))
    found = [
        more if twice[_phrases(name)] > 1 else name
        for name, more in zip(found, longer, strict=True)
    ]
    return _numbered(found)


def _phrases(name: str) -> frozenset[str]:
    """Parts of a name in a fixed order, so that names with the same words compare equal."""
    return frozenset(name.split(BETWEEN))


def _name(group: Medians, usual: Medians, spreads: Medians, most: int) -> str:
    habits = strongest(_worth_naming(scores(group, usual, spreads)), len(usual), LEAST)
    phrases = dict[str, str]()
    for name in habits:
        phrase = distinction(name, group[name], usual[name])
        phrases.setdefault(phrase.rstrip("s"), phrase)  # who is active at night has nights
    return joined(list(phrases.values())[:most]) or LIKE_ALL


def _worth_naming(found: Mapping[str, float]) -> Medians:
    """Scores without less used channels where another is used more: one implies the other."""
    if not any(score >= LEAST for name, score in found.items() if name.startswith(CHANNEL)):
        return dict(found)
    return {
        name: score for name, score in found.items() if score > 0 or not name.startswith(CHANNEL)
    }


def _numbered(names: Sequence[str]) -> list[str]:
    """Names, repeated ones with a number after them."""
    seen = Counter[frozenset[str]]()
    made = list[str]()
    for name in names:
        seen[_phrases(name)] += 1
        times = seen[_phrases(name)]
        made.append(name if times == 1 else f"{name} ({times})")
    return made
