"""Populations that never existed, from any fitted model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Generator

from habitus.evaluation.threshold import fit_zero_threshold, fit_zero_threshold_of_active
from habitus.models.base import GenerativeModel
from habitus.parts.nets import in_memory_format
from habitus.parts.shapes import Axes
from habitus.profiles.sparse import Profiles, concat, numbered
from habitus.profiles.store import StoredProfiles, save
from habitus.run import Run
from habitus.synthesis.thresholds import check_threshold

CHUNK = 2048  # profiles decoded together at the paper's size, 30 MB a tensor, and at most
CELLS = CHUNK * 32 * 24 * 5
THRESHOLD_PROFILES = 100_000  # "Time pictures" 5.3.2

PATIENCE = 10 * CHUNK  # draws after which at least one in as many has to be active
INACTIVE = {"redraw": fit_zero_threshold_of_active, "keep": fit_zero_threshold}  # and how their threshold is fitted

Progress = Callable[[int], None]


@dataclass(frozen=True)
class GenerateConfig:
    """How a population is drawn.

    Attributes:
        users: How many.
        seed: Decides who.
        prior: mixture (fitted to the training users' latents) or normal, N(0, I).
        threshold: Values up to it become zero; None fits it to the training users' daily activity as "Time
            pictures" 5.3.2 does, where the model cannot draw true zeros; 0 turns it off.
        inactive: What becomes of a user with no activity at all: redraw draws another one, since a population
            holds users that were active at some point (5.1.2), and fits the threshold to what remains; keep
            leaves them in, as the paper does.
    """

    users: int
    seed: int = 0
    prior: str = "mixture"
    threshold: float | None = None
    inactive: str = "redraw"

    def __post_init__(self) -> None:
        if self.inactive not in INACTIVE:
            raise ValueError(f"inactive must be {' or '.join(INACTIVE)}, got {self.inactive!r}")
        if self.users < 1:
            raise ValueError(f"users must be at least 1, got {self.users}")
        check_threshold(self.threshold)


def generate(
    run: Run,
    users: int,
    seed: int = 0,
    *,
    prior: str = "mixture",
    threshold: float | None = None,
    inactive: str = "redraw",
) -> Profiles:
    """A population in memory; see :class:`GenerateConfig` for the arguments.

    Raises:
        ValueError: for a prior that the run does not have, or a setting out of range.
    """
    population = _Population(run, GenerateConfig(users, seed, prior, threshold, inactive))
    return replace(concat(list(population.chunks(lambda _: None))), about=population.about)


def generate_to(
    path: Path | str, run: Run, config: GenerateConfig, on_progress: Progress = lambda _: None
) -> StoredProfiles:
    """A population to a folder, in bounded memory; ``on_progress`` is told how many users there are so far.

    Raises:
        ValueError: as :func:`generate`.
    """
    population = _Population(run, config)
    return save(path, population.chunks(on_progress), population.axes, population.about)


def zero_threshold(run: Run, config: GenerateConfig) -> float:
    """The threshold that a population would be drawn with; 0 where the model's zeros are true ones."""
    return _Population(run, config).threshold


class _Population:
    """Users drawn chunk by chunk; a chunk's randomness depends on the seed and its number only."""

    def __init__(self, run: Run, config: GenerateConfig) -> None:
        self.run, self.config = run, config
        self.model = in_memory_format(_generative(run), torch.channels_last).eval()
        self.prior = run.prior(config.prior)
        self.axes: Axes = run.model.axes.with_unit(run.model.unit)
        self.chunk = min(CHUNK, max(1, CELLS // self.axes.cells))
        self.threshold = self._threshold()

    @property
    def about(self) -> dict[str, Any]:
        """How the population came to be."""
        told = {"prior": self.config.prior, "inactive": self.config.inactive, "seed": self.config.seed}
        return {"zero_threshold": self.threshold, **told, "run": str(self.run.path)}

    def chunks(self, on_progress: Progress) -> Iterator[Profiles]:
        """The population, a chunk of draws at a time; who comes first does not depend on how many come after."""
        done = 0
        for chunk in count():
            x = self._draw(chunk, stream=0)
            kept = np.where(x > self.threshold, 1 if self.axes.unit == "binary" else x, 0) if self.threshold else x
            if self.config.inactive == "redraw":
                kept = kept[kept.any((1, 2, 3))]
            size = min(len(kept), self.config.users - done)
            yield Profiles.from_dense(self.axes, kept[:size], numbered(size, done))
            done += size
            on_progress(done)
            if done == self.config.users:
                return
            self._check_enough(done, (chunk + 1) * self.chunk)

    def _check_enough(self, active: int, drawn: int) -> None:
        if drawn >= PATIENCE and active < drawn / PATIENCE:
            raise ValueError(
                f"only {active} of {drawn:,} users drawn have any activity above the threshold {self.threshold:g}; "
                "give a lower one, or keep the inactive"
            )

    def _draw(self, chunk: int, stream: int) -> np.ndarray:
        """One chunk of CHUNK dense profiles, before any threshold."""
        seed = np.random.SeedSequence([self.config.seed, stream, chunk]).generate_state(1)[0]
        with torch.no_grad():
            return self.model.sample(self.chunk, Generator().manual_seed(int(seed)), self.prior).numpy()

    def _threshold(self) -> float:
        """The threshold to apply: as asked, none where zeros are true, or fitted on users of their own."""
        if self.config.threshold is not None:
            return self.config.threshold
        if self.model.exact_zeros:
            return 0.0
        size = min(THRESHOLD_PROFILES, max(self.config.users, self.chunk))
        maxima = [self._draw(chunk, stream=1).max((2, 3)) for chunk in range(-(-size // self.chunk))]
        share = np.asarray(self.run.about["active_share"])
        return INACTIVE[self.config.inactive](share, np.concatenate(maxima))


def _generative(run: Run) -> GenerativeModel:
    if not isinstance(run.model, GenerativeModel):
        raise ValueError(
            f"a {type(run.model).__name__} fills what is missing and draws no whole users; use habitus complete, "
            "or generate from a run of another model, such as beta-vae"
        )
    return run.model
