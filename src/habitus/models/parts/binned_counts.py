"""Counts of one or more, in bins that widen: any shape, any tail, closed-form means.

bins   1, 2, 3, 4, 5-8, 9-16, 17-32, ...      uniform within a bin
"""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Generator, Tensor
from torch.distributions import Distribution

MOST = 250_000  # largest count of a cell; a larger one is taken as one of the last bin


@cache
def bin_edges(single: int = 4, ratio: float = 2.0, most: int = MOST) -> tuple[Tensor, Tensor]:
    """First and last count of each bin, [V] each.

    Args:
        single: Number of counts that have a bin each.
        ratio: Ratio of the last count of a wider bin to that of the bin before.
        most: Count that the last bin holds.

    >>> [edge.int().tolist()[:7] for edge in bin_edges()]
    [[1, 2, 3, 4, 5, 9, 17], [1, 2, 3, 4, 8, 16, 32]]
    """
    last = list(range(1, single + 1))
    while last[-1] < most:
        last.append(math.ceil(last[-1] * ratio))
    first = [1, *(each + 1 for each in last[:-1])]
    with torch.inference_mode(False), torch.device("cpu"):  # kept, and so of no device in use
        return torch.tensor(first, dtype=torch.float32), torch.tensor(last, dtype=torch.float32)


BINS = len(bin_edges()[0])


def bin_of(counts: Tensor, last: Tensor | None = None) -> Tensor:
    """Bin of each count, given the bins' last counts [V], by default those of bin_edges()."""
    last = bin_edges()[1] if last is None else last
    return torch.bucketize(counts.contiguous(), last[:-1].to(counts.device))


def draw_choice(chances: Tensor, generator: Generator) -> Tensor:
    """Draw one of k for each row of chances [n, k], by one uniform number a row.

    The chances of a row need not sum to one.
    """
    reached = chances.cumsum(-1)
    uniform = torch.rand(len(chances), 1, generator=generator, device=chances.device)
    noise = uniform * reached[:, -1:]
    return (reached <= noise).sum(-1).clamp(max=chances.shape[1] - 1)


class BinnedCounts(Distribution):
    """Distribution of counts of at least one.

    Args:
        logits: Logits of the bins, [..., V].
        edges: First and last counts of the bins; None for those of :func:`bin_edges`.
    """

    has_rsample = False

    def __init__(self, logits: Tensor, edges: tuple[Tensor, Tensor] | None = None) -> None:
        self.log_shares = logits.log_softmax(-1)
        self.first, self.last = (edge.to(logits.device) for edge in edges or bin_edges())
        super().__init__(logits.shape[:-1], validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-probability of each count, whose shape broadcasts against [...]."""
        where = bin_of(value, self.last).expand(self.batch_shape)
        log_share = self.log_shares.gather(-1, where[..., None])[..., 0]
        return log_share - torch.log(self.last - self.first + 1)[where]

    @property
    def mean(self) -> Tensor:
        """Expected count, [...]."""
        return self.log_shares.exp() @ ((self.first + self.last) / 2)

    def draw(self, generator: Generator) -> Tensor:
        """Draw a count from each of n distributions, [n]."""
        where = draw_choice(self.log_shares.exp(), generator)
        within = torch.rand(len(where), generator=generator, device=where.device)
        first = self.first[where]
        last = self.last[where]
        return torch.minimum(first + torch.floor(within * (last - first + 1)), last)

    @staticmethod
    def relative_values(peak: Tensor) -> Tensor:
        """Mean of y min(1, peak/y)^2 over the counts y of each bin, [..., V], in closed form.

        That is the contribution of y where errors are in shares of the larger of y and the peak.
        Sums of 1/y are digammas.

        Args:
            peak: Largest count otherwise known, one or more, [...].
        """
        cap = peak[..., None]
        first, last = (edge.to(peak.device) for edge in bin_edges())
        within = torch.minimum(torch.maximum(cap.floor(), first - 1), last)
        below = (within * (within + 1) - first * (first - 1)) / 2
        above = cap**2 * (torch.digamma(last + 1) - torch.digamma(within + 1))
        return (below + above) / (last - first + 1)
