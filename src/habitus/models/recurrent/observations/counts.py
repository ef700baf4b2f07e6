"""Counts: zero, or a draw from a negative binomial.

Letters: V variables.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.distributions import Distribution, NegativeBinomial
from torch.nn import functional

from habitus.models.recurrent.observations.base import Components, Observation


class CountObservation(Observation):
    """Zero-inflated negative binomial, so that zeros may be many and bursts large."""

    def __init__(self, variables: int) -> None:
        super().__init__(variables)
        self.features = 3 * variables

    def standardise(self, values: Tensor) -> Tensor:
        """Take log(1 + v), so that bursts do not drown the rest."""
        return values.log1p()

    def forward(self, features: Tensor) -> Distribution:
        """Distribution from the logit of zero, the log of the mean and the log of the size."""
        zero, log_mean, log_size = features.float().unflatten(-1, (self.variables, 3)).unbind(-1)
        log_size = log_size.clamp(-6, 6)
        logits = log_mean.clamp(-12, 12) - log_size
        return ZeroInflated(
            zero, NegativeBinomial(log_size.exp(), logits=logits, validate_args=False)
        )

    def draw(self, p: Distribution, generator: Generator) -> Tensor:
        """Draw zero, or a Poisson count of a gamma rate."""
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

    def affine(self, p: Distribution, shift: Tensor, scale: Tensor) -> Distribution:
        raise ValueError("counts are not relative to anything")

    def components(self, p: Distribution) -> Components:
        raise ValueError(
            "a likelihood of counts has no Gaussian noise to remove; take gaussian, mixture or "
            "buckets"
        )


class ZeroInflated(Distribution):
    """Distribution that is zero with some probability, or else one of counts.

    Attributes:
        zero: Logit of the extra probability of zero, [..., V].
        counts: Distribution of counts.
    """

    arg_constraints = {}  # noqa: RUF012  # pyright: ignore

    def __init__(self, zero: Tensor, counts: NegativeBinomial) -> None:
        self.zero = zero
        self.counts = counts
        super().__init__(zero.shape, validate_args=False)

    @property
    def mean(self) -> Tensor:
        """Mean, (1 - probability of zero) x mean of the counts."""
        return torch.sigmoid(-self.zero) * self.counts.mean

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-probability log(p [v = 0] + (1 - p) NB(v))."""
        counted = functional.logsigmoid(-self.zero) + self.counts.log_prob(value)
        either = torch.logaddexp(functional.logsigmoid(self.zero), counted)
        return torch.where(value == 0, either, counted)
