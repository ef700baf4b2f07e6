"""The interface of an observation model: from features to the distribution of a series' values.

Letters: V variables, n of a part of them, K components or buckets of a variable, R training steps.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch import Generator, Tensor, nn
from torch.distributions import Distribution

from habitus.models.parts.gaussians import draw_index

Components = tuple[Tensor, Tensor, Tensor]
"""A mixture of Gaussians: log-weights, means and standard deviations, each [..., V, K]."""

LEAST_SCALE = 3e-3
"""Least standard deviation of a standardised value: narrower ones would only fit rounding."""


class Observation(nn.Module, ABC):
    """Map from features to p(v).

    Attributes:
        features: Number of features of a step, over all variables.
        inputs: Number of inputs of a network that encode a step's values.
        mean: Mean of the training steps, [V].
        scale: Their standard deviation, [V]; 1 for a variable that never changes.
    """

    features: int
    inputs: int
    mean: Tensor
    scale: Tensor

    def __init__(self, variables: int) -> None:
        super().__init__()
        self.variables = variables
        self.inputs = variables
        self.register_buffer("mean", torch.zeros(variables))
        self.register_buffer("scale", torch.ones(variables))

    # From training steps and to networks

    def start_from(self, values: Tensor) -> None:
        """Take mean and scale from training steps [R, V], NaN where missing."""
        mean, scale = mean_and_scale(values)
        self.mean.copy_(mean)
        self.scale.copy_(scale)

    def start_first_from(self, values: Tensor) -> None:
        """Initialise parameters of first values from steps [R, V], where changes are modelled."""

    def standardise(self, values: Tensor) -> Tensor:
        """Standardise values as (v - mean) / scale."""
        return (values - self.mean) / self.scale

    def encode(self, values: Tensor, observed: Tensor) -> Tensor:
        """Encode values [..., V] as inputs of a network [..., inputs], 0 where unobserved."""
        return torch.where(observed, self.standardise(values), 0.0)

    # Distributions

    @abstractmethod
    def forward(self, features: Tensor) -> Distribution:
        """Distribution of each value, batch shape [..., V], from features [..., features]."""

    @abstractmethod
    def draw(self, p: Distribution, generator: Generator) -> Tensor:
        """Draw values from a distribution, [..., V]."""

    @abstractmethod
    def affine(self, p: Distribution, shift: Tensor, scale: Tensor) -> Distribution:
        """Distribution of scale * v + shift, both [..., V]."""

    def relative_to(
        self, p: Distribution, anchor: Tensor, level: Tensor, spread: Tensor
    ) -> Distribution:
        """Distribution of values [..., V] from the distribution of their changes.

        The distribution is shifted by the anchor. For a first value, which has none, it is shifted
        by ``level`` and scaled by ``spread`` over the standard deviation of changes.

        Args:
            p: Distribution of the change.
            anchor: Values that the change is added to, [..., V]; NaN before a first value.
            level: Mean of first values, [V].
            spread: Their standard deviation, [V].
        """
        first = anchor.isnan()
        shift = torch.where(first, level, anchor)
        return self.affine(p, shift, torch.where(first, spread / self.scale, 1.0))

    def log_prob(self, p: Distribution, values: Tensor, observed: Tensor) -> Tensor:
        """Log p of each value [..., V], 0 where unobserved."""
        return torch.where(observed, p.log_prob(values), 0.0)

    def fill(
        self, p: Distribution, values: Tensor, observed: Tensor, generator: Generator
    ) -> Tensor:
        """Draw the unobserved values among [..., V]."""
        return torch.where(observed, values, self.draw(p, generator))

    # Mixtures of Gaussians

    @abstractmethod
    def components(self, p: Distribution) -> Components:
        """Components of a distribution as a mixture of Gaussians.

        Raises:
            ValueError: for a distribution of counts, which is no such mixture.
        """

    def factors(self, p: Distribution, values: Tensor) -> Distribution:
        """Distribution of each variable alone, given values [..., V] of those it depends on."""
        return p

    def choose_values(
        self, drawn: Sequence[Distribution], choose: Callable[[slice, Components], Tensor]
    ) -> Tensor:
        """Choose values [..., V] from an equally weighted mixture, here all variables at once.

        Args:
            drawn: Distributions, K of them.
            choose: Map from n variables, and the components of their mixture, to values [..., n].
        """
        return choose(slice(None), self.pool(drawn))

    def pool(self, drawn: Sequence[Distribution]) -> Components:
        """Components of an even mixture of distributions; weights sum to 1."""
        log_weights, mean, scale = zip(*(self.components(p) for p in drawn), strict=True)
        weights = torch.cat([each.log_softmax(-1) for each in log_weights], -1)
        return weights - math.log(len(drawn)), torch.cat(mean, -1), torch.cat(scale, -1)


def mean_and_scale(values: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of steps [R, V], NaN where missing; 1 for constant variables."""
    mean = values.nanmean(0)
    spread = (values - mean).square().nanmean(0).sqrt()
    return mean, torch.where(spread > 0, spread, 1.0)


def draw_value(log_weights: Tensor, mean: Tensor, scale: Tensor, generator: Generator) -> Tensor:
    """Draw from each mixture of Gaussians [..., K]: a component, then a value of it."""
    at = draw_index(log_weights, generator)[..., None]
    mean = mean.gather(-1, at).squeeze(-1)
    scale = scale.gather(-1, at).squeeze(-1)
    return mean + scale * torch.randn(mean.shape, generator=generator)
