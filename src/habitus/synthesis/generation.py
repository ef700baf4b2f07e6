"""Populations that never existed, from any fitted model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Generator

from habitus.evaluation.threshold import fit_zero_threshold, fit_zero_threshold_of_active
from habitus.models.base import GenerativeModel
from habitus.parts.nets import in_memory_format
from habitus.parts.priors import Prior
from habitus.parts.shapes import Axes, FloatArray
from habitus.profiles.sparse import Profiles, concat, numbered
from habitus.profiles.store import StoredProfiles, save
from habitus.run import Run
from habitus.synthesis.thresholds import check_threshold

CHUNK = 2048  # profiles decoded together at the paper's size, 30 MB a tensor, and at most
CELLS = CHUNK * 32 * 24 * 5
THRESHOLD_PROFILES = 100_000  # "Time pictures" 5.3.2

PATIENCE = 10 * CHUNK  # draws after which at least one in as many has to be active
INACTIVE = {"redraw": fit_zero_threshold_of_active, "keep": fit_zero_threshold}  # and how their threshold is fitted

COHORT = "cohort"  # column of the users that are of one

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


@dataclass(frozen=True)
class Part:
    """Users of a population whose latents are drawn from one distribution.

    Attributes:
        prior: The distribution; None for N(0, I).
        active_share: Share of users active on each day, [D], which their zero threshold is fitted to; None for the
            training users'.
        weight: How many of the population's users are of this part, against the weights of the others.
        cohort: The number of their cohort, which the population's users say; None where they are of none.
    """

    prior: Prior | None
    active_share: FloatArray | None = None
    weight: float = 1.0
    cohort: int | None = None


@dataclass(frozen=True)
class Source:
    """Where the users of a population come from.

    Attributes:
        parts: One or more; the weights hold for users after those without activity were drawn again.
        told: What the population's ``about`` says of it.
    """

    parts: tuple[Part, ...]
    told: dict[str, Any]

    @property
    def shares(self) -> NDArray[np.float64]:
        """The weights, with sum 1."""
        weights = np.array([part.weight for part in self.parts])
        return weights / weights.sum()


def generate(
    run: Run,
    users: int,
    seed: int = 0,
    *,
    prior: str | Prior | Source = "mixture",
    threshold: float | None = None,
    inactive: str = "redraw",
) -> Profiles:
    """A population in memory; see :class:`GenerateConfig` for the arguments.

    ``prior`` may also be a distribution of latents, or a :class:`Source`, which says more: users of some cohorts
    (:func:`habitus.synthesis.cohorts.mix`), or around given ones (:func:`habitus.synthesis.cohorts.around`).

    Raises:
        ValueError: for a prior that the run does not have, or a setting out of range.
    """
    source = _source(run, prior)
    config = GenerateConfig(users, seed, threshold=threshold, inactive=inactive)
    population = _Population(run, config, source)
    return replace(concat(list(population.chunks(lambda _: None))), about=population.about)


def generate_to(
    path: Path | str,
    run: Run,
    config: GenerateConfig,
    on_progress: Progress = lambda _: None,
    source: Source | None = None,
) -> StoredProfiles:
    """A population to a folder, in bounded memory; ``on_progress`` is told how many users there are so far.

    ``source`` takes the place of the prior that the config names.

    Raises:
        ValueError: as :func:`generate`.
    """
    population = _Population(run, config, source or _source(run, config.prior))
    return save(path, population.chunks(on_progress), population.axes, population.about)


def zero_threshold(run: Run, config: GenerateConfig) -> float:
    """The threshold that a population would be drawn with; 0 where the model's zeros are true ones."""
    return _Population(run, config, _source(run, config.prior)).zero_threshold


