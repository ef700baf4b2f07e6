"""Networks that read a profile day by day: attention between days, and what a cell can learn from other days.

A day is a token. Attention sees the days' content and how many days apart they are, so it can find yesterday, the
same weekday, and days that look alike; what is missing is told by the mask and never read.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from habitus.schema import Axes

FEATURE_CHANNELS = 8  # that a day's token adds to each of its slots
UNKNOWN = 0.003  # weight of not knowing a cell on any day, against the attention of 1 that is shared between days
RARE = 0.02  # share of days on which such a cell is taken to be active


class Context(NamedTuple):
    """What is known of B profiles; every tensor is zero where a cell is missing."""

    counts: Tensor  # [B, D, S, C]
    known: Tensor  # 1 where a cell is known, [B, D, S, C]
    peak: Tensor  # the largest known value, 1 where there is none, [B]

    @property
    def active(self) -> Tensor:
        """1 where something is known to have happened, [B, D, S, C]."""
        return (self.counts > 0).to(self.counts.dtype)

    @property
    def amounts(self) -> Tensor:
        """How much a user does at a time, [B, C + 1]: log peak, and each channel's mean log count of active cells.

        A channel that is not known to be active takes the mean over all.
        """
        sums = torch.log(self.counts.clamp(min=1)).sum((1, 2))
        cells = self.active.sum((1, 2))  # [B, C]
        overall = sums.sum(1, keepdim=True) / cells.sum(1, keepdim=True).clamp(min=1)
        return torch.cat([torch.log(self.peak)[:, None], (sums + overall) / (cells + 1)], 1)


def context_of(x: Tensor, missing: Tensor) -> Context:
    """The known part of profiles [B, D, S, C]; values of missing cells are not read."""
    counts = torch.where(missing, 0.0, x)
    return Context(counts, (~missing).to(x.dtype), counts.flatten(1).amax(1).clamp(min=1))


class Block(nn.Module):
    """A pre-norm transformer block over days, with a learnt bias for each distance in days."""

    def __init__(self, width: int, heads: int, days: int, dropout: float) -> None:
        super().__init__()
        self.attention = DayAttention(width, heads, days)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        self.inner = nn.Linear(width, 2 * width)
        self.outer = nn.Linear(2 * width, width)
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.dropout = nn.Dropout(dropout)

    def forward(self, h: Tensor) -> Tensor:
        """Tokens [B, D, E] to tokens."""
        normed = self.norms[0](h)
        weights = self.attention(normed)
        value = self.value(normed).unflatten(2, (weights.shape[1], -1)).transpose(1, 2)
        h = h + self.dropout(self.out((weights @ value).transpose(1, 2).flatten(2)))
        return h + self.dropout(self.outer(functional.gelu(self.inner(self.norms[1](h)))))


class DayAttention(nn.Module):
    """How much each day looks at each other one."""

    distance: Tensor

    def __init__(self, width: int, heads: int, days: int) -> None:
        super().__init__()
        self.heads = heads
        self.query_key = nn.Linear(width, 2 * width)
        self.bias = nn.Parameter(torch.zeros(heads, 2 * days - 1))
        index = torch.arange(days)
        self.register_buffer("distance", index[:, None] - index + days - 1, persistent=False)

    def forward(self, h: Tensor) -> Tensor:
        """Weights [B, H, D, D] that sum to one over the last axis, for tokens [B, D, E]."""
        query, key = self.query_key(h).unflatten(2, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
        return (scores + self.bias[:, self.distance]).softmax(-1)


class DayEncoder(nn.Module):
    """Profiles to a token per day [B, D, E]."""

    def __init__(self, axes: Axes, width: int, layers: int, heads: int, dropout: float) -> None:
        super().__init__()
        cells = axes.slots * len(axes.channels)
        self.read = nn.Linear(3 * cells + 3, width)
        self.position = nn.Parameter(
            0.1 * torch.randn(axes.days, width)
        )  # the weekday, too: windows are aligned
        self.blocks = nn.ModuleList(Block(width, heads, axes.days, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, context: Context) -> Tensor:
        """Tokens [B, D, E]."""
        h = self.dropout(self.read(self._seen(context))) + self.position
        for block in self.blocks:
            h = block(h)
        return self.dropout(self.norm(h))

    @staticmethod
    def _seen(context: Context) -> Tensor:
        """A day's cells: whether active, how much, whether known; how many active, what share known, the peak."""
        active = context.active.flatten(2)
        known = context.known.flatten(2)
        amount = 0.5 * torch.log1p(context.counts).flatten(2)
        busy = 0.5 * torch.log1p(active.sum(2, keepdim=True))
        peak = 0.5 * torch.log(context.peak)[:, None, None].expand_as(busy)
        return torch.cat([active, amount, known, busy, known.mean(2, keepdim=True), peak], -1)


class DayRecall(nn.Module):
    """For chosen days, features of each slot [N, W, S]: what that slot holds on days that are attended to.

    This is the connection from the context around the bottleneck of the tokens: for each head, the attended share
    of days on which a cell was active, and its attended amount, both over days on which it is known.
    """

    def __init__(self, axes: Axes, width: int, heads: int, features: int, dropout: float) -> None:
        super().__init__()
        self.slots = axes.slots
        channels = len(axes.channels)
        self.attention = DayAttention(width, heads, axes.days)
        self.from_token = nn.Linear(width, self.slots * FEATURE_CHANNELS)
        seen = 2 * heads * channels + FEATURE_CHANNELS + 3 * channels + 1
        self.near = nn.Conv1d(seen, features, 5, padding=2)
        self.nearer = nn.Conv1d(features, features, 3, padding=1)
        self.dropout = nn.Dropout1d(dropout)

    def forward(self, h: Tensor, context: Context, day: tuple[Tensor, Tensor]) -> Tensor:
        """Features of the days (profile, day) that are asked for."""
        recalled = self._recalled(h, context, day)
        token = self.from_token(h[day]).unflatten(1, (FEATURE_CHANNELS, self.slots))
        here = (part[day].transpose(1, 2) for part in (context.active, context.known))
        amounts = context.amounts[day[0], :, None].expand(-1, -1, self.slots)
        z = self.dropout(
            functional.relu(self.near(torch.cat([recalled, token, *here, amounts], 1)))
        )
        return z + functional.relu(self.nearer(z))

    def _recalled(self, h: Tensor, context: Context, day: tuple[Tensor, Tensor]) -> Tensor:
        """Log share of attended days that are active, and amount on these, [N, 2 H C, S]."""
        amount = torch.log1p(context.counts)
        values = torch.cat(
            [part.flatten(2) for part in (context.active, amount, context.known)], -1
        )
        found = (self.attention(h) @ values[:, None]).transpose(1, 2)[day].float()  # [N, H, 3 S C]
        active, amount, known = found.chunk(3, -1)
        share = 0.3 * torch.log((active + RARE * UNKNOWN) / (known + UNKNOWN))
        both = torch.stack([share, amount / (active + UNKNOWN)], 1)  # [N, 2, H, S C]
        return both.unflatten(3, (self.slots, -1)).transpose(3, 4).flatten(1, 3)
