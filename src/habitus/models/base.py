"""What a model is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

from torch import Generator, Tensor, nn
from torch.distributions import Distribution, Independent

from habitus.parts.priors import Prior, StandardNormal
from habitus.parts.shapes import Axes


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
    """

    Config: ClassVar[type[Any]]
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

    @abstractmethod
    def loss(self, x: Tensor, generator: Generator) -> Loss:
        """The loss on profiles [B, D, S, C] in ``unit``; ``generator`` supplies all randomness."""

    @abstractmethod
    def sample(self, size: int, generator: Generator, prior: Prior | None = None) -> Tensor:
        """Profiles [size, D, S, C] of users that never existed, in ``unit``."""


class LatentModel(Model):
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
