"""Baselines that know one user: mean of the weekday, the week before, a line between known days."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from habitus.evaluation.baselines.completion.base import CompletionBaseline, Float32, Rng, Task
from habitus.schema import DAYS_PER_WEEK, FloatArray, IntArray


class OwnMean(CompletionBaseline):
    """Mean of the user's same weekday, slot and channel; a draw is one of those days.

    All missing cells of a day are drawn from one day where some day of that weekday knows them all.
    Where none knows a cell, other weekdays stand in; then zero.
    """

    name = "own_mean"

    def _fill(self, task: Task, samples: int, rng: Rng) -> tuple[FloatArray, FloatArray]:
        # Rank of source days for each day to fill, lowest first. 0: same weekday, and all cells
        # missing on the day are known; 1: same weekday, not all known; 2 and 3: other weekdays.
        hidden = (~task.known).astype(np.float32)
        lacking = hidden @ hidden.swapaxes(1, 2) > 0
        position = np.arange(hidden.shape[1])
        other = (position[:, None] - position) % DAYS_PER_WEEK != 0
        rank = lacking + 2 * other.astype(np.float32)
        draws = []
        for _ in range(samples):
            order = np.argsort(rank + rng.random(rank.shape), axis=2)
            sources = (order[task.row, task.day, place] for place in range(order.shape[2]))
            draws.append(_first_known(task, sources))
        return own_mean(task)[task.row, task.day, task.place], np.stack(draws)


class LastWeek(CompletionBaseline):
    """Value of the same cell 7 days before, or 14, 21, ...; else 7, 14, ... after; else zero."""

    name = "last_week"

    def _fill(self, task: Task, samples: int, rng: Rng) -> tuple[FloatArray, None]:
        steps = np.arange(DAYS_PER_WEEK, task.pictures.shape[1], DAYS_PER_WEEK)
        sources = (task.day + step for step in np.concatenate([-steps, steps]))
        return _first_known(task, sources), None


class Interpolation(CompletionBaseline):
    """Line, for each slot and channel, between the known days around; flat beyond the ends."""

    name = "interpolation"

    def _fill(self, task: Task, samples: int, rng: Rng) -> tuple[FloatArray, None]:
        days = task.pictures.shape[1]
        position = np.arange(days)[:, None]
        before = np.maximum.accumulate(np.where(task.known, position, -1), axis=1)
        later = np.where(task.known, position, days)[:, ::-1]
        after = np.minimum.accumulate(later, axis=1)[:, ::-1]
        at = (task.row, task.day, task.place)
        left = np.where(before[at] < 0, after[at], before[at])
        right = np.where(after[at] == days, before[at], after[at])
        known = left < days  # else there is no known day on either side
        left = np.where(known, left, 0)
        right = np.where(known, np.maximum(right, 0), 0)
        weight = (task.day - left) / np.maximum(right - left, 1)
        low = task.pictures[task.row, left, task.place]
        high = task.pictures[task.row, right, task.place]
        return np.where(known, low + weight * (high - low), 0), None


def own_mean(task: Task) -> Float32:
    """Mean of the known days of the same weekday, else of all known days, else zero, [B, D, P]."""
    days = task.pictures.shape[1]
    mean = np.empty_like(task.pictures)
    overall, _ = task.mean_of(slice(None))
    for weekday in range(min(days, DAYS_PER_WEEK)):
        same = slice(weekday, None, DAYS_PER_WEEK)
        average, known = task.mean_of(same)
        mean[:, same] = np.where(known, average, overall)[:, None]
    return mean


def _first_known(task: Task, sources: Iterable[IntArray]) -> Float32:
    """Value of each missing cell on the first source day, [M] each, that knows it; else 0, [M].

    Source days outside the window are passed over.
    """
    taken = np.zeros(len(task.row), np.float32)
    anywhere = np.any(task.known, axis=1)  # the others are known on no day at all
    waiting = np.flatnonzero(anywhere[task.row, task.place])
    for source in sources:
        if not len(waiting):
            break
        row = task.row[waiting]
        place = task.place[waiting]
        day = source[waiting]
        within = (day >= 0) & (day < task.pictures.shape[1])
        day = np.where(within, day, 0)
        found = within & task.known[row, day, place]
        taken[waiting[found]] = task.pictures[row, day, place][found]
        waiting = waiting[~found]
    return taken
