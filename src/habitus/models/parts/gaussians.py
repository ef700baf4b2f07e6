"""Gaussians of latents: diagonal ones, and those whose precision is diagonal plus one rank (Rezende et al. 2014).

Letters: Z latent dimensions.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

LEAST = -12.0
MOST = 8.0  # of the logarithm of a variance or precision


class Gaussian(ABC):
    """N(mean, C) over the last axis [..., Z].

    Attributes:
        mean: [..., Z].
    """

    mean: Tensor

    @abstractmethod
    def transformed(self, noise: Tensor) -> Tensor:
        """A draw from standard normal noise [..., Z], through which gradients reach mean and covariance."""

    @abstractmethod
    def kl(self) -> Tensor:
        """KL(N(mean, C) || N(0, I)) in closed form, [...] (tDLGM Eq 28)."""

    @abstractmethod
    def log_prob(self, xi: Tensor) -> Tensor:
        """Log-density at xi [..., Z]."""

    def draw(self, generator: Generator) -> Tensor:
        """A draw, [..., Z]."""
        noise = torch.randn(self.mean.shape, generator=generator, device=generator.device)
        return self.transformed(noise)


@dataclass(frozen=True)
class Diagonal(Gaussian):
    """C = diag(exp(log_variance)).

    Attributes:
        mean: [..., Z].
        log_variance: [..., Z].
    """

    mean: Tensor
    log_variance: Tensor

    def transformed(self, noise: Tensor) -> Tensor:
        """Mean + C^(1/2) noise."""
        return self.mean + (self.log_variance / 2).exp() * noise

    def kl(self) -> Tensor:
        """1/2 (|mean|^2 + tr C - log|C| - Z)."""
        return 0.5 * (self.mean.square() + self.log_variance.exp() - self.log_variance - 1).sum(-1)

    def log_prob(self, xi: Tensor) -> Tensor:
        """Of N(mean, C)."""
        squared = (xi - self.mean).square() * (-self.log_variance).exp()
        return -0.5 * (squared + self.log_variance + math.log(2 * math.pi)).sum(-1)


@dataclass(frozen=True)
class RankOne(Gaussian):
    """C^-1 = D + u u^T with D = diag(d) (Rezende et al. 2014, Eqs 16 to 18 of section 4.3).

    With eta = 1 / (1 + u^T D^-1 u), C = D^-1 - eta D^-1 u u^T D^-1 and log|C| = log eta - sum log d.

    Attributes:
        mean: [..., Z].
        log_precision: log d, [..., Z].
        u: [..., Z].
    """

    mean: Tensor
    log_precision: Tensor
    u: Tensor

    @property
    def _eta(self) -> Tensor:
        return 1 / (1 + self._u_squared)

    @property
    def _u_squared(self) -> Tensor:
        """u^T D^-1 u, [..., 1]."""
        return (self.u.square() * (-self.log_precision).exp()).sum(-1, keepdim=True)

    def transformed(self, noise: Tensor) -> Tensor:
        """Mean + R noise with R = D^-1/2 - (1 - sqrt eta) / (u^T D^-1 u) D^-1 u u^T D^-1/2, so that R R^T = C."""
        scaled = noise * (-self.log_precision / 2).exp()
        # (1 - sqrt eta) / (u^T D^-1 u) = eta / (1 + sqrt eta), which stays finite where u vanishes
        along = self._eta / (1 + self._eta.sqrt()) * (self.u * scaled).sum(-1, keepdim=True)
        return self.mean + scaled - along * self.u * (-self.log_precision).exp()

    def kl(self) -> Tensor:
        """1/2 (|mean|^2 + tr C - log|C| - Z)."""
        variance = (-self.log_precision).exp()
        trace = (variance - self._eta * (self.u * variance).square()).sum(-1)
        log_determinant = self._eta.log().squeeze(-1) - self.log_precision.sum(-1)
        return 0.5 * (self.mean.square().sum(-1) + trace - log_determinant - self.mean.shape[-1])

    def log_prob(self, xi: Tensor) -> Tensor:
        """Of N(mean, C)."""
        away = xi - self.mean
        squared = (away.square() * self.log_precision.exp()).sum(-1) + (away * self.u).sum(
            -1
        ).square()
        log_determinant = self._eta.log().squeeze(-1) - self.log_precision.sum(-1)
        return -0.5 * (squared + log_determinant + xi.shape[-1] * math.log(2 * math.pi))


def diagonal(features: Tensor) -> Diagonal:
    """From features [..., 2Z]: the mean, then the log-variance."""
    mean, log_variance = features.chunk(2, -1)
    return Diagonal(mean, log_variance.clamp(LEAST, MOST))


def rank_one(features: Tensor) -> Gaussian:
    """From features [..., 3Z]: the mean, the log of d, and u."""
    mean, log_precision, u = features.chunk(3, -1)
    return RankOne(mean, log_precision.clamp(-MOST, -LEAST), u)


COVARIANCES = {"diagonal": (2, diagonal), "low-rank": (3, rank_one)}
"""Name -> features per latent dimension, and the Gaussian that they make."""


def standard_log_prob(xi: Tensor) -> Tensor:
    """Log-density of N(0, I) at xi [..., Z]."""
    return -0.5 * (xi.square() + math.log(2 * math.pi)).sum(-1)


def kl_of_diagonals(q: Diagonal, p: Diagonal) -> Tensor:
    """KL(q || p) in closed form, [...]."""
    ratio = (q.log_variance - p.log_variance).exp()
    away = (q.mean - p.mean).square() * (-p.log_variance).exp()
    return 0.5 * (ratio + away - 1 - q.log_variance + p.log_variance).sum(-1)


def drawn_index(log_weights: Tensor, generator: Generator) -> Tensor:
    """An index into the last axis with these weights: the largest of logits and Gumbel noise."""
    uniform = torch.rand(log_weights.shape, generator=generator).clamp(1e-20, 1 - 1e-7)
    return (log_weights - (-uniform.log()).log()).argmax(-1)
