"""Baselines that know one user: the same weekday's mean, the week before, and a line between known days."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from habitus.evaluation.baselines.completion.base import CompletionBaseline, Float32, Rng, Task
from habitus.schema import DAYS_PER_WEEK, FloatArray, IntArray


class OwnMean(CompletionBaseline):
    """The user's own mean of the same weekday, slot and channel; a draw is one of those days.

    All missing cells of a day are drawn from one day where some day of that weekday knows them all. Where none
    knows a cell, other weekdays stand in; then zero.
    """

    name = "own_mean"

    def _fill(self, task: Task, samples: int, rng: Rng) -> tuple[FloatArray, FloatArray]:
        liking = _liking(task)
        draws = [
            _taken(task, _in_order(task, liking + rng.random(liking.shape))) for _ in range(samples)
        ]
        return own_mean(task)[task.row, task.day, task.place], np.stack(draws)


class LastWeek(CompletionBaseline):
    """The same cell 7 days before, or 14, 21, ...; else 7, 14, ... after; else zero."""

    name = "last_week"

    def _fill(self, task: Task, samples: int, rng: Rng) -> tuple[FloatArray, None]:
        steps = np.arange(DAYS_PER_WEEK, task.pictures.shape[1], DAYS_PER_WEEK)
        return _taken(task, (task.day + step for step in np.concatenate([-steps, steps]))), None


class Interpolation(CompletionBaseline):
    """A line, for each slot and channel, from the known day before to the one after; flat beyond the ends."""

    name = "interpolation"

    def _fill(self, task: Task, samples: int, rng: Rng) -> tuple[FloatArray, None]:
        days = task.pictures.shape[1]
        position = np.arange(days)[:, None]
        before = np.maximum.accumulate(np.where(task.known, position, -1), axis=1)
        after = np.minimum.accumulate(np.where(task.known, position, days)[:, ::-1], axis=1)[
            :, ::-1
        ]
        at = (task.row, task.day, task.place)
        left = before[at]
        right = after[at]
        left, right = np.where(left < 0, right, left), np.where(right == days, left, right)
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
    overall, _ = mean_of(task, slice(None))
    for weekday in range(min(days, DAYS_PER_WEEK)):
        same = slice(weekday, None, DAYS_PER_WEEK)
        average, known = mean_of(task, same)
        mean[:, same] = np.where(known, average, overall)[:, None]
    return mean


def mean_of(task: Task, days: slice) -> tuple[Float32, IntArray]:
    """Mean of the known cells of some days, [B, P], and how many they are."""
    known = task.known[:, days].sum(axis=1)
    return task.pictures[:, days].sum(axis=1) / np.maximum(known, 1).astype(np.float32), known


def _liking(task: Task) -> NDArray[np.float32]:
    """0 for source days that are best for each day, 3 for the worst, in whole steps, [B, D, D].

    Same weekday comes before knowing all that is missing on the day.
    """
    hidden = (~task.known).astype(np.float32)
    lacking = hidden @ hidden.swapaxes(1, 2) > 0
    position = np.arange(hidden.shape[1])
    other = (position[:, None] - position) % DAYS_PER_WEEK != 0
    return lacking + 2 * other.astype(np.float32)


def _in_order(task: Task, liking: FloatArray) -> Iterator[IntArray]:
    """The best source day of each missing cell, the second best, ..., each [M]."""
    order = np.argsort(liking, axis=2)
    return (order[task.row, task.day, rank] for rank in range(order.shape[2]))


def _taken(task: Task, sources: Iterator[IntArray]) -> Float32:
    """Each missing cell's value on the first source day that is within the window and knows it, else 0, [M]."""
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
