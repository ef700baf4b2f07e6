"""Gaussians, and mixtures of them, for each variable alone.

Letters: V variables, K components.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor
from torch.distributions import Categorical, Distribution, MixtureSameFamily, Normal
from torch.nn import functional

from habitus.models.recurrent.observations.base import (
    LEAST_SCALE,
    Components,
    Observation,
    drawn_value,
)


class GaussianObservation(Observation):
    """N(mean, sigma^2) for each variable (tDLGM's)."""

    def __init__(self, variables: int) -> None:
        super().__init__(variables)
        self.features = 2 * variables

    def forward(self, features: Tensor) -> Distribution:
        """Mean and log of the standard deviation, of standardised values."""
        mean, log_scale = features.float().chunk(2, -1)
        spread = functional.softplus(log_scale + 0.5413) + LEAST_SCALE  # 1 at 0
        return Normal(self.mean + self.scale * mean, self.scale * spread, validate_args=False)

    def draw(self, p: Distribution, generator: Generator) -> Tensor:
        """A sample."""
        return p.mean + p.stddev * torch.randn(p.mean.shape, generator=generator)

    def moved(self, p: Distribution, by: Tensor, stretch: Tensor) -> Distribution:
        """With another mean and scale."""
        return Normal(p.mean * stretch + by, p.stddev * stretch, validate_args=False)

    def components(self, p: Distribution) -> Components:
        """Itself."""
        return torch.zeros_like(p.mean)[..., None], p.mean[..., None], p.stddev[..., None]


class MixtureObservation(Observation):
    """A mixture of Gaussians for each variable, which begin spread over the training values."""

    quantiles: Tensor

    def __init__(self, variables: int, components: int = 8) -> None:
        super().__init__(variables)
        self.count = components
        self.features = 3 * components * variables
        self.register_buffer("quantiles", torch.zeros(variables, components))

    def start_from(self, values: Tensor) -> None:
        """The first means are quantiles."""
        super().start_from(values)
        at = (torch.arange(self.count) + 0.5) / self.count
        standardised = self.standardised(values)
        self.quantiles.copy_(torch.nanquantile(standardised, at, dim=0).T)

    def forward(self, features: Tensor) -> Distribution:
        """Logits, shifts of the means and logs of the standard deviations."""
        logits, shift, log_scale = (
            features.float().unflatten(-1, (self.variables, self.count, 3)).unbind(-1)
        )
        spread = functional.softplus(log_scale + math.log(math.expm1(2 / self.count))) + LEAST_SCALE
        mean = self.mean[:, None] + self.scale[:, None] * (self.quantiles + shift)
        parts = Normal(mean, self.scale[:, None] * spread, validate_args=False)
        return MixtureSameFamily(
            Categorical(logits=logits, validate_args=False), parts, validate_args=False
        )

    def draw(self, p: Distribution, generator: Generator) -> Tensor:
        """A component, then a sample of it."""
        return drawn_value(*self.components(p), generator)

    def moved(self, p: Distribution, by: Tensor, stretch: Tensor) -> Distribution:
        """With other means and scales."""
        assert isinstance(p, MixtureSameFamily)
        before = p.component_distribution
        by = by[..., None]
        stretch = stretch[..., None]
        parts = Normal(before.mean * stretch + by, before.stddev * stretch, validate_args=False)
        return MixtureSameFamily(p.mixture_distribution, parts, validate_args=False)

    def components(self, p: Distribution) -> Components:
        """Its own."""
        assert isinstance(p, MixtureSameFamily)
        parts = p.component_distribution
        return p.mixture_distribution.logits, parts.mean, parts.stddev
