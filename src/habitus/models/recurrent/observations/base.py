"""What an observation model is: from features to the distribution of a series' values.

Letters: V variables, K components or buckets of a variable, R training steps.
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

LEAST_SCALE = 3e-3  # of a standardised value: sharper peaks than that only follow rounding


class Observation(nn.Module, ABC):
    """p(v | features).

    Attributes:
        features: Features of a step, over all variables.
        inputs: Numbers that tell a step to a network.
        mean: Of the training steps, [V].
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

    def start_from(self, values: Tensor) -> None:
        """Take mean and scale from training steps [R, V], NaN where missing."""
        for own, found in zip((self.mean, self.scale), mean_and_scale(values), strict=True):
            own.copy_(found)

    def standardised(self, values: Tensor) -> Tensor:
        """(v - mean) / scale."""
        return (values - self.mean) / self.scale

    def told(self, values: Tensor, observed: Tensor) -> Tensor:
        """What a network is told of values [..., V], 0 where nothing was observed: [..., inputs]."""
        return torch.where(observed, self.standardised(values), 0.0)

    @abstractmethod
    def forward(self, features: Tensor) -> Distribution:
        """The distribution of each value, batch shape [..., V], from features [..., features]."""

    @abstractmethod
    def draw(self, p: Distribution, generator: Generator) -> Tensor:
        """Values from such a distribution."""

    @abstractmethod
    def components(self, p: Distribution) -> Components:
        """It as a mixture of Gaussians.

        Raises:
            ValueError: for a distribution of counts, which is none.
        """

    @abstractmethod
    def moved(self, p: Distribution, by: Tensor, stretch: Tensor) -> Distribution:
        """The distribution of a value times one known number plus another, each [..., V]."""

    def start_first_from(self, values: Tensor) -> None:
        """Take what is needed of first values from training steps [R, V], where later ones are changes."""

    def relative_to(
        self, p: Distribution, anchor: Tensor, level: Tensor, spread: Tensor
    ) -> Distribution:
        """The distribution of an anchor [..., V] plus a change, or of a first value where the anchor is NaN.

        Args:
            p: Of the change.
            anchor: What the change is added to.
            level: Mean of first values, [V].
            spread: Their standard deviation, [V].
        """
        first = anchor.isnan()
        return self.moved(
            p, torch.where(first, level, anchor), torch.where(first, spread / self.scale, 1.0)
        )

    def log_prob(self, p: Distribution, values: Tensor, observed: Tensor) -> Tensor:
        """Log p of each value [..., V], 0 where nothing was observed."""
        return torch.where(observed, p.log_prob(values), 0.0)

    def filled(
        self, p: Distribution, values: Tensor, observed: Tensor, generator: Generator
    ) -> Tensor:
        """Values [..., V] with what was not observed drawn."""
        return torch.where(observed, values, self.draw(p, generator))

    def apart(self, p: Distribution, values: Tensor) -> Distribution:
        """Each variable's distribution alone, given the values [..., V] of those that it depends on: itself."""
        return p

    def chosen(
        self, drawn: Sequence[Distribution], choose: Callable[[slice, Components], Tensor]
    ) -> Tensor:
        """Values [..., V] that are chosen from what an even mixture says of some variables, here of all at once.

        Args:
            drawn: The distributions.
            choose: From which variables they are, n of them, and their components, to values [..., n].
        """
        return choose(slice(None), self.pooled(drawn))

    def pooled(self, drawn: Sequence[Distribution]) -> Components:
        """The components of an even mixture of distributions; weights sum to 1."""
        log_weights, mean, scale = zip(*(self.components(p) for p in drawn), strict=True)
        weights = torch.cat([each.log_softmax(-1) for each in log_weights], -1)
        return weights - math.log(len(drawn)), torch.cat(mean, -1), torch.cat(scale, -1)


def mean_and_scale(values: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of steps [R, V], NaN where missing; a variable that never changes has 1."""
    mean = values.nanmean(0)
    spread = (values - mean).square().nanmean(0).sqrt()
    return mean, torch.where(spread > 0, spread, 1.0)


def drawn_value(log_weights: Tensor, mean: Tensor, scale: Tensor, generator: Generator) -> Tensor:
    """A value of each mixture of Gaussians [..., K]: a component, then a sample of it."""
    at = draw_index(log_weights, generator)[..., None]
    mean = mean.gather(-1, at).squeeze(-1)
    scale = scale.gather(-1, at).squeeze(-1)
    return mean + scale * torch.randn(mean.shape, generator=generator)
