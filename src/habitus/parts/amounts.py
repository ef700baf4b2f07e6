"""From features to the distribution of a count of one or more, one class per likelihood.

Whether anything happened at all is another matter (a hurdle): what is here is how much did. Letters: N counts,
F features of a count.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

MOST = 250_000  # a larger count is taken as one in the last bin
WITHIN, BEYOND = 0.3, 1e-3  # users who are granted to each bin, up to the largest count seen and beyond
LEAST_RATE, MOST_RATE = 1e-4, 1e6


def choose(logits: Tensor, generator: Generator) -> Tensor:
    """One of k for each row of logits [N, k]; a single uniform number each."""
    reached = logits.softmax(-1).cumsum(-1)
    noise = torch.rand(len(logits), 1, generator=generator, device=logits.device) * reached[:, -1:]
    return (reached <= noise).sum(-1).clamp(max=logits.shape[1] - 1)


class Amount(nn.Module, ABC):
    """p(x | features, x > 0).

    Attributes:
        features: F.
    """

    features: int

    @abstractmethod
    def start(self) -> Tensor:
        """Features to begin with, [F]: small counts are common, large ones rare."""

    def seen(self, counts: Tensor) -> Tensor:
        """Features [F] that suit some training counts [N]; those of :meth:`start` where nothing better is known."""
        return self.start()

    @abstractmethod
    def log_prob(self, features: Tensor, counts: Tensor) -> Tensor:
        """Of counts [N], from features [N, F]."""

    @abstractmethod
    def draw(self, features: Tensor, generator: Generator) -> Tensor:
        """A count for each of the features [N, F]."""


class BinnedAmount(Amount):
    """Any shape: a bin for each small count, then bins that widen by a ratio; uniform within a bin.

    Args:
        single: Counts that have a bin each.
        ratio: Of the last count of a bin to that of the bin before.
    """

    first: Tensor
    last: Tensor

    def __init__(self, single: int = 12, ratio: float = 1.4) -> None:
        super().__init__()
        last = list(range(1, single + 1))
        while last[-1] < MOST:
            last.append(math.ceil(last[-1] * ratio))
        self.features = len(last)
        first = [1, *(each + 1 for each in last[:-1])]
        self.register_buffer("first", torch.tensor(first, dtype=torch.float32), persistent=False)
        self.register_buffer("last", torch.tensor(last, dtype=torch.float32), persistent=False)

    def start(self) -> Tensor:
        """A power law."""
        return -1.5 * self.first.log()

    def seen(self, counts: Tensor) -> Tensor:
        """How often each bin was: those beyond the largest count must stay rare, or every user's largest is one."""
        at = self._bin(counts)
        often = torch.bincount(at, minlength=self.features).to(counts.dtype)
        beyond = torch.arange(self.features, device=at.device) > (at.max() if len(at) else 0)
        return torch.log(often + torch.where(beyond, BEYOND, WITHIN)) - math.log(len(at) + 1)

    def _bin(self, counts: Tensor) -> Tensor:
        return torch.bucketize(counts.contiguous(), self.last[:-1])

    def log_prob(self, features: Tensor, counts: Tensor) -> Tensor:
        """Of the bin, and of a count within it."""
        at = self._bin(counts)
        return -functional.cross_entropy(features, at, reduction="none") - (self.last - self.first + 1).log()[at]

    def draw(self, features: Tensor, generator: Generator) -> Tensor:
        """A bin, then a count within it."""
        at = choose(features, generator)
        first, last = self.first[at], self.last[at]
        within = torch.rand(len(at), generator=generator, device=at.device)
        return torch.minimum(first + torch.floor(within * (last - first + 1)), last)


class PoissonAmount(Amount):
    """A Poisson count that is not zero."""

    features = 1

    def start(self) -> Tensor:
        """A rate of one."""
        return torch.zeros(1)

    def log_prob(self, features: Tensor, counts: Tensor) -> Tensor:
        """Log Poisson(x) - log(1 - e^-rate)."""
        rate = _rate(features[:, 0])
        return counts * rate.log() - rate - torch.lgamma(counts + 1) - torch.log(-torch.expm1(-rate))

    def draw(self, features: Tensor, generator: Generator) -> Tensor:
        """The first event falls before the end, the rest are Poisson after it."""
        rate = _rate(features[:, 0])
        u = torch.rand(rate.shape, generator=generator, device=rate.device)
        first = -torch.log1p(u * torch.expm1(-rate))
        return 1 + torch.poisson((rate - first).clamp_min(0), generator=generator)


class NegativeBinomialAmount(Amount):
    """A negative binomial count that is not zero: a Poisson one whose rate has a gamma distribution."""

    features = 2

    def start(self) -> Tensor:
        """A mean of one, a size of one."""
        return torch.zeros(2)

    def log_prob(self, features: Tensor, counts: Tensor) -> Tensor:
        """Log NB(x) - log(1 - NB(0))."""
        rate, size = _rate(features[:, 0]), features[:, 1].float().clamp(-5, 5).exp()
        zero = -size * torch.log1p(rate / size)
        share = torch.log(rate / (rate + size))
        ways = torch.lgamma(counts + size) - torch.lgamma(size) - torch.lgamma(counts + 1)
        return ways + zero + counts * share - torch.log(-torch.expm1(zero))

    def draw(self, features: Tensor, generator: Generator) -> Tensor:
        """By inverting the distribution, which is summed up to where hardly any of it is left."""
        found = torch.ones(len(features), device=features.device)
        left = torch.rand(len(features), generator=generator, device=features.device)
        going = left > (p := self.log_prob(features, found).exp())
        while bool(going.any()):
            left = left - torch.where(going, p, 0.0)
            found = found + going
            p = self.log_prob(features, found).exp()
            going = going & (left > p) & (found < MOST) & (p > 1e-9)
        return found


def _rate(feature: Tensor) -> Tensor:
    return feature.float().clamp(math.log(LEAST_RATE), math.log(MOST_RATE)).exp()


AMOUNTS: dict[str, type[Amount]] = {
    "binned": BinnedAmount,
    "negative-binomial": NegativeBinomialAmount,
    "poisson": PoissonAmount,
}
