"""Training data: batches of examples in random order, and held-out examples for the loss."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Generator, Tensor

from habitus.evaluation.metrics.summary import summarise
from habitus.models.base import CalibratedModel, Model, ProfileModel
from habitus.models.parts.examples import Examples
from habitus.models.parts.mixtures import fit_mixture
from habitus.models.parts.priors import Mixture
from habitus.profiles.attributes import combinations
from habitus.profiles.batches import BUFFER, Batches, Population
from habitus.profiles.calendar import ABOUT
from habitus.profiles.conditions import Conditions
from habitus.profiles.sparse import USER, users_drawn
from habitus.schema import Progress
from habitus.training.config import FitConfig, for_profiles
from habitus.training.encoding import encode, examples_of, known_to
from habitus.training.moment_matching import USERS, match_moments, statistics_of

HELD_OUT_PROFILES = 4096
MIXTURE_PROFILES = 20_000
FEWEST_FOR_MIXTURE = 10


class TrainingData(Protocol):
    """Training data of any kind.

    Attributes:
        noun: Plural noun for its examples.
        count: Examples in an epoch.
        size: Examples in a batch; the last one of an epoch may be smaller.
    """

    noun: str

    @property
    def count(self) -> int: ...
    @property
    def size(self) -> int: ...
    def epoch(self, epoch: int) -> Iterator[Tensor | Examples]:
        """Batches of an epoch."""
        ...

    def held_out(self, chunk: int) -> Iterator[Tensor | Examples]:
        """Held-out examples, in chunks; none where there are too few."""
        ...

    def start(self, model: Model) -> None:
        """Set the model's first weights from data."""
        ...

    def fingerprint(self) -> dict[str, float]:
        """Numbers that identify the data."""
        ...

    def finish(
        self, model: Model, seed: int, on_progress: Progress
    ) -> tuple[Mixture | None, dict[str, Any]]:
        """Fit the prior of a model's latents, and describe the data for its run.

        ``on_progress`` is called with examples drawn and examples in all, where some are drawn.
        """
        ...


def batches_in(training_data: TrainingData) -> int:
    """Number of batches in an epoch."""
    return -(-training_data.count // training_data.size)


class ProfileData:
    """Profiles, all users in the training part or in the held-out one."""

    noun = "profiles"

    def __init__(self, data: Population, model: ProfileModel, settings: FitConfig) -> None:
        self.known = known_to(model, data)
        few = (
            round(
                settings.held_out * pc.call_function("count_distinct", [data.users[USER]]).as_py()
            )
            == 0
        )
        held = (
            np.zeros(len(data), bool)
            if few
            else users_drawn(data.users, settings.held_out, settings.seed)
        )
        size = for_profiles(settings, len(data)).batch or 1
        self.batches = Batches(data, ~held, model.unit, size, settings.seed, BUFFER)
        held_out = Batches(data, held, model.unit, size, settings.seed)
        self.held_out_profiles = held_out.sample(HELD_OUT_PROFILES)

    @property
    def count(self) -> int:
        """Number of training profiles in an epoch."""
        return self.batches.count

    @property
    def size(self) -> int:
        """Number of profiles in a batch."""
        return self.batches.size

    def epoch(self, epoch: int) -> Iterator[Tensor | Examples]:
        """Iterate over the training batches of an epoch, [B, D, S, C]."""
        return (examples_of(batch, self.known) for batch in self.batches.epoch(epoch))

    def held_out(self, chunk: int) -> Iterator[Tensor | Examples]:
        """Iterate over the held-out profiles in chunks, [B, D, S, C]."""
        count = len(self.held_out_profiles)
        if count:
            for rows in np.array_split(np.arange(count), -(-count // chunk)):
                yield examples_of(self.held_out_profiles.take(rows), self.known)

    def start(self, model: Model) -> None:
        """Give the model some training profiles, if it asks for any."""
        model = cast(ProfileModel, model)
        if model.start_profiles:
            some: Any = examples_of(
                self.batches.sample(model.start_profiles), self.known
            )  # as the model takes it
            model.start_from(some)

    def fingerprint(self) -> dict[str, float]:
        """Fingerprint of the population."""
        return fingerprint(self.batches.source)

    def finish(
        self, model: Model, seed: int, on_progress: Progress
    ) -> tuple[Mixture | None, dict[str, Any]]:
        """Fit the mixture prior, or match moments, and describe the training users."""
        about: dict[str, Any] = {"profiles": self.count, "active_share": self._active_share()}
        source = self.batches.source
        about |= {name: source.about[name] for name in ("log", ABOUT) if name in source.about}
        if self.known and self.known.vocabulary:
            about["attributes"] = combinations(source.users, self.known.vocabulary)
        model = cast(ProfileModel, model)
        if not model.latents:
            return None, about
        some = self.batches.sample(MIXTURE_PROFILES)
        posterior = encode(model, some)
        about |= {"latents": posterior.to_json()}
        if isinstance(model, CalibratedModel) and self.known:
            users = some.users.take(np.arange(min(USERS, 2 * len(some))) % len(some))
            conditioning = self.known.codes(users), self.known.days(users, some.axes)
            batches = (cast(Examples, batch) for batch in self.epoch(0))
            each = [statistics_of(model, batch.x, batch.days) for batch in batches]
            statistics = torch.cat(each)  # [n, J], of profiles with any observed day
            found = match_moments(
                model, statistics, Conditions.of(about), *conditioning, seed, on_progress
            )
            return None, about | {"shifts": found.shifts, "conditions_met": found.met}
        if len(posterior) < FEWEST_FOR_MIXTURE:
            return None, about
        return fit_mixture(posterior.draw(Generator().manual_seed(seed)), seed), about

    def _active_share(self) -> list[float]:
        """Share of training profiles active on each day, [D], to fit a zero threshold to (5.3.2).

        Counts observed profiles only; a day without any takes the share of all days.
        """
        source = self.batches.source
        chosen = self.batches.chosen
        active = summarise(source, chosen).active
        if self.known is None or not self.known.calendar.leaves_out(source.users):
            return active.mean(0).tolist()
        observed = self.known.calendar.observed(source.users.filter(pa.array(chosen)), source.axes)
        users = observed.sum(0)
        found = (active & observed).sum(0)
        return np.where(
            users > 0, found / np.maximum(users, 1), found.sum() / max(users.sum(), 1)
        ).tolist()


def fingerprint(data: Population) -> dict[str, float]:
    """Fingerprint of a population: its size, and sums over its first group."""
    first = data.read_group(0)
    sums = {
        "cells": int(first.cells.sum(dtype=np.int64)),
        "values": float(first.values.sum(dtype=np.float64)),
    }
    return {"profiles": len(data), **sums}