class _Population:
    """Users of all parts, as they come."""

    def __init__(self, run: Run, config: GenerateConfig, source: Source) -> None:
        self.run, self.config, self.source = run, config, source
        model = in_memory_format(_generative(run), torch.channels_last).eval()
        self.axes: Axes = model.axes.with_unit(model.unit)
        self.chunk = min(CHUNK, max(1, CELLS // self.axes.cells))
        trained = run.about["active_share"]
        self.parts = [
            _Users(model, self.axes, config, part, number, trained) for number, part in enumerate(source.parts)
        ]

    @property
    def zero_threshold(self) -> float:
        """The threshold that was applied; of several parts with one each their mean over users."""
        return float(self.source.shares @ [part.threshold for part in self.parts])

    @property
    def about(self) -> dict[str, Any]:
        """How the population came to be."""
        told = {**self.source.told, "inactive": self.config.inactive, "seed": self.config.seed}
        if len(self.parts) > 1:
            told["zero_thresholds"] = [part.threshold for part in self.parts]
        return {"zero_threshold": self.zero_threshold, **told, "run": str(self.run.path)}

    def chunks(self, on_progress: Progress) -> Iterator[Profiles]:
        """The population, chunk by chunk; who comes first does not depend on how many come after."""
        done = 0
        for chunk in count():
            of_part = self._of_part(chunk)[: self.config.users - done]
            taken = concat([part.take(int((of_part == at).sum())) for at, part in enumerate(self.parts)])
            place = np.argsort(np.argsort(of_part, kind="stable"))
            yield replace(taken.take(place), users=self._users(done, of_part))
            done += len(of_part)
            on_progress(done)
            if done == self.config.users:
                return

    def _of_part(self, chunk: int) -> NDArray[np.int64]:
        """The part that each user of a chunk is of, [chunk]."""
        rng = np.random.default_rng([self.config.seed, 2, chunk])
        return rng.choice(len(self.parts), self.chunk, p=self.source.shares)

    def _users(self, first: int, of_part: NDArray[np.int64]) -> pa.Table:
        """Who they are: a number, and their cohort where they are of one."""
        users, cohorts = numbered(len(of_part), first), [part.cohort for part in self.source.parts]
        if None in cohorts:
            return users
        return users.append_column(COHORT, pa.array(np.array(cohorts, np.int32)[of_part]))


class _Users:
    """Users of one part, drawn chunk by chunk; a chunk's randomness depends on the seed and two numbers only.

    Args:
        model: The model.
        axes: Of the profiles.
        config: How they are drawn.
        part: What from.
        number: Of the part.
        trained: Share of the training users active on each day, [D].
    """

    def __init__(
        self,
        model: GenerativeModel,
        axes: Axes,
        config: GenerateConfig,
        part: Part,
        number: int,
        trained: list[float],
    ) -> None:
        self.model, self.axes, self.config, self.part, self.number = model, axes, config, part, number
        self.chunk = min(CHUNK, max(1, CELLS // axes.cells))
        self.chunks, self.active, self.waiting = 0, 0, list[Profiles]()
        share = np.asarray(trained if part.active_share is None else part.active_share)
        self.threshold = self._threshold(share)

    def take(self, size: int) -> Profiles:
        """The next users.

        Raises:
            ValueError: if hardly any user drawn is active.
        """
        while not self.waiting or sum(map(len, self.waiting)) < size:
            self._check_enough()
            self.waiting.append(self._next())
        whole = concat(self.waiting)
        self.waiting = [whole.slice(size, len(whole))]
        return whole.slice(0, size)

    def _next(self) -> Profiles:
        """One more chunk of draws, those of them that are kept."""
        x = self._draw(self.chunks, stream=0)
        kept = np.where(x > self.threshold, 1 if self.axes.unit == "binary" else x, 0) if self.threshold else x
        if self.config.inactive == "redraw":
            kept = kept[kept.any((1, 2, 3))]
        self.chunks, self.active = self.chunks + 1, self.active + len(kept)
        return Profiles.from_dense(self.axes, kept)

    def _check_enough(self) -> None:
        drawn = self.chunks * self.chunk
        if drawn >= PATIENCE and self.active < drawn / PATIENCE:
            raise ValueError(
                f"only {self.active} of {drawn:,} users drawn have any activity above the threshold "
                f"{self.threshold:g}; give a lower one, or keep the inactive"
            )

    def _draw(self, chunk: int, stream: int) -> np.ndarray:
        """One chunk of CHUNK dense profiles, before any threshold."""
        own = [self.number] if self.number else []
        seed = np.random.SeedSequence([self.config.seed, stream, chunk, *own]).generate_state(1)[0]
        with torch.no_grad():
            return self.model.sample(self.chunk, Generator().manual_seed(int(seed)), self.part.prior).numpy()

    def _threshold(self, active_share: FloatArray) -> float:
        """The threshold to apply: as asked, none where zeros are true, or fitted on users of their own."""
        if self.config.threshold is not None:
            return self.config.threshold
        if self.model.exact_zeros:
            return 0.0
        size = min(THRESHOLD_PROFILES, max(self.config.users, self.chunk))
        maxima = [self._draw(chunk, stream=1).max((2, 3)) for chunk in range(-(-size // self.chunk))]
        return INACTIVE[self.config.inactive](active_share, np.concatenate(maxima))


def _source(run: Run, prior: str | Prior | Source) -> Source:
    """Where latents come from, by name or as it is given."""
    _generative(run)
    if isinstance(prior, Source):
        return prior
    if isinstance(prior, Prior):
        return Source((Part(prior),), {"prior": type(prior).__name__})
    return Source((Part(run.prior(prior)),), {"prior": prior})


def _generative(run: Run) -> GenerativeModel:
    if not isinstance(run.model, GenerativeModel):
        raise ValueError(
            f"a {type(run.model).__name__} fills what is missing and draws no whole users; use habitus complete, "
            "or generate from a run of another model, such as beta-vae"
        )
    return run.model
