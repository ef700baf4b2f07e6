"""Distributions of a count of one or more, from features; one class per likelihood.

Whether there is a count at all is decided elsewhere (a hurdle model). Letters: N counts, F features
of a count, V bins.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from habitus.models.parts.binned_counts import MOST, BinnedCounts, bin_edges, bin_of

PSEUDO_SEEN = 0.3  # pseudo-count of each bin up to that of the largest training count
PSEUDO_UNSEEN = 1e-3  # pseudo-count of each bin above that
LARGEST_FEATURES = 2  # extra logits: of the bin of the user's largest count so far, of those above
LEAST_RATE = 1e-4
MOST_RATE = 1e6
MOST_LOG_SIZE = 5.0
BINNED, NEGATIVE_BINOMIAL, POISSON = range(3)  # codes of the likelihoods in the compiled sampler


class Amount(nn.Module, ABC):
    """Distribution p(x | features, x > 0) of a count x.

    Attributes:
        features: F.
        kind: Code of the likelihood, by which counts are drawn.
    """

    features: int
    kind: ClassVar[int]

    @abstractmethod
    def start(self) -> Tensor:
        """Features to begin with, by which small counts are common and large ones rare, [F]."""

    def seen(self, counts: Tensor) -> Tensor:
        """Features that suit training counts [N]; by default those of :meth:`start`, [F]."""
        return self.start()

    def offset(self, larger: Tensor, ones: Tensor, counts: Tensor) -> Tensor:
        """Offset of the features that makes counts likelier by some logits, [F].

        Here the first feature is the logarithm of a rate, which moves all counts.

        Args:
            larger: Logit offset of counts above all before, [].
            ones: Logit offset of counts of one, [].
            counts: Logit offset of any count, times its logarithm, [].
        """
        return functional.pad((larger + counts)[None], (0, self.features - 1))

    @abstractmethod
    def log_prob(self, features: Tensor, largest: Tensor, counts: Tensor) -> Tensor:
        """Log-probability of counts, [N].

        Args:
            features: Their features, [N, F].
            largest: Largest counts before them, 0 for none, [N].
            counts: Counts of one or more, [N].
        """

    @property
    def edges(self) -> tuple[Tensor, Tensor]:
        """First and last count of each bin, [V]; empty for likelihoods without bins."""
        return torch.zeros(0), torch.zeros(0)


class BinnedAmount(Amount):
    """Categorical distribution over bins that widen by a ratio; uniform within a bin.

    Args:
        single: Counts that have a bin each.
        ratio: Ratio of the last count of a bin to that of the bin before.
        most: Count that the last bin contains.
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
        self.features = self.bins + LARGEST_FEATURES
        bins = torch.arange(self.bins)
        self.register_buffer("first", first.to(bins.device), persistent=False)
        self.register_buffer("last", last.to(bins.device), persistent=False)
        largest = functional.pad(bins, (1, 0), value=self.bins)[:, None]  # first row: none so far
        self.register_buffer("same", (bins == largest).float(), persistent=False)
        self.register_buffer("above", (bins > largest).float(), persistent=False)

    def start(self) -> Tensor:
        """Logits of a power law, [F]."""
        return functional.pad(-1.5 * self.first.log(), (0, LARGEST_FEATURES))

    def seen(self, counts: Tensor) -> Tensor:
        """Logits of the frequencies of bins, [F].

        Bins beyond the largest count stay rare: else the largest count of every user would be one
        of them.
        """
        bins = bin_of(counts, self.last)
        frequency = torch.bincount(bins, minlength=self.bins).to(counts.dtype)
        largest = bins.max() if len(bins) else 0
        beyond = torch.arange(self.bins, device=bins.device) > largest
        pseudo_counts = torch.where(beyond, PSEUDO_UNSEEN, PSEUDO_SEEN)
        logits = torch.log(frequency + pseudo_counts) - math.log(len(bins) + 1)
        return functional.pad(logits, (0, LARGEST_FEATURES))

    def offset(self, larger: Tensor, ones: Tensor, counts: Tensor) -> Tensor:
        """Offset of the logits of bins, and of that of all counts above those before, [F]."""
        bins = counts * self.first.log() + ones * (self.first == 1)
        return torch.cat([bins, torch.zeros_like(larger[None]), larger[None]])

    def log_prob(self, features: Tensor, largest: Tensor, counts: Tensor) -> Tensor:
        logits, same, above = features.split([self.bins, 1, 1], 1)
        # how often a count exceeds or equals all before it says more than its size: extra logits
        which = torch.where(largest > 0, 1 + bin_of(largest, self.last), 0)
        logits = torch.addcmul(logits, above, self.above.index_select(0, which))
        logits = torch.addcmul(logits, same, self.same.index_select(0, which))
        return BinnedCounts(logits, (self.first, self.last)).log_prob(counts)

    @property
    def edges(self) -> tuple[Tensor, Tensor]:
        return self.first, self.last


class PoissonAmount(Amount):
    """Poisson distribution without zero: log Poisson(x) - log(1 - e^-rate)."""

    features = 1
    kind = POISSON

    def start(self) -> Tensor:
        """Log rate of one, [1]."""
        return torch.zeros(1)

    def log_prob(self, features: Tensor, largest: Tensor, counts: Tensor) -> Tensor:
        rate = _rate(features[:, 0])
        poisson = counts * rate.log() - rate - torch.lgamma(counts + 1)
        return poisson - torch.log(-torch.expm1(-rate))


class NegativeBinomialAmount(Amount):
    """Negative binomial distribution without zero: log NB(x) - log(1 - NB(0)).

    It is a Poisson distribution whose rate has a gamma distribution.
    """

    features = 2
    kind = NEGATIVE_BINOMIAL

    def start(self) -> Tensor:
        """Log mean of one and log size of one, [2]."""
        return torch.zeros(2)

    def log_prob(self, features: Tensor, largest: Tensor, counts: Tensor) -> Tensor:
        rate = _rate(features[:, 0])
        size = features[:, 1].float().clamp(-MOST_LOG_SIZE, MOST_LOG_SIZE).exp()
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
