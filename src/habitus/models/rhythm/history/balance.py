"""Pairs of channels that come in equal numbers, such as joining and leaving, and their difference.

Letters: B users, S slots, C channels, P pairs of channels.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from habitus.models.parts.indexing import Rows, rows_of

EXACT_DIFFERENCE = 3  # differences up to this one have an indicator each
LARGEST_DIFFERENCE = 100  # larger ones are read as this one
DIFFERENCE_FEATURES = 2 * EXACT_DIFFERENCE + 2
PAIR_FEATURES = 3 * DIFFERENCE_FEATURES


class Balance(NamedTuple):
    """Total of the later channel of each pair less that of the earlier one, each [..., P].

    For a pair such as opening and closing, the number of open items is known up to a constant
    only, since items may have been open before the first day. The distances of the present
    difference from its extremes so far are therefore features, too.

    Attributes:
        now: Difference of the totals.
        lowest: Lowest difference at the end of any slot, at most 0.
        highest: Highest difference at the end of any slot, at least 0.
    """

    now: Tensor
    lowest: Tensor
    highest: Tensor

    def of(self, rows: Rows) -> Balance:
        """Balance of some rows."""
        return Balance(*(rows_of(each, rows) for each in self))

    def during(self, steps: Tensor) -> Balance:
        """Balance after each of the changes [..., S, P] of successive slots, [..., S, P]."""
        now = self.now[..., None, :] + steps.cumsum(-2)
        return Balance(
            now,
            torch.minimum(self.lowest[..., None, :], now.cummin(-2).values),
            torch.maximum(self.highest[..., None, :], now.cummax(-2).values),
        )

    @property
    def features(self) -> Tensor:
        """Features of the difference and of its distances from both extremes, [..., 24 P]."""
        differences = torch.cat([self.now, self.now - self.lowest, self.highest - self.now], -1)
        rows = differences.clamp(-LARGEST_DIFFERENCE, LARGEST_DIFFERENCE) + LARGEST_DIFFERENCE
        table = difference_features(differences.device)
        return functional.embedding(rows.long(), table).flatten(-2)


@cache
def difference_features(device: torch.device) -> Tensor:
    """Features of differences from -100 to 100: indicators, then a bounded number, [201, 8]."""
    with torch.inference_mode(False):
        differences = torch.arange(-LARGEST_DIFFERENCE, LARGEST_DIFFERENCE + 1, device=device)
        small = differences.clamp(-EXACT_DIFFERENCE, EXACT_DIFFERENCE) + EXACT_DIFFERENCE
        indicators = functional.one_hot(small, 2 * EXACT_DIFFERENCE + 1).float()
        return torch.cat([indicators, torch.tanh(differences / 10)[:, None]], 1)


def pair_steps(counts: Tensor, pairs: Tensor) -> Tensor:
    """Changes of the differences of pairs [P, 2] by counts [..., C], [..., P]."""
    return counts[..., pairs[:, 0]] - counts[..., pairs[:, 1]]


def balanced_pairs(totals: Tensor, most: int) -> Tensor:
    """Find pairs of channels that come in equal numbers, such as joining and leaving.

    In at least half of the users who have either channel of a pair, the totals differ by a tenth of
    their sum or by one, at most.

    Args:
        totals: Totals of users' channels, [B, C].
        most: Number of pairs, P.

    Returns:
        The later and the earlier channel of each pair, the best pair first, [P, 2]; where fewer are
        found, a channel and itself, whose difference is always 0.
    """
    found = list[tuple[float, int, int]]()
    for later in range(totals.shape[1]):
        for earlier in range(later):
            both = totals[:, later] + totals[:, earlier]
            difference = (totals[:, later] - totals[:, earlier]).abs()
            near = (difference <= (0.1 * both).clamp_min(1)) & (both >= 2)
            have = (totals[:, later] > 0) | (totals[:, earlier] > 0)
            share = near[have].double().mean().item() if have.any() else 0.0
            if share >= 0.5:
                found.append((-share, later, earlier))
    best = [list(pair[1:]) for pair in sorted(found)[:most]]
    return torch.tensor(best + [[0, 0]] * (most - len(best)), dtype=torch.long).reshape(most, 2)
