"""Gaussians and mixtures of them, for each variable alone.

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
    draw_value,
)


class GaussianObservation(Observation):
    """Gaussian N(mean, sigma^2) of each variable, as in tDLGM."""

    def __init__(self, variables: int) -> None:
        super().__init__(variables)
        self.features = 2 * variables

    def forward(self, features: Tensor) -> Distribution:
        """Gaussians from means and raw scales of standardised values."""
        mean, log_scale = features.float().chunk(2, -1)
        spread = functional.softplus(log_scale + 0.5413) + LEAST_SCALE  # 1 at 0
        return Normal(self.mean + self.scale * mean, self.scale * spread, validate_args=False)

    def draw(self, p: Distribution, generator: Generator) -> Tensor:
        return p.mean + p.stddev * torch.randn(p.mean.shape, generator=generator)

    def affine(self, p: Distribution, shift: Tensor, scale: Tensor) -> Distribution:
        return Normal(p.mean * scale + shift, p.stddev * scale, validate_args=False)

    def components(self, p: Distribution) -> Components:
        return torch.zeros_like(p.mean)[..., None], p.mean[..., None], p.stddev[..., None]


class MixtureObservation(Observation):
    """Mixture of Gaussians of each variable, whose means begin at quantiles of the values."""

    quantiles: Tensor

    def __init__(self, variables: int, components: int = 8) -> None:
        super().__init__(variables)
        self.count = components
        self.features = 3 * components * variables
        self.register_buffer("quantiles", torch.zeros(variables, components))

    def start_from(self, values: Tensor) -> None:
        super().start_from(values)
        at = (torch.arange(self.count) + 0.5) / self.count
        standardised = self.standardise(values)
        self.quantiles.copy_(torch.nanquantile(standardised, at, dim=0).T)

    def forward(self, features: Tensor) -> Distribution:
        """Mixtures from logits, shifts of the means, and raw scales, K of each."""
        parameters = features.float().unflatten(-1, (self.variables, self.count, 3))
        logits, shift, log_scale = parameters.unbind(-1)
        spread = functional.softplus(log_scale + math.log(math.expm1(2 / self.count))) + LEAST_SCALE
        mean = self.mean[:, None] + self.scale[:, None] * (self.quantiles + shift)
        parts = Normal(mean, self.scale[:, None] * spread, validate_args=False)
        return MixtureSameFamily(
            Categorical(logits=logits, validate_args=False), parts, validate_args=False
        )

    def draw(self, p: Distribution, generator: Generator) -> Tensor:
        return draw_value(*self.components(p), generator)

    def affine(self, p: Distribution, shift: Tensor, scale: Tensor) -> Distribution:
        assert isinstance(p, MixtureSameFamily)
        before = p.component_distribution
        mean = before.mean * scale[..., None] + shift[..., None]
        parts = Normal(mean, before.stddev * scale[..., None], validate_args=False)
        return MixtureSameFamily(p.mixture_distribution, parts, validate_args=False)

    def components(self, p: Distribution) -> Components:
        assert isinstance(p, MixtureSameFamily)
        parts = p.component_distribution
        return p.mixture_distribution.logits, parts.mean, parts.stddev
