"""Diagonal Gaussians of latents: their parameters from features, draws, divergences and densities.

There are two forms. Torch's ``Independent(Normal)`` is the posterior of a whole user, which other
parts of the package read. ``Diagonal`` is the one for the latents of every step or day: it keeps
the log-variance, which saves logarithms, and shares its interface with other covariances.

Letters: Z latent dimensions, K components.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.distributions import Independent, Normal, kl_divergence

# Bounds of the logarithm of a variance; with the signs turned, of that of a precision.
LEAST = -12.0
MOST = 8.0


def diagonal_normal(features: Tensor) -> Independent:
    """Posterior q(z|x) from features [B, 2Z]: mean, then log-variance ("Time pictures" 5.2.2).

    The log-variance is kept within [-30, 20], where its exponential and its logarithm are still
    exact enough.
    """
    mean, log_variance = features.float().chunk(2, -1)
    scale = (log_variance.clamp(-30, 20) / 2).exp()
    return Independent(Normal(mean, scale, validate_args=False), 1)


def reparameterise(q: Independent, generator: Generator) -> Tensor:
    """Draw from q, [B, Z], with gradients that reach its mean and scale."""
    noise = torch.randn(q.mean.shape, generator=generator, device=generator.device)
    return q.mean + q.stddev * noise


def kl_from_standard_normal(q: Independent) -> Tensor:
    """Divergence KL(q || N(0, I)) of each latent dimension, [B, Z] ("Time pictures" Eq 3.6)."""
    normal = q.base_dist
    return kl_divergence(normal, Normal(torch.zeros_like(normal.mean), 1.0, validate_args=False))


class Gaussian(ABC):
    """Gaussian N(mean, C) over the last axis [..., Z].

    Attributes:
        mean: [..., Z].
    """

    mean: Tensor

    @abstractmethod
    def transform(self, noise: Tensor) -> Tensor:
        """Map standard normal noise [..., Z] to a draw, differentiably in mean and covariance."""

    @abstractmethod
    def kl(self) -> Tensor:
        """Divergence KL(N(mean, C) || N(0, I)), [...] (tDLGM Eq 28)."""

    @abstractmethod
    def log_prob(self, xi: Tensor) -> Tensor:
        """Log-density at xi [..., Z], [...]."""

    def draw(self, generator: Generator) -> Tensor:
        """Draw latents, [..., Z]."""
        noise = torch.randn(self.mean.shape, generator=generator, device=generator.device)
        return self.transform(noise)


@dataclass(frozen=True)
class Diagonal(Gaussian):
    """Gaussian with C = diag(exp(log_variance)).

    Attributes:
        mean: [..., Z].
        log_variance: [..., Z].
    """

    mean: Tensor
    log_variance: Tensor

    def transform(self, noise: Tensor) -> Tensor:
        return self.mean + (self.log_variance / 2).exp() * noise

    def kl(self) -> Tensor:
        return 0.5 * (self.mean.square() + self.log_variance.exp() - self.log_variance - 1).sum(-1)

    def log_prob(self, xi: Tensor) -> Tensor:
        squared = (xi - self.mean).square() * (-self.log_variance).exp()
        return -0.5 * (squared + self.log_variance + math.log(2 * math.pi)).sum(-1)


def diagonal(features: Tensor) -> Diagonal:
    """Make a Gaussian from features [..., 2Z]: mean, then log-variance."""
    mean, log_variance = features.chunk(2, -1)
    return Diagonal(mean, log_variance.clamp(LEAST, MOST))


def kl_of_diagonals(q: Diagonal, p: Diagonal) -> Tensor:
    """Divergence KL(q || p), [...]."""
    ratio = (q.log_variance - p.log_variance).exp()
    away = (q.mean - p.mean).square() * (-p.log_variance).exp()
    return 0.5 * (ratio + away - 1 - q.log_variance + p.log_variance).sum(-1)


def draw_index(log_weights: Tensor, generator: Generator) -> Tensor:
    """Draw an index into the last axis of log-weights [..., K], [...]; by the Gumbel trick."""
    uniform = torch.rand(log_weights.shape, generator=generator).clamp(1e-20, 1 - 1e-7)
    return (log_weights - (-uniform.log()).log()).argmax(-1)
