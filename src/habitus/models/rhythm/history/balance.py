"""Channels that come in equal numbers, such as joining and leaving: by how much one is ahead of the other.

Letters: B users, S slots, C channels, P pairs of channels.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from habitus.models.parts.indexing import Rows, rows_of

TOLD_EXACTLY = 3  # a difference of totals up to which it is told exactly
MOST_APART = 100  # beyond, a difference is told as this one
PER_PAIR = 3 * (2 * TOLD_EXACTLY + 2)


class Balance(NamedTuple):
    """By how much the total of one channel of a pair exceeds that of the other, each [..., P].

    Where things are opened and closed, what is open now is how far it is from the most extreme that it was: what
    was open before the first day is not known.

    Attributes:
        now: The difference.
        lowest: The lowest that it was at the end of any slot, and at first 0.
        highest: The highest.
    """

    now: Tensor
    lowest: Tensor
    highest: Tensor

    def of(self, rows: Rows) -> Balance:
        """That of some rows."""
        return Balance(*(rows_of(each, rows) for each in self))

    def during(self, steps: Tensor) -> Balance:
        """After each of steps [..., S, P] one after another, [..., S, P]."""
        now = self.now[..., None, :] + steps.cumsum(-2)
        lowest = now.cummin(-2).values
        highest = now.cummax(-2).values
        return Balance(
            now,
            torch.minimum(self.lowest[..., None, :], lowest),
            torch.maximum(self.highest[..., None, :], highest),
        )

    @property
    def told(self) -> Tensor:
        """As a network is told it, [..., PER_PAIR P]."""
        return _told(torch.cat([self.now, self.now - self.lowest, self.highest - self.now], -1))


def _told(differences: Tensor) -> Tensor:
    """Whole numbers [..., n] as indicators of the small ones and a bounded number of any, [..., 8 n]."""
    known = (differences.clamp(-MOST_APART, MOST_APART) + MOST_APART).long()
    return functional.embedding(known, told_of_differences(differences.device)).flatten(-2)


@cache
def told_of_differences(device: torch.device) -> Tensor:
    """What is told of differences from -MOST_APART to MOST_APART, [2 MOST_APART + 1, 8]: a look-up is quicker."""
    with torch.inference_mode(False):
        differences = torch.arange(-MOST_APART, MOST_APART + 1, device=device)
        near = differences.clamp(-TOLD_EXACTLY, TOLD_EXACTLY) + TOLD_EXACTLY
        which = functional.one_hot(near, 2 * TOLD_EXACTLY + 1).float()
        return torch.cat([which, torch.tanh(differences / 10)[:, None]], 1)


def pair_steps(counts: Tensor, pairs: Tensor) -> Tensor:
    """How counts [..., C] change the differences of pairs [P, 2], [..., P]."""
    return counts[..., pairs[:, 0]] - counts[..., pairs[:, 1]]


def balanced_pairs(totals: Tensor, most: int) -> Tensor:
    """Pairs of channels that come in equal numbers, such as joining and leaving.

    A pair is one where, of the users who have it, half or more differ by a tenth of its total or by one.

    Args:
        totals: Of users' channels, [U, C].
        most: Pairs.

    Returns:
        The later and the earlier channel of each pair, [P, 2] with P = most; the best first, and a channel with
        itself, whose difference is always 0, where there are fewer.
    """
    channels = totals.shape[1]
    found = list[tuple[float, int, int]]()
    for later in range(channels):
        for earlier in range(later):
            both = totals[:, later] + totals[:, earlier]
            difference = (totals[:, later] - totals[:, earlier]).abs()
            have = (totals[:, later] > 0) | (totals[:, earlier] > 0)
            near = (difference <= (0.1 * both).clamp_min(1)) & (both >= 2)
            often = (near[have].double().mean()).item() if int(have.sum()) else 0.0
            if often >= 0.5:
                found.append((-often, later, earlier))
    best = [list(pair[1:]) for pair in sorted(found)[:most]]
    return torch.tensor(best + [[0, 0]] * (most - len(best)), dtype=torch.long).reshape(most, 2)
