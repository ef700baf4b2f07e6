"""Habits of users that those drawn by Rhythm are brought to, and the shifts of logits that do so.

Letters: B users, D days, S slots, C channels.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Habits(NamedTuple):
    """Habits that drawn users are brought to, each [B]; or shifts [] of the logits that move them, in this order.

    Errors that are drawn from grow with the days, so that what is early and what is late have shifts of their own:
    from the first day to the last, the weight of the one falls from 1 to 0, and that of the other rises.

    Attributes:
        early_days: Share of observed days that are active, early ones weighing most.
        late_days: The same, late ones weighing most.
        early_slots: Active slots per observed day; the shift is that of a day's end.
        late_slots: The same of late days.
        ever: Share of slots that ever were active; the shift is that of slots which never were.
        largest: Log of the largest count; the shift is that of counts above all before.
        ones: Share of counts that are one.
    """

    early_days: Tensor
    late_days: Tensor
    early_slots: Tensor
    late_slots: Tensor
    ever: Tensor
    largest: Tensor
    ones: Tensor

    @classmethod
    def of(cls, x: Tensor, observed: Tensor) -> Habits:
        """Of profiles [B, D, S, C], some of whose days [B, D] were observed."""
        active, cells = x.amax(3) > 0, (x > 0).sum((1, 2, 3))
        late = observed * torch.linspace(0, 1, x.shape[1], device=x.device)
        early = observed.float() - late

        def mean(of_days: Tensor, weights: Tensor) -> Tensor:
            return (of_days * weights).sum(1) / weights.sum(1).clamp_min(1)

        return cls(
            *(mean(active.any(2), weights) for weights in (early, late)),
            *(mean(active.sum(2), weights) for weights in (early, late)),
            ever=active.any(1).float().mean(1),
            largest=x.flatten(1).amax(1).clamp_min(1).log(),
            ones=(x == 1).sum((1, 2, 3)) / cells.clamp_min(1),
        )

    def on(self, day: int, days: int) -> Shifts:
        """The shifts of one of so many days; those of the last one after it."""
        late = min(day / max(days - 1, 1), 1.0)
        active, end = (
            torch.lerp(*both, late)
            for both in ((self.early_days, self.late_days), (self.early_slots, self.late_slots))
        )
        return Shifts(active, end, self.ever, self.largest, self.ones)


class Shifts(NamedTuple):
    """Of the logits of a day, each []."""

    active: Tensor
    end: Tensor
    new_slots: Tensor
    larger: Tensor
    ones: Tensor
