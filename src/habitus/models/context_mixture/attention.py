"""Networks that read a profile day by day, by attention between days.

A day is a token. Attention sees the content of days and their distance, so it can find yesterday,
the same weekday, and similar days. The values of missing cells are never read.

Letters: B profiles, D days, S slots, C channels, E features of a day's token, H heads,
N chosen days, W features of a slot.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from habitus.schema import Axes

FEATURE_CHANNELS = 8  # features that a day's token adds to each of its slots
# Pseudo-observation of each cell: active on a share RARE of days, with the weight UNKNOWN beside
# attention weights that sum to 1. It decides where a cell is known on no attended day.
UNKNOWN = 0.003
RARE = 0.02


class Context(NamedTuple):
    """Known cells of profiles; counts are zero where a cell is missing.

    Attributes:
        counts: [B, D, S, C].
        known: 1 where a cell is known, else 0, [B, D, S, C].
        peak: Largest known value, 1 where there is none, [B].
    """

    counts: Tensor
    known: Tensor
    peak: Tensor

    @property
    def active(self) -> Tensor:
        """Indicator of known activity, 0 or 1, [B, D, S, C]."""
        return (self.counts > 0).to(self.counts.dtype)

    @property
    def amounts(self) -> Tensor:
        """Log peak of each user, and mean log count of active cells by channel, [B, C + 1].

        A channel without known activity takes the mean over all channels.
        """
        sums = torch.log(self.counts.clamp(min=1)).sum((1, 2))
        cells = self.active.sum((1, 2))  # [B, C]
        overall = sums.sum(1, keepdim=True) / cells.sum(1, keepdim=True).clamp(min=1)
        return torch.cat([torch.log(self.peak)[:, None], (sums + overall) / (cells + 1)], 1)


def context_of(x: Tensor, missing: Tensor) -> Context:
    """Hide the missing cells of profiles [B, D, S, C]."""
    counts = torch.where(missing, 0.0, x)
    return Context(counts, (~missing).to(x.dtype), counts.flatten(1).amax(1).clamp(min=1))


class Block(nn.Module):
    """Pre-norm transformer block over days, with a learnt bias for each distance in days."""

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
        """Map tokens [B, D, E] to tokens."""
        normed = self.norms[0](h)
        weights = self.attention(normed)
        value = self.value(normed).unflatten(2, (weights.shape[1], -1)).transpose(1, 2)
        h = h + self.dropout(self.out((weights @ value).transpose(1, 2).flatten(2)))
        return h + self.dropout(self.outer(functional.gelu(self.inner(self.norms[1](h)))))


class DayAttention(nn.Module):
    """Attention weights between days."""

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
    """Encoder of profiles as a token per day [B, D, E]."""

    def __init__(self, axes: Axes, width: int, layers: int, heads: int, dropout: float) -> None:
        super().__init__()
        cells = axes.slots * len(axes.channels)
        self.read = nn.Linear(3 * cells + 3, width)
        # A day's position says its weekday, too: windows are aligned.
        self.position = nn.Parameter(0.1 * torch.randn(axes.days, width))
        self.blocks = nn.ModuleList(Block(width, heads, axes.days, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, context: Context) -> Tensor:
        """Tokens of the days, [B, D, E].

        They are read from each cell's activity, amount, and whether it is known, and from the
        day's number of active cells, share of known cells, and the user's peak.
        """
        active = context.active.flatten(2)
        known = context.known.flatten(2)
        amount = 0.5 * torch.log1p(context.counts).flatten(2)
        busy = 0.5 * torch.log1p(active.sum(2, keepdim=True))
        peak = 0.5 * torch.log(context.peak)[:, None, None].expand_as(busy)
        share = known.mean(2, keepdim=True)
        seen = torch.cat([active, amount, known, busy, share, peak], -1)
        h = self.dropout(self.read(seen)) + self.position
        for block in self.blocks:
            h = block(h)
        return self.dropout(self.norm(h))


class DayRecall(nn.Module):
    """Features of each slot of chosen days, [N, W, S], from that slot on attended days.

    This connects the context to the slots around the bottleneck of the tokens: for each head, the
    attended share of days on which a cell was active, and its attended amount, both over days on
    which it is known.
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
        """Features [N, W, S] of chosen days, whose profiles and days are ``day``."""
        recalled = self._recalled(h, context, day)
        token = self.from_token(h[day]).unflatten(1, (FEATURE_CHANNELS, self.slots))
        here = (part[day].transpose(1, 2) for part in (context.active, context.known))
        amounts = context.amounts[day[0], :, None].expand(-1, -1, self.slots)
        seen = torch.cat([recalled, token, *here, amounts], 1)
        z = self.dropout(functional.relu(self.near(seen)))
        return z + functional.relu(self.nearer(z))

    def _recalled(self, h: Tensor, context: Context, day: tuple[Tensor, Tensor]) -> Tensor:
        """Log share of attended days on which a cell is active, and its amount, [N, 2 H C, S]."""
        amount = torch.log1p(context.counts)
        parts = (context.active, amount, context.known)
        values = torch.cat([part.flatten(2) for part in parts], -1)
        found = (self.attention(h) @ values[:, None]).transpose(1, 2)[day].float()  # [N, H, 3 S C]
        active, amount, known = found.chunk(3, -1)
        share = 0.3 * torch.log((active + RARE * UNKNOWN) / (known + UNKNOWN))
        both = torch.stack([share, amount / (active + UNKNOWN)], 1)  # [N, 2, H, S C]
        return both.unflatten(3, (self.slots, -1)).transpose(3, 4).flatten(1, 3)
