"""Baselines that know the population: zeros, its mean picture, and the nearest profiles."""

from __future__ import annotations

import numpy as np

from habitus.evaluation.baselines.completion.base import (
    CompletionBaseline,
    Float32,
    Rng,
    Task,
)
from habitus.schema import FloatArray, IntArray

NEIGHBOURS = 50


class Zeros(CompletionBaseline):
    """Zero in every missing cell, which is right for 98 cells in 100."""

    name = "zeros"

    def _fill(self, task: Task, samples: int, rng: Rng) -> tuple[FloatArray, None]:
        return np.zeros(len(task.row), np.float32), None


class PopulationMean(CompletionBaseline):
    """Mean picture of the training profiles, times the largest known cell."""

    name = "population_mean"
    needs_train = True

    def _fill(self, task: Task, samples: int, rng: Rng) -> tuple[FloatArray, None]:
        assert self.train is not None, "the constructor has seen to it"
        return self.train.mean[task.cell] * task.peaks[task.row], None


class NearestNeighbours(CompletionBaseline):
    """The 50 training profiles that are nearest in the known cells, in Euclidean distance.

    The mean is theirs; a draw is the missing region of one of them, each drawn once where there are
    enough. Known cells are compared as shares of the largest of them.
    """

    name = "nearest_neighbours"
    needs_train = True

    def _fill(self, task: Task, samples: int, rng: Rng) -> tuple[FloatArray, FloatArray]:
        assert self.train is not None, "the constructor has seen to it"
        pictures = self.train.pictures
        nearest = neighbours(task, pictures)
        total = np.zeros(len(task.row), np.float32)
        for column in nearest.T:
            total += pictures[column[task.row], task.cell]
        users, count = nearest.shape
        if samples <= count:
            chosen = np.argsort(rng.random((users, count)), axis=1)[:, :samples]
        else:
            chosen = rng.integers(count, size=(users, samples))
        scale = task.peaks[task.row]
        draws = np.empty((samples, len(task.row)), np.float32)
        for k, column in enumerate(np.take_along_axis(nearest, chosen, axis=1).T):
            draws[k] = pictures[column[task.row], task.cell] * scale
        return total / count * scale, draws


def neighbours(task: Task, pictures: Float32) -> IntArray:
    """Nearest of the pictures [T, D S C] by known cells, in no order, [B, 50], or [B, T] if fewer.

    |m x - m t|^2 = |m x|^2 - 2 (m x) t + m t^2; the first term is the same for all t and left out.
    """
    flat = task.pictures.reshape(len(task.pictures), -1) / task.peaks[:, None]
    masks, which = np.unique(task.known.reshape(flat.shape), axis=0, return_inverse=True)
    lengths = masks.astype(np.float32) @ np.square(pictures).T  # mostly one mask for all
    distances = lengths[which.reshape(-1)] - 2 * (flat @ pictures.T)
    count = min(NEIGHBOURS, len(pictures))
    return np.argpartition(distances, count - 1, axis=1)[:, :count]
