"""Counts: zero, or a negative binomial.

Letters: V variables.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.distributions import Distribution, NegativeBinomial
from torch.nn import functional

from habitus.models.recurrent.observations.base import Components, Observation


class CountObservation(Observation):
    """Counts: zero, or a negative binomial of any mean and spread (so zeros may be many and bursts large)."""

    def __init__(self, variables: int) -> None:
        super().__init__(variables)
        self.features = 3 * variables

    def standardised(self, values: Tensor) -> Tensor:
        """log(1 + v): bursts do not drown the rest."""
        return values.log1p()

    def forward(self, features: Tensor) -> Distribution:
        """Logit of being zero, log of the mean, log of the size."""
        zero, log_mean, log_size = features.float().unflatten(-1, (self.variables, 3)).unbind(-1)
        log_size = log_size.clamp(-6, 6)
        logits = log_mean.clamp(-12, 12) - log_size
        return ZeroInflated(
            zero, NegativeBinomial(log_size.exp(), logits=logits, validate_args=False)
        )

    def draw(self, p: Distribution, generator: Generator) -> Tensor:
        """Zero, or a Poisson count of a gamma rate."""
        assert isinstance(p, ZeroInflated)
        size = p.counts.total_count
        mean = p.counts.mean
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))
            rate = torch.distributions.Gamma(
                size, size / mean.clamp_min(1e-12), validate_args=False
            ).sample()
        zero = torch.rand(mean.shape, generator=generator) < p.zero.sigmoid()
        return torch.where(zero, 0.0, torch.poisson(rate, generator=generator))

    def moved(self, p: Distribution, by: Tensor, stretch: Tensor) -> Distribution:
        """None."""
        raise ValueError("counts are not relative to anything")

    def components(self, p: Distribution) -> Components:
        """None."""
        raise ValueError(
            "a likelihood of counts has no Gaussian noise to remove; take gaussian, mixture or buckets"
        )


class ZeroInflated(Distribution):
    """Zero with some probability, or else from a distribution of counts.

    Attributes:
        zero: Logit of that probability, [..., V].
        counts: The distribution of counts.
    """

    arg_constraints = {}  # noqa: RUF012  # pyright: ignore

    def __init__(self, zero: Tensor, counts: NegativeBinomial) -> None:
        self.zero = zero
        self.counts = counts
        super().__init__(zero.shape, validate_args=False)

    @property
    def mean(self) -> Tensor:
        """(1 - probability of zero) x mean of the counts."""
        return torch.sigmoid(-self.zero) * self.counts.mean

    def log_prob(self, value: Tensor) -> Tensor:
        """log(p [v = 0] + (1 - p) NB(v))."""
        counted = functional.logsigmoid(-self.zero) + self.counts.log_prob(value)
        return torch.where(
            value == 0, torch.logaddexp(functional.logsigmoid(self.zero), counted), counted
        )
