"""What a model is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Generator, Tensor, nn
from torch.distributions import Distribution, Independent

from habitus.parts.likelihoods import Likelihood
from habitus.parts.objectives import reparameterised
from habitus.parts.priors import Prior, StandardNormal
from habitus.parts.shapes import Axes, BoolArray

Decode = Callable[[Tensor], Distribution]


class Loss(NamedTuple):
    """What is minimised, a scalar, and the terms it is made of (means over the batch)."""

    total: Tensor
    terms: dict[str, Tensor]


class Model(nn.Module, ABC):
    """A model of profiles on given axes.

    Attributes:
        Config: The frozen dataclass of its settings.
        config: Its settings.
        axes: The axes of the profiles that it was made for.
        fit_defaults: Settings of a fit that suit it, where they are not those of :class:`habitus.FitConfig`.
        start_profiles: How many training profiles, at most, :meth:`start_from` is given; at 0 it is not called.
    """

    Config: ClassVar[type[Any]]
    fit_defaults: ClassVar[dict[str, Any]] = {}
    start_profiles: ClassVar[int] = 0
    config: Any
    axes: Axes

    @property
    @abstractmethod
    def unit(self) -> str:
        """The unit of values that it reads and draws."""

    @property
    @abstractmethod
    def exact_zeros(self) -> bool:
        """Whether drawn profiles have true zeros, so that no threshold is needed."""

    def start_from(self, x: Tensor) -> None:
        """Set weights from some training profiles [B, D, S, C] before the first step; most models need not."""

    @abstractmethod
    def loss(self, x: Tensor, generator: Generator) -> Loss:
        """The loss on profiles [B, D, S, C] in ``unit``; ``generator`` supplies all randomness."""


class GenerativeModel(Model):
    """A model that draws whole profiles."""

    @abstractmethod
    def sample(self, size: int, generator: Generator, prior: Prior | None = None) -> Tensor:
        """Profiles [size, D, S, C] of users that never existed, in ``unit``."""


class Completion(NamedTuple):
    """What a model puts into M missing cells, in the order of ``x[missing]``."""

    mean: Tensor  # [M], point forecasts: what is expected, on the scale that squared errors are judged on
    draws: Tensor  # [K, M]


class CompletingModel(Model):
    """A model that fills what is missing from what is known."""

    @property
    @abstractmethod
    def forecast_days(self) -> int:
        """The most days at the end of the window that it can fill; 0 where its mask is another one."""

    @abstractmethod
    def check_mask(self, missing: BoolArray | None, text: str) -> None:
        """Refuse a mask that the model was not fitted for: cells [D, S, C], or None where they differ by profile.

        Raises:
            ValueError: saying which one it was fitted for.
        """

    @abstractmethod
    def complete(self, x: Tensor, missing: Tensor, samples: int, generator: Generator) -> Completion:
        """Fill the missing cells.

        Args:
            x: Profiles [B, D, S, C] in ``unit``; what stands in missing cells is never read.
            missing: Bool [B, D, S, C].
            samples: K, how many draws of each cell.
            generator: Supplies all randomness.
        """


class LatentModel(GenerativeModel):
    """A model with latents z [B, Z]."""

    @property
    @abstractmethod
    def latents(self) -> int:
        """The number of latent dimensions, Z."""

    @abstractmethod
    def encode(self, x: Tensor) -> Independent:
        """q(z|x) for profiles [B, D, S, C]."""

    @abstractmethod
    def decode(self, z: Tensor) -> Distribution:
        """p(x|z) for latents [B, Z], over [B, D, S, C]."""

    @abstractmethod
    def draw(self, z: Tensor, generator: Generator) -> Tensor:
        """Profiles [B, D, S, C] from p(x|z)."""

    def sample(self, size: int, generator: Generator, prior: Prior | None = None) -> Tensor:
        """Draw z from the prior (N(0, I) where none is given), then x from p(x|z)."""
        return self.draw((prior or StandardNormal(self.latents)).sample(size, generator), generator)


def completed_from_posterior(
    q: Independent, decode: Decode, likelihood: Likelihood, missing: Tensor, samples: int, generator: Generator
) -> Completion:
    """Draw z from q, and the missing cells from what each z decodes to.

    Args:
        q: q(z|known cells), [B, Z].
        decode: From z to the distribution of a picture [B, ...].
        likelihood: Says what a draw is.
        missing: Bool, of that picture's shape.
        samples: Draws, K.
        generator: Supplies all randomness.
    """
    mean, draws = torch.zeros(int(missing.sum()), device=missing.device), list[Tensor]()
    for _ in range(samples):
        p = decode(reparameterised(q, generator))
        mean += p.mean[missing] / samples
        draws.append(likelihood.draw(p, generator)[missing])
    return Completion(mean, torch.stack(draws))
