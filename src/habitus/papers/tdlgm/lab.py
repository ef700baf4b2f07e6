"""Fits, forecasts and scores of the tDLGM paper, each made when it is first asked for, and kept.

    OUT/runs/MODEL-SEED    a run for each model and seed; one that was stopped goes on where it was
    OUT/scores/            what was measured of them

Letters: T steps, V variables (one), H steps ahead, O origins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from habitus.evaluation.completion.denoising import noised
from habitus.files import write_json
from habitus.models.base import AutoregressiveModel, Windows
from habitus.papers.keeping import Once, begin, kept_run
from habitus.papers.tdlgm.models import SUBJECTS, Subject
from habitus.papers.tdlgm.paper import TABLE_1, TABLE_2
from habitus.papers.tdlgm.settings import LabSettings
from habitus.records import read_json
from habitus.run import Run
from habitus.schema import Progress, no_progress
from habitus.series import Series
from habitus.synthesis.capabilities import autoregressive_model
from habitus.training.config import FitConfig
from habitus.training.fit import fit

MOST_AHEAD = max(TABLE_2)
Json = dict[str, Any]


class Lab:
    """Experiments of the paper on a series: runs and scores, made on request and kept in a folder.

    Args:
        series: One series of one variable, without gaps.
        folder: Folder for runs and scores.
        settings: Settings of the experiments; None for the defaults.
        on_progress: Called with units done, units in all, and the stage.

    Attributes:
        whole: The whole series.
        train: First part of the series, to which models are fitted.
        test: Second part of the series, on which models are tested.
        limits: Limits to which noisy values are clamped, and ends of the buckets of Algorithm 1.

    Raises:
        ValueError: for several series or variables, missing values, too few rows, or a folder that
            holds another reproduction.
    """

    def __init__(
        self,
        series: Series,
        folder: Path | str,
        settings: LabSettings | None = None,
        on_progress: Progress = no_progress,
    ) -> None:
        self.settings = settings or LabSettings()
        self.folder = Path(folder)
        self.whole = series
        self.train, self.test = _parts(series, self.settings)
        self.limits = limits_of(series)
        self.on_progress = on_progress
        self._once = Once()
        sums = {"rows": len(series.values), "values": float(series.values.sum())}
        begin(self.folder, "tdlgm", {**self.settings.fixed(), **sums})

    def run(self, name: str, seed: int) -> Run:
        """The run of a model and a seed."""
        return self._once(("run", name, seed), lambda: self._fitted(name, seed))

    def model(self, name: str, seed: int) -> AutoregressiveModel:
        """Model of a run."""
        return autoregressive_model(self.run(name, seed).model)

    def noisy_train(self, seed: int) -> Series:
        """The training part with each value under one of Table 1's noise levels, drawn evenly.

        Levels are read as standard deviations, as the paper's errors are (see the findings).
        """
        rng = np.random.default_rng([seed, 1])
        values = self.train.values.copy()
        levels = list(TABLE_1)
        which = rng.integers(len(levels), size=len(values))
        for number, level in enumerate(levels):
            rows = which == number
            values[rows] = noised(values[rows], level.probability, level.printed, rng)
        return self.train.with_values(values)

    def score(self, name: str, make: Callable[[], Json]) -> Json:
        """Measurement under a name, from the folder or now."""

        def kept() -> Json:
            path = self.folder / "scores" / f"{name}.json"
            if not path.is_file():
                write_json(path, make())
            return read_json(path)

        return self._once(("score", name), kept)

    def _fitted(self, name: str, seed: int) -> Run:
        subject = SUBJECTS[name]
        path = self.folder / "runs" / f"{name}-{seed}"
        config = subject.kind.Config(**subject.settings, window=self.settings.window)
        given = {**subject.kind.fit_defaults, "epochs": self.settings.epochs, "seed": seed}
        how = FitConfig(**given)

        def on_progress(done: int, total: int, stage: str) -> None:
            self.on_progress(done, total, f"windows of {name}-{seed}, {stage}")

        def make(resume: bool) -> Run:
            data = self._data(subject, seed)
            return fit(
                subject.kind, data, config,
                fit=how, out=path, resume=resume, on_progress=on_progress,
            )  # fmt: skip

        return kept_run(path, config, how, make)

    def _data(self, subject: Subject, seed: int) -> Series:
        return self.noisy_train(seed) if subject.noisy else self.train


def as_windows(arrays: Sequence[NDArray[np.float64]]) -> Windows:
    """Arrays [T, V] of one length, without gaps, as windows [B, T, V]."""
    x = torch.from_numpy(np.stack(arrays).astype(np.float32))
    return Windows(
        x, torch.ones_like(x, dtype=torch.bool), torch.arange(x.shape[1]).float().expand(len(x), -1)
    )


def limits_of(series: Series) -> tuple[float, float]:
    """0 and 1, as in the paper, where that holds every value; else the smallest and the largest."""
    low = float(series.values.min())
    high = float(series.values.max())
    return (0.0, 1.0) if low >= 0 and high <= 1 else (low, high)


def _parts(series: Series, settings: LabSettings) -> tuple[Series, Series]:
    """Training part and test part: what is fitted to, and what is tested on."""
    if len(series) != 1 or len(series.axes.variables) != 1:
        raise ValueError(
            f"the paper's tables are of one series of one variable, got {len(series)} series of "
            f"{len(series.axes.variables)} variables"
        )
    if missing := int((~series.observed).sum()):
        raise ValueError(
            f"{settings.column!r} has {missing} missing values; the paper's tables need a series "
            "without gaps, so fill them first"
        )
    train, test = series.split(settings.train_share)
    least = max(MOST_AHEAD + 2, settings.window)
    if len(test.values) < least:
        raise ValueError(
            f"expected at least {least} rows after the first {settings.train_share:.0%}, got "
            f"{len(test.values)}; give a longer series"
        )
    return train, test
