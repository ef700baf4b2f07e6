"""From features to the distribution of a profile's values, one class per likelihood.

A likelihood says what unit of values it is a distribution of, and how a profile is drawn from it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Generator, Tensor
from torch.distributions import Bernoulli, Distribution, Normal, Poisson
from torch.nn import functional


class Likelihood(ABC):
    """p(x|z) from features.

    Attributes:
        units: Units of values that it can be used with.
        exact_zeros: Whether drawn profiles have true zeros; where not, "Time pictures" 5.3.2 thresholds them.
    """

    units: tuple[str, ...]
    exact_zeros: bool

    @abstractmethod
    def __call__(self, features: Tensor) -> Distribution:
        """The distribution of each value, of the features' shape."""

    @abstractmethod
    def draw(self, distribution: Distribution, generator: Generator) -> Tensor:
        """Values from the distribution, of its shape."""


class _LogBernoulli(torch.autograd.Function):
    """x l - softplus(l) and its gradient in few passes: torch's own takes twice the time, a tenth of a fit."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, x: Tensor) -> Tensor:
        ctx.save_for_backward(logits, x)
        return functional.softplus(logits).neg_().addcmul_(x, logits)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        logits, x = ctx.saved_tensors
        return torch.sigmoid(logits).neg_().add_(x).mul_(grads[0]), None


class _Bernoulli(Bernoulli):
    """Bernoulli over logits whose log-probability is fast, and defined for values between 0 and 1."""

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-probability of each value."""
        return _LogBernoulli.apply(self.logits, value)


class CrossEntropy(Likelihood):
    """Bernoulli whose log-probability, taken at values in [0, 1], is minus their cross-entropy (5.2.3).

    At values strictly between 0 and 1 this is no density, so a profile is drawn as the mean, as the paper does.
    """

    units = ("peak", "binary")
    exact_zeros = False

    def __call__(self, features: Tensor) -> Distribution:
        """Bernoulli with the features as logits."""
        return _Bernoulli(logits=features, validate_args=False)

    def draw(self, distribution: Distribution, generator: Generator) -> Tensor:
        """The mean."""
        return distribution.mean


class SquaredError(Likelihood):
    """Gaussian of variance 1/2 around the sigmoid of the features: minus its log is the squared error, shifted.

    A profile is drawn as the mean, as the paper does (5.2.3).
    """

    units = ("peak", "binary")
    exact_zeros = False

    def __call__(self, features: Tensor) -> Distribution:
        """Normal(sigmoid(features), sqrt(1/2))."""
        return Normal(torch.sigmoid(features), 0.5**0.5, validate_args=False)

    def draw(self, distribution: Distribution, generator: Generator) -> Tensor:
        """The mean."""
        return distribution.mean


class Counts(Likelihood):
    """Poisson counts with softplus rates; drawn profiles are whole numbers and zeros are exact."""

    units = ("count",)
    exact_zeros = True

    def __call__(self, features: Tensor) -> Distribution:
        """Poisson(softplus(features)); the rate is kept above 1e-6 so that no count is impossible."""
        return Poisson(functional.softplus(features) + 1e-6, validate_args=False)

    def draw(self, distribution: Distribution, generator: Generator) -> Tensor:
        """A sample."""
        return torch.poisson(distribution.mean, generator=generator)


LIKELIHOODS: dict[str, Likelihood] = {
    "cross-entropy": CrossEntropy(),
    "squared-error": SquaredError(),
    "poisson": Counts(),
}
