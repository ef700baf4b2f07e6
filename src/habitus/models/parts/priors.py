"""What latents are drawn from when a population is generated."""

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
        """Latents [size, Z]."""


class StandardNormal(Prior):
    """N(0, I), the prior that the KL term of the loss refers to."""

    def __init__(self, latents: int) -> None:
        super().__init__()
        self.latents = latents

    def distribution(self) -> Distribution:
        """N(0, I) over [Z]."""
        return Independent(Normal(torch.zeros(self.latents), 1.0), 1)

    def sample(self, size: int, generator: Generator) -> Tensor:
        """Latents [size, Z]."""
        return torch.randn(size, self.latents, generator=generator, device=generator.device)


class LearntMixture(Prior):
    """Gaussian mixture with diagonal covariances that is learnt with the model, as part of its bound.

    Which component a user is of may depend on what is known of the user.

    Args:
        components: K.
        latents: Z.
        told: Numbers that are known of a user, A.
    """

    def __init__(self, components: int, latents: int, told: int = 0) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(components))
        self.means = nn.Parameter(torch.randn(components, latents))
        self.log_scales = nn.Parameter(torch.zeros(components, latents))
        self.of_told = nn.Linear(told, components, bias=False) if told else None

    @property
    def scales(self) -> Tensor:
        """Standard deviations, [K, Z]."""
        return self.log_scales.clamp(-6, 6).exp()

    def logits_given(self, told: Tensor) -> Tensor:
        """Of the components for users of whom something is known [B, A], [B, K]."""
        extra = self.logits.new_zeros(len(told), 1) if self.of_told is None else self.of_told(told)
        return self.logits + extra

    def distribution(self) -> Distribution:
        """The mixture over [Z], nothing being known."""
        normals = Independent(Normal(self.means, self.scales, validate_args=False), 1)
        return MixtureSameFamily(
            Categorical(logits=self.logits, validate_args=False), normals, validate_args=False
        )

    def log_prob(self, u: Tensor, told: Tensor) -> Tensor:
        """Log-density of latents [B, Z] of users of whom something is known [B, A]."""
        each = Normal(self.means, self.scales, validate_args=False).log_prob(u[:, None]).sum(-1)
        return torch.logsumexp(each + self.logits_given(told).log_softmax(1), 1)

    def sample(self, size: int, generator: Generator) -> Tensor:
        """Latents [size, Z] of users of whom nothing is known."""
        return self.sample_given(
            self.logits.new_zeros(size, 0 if self.of_told is None else self.of_told.in_features),
            generator,
        )

    def sample_given(self, told: Tensor, generator: Generator) -> Tensor:
        """Latents [B, Z] of users of whom something is known [B, A]."""
        which = torch.multinomial(self.logits_given(told).softmax(1), 1, generator=generator)[:, 0]
        noise = torch.randn(
            len(told), self.means.shape[1], generator=generator, device=generator.device
        )
        return self.means[which] + self.scales[which] * noise


class Mixture(Prior):
    """Gaussian mixture with full covariances, fitted to the posterior of the training users (habitus.models.parts.mixtures).

    The users that the encoder has seen do not fill N(0, I): where they leave gaps the decoder was never trained,
    and latents drawn there become profiles that nobody has.
    """

    weights: Tensor
    means: Tensor
    scales: Tensor

    def __init__(self, weights: Tensor, means: Tensor, scales: Tensor) -> None:
        super().__init__()
        self.register_buffer("weights", weights)  # [K]
        self.register_buffer("means", means)  # [K, Z]
        self.register_buffer("scales", scales)  # [K, Z, Z], lower triangular

    @classmethod
    def of_normals(cls, mean: Tensor, stddev: Tensor) -> Self:
        """As likely each, N(mean, diag stddev^2) of every row: the aggregate of posteriors [U, Z], unfitted."""
        weights = torch.full((len(mean),), 1 / len(mean))
        return cls(weights, mean.float(), torch.diag_embed(stddev.float()))

    def distribution(self) -> Distribution:
        """The mixture over [Z]."""
        normals = MultivariateNormal(self.means, scale_tril=self.scales, validate_args=False)
        return MixtureSameFamily(Categorical(self.weights), normals)

    def sample(self, size: int, generator: Generator) -> Tensor:
        """Latents [size, Z]."""
        which = torch.multinomial(self.weights, size, replacement=True, generator=generator)
        noise = torch.randn(size, self.means.shape[1], generator=generator, device=generator.device)
        return self.means[which] + torch.einsum("bij,bj->bi", self.scales[which], noise)
