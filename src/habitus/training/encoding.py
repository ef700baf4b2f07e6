"""Model inputs from profiles and series, and latents of profiles: each user's posterior q(z|x).

Letters: U users (profiles), Z latent dimensions, B windows of T steps, V variables, N series.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import torch
from torch import Generator, Tensor
from torch.distributions import Independent, Normal

from habitus.models.base import Model, ProfileModel
from habitus.models.parts.examples import Days, Examples
from habitus.models.parts.gaussians import kl_from_standard_normal
from habitus.profiles.attributes import codes_of
from habitus.profiles.batches import Population, pieces
from habitus.profiles.calendar import Calendar, observed_part
from habitus.profiles.sparse import Profiles
from habitus.schema import Axes, Progress, Vocabulary, no_progress
from habitus.training.precision import in_memory_format

CHUNK = 500  # profiles encoded together
IN_USE = 0.01  # nats: a dimension whose KL is below tells nothing about a user


@dataclass(frozen=True)
class Posterior:
    """q(z|x) = N(mean, diag stddev^2) of U profiles.

    Attributes:
        mean: [U, Z].
        stddev: [U, Z].
    """

    mean: Tensor
    stddev: Tensor

    def __len__(self) -> int:
        return len(self.mean)

    @property
    def variance(self) -> Tensor:
        """Learned variance of each dimension, [Z]: the mean over users ("Time pictures" 6.2.4).

        It is small where a user is placed exactly, and 1 where the encoder says nothing.
        """
        return self.stddev.square().mean(0)

    @property
    def kl(self) -> Tensor:
        """KL(q(z|x) || N(0, 1)) of each dimension in nats, [Z], mean over users.

        A dimension's variance alone depends on the scale that the dimension happens to have; this
        does not.
        """
        q = Independent(Normal(self.mean, self.stddev.clamp_min(1e-30), validate_args=False), 1)
        return kl_from_standard_normal(q).mean(0)

    def to_json(self) -> dict[str, list[float]]:
        """Summary that a run keeps: ``variance`` and ``kl`` of each dimension."""
        return {"variance": self.variance.tolist(), "kl": self.kl.tolist()}

    def draw(self, generator: Generator) -> Tensor:
        """Draw from each user's posterior, [U, Z]."""
        return self.mean + self.stddev * torch.randn(self.mean.shape, generator=generator)


def encode(model: ProfileModel, data: Population, on_progress: Progress = no_progress) -> Posterior:
    """Compute the posterior of every profile, piece by piece.

    Under :func:`habitus.training.precision.quick_inference` it takes half the time, where the
    processor has bfloat16.

    Raises:
        ValueError: for profiles that cannot be brought into the model's unit, or for none at all.
    """
    if not len(data):
        raise ValueError("expected profiles to encode, got none")
    model = in_memory_format(model, torch.channels_last).eval()
    means = list[Tensor]()
    scales = list[Tensor]()
    done = 0
    known = known_to(model, data)
    with torch.no_grad():
        for piece in pieces(data, model.unit, CHUNK):
            x: Any = examples_of(piece, known)  # as the model takes it
            q = model.encode(x)
            means.append(q.mean)
            scales.append(q.stddev)
            done += len(piece)
            on_progress(done, len(data), "encoding")
    return Posterior(torch.cat(means).contiguous(), torch.cat(scales).contiguous())


@dataclass(frozen=True)
class Known:
    """Conditioning of a model beside the counts of profiles.

    Attributes:
        vocabulary: The attributes of their users.
        calendar: Calendar of their days.
    """

    vocabulary: Vocabulary
    calendar: Calendar

    def days(self, users: pa.Table, axes: Axes) -> Days:
        """Calendar of the users' days, [B, D]."""
        return Days(*map(torch.from_numpy, self.calendar.days(users, axes)))

    def codes(self, users: pa.Table) -> Tensor:
        """Codes of the users' attributes, [B, A]."""
        return torch.from_numpy(codes_of(users, self.vocabulary))


def known_to(model: Model, data: Population) -> Known | None:
    """Conditioning of a model on a population; None for a model that reads nothing but counts."""
    return (
        Known(model.vocabulary, Calendar.of(data.about)) if model.conditions_on_calendar else None
    )


def examples_of(profiles: Profiles, known: Known | None) -> Tensor | Examples:
    """Arrange profiles as pictures [B, D, S, C], with any conditioning on users and days."""
    x = torch.from_numpy(profiles.dense())
    if known is None:
        return x
    return Examples(x, known.codes(profiles.users), known.days(profiles.users, profiles.axes))


def observed_of(profiles: Profiles, known: Known | None) -> Profiles:
    """Empty the days of profiles that a model takes for unobserved."""
    if known is None:
        return profiles
    return observed_part(profiles, known.calendar.observed(profiles.users, profiles.axes))
