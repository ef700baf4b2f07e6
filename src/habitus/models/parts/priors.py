"""Priors that latents are drawn from when a population is generated.

Letters: Z latents, K components, U users.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self

import torch
from torch import Generator, Tensor, nn
from torch.distributions import (
    Categorical,
    Distribution,
    Independent,
    MixtureSameFamily,
    MultivariateNormal,
    Normal,
)


class Prior(nn.Module, ABC):
    """A distribution of latents [Z]."""

    @abstractmethod
    def distribution(self) -> Distribution:
        """The prior as a torch distribution with event shape [Z]."""

    @abstractmethod
    def sample(self, size: int, generator: Generator) -> Tensor:
        """Draw latents [size, Z]."""


class StandardNormal(Prior):
    """N(0, I), the prior that the KL term of the loss refers to."""

    def __init__(self, latents: int) -> None:
        super().__init__()
        self.latents = latents

    def distribution(self) -> Distribution:
        return Independent(Normal(torch.zeros(self.latents), 1.0), 1)

    def sample(self, size: int, generator: Generator) -> Tensor:
        return torch.randn(size, self.latents, generator=generator, device=generator.device)


class Mixture(Prior):
    """Gaussian mixture with full covariances, fitted to the posterior of the training users.

    Users that the encoder has seen do not fill N(0, I): where they leave gaps the decoder was
    never trained, and latents drawn there become profiles that no user has.
    :func:`habitus.models.parts.mixtures.fit_mixture` fits one.

    Attributes:
        weights: [K].
        means: [K, Z].
        scales: Lower triangular factors of the covariances, [K, Z, Z].
    """

    weights: Tensor
    means: Tensor
    scales: Tensor

    def __init__(self, weights: Tensor, means: Tensor, scales: Tensor) -> None:
        super().__init__()
        self.register_buffer("weights", weights)
        self.register_buffer("means", means)
        self.register_buffer("scales", scales)

    @classmethod
    def of_normals(cls, mean: Tensor, stddev: Tensor) -> Self:
        """Even mixture of N(mean, diag stddev^2) over posteriors [U, Z]: their aggregate."""
        weights = torch.full((len(mean),), 1 / len(mean))
        return cls(weights, mean.float(), torch.diag_embed(stddev.float()))

    def distribution(self) -> Distribution:
        normals = MultivariateNormal(self.means, scale_tril=self.scales, validate_args=False)
        return MixtureSameFamily(Categorical(self.weights), normals)

    def sample(self, size: int, generator: Generator) -> Tensor:
        which = torch.multinomial(self.weights, size, replacement=True, generator=generator)
        noise = torch.randn(size, self.means.shape[1], generator=generator, device=generator.device)
        return self.means[which] + torch.einsum("bij,bj->bi", self.scales[which], noise)
