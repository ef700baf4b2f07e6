"""Baselines that know the population: nothing, its mean picture, and the profiles that are most alike."""

from __future__ import annotations

import numpy as np

from habitus.evaluation.baselines.completion.base import (
    CompletionBaseline,
    Float32,
    Rng,
    Task,
    Training,
)
from habitus.schema import FloatArray, IntArray

NEIGHBOURS = 50


class Zeros(CompletionBaseline):
    """Nothing happens, which is right for 98 cells in 100."""

    name = "zeros"

    def _fill(self, task: Task, samples: int, rng: Rng) -> tuple[FloatArray, None]:
        return np.zeros(len(task.row), np.float32), None


class PopulationMean(CompletionBaseline):
    """The mean picture of the training profiles, times the largest known cell."""

    name = "population_mean"
    needs_train = True

    def _fill(self, task: Task, samples: int, rng: Rng) -> tuple[FloatArray, None]:
        return _trained(self).mean[task.cell] * task.peaks[task.row], None


class NearestNeighbours(CompletionBaseline):
    """The 50 training profiles whose cells are nearest to the known ones, in Euclidean distance.

    The mean is theirs; a draw is the missing region of one of them, each drawn once where there are enough.
    Known cells are compared as shares of the largest of them.
    """

    name = "nearest_neighbours"
    needs_train = True

    def _fill(self, task: Task, samples: int, rng: Rng) -> tuple[FloatArray, FloatArray]:
        pictures = _trained(self).pictures
        nearest = neighbours(task, pictures)
        total = np.zeros(len(task.row), np.float32)
        for column in nearest.T:
            total += pictures[column[task.row], task.cell]
        scale = task.peaks[task.row]
        draws = np.empty((samples, len(task.row)), np.float32)
        for k, column in enumerate(_picks(nearest, samples, rng).T):
            draws[k] = pictures[column[task.row], task.cell] * scale
        return total / nearest.shape[1] * scale, draws


def neighbours(task: Task, pictures: Float32) -> IntArray:
    """The nearest of the pictures [T, D S C] by known cells, in no order, [B, 50], or [B, T] if there are fewer.

    |m x - m t|^2 = |m x|^2 - 2 (m x) t + m t^2; the first term is the same for all t and left out.
    """
    flat = task.pictures.reshape(len(task.pictures), -1) / task.peaks[:, None]
    masks, which = np.unique(task.known.reshape(flat.shape), axis=0, return_inverse=True)
    lengths = masks.astype(np.float32) @ np.square(pictures).T  # mostly one mask for all
    distances = lengths[which.reshape(-1)] - 2 * (flat @ pictures.T)
    count = min(NEIGHBOURS, len(pictures))
    return np.argpartition(distances, count - 1, axis=1)[:, :count]


def _picks(nearest: IntArray, samples: int, rng: Rng) -> IntArray:
    """Neighbours of each profile at random, [B, K]; with replacement only where there are too few."""
    users, count = nearest.shape
    if samples <= count:
        chosen = np.argsort(rng.random((users, count)), axis=1)[:, :samples]
    else:
        chosen = rng.integers(count, size=(users, samples))
    return np.take_along_axis(nearest, chosen, axis=1)


def _trained(baseline: CompletionBaseline) -> Training:
    assert baseline.train is not None, "the constructor has seen to it"
    return baseline.train
