"""Base of the baselines that fill missing cells, the task that they get, and what they train on."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from habitus.evaluation.baselines.base import Baseline
from habitus.evaluation.blocks import blocks
from habitus.evaluation.draws import random_rows
from habitus.schema import Axes, BoolArray, Filled, FloatArray, ProfileSource

MOST_PROFILES = 20_000  # training profiles to keep; as dense pictures a few hundred MB
Float32 = NDArray[np.float32]
Rng = np.random.Generator


@dataclass(frozen=True)
class Training:
    """Training profiles that baselines look at, each divided by its own largest cell.

    Attributes:
        pictures: Dense and flat, [T, D S C].
        mean: Their mean picture, [D S C].
    """

    pictures: Float32
    mean: Float32

    @classmethod
    def of(cls, source: ProfileSource, seed: int = 0) -> Self:
        """Take 20,000 profiles of a set at random, or all of them.

        Raises:
            ValueError: if the set is empty.
        """
        if not len(source):
            raise ValueError("expected at least one training profile, got none; leave out train, "
                             "or profile it again")  # fmt: skip
        rows = random_rows(len(source), MOST_PROFILES, np.random.default_rng(seed))
        pictures = np.zeros((int(rows.sum()), source.axes.cells), np.float32)
        first = 0
        for block in blocks(source, rows):
            pictures[first + block.users(), block.cells] = block.peak_values(source.axes)
            first += len(block)
        return cls(pictures, pictures.mean(axis=0))


@dataclass(frozen=True)
class Task:
    """Pictures with missing cells, which are zero here; P = S x C places of a day.

    Attributes:
        pictures: [B, D, P].
        known: Mask of the known cells, [B, D, P].
        row: Profile of each missing cell, [M].
        day: Day of each missing cell, [M].
        place: Slot and channel of each missing cell, [M].
        peaks: Largest known cell of each profile, 1 where all are empty, [B].
    """

    pictures: Float32
    known: BoolArray
    row: NDArray[np.int64]
    day: NDArray[np.int64]
    place: NDArray[np.int64]
    peaks: Float32

    @classmethod
    def of(cls, x: FloatArray, missing: BoolArray) -> Self:
        """Wipe the missing cells of pictures; pictures and mask are [B, D, S, C]."""
        hidden = missing.reshape(*missing.shape[:2], -1)
        pictures = np.where(hidden, 0, x.reshape(hidden.shape)).astype(np.float32)
        peaks = pictures.reshape(len(x), -1).max(axis=1)
        peaks = np.where(peaks > 0, peaks, 1).astype(np.float32)
        row, day, place = np.nonzero(hidden)
        return cls(pictures, ~hidden, row, day, place, peaks)

    @property
    def cell(self) -> NDArray[np.int64]:
        """Number of each missing cell in its profile, [M]."""
        return self.day * self.pictures.shape[2] + self.place

    def mean_of(self, days: slice) -> tuple[Float32, NDArray[np.int64]]:
        """Mean of the known cells of some days, and how many they are, [B, P] each."""
        known = self.known[:, days].sum(axis=1)
        mean = self.pictures[:, days].sum(axis=1) / np.maximum(known, 1).astype(np.float32)
        return mean, known


class CompletionBaseline(Baseline):
    """Baseline that fills missing cells.

    Attributes:
        needs_train: Whether it cannot do without training profiles.
        sample: The most profiles it is run on, as it is slow; None for no limit of its own.

    Raises:
        ValueError: on construction without training profiles that are needed.
    """

    needs_train: ClassVar[bool] = False
    sample: ClassVar[int | None] = None

    def __init__(self, axes: Axes, train: Training | None = None) -> None:
        if train is None and self.needs_train:
            raise ValueError(f"{self.name} needs training profiles, got none; give train")
        self.axes = axes
        self.train = train

    def fill(self, x: FloatArray, missing: BoolArray, samples: int, rng: Rng) -> Filled:
        """Fill the missing cells.

        Args:
            x: Pictures, [B, D, S, C]; what stands in their missing cells is not looked at.
            missing: Mask of the missing cells, [B, D, S, C].
            samples: Draws wanted (K).
            rng: Source of the draws.

        Returns:
            Mean and draws, in the unit of ``x``; without draws of its own the mean is repeated.
        """
        task = Task.of(x, missing)
        mean, draws = self._fill(task, samples, rng)
        if draws is None:
            draws = np.broadcast_to(mean, (samples, len(mean)))
        mean = mean.astype(np.float32)
        return Filled(len(x), task.row, task.cell, mean, draws.astype(np.float32, copy=False))

    @abstractmethod
    def _fill(self, task: Task, samples: int, rng: Rng) -> tuple[FloatArray, FloatArray | None]:
        """Mean [M] and draws [K, M], or None where there is one value only."""
