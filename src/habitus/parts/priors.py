"""What latents are drawn from when a population is generated."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self

import numpy as np
import torch
from sklearn.mixture import GaussianMixture
from torch import Generator, Tensor, nn
from torch.distributions import (
    Categorical,
    Distribution,
    Independent,
    MixtureSameFamily,
    MultivariateNormal,
    Normal,
)

COMPONENTS = (1, 4, 8, 32)


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
    """Gaussian mixture with diagonal covariances that is learnt with the model, as part of its bound."""

    def __init__(self, components: int, latents: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(components))
        self.means = nn.Parameter(torch.randn(components, latents))
        self.log_scales = nn.Parameter(torch.zeros(components, latents))

    def distribution(self) -> Distribution:
        """The mixture over [Z]."""
        scales = self.log_scales.clamp(-6, 6).exp()
        normals = Independent(Normal(self.means, scales, validate_args=False), 1)
        return MixtureSameFamily(Categorical(logits=self.logits, validate_args=False), normals, validate_args=False)

    def log_prob(self, u: Tensor) -> Tensor:
        """Log-density of latents [B, Z]."""
        return self.distribution().log_prob(u)

    def sample(self, size: int, generator: Generator) -> Tensor:
        """Latents [size, Z]."""
        which = torch.multinomial(self.logits.softmax(0), size, replacement=True, generator=generator)
        noise = torch.randn(size, self.means.shape[1], generator=generator, device=generator.device)
        return self.means[which] + self.log_scales[which].clamp(-6, 6).exp() * noise


class Mixture(Prior):
    """Gaussian mixture with full covariances, fitted to the posterior of the training users.

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
    def fit(cls, latents: Tensor, seed: int, components: tuple[int, ...] = COMPONENTS) -> Self:
        """Fit to draws from the training users' posterior, [U, Z].

        The number of components is the one with the best likelihood on a fifth of the users kept aside.

        Raises:
            ValueError: if there are fewer than 10 users.
        """
        if len(latents) < 10:
            raise ValueError(f"expected the latents of at least 10 users to fit a mixture to, got {len(latents)}")
        z = latents.double().numpy(force=True)
        fitted, kept_aside = z[len(z) // 5 :], z[: len(z) // 5]
        candidates = [_mixture(k, fitted, seed) for k in components if 20 * k <= len(fitted) or k == 1]
        best = max(candidates, key=lambda mixture: mixture.score(kept_aside))
        arrays = (best.weights_, best.means_, np.linalg.cholesky(np.asarray(best.covariances_)))
        return cls(*(torch.from_numpy(np.asarray(array)).float() for array in arrays))

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


def _mixture(components: int, z: np.ndarray, seed: int) -> GaussianMixture:
    return GaussianMixture(components, reg_covar=1e-5, max_iter=200, tol=1e-3, random_state=seed).fit(z)
