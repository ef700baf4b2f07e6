"""From features to the distribution of a count of one or more, one class per likelihood.

Whether anything happened at all is another matter (a hurdle): what is here is how much did. Letters: N counts,
F features of a count.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from habitus.models.parts.binned_counts import MOST, BinnedCounts, bin_edges, bin_of

WITHIN = 0.3
BEYOND = 1e-3  # counts that are granted to each bin, up to the largest count seen and beyond
OF_LARGEST = 2  # features that tell how likely the largest bin so far is, and those above
LEAST_RATE = 1e-4
MOST_RATE = 1e6
BINNED, NEGATIVE_BINOMIAL, POISSON = range(3)  # kinds, by which they are drawn


class Amount(nn.Module, ABC):
    """p(x | features, x > 0).

    Attributes:
        features: F.
        kind: How counts are drawn, see :mod:`habitus.models.rhythm.sampling.kernels.counts`.
    """

    features: int
    kind: ClassVar[int]

    @abstractmethod
    def start(self) -> Tensor:
        """Features to begin with, [F]: small counts are common, large ones rare."""

    def seen(self, counts: Tensor) -> Tensor:
        """Features [F] that suit some training counts [N]; those of :meth:`start` where nothing better is known."""
        return self.start()

    def shift(self, larger: Tensor, ones: Tensor, counts: Tensor) -> Tensor:
        """What is added to features, [F], so that counts are likelier by such logits [].

        Here the first feature is the log of a rate, which moves all counts.

        Args:
            larger: Of counts above all before.
            ones: Of counts of one.
            counts: Of any, by its log.
        """
        return functional.pad((larger + counts)[None], (0, self.features - 1))

    @abstractmethod
    def log_prob(self, features: Tensor, largest: Tensor, counts: Tensor) -> Tensor:
        """Of counts [N], from features [N, F], where the largest counts before were [N], 0 for none."""

    @property
    def edges(self) -> tuple[Tensor, Tensor]:
        """First and last counts of bins, [V]; none here."""
        return torch.zeros(0), torch.zeros(0)


class BinnedAmount(Amount):
    """Any shape: a bin for each small count, then bins that widen by a ratio; uniform within a bin.

    Args:
        single: Counts that have a bin each.
        ratio: Of the last count of a bin to that of the bin before.
        most: The last bin holds it.
    """

    kind = BINNED
    first: Tensor
    last: Tensor
    same: Tensor
    above: Tensor

    def __init__(self, single: int = 12, ratio: float = 1.4, most: int = MOST) -> None:
        super().__init__()
        first, last = bin_edges(single, ratio, most)
        self.bins = len(last)
        self.features = self.bins + OF_LARGEST
        self.register_buffer("first", first, persistent=False)
        self.register_buffer("last", last, persistent=False)
        bins = torch.arange(self.bins)
        largest = functional.pad(bins, (1, 0), value=self.bins)[:, None]  # first: none
        self.register_buffer("same", (bins == largest).float(), persistent=False)
        self.register_buffer("above", (bins > largest).float(), persistent=False)

    def start(self) -> Tensor:
        """A power law."""
        return functional.pad(-1.5 * self.first.log(), (0, OF_LARGEST))

    def seen(self, counts: Tensor) -> Tensor:
        """How often each bin was: those beyond the largest count must stay rare, or every user's largest is one."""
        at = bin_of(counts, self.last)
        often = torch.bincount(at, minlength=self.bins).to(counts.dtype)
        beyond = torch.arange(self.bins, device=at.device) > (at.max() if len(at) else 0)
        logits = torch.log(often + torch.where(beyond, BEYOND, WITHIN)) - math.log(len(at) + 1)
        return functional.pad(logits, (0, OF_LARGEST))

    def shift(self, larger: Tensor, ones: Tensor, counts: Tensor) -> Tensor:
        """Added to the logits of the bins, the first one most, and to that of all counts above those before."""
        bins = counts * self.first.log() + ones * (self.first == 1)
        return torch.cat([bins, torch.zeros_like(larger[None]), larger[None]])

    def log_prob(self, features: Tensor, largest: Tensor, counts: Tensor) -> Tensor:
        """Of the bin, and of a count within it."""
        return self._counts(features, largest).log_prob(counts)

    @property
    def edges(self) -> tuple[Tensor, Tensor]:
        """First and last counts of its bins, [V]."""
        return self.first, self.last

    def _counts(self, features: Tensor, largest: Tensor) -> BinnedCounts:
        """Their distributions, [N]: whether a count exceeds, or equals, all before it is a habit of its own."""
        logits, same, above = features.split([self.bins, 1, 1], 1)
        which = torch.where(largest > 0, 1 + bin_of(largest, self.last), 0)
        logits = torch.addcmul(logits, above, self.above.index_select(0, which))
        logits = torch.addcmul(logits, same, self.same.index_select(0, which))
        return BinnedCounts(logits, (self.first, self.last))


class PoissonAmount(Amount):
    """A Poisson count that is not zero."""

    features = 1
    kind = POISSON

    def start(self) -> Tensor:
        """A rate of one."""
        return torch.zeros(1)

    def log_prob(self, features: Tensor, largest: Tensor, counts: Tensor) -> Tensor:
        """Log Poisson(x) - log(1 - e^-rate)."""
        rate = _rate(features[:, 0])
        return (
            counts * rate.log() - rate - torch.lgamma(counts + 1) - torch.log(-torch.expm1(-rate))
        )


class NegativeBinomialAmount(Amount):
    """A negative binomial count that is not zero: a Poisson one whose rate has a gamma distribution."""

    features = 2
    kind = NEGATIVE_BINOMIAL

    def start(self) -> Tensor:
        """A mean of one, a size of one."""
        return torch.zeros(2)

    def log_prob(self, features: Tensor, largest: Tensor, counts: Tensor) -> Tensor:
        """Log NB(x) - log(1 - NB(0))."""
        rate = _rate(features[:, 0])
        size = features[:, 1].float().clamp(-5, 5).exp()
        zero = -size * torch.log1p(rate / size)
        share = torch.log(rate / (rate + size))
        ways = torch.lgamma(counts + size) - torch.lgamma(size) - torch.lgamma(counts + 1)
        return ways + zero + counts * share - torch.log(-torch.expm1(zero))


def _rate(feature: Tensor) -> Tensor:
    return feature.float().clamp(math.log(LEAST_RATE), math.log(MOST_RATE)).exp()


AMOUNTS: dict[str, type[Amount]] = {
    "binned": BinnedAmount,
    "negative-binomial": NegativeBinomialAmount,
    "poisson": PoissonAmount,
}
