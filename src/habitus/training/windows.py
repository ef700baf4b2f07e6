"""Windows of series: the training examples of a series model.

An epoch is as many windows as the series would give side by side, placed at random so that no step
is always at the same position of a window; small series are gone through several times in an epoch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from habitus.models.base import Model, SeriesModel, Windows
from habitus.models.parts.priors import Mixture
from habitus.schema import IntArray, Progress
from habitus.series import Series
from habitus.series.checks import check_fit
from habitus.training.collapse import detect_collapse
from habitus.training.config import FitConfig

FEWEST_BATCHES = 50  # least number of batches in an epoch
MOST_HELD_OUT = 2048  # held-out windows that are evaluated, at most
MANY_SERIES = 20  # least number of series to hold out whole series, instead of the end of each
MOST_TO_START = 100_000  # training steps that weights are initialised from, at most
MOST_TESTED = 256  # held-out windows in the test for collapse, at most


class WindowData:
    """Windows [B, T, V + 1] of series: values, NaN where missing, and each step's number."""

    noun = "windows"

    def __init__(self, data: Series, model: SeriesModel, settings: FitConfig) -> None:
        check_fit(data, model.window)
        self.data = data
        self.length = model.window
        self.seed = settings.seed
        self.train, self.held_out_series = _parts(
            data, settings.held_out, settings.seed, self.length
        )
        in_time = self.held_out_series is not None and len(data) < MANY_SERIES
        # Number of each held-out series' first step.
        self.held_out_from = self.train.lengths if in_time else 0
        self.starts = self.train.window_starts(self.length)
        self.size = settings.batch or 1

    @property
    def count(self) -> int:
        """Number of windows in an epoch."""
        return max(FEWEST_BATCHES * self.size, -(-len(self.train.values) // self.length))

    def epoch(self, epoch: int) -> Iterator[Tensor]:
        """Draw the windows of one epoch, batch by batch."""
        rng = np.random.default_rng([self.seed, epoch])
        for done in range(0, self.count, self.size):
            size = min(self.size, self.count - done)
            yield windows(
                self.train, self.starts[rng.integers(len(self.starts), size=size)], self.length
            )

    def held_out(self, chunk: int) -> Iterator[Tensor]:
        """Cut the held-out part into windows side by side."""
        if self.held_out_series is None:
            return
        starts = self.held_out_series.window_starts(self.length, self.length)[:MOST_HELD_OUT]
        for first in range(0, len(starts), chunk):
            yield windows(
                self.held_out_series, starts[first : first + chunk], self.length, self.held_out_from
            )

    def start(self, model: Model) -> None:
        """Give the model some training steps, to standardise or count."""
        cast(SeriesModel, model).start_from(values_of(self.train))

    def fingerprint(self) -> dict[str, float]:
        """Fingerprint of the series: sizes and sums."""
        sums = {"observed": int(self.data.observed.sum()), "values": float(self.data.values.sum())}
        return {"series": len(self.data), "rows": len(self.data.values), **sums}

    def finish(
        self, model: Model, seed: int, on_progress: Progress
    ) -> tuple[Mixture | None, dict[str, Any]]:
        """Describe the data for the run, and the outcome of the collapse test."""
        tested = [Windows.unpack(x) for x in self.held_out(MOST_TESTED)][:1]
        found = detect_collapse(
            cast(SeriesModel, model), values_of(self.train), tested[0] if tested else None, seed
        )
        return None, {"series": len(self.data), "steps": len(self.data.values), **found}


def values_of(series: Series) -> Tensor:
    """Take some steps of series [R, V], NaN where missing."""
    values = np.where(series.observed, series.values, np.nan)[:MOST_TO_START]
    return torch.from_numpy(values.astype(np.float32))


def _parts(data: Series, held_out: float, seed: int, length: int) -> tuple[Series, Series | None]:
    """Split series into a training and a held-out part; None if that would hold no window."""
    if held_out == 0:
        return data, None
    if len(data) >= MANY_SERIES:
        order = np.random.default_rng(seed).permutation(len(data))
        held = max(1, round(held_out * len(data)))
        train = data.take(np.sort(order[held:]))
        held_back = data.take(np.sort(order[:held]))
    else:
        train, held_back = data.split(1 - held_out)
    enough = len(held_back.window_starts(length)) and len(train.window_starts(length))
    return (train, held_back) if enough else (data, None)


def windows(
    series: Series, starts: np.ndarray, length: int, numbered_from: IntArray | int = 0
) -> Tensor:
    """Windows [B, T, V + 1]: values, NaN where missing, and the number of each step in its series.

    Args:
        series: Series that windows are cut from.
        starts: First row of each.
        length: Steps of a window.
        numbered_from: Number of each series' first step [N], on which its seasons depend.
    """
    values, observed = series.windows(starts, length)
    number = np.searchsorted(series.starts, starts, side="right") - 1
    begins = series.starts[number] - np.broadcast_to(numbered_from, len(series))[number]
    clock = (starts - begins)[:, None, None] + np.arange(length)[:, None]
    whole = np.concatenate([np.where(observed, values, np.nan), clock], axis=-1)
    return torch.from_numpy(whole.astype(np.float32))
