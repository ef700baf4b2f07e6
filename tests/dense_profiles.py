"""Profiles from dense arrays, and the dense computations that the sparse ones are held against."""

import datetime as dt

import numpy as np

from habitus.evaluation.blocks import CompressedRows
from habitus.schema import Axes

CHANNELS = ("web", "phone", "<script>")


def axes_for(pictures, unit="count", **fields):
    _, days, slots, channels = pictures.shape
    return Axes(dt.date(2018, 2, 1), days, 1440 // slots, CHANNELS[:channels], unit=unit, **fields)


def compressed(pictures, axes):
    flat = pictures.reshape(len(pictures), -1)
    user, cell = np.nonzero(flat)
    indptr = np.append(0, np.cumsum(np.bincount(user, minlength=len(flat)))).astype(np.int64)
    return CompressedRows(axes, indptr, cell.astype(np.int32), flat[user, cell])


class DenseSource:
    """A source that yields dense pictures [U, D, S, C] in chunks of a given number of profiles."""

    def __init__(self, pictures, unit="count", chunk=3, **fields):
        self.pictures = pictures
        self.chunk = chunk
        self.axes = axes_for(pictures, unit, **fields)

    def __len__(self):
        return len(self.pictures)

    def chunks(self):
        for begin in range(0, len(self), self.chunk):
            yield compressed(self.pictures[begin : begin + self.chunk], self.axes)


def counts(users, days=9, slots=4, channels=3, seed=0, filled=0.2):
    """Random counts in which some profiles (the first, the last, and chance ones) are empty."""
    rng = np.random.default_rng(seed)
    pictures = rng.integers(1, 40, (users, days, slots, channels)) * (
        rng.random((users, days, slots, channels)) < filled
    )
    pictures[rng.random(users) < 0.2] = 0
    pictures[[0, -1]] = 0
    return pictures.astype(np.uint32)


def normalised(pictures):
    peaks = pictures.reshape(len(pictures), -1).max(axis=1)
    return pictures / np.maximum(peaks, 1)[:, None, None, None]
