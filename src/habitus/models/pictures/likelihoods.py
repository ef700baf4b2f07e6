"""Likelihoods of a profile's values given features, one class each.

A likelihood is a distribution of values in certain units, and a way to draw profiles from it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Generator, Tensor
from torch.distributions import Bernoulli, Distribution, Normal, Poisson
from torch.nn import functional


class Likelihood(ABC):
    """Map from features to p(x|z).

    Attributes:
        units: Units of values that the likelihood is for.
        exact_zeros: Whether drawn profiles have true zeros; otherwise they need a threshold
            ("Time pictures" 5.3.2).
    """

    units: tuple[str, ...]
    exact_zeros: bool

    @abstractmethod
    def __call__(self, features: Tensor) -> Distribution:
        """Distribution of each value, of the features' shape."""

    @abstractmethod
    def draw(self, distribution: Distribution, generator: Generator) -> Tensor:
        """Draw values, of the distribution's shape."""


class _LogBernoulli(torch.autograd.Function):
    """Log-probability x l - softplus(l) and its gradient in few passes.

    Torch's own takes twice the time, a tenth of a fit.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, x: Tensor) -> Tensor:
        ctx.save_for_backward(logits, x)
        return functional.softplus(logits).neg_().addcmul_(x, logits)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        logits, x = ctx.saved_tensors
        return torch.sigmoid(logits).neg_().add_(x).mul_(grads[0]), None


class _Bernoulli(Bernoulli):
    """Bernoulli with a fast log-probability that is defined for values between 0 and 1."""

    def log_prob(self, value: Tensor) -> Tensor:
        return _LogBernoulli.apply(self.logits, value)


class CrossEntropy(Likelihood):
    """Bernoulli, whose log-probability at values in [0, 1] is minus their cross-entropy (5.2.3).

    Strictly between 0 and 1 this is no density, so a draw is the mean, as in the paper.
    """

    units = ("peak", "binary")
    exact_zeros = False

    def __call__(self, features: Tensor) -> Distribution:
        return _Bernoulli(logits=features, validate_args=False)

    def draw(self, distribution: Distribution, generator: Generator) -> Tensor:
        return distribution.mean


class SquaredError(Likelihood):
    """Gaussian of variance 1/2 around the features' sigmoid, so that -log p is the squared error.

    That is up to a constant. A draw is the mean, as in the paper (5.2.3).
    """

    units = ("peak", "binary")
    exact_zeros = False

    def __call__(self, features: Tensor) -> Distribution:
        return Normal(torch.sigmoid(features), 0.5**0.5, validate_args=False)

    def draw(self, distribution: Distribution, generator: Generator) -> Tensor:
        return distribution.mean


class Counts(Likelihood):
    """Poisson counts with softplus rates; draws are whole numbers and zeros are exact."""

    units = ("count",)
    exact_zeros = True

    def __call__(self, features: Tensor) -> Distribution:
        """Poisson with rates above 1e-6, so that no count is impossible."""
        return Poisson(functional.softplus(features) + 1e-6, validate_args=False)

    def draw(self, distribution: Distribution, generator: Generator) -> Tensor:
        return torch.poisson(distribution.mean, generator=generator)


LIKELIHOODS: dict[str, Likelihood] = {
    "cross-entropy": CrossEntropy(),
    "squared-error": SquaredError(),
    "poisson": Counts(),
}
