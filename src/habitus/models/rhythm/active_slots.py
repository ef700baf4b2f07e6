"""Active slots of days, and a recurrent network that reads them; an empty slot takes no work.

Days are read side by side without padding. They are sorted by their number of active slots, so that
those with a k-th slot come first and the k-th step is a step of their states only.

Letters: N days of all users, S slots, C channels, K active slots of all days, I inputs, H hidden
units.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from habitus.models.parts.indexing import rows_of

COUNT_FEATURES = 6
LARGEST_COUNT = 5000  # larger counts are read as this one


class ActiveSlots(NamedTuple):
    """Active slots of N days, in order.

    Attributes:
        day: Day of each slot, [K].
        slot: Slot within its day, [K].
        counts: Counts in the slot, [K, C].
        place: Number of active slots before it on its day, [K].
        last: Whether it is the last active slot of its day, bool [K].
    """

    day: Tensor
    slot: Tensor
    counts: Tensor
    place: Tensor
    last: Tensor

    @property
    def first(self) -> Tensor:
        """Mark each slot that is the first active one of its day, bool [K]."""
        return self.place == 0

    @property
    def gap(self) -> Tensor:
        """Slots since the active one before on the same day, 0 for the first, [K]."""
        return torch.where(self.first, 0, self.slot - self.slot.roll(1))

    def previous(self, of_slots: Tensor, of_days: Tensor) -> Tensor:
        """Shift values by one active slot within each day, [K, ...].

        Args:
            of_slots: Values of the active slots, [K, ...].
            of_days: Values before the first active slot of each day, [N, ...].
        """
        return torch.where(self.first[:, None], rows_of(of_days, self.day), of_slots.roll(1, 0))

    def next_slots(self, days: int, end: int) -> tuple[Tensor, Tensor]:
        """First active slot of days [N], and the next of each active slot [K]; ``end`` for none."""
        first = torch.full((days,), end, device=self.slot.device)
        first[self.day[self.first]] = self.slot[self.first]
        return first, torch.where(self.last, end, self.slot.roll(-1))


def active_slots(x: Tensor) -> ActiveSlots:
    """Find the active slots of days of counts [N, S, C]."""
    day, slot = x.amax(-1).nonzero(as_tuple=True)
    first = torch.ones_like(day, dtype=torch.bool)
    first[1:] = day[1:] != day[:-1]
    last = torch.ones_like(first)
    last[:-1] = first[1:]
    number = torch.arange(len(day), device=day.device)
    begins = torch.where(first, number, 0).cummax(0).values if len(day) else number
    return ActiveSlots(day, slot, x[day, slot], number - begins, last)


class SlotGRU(nn.Module):
    """GRU over the active slots of each day (Cho et al. 2014).

        r_k = sigmoid(W_r x_k + b_r + U_r h_(k-1) + c_r)      share of the state in the candidate
        u_k = sigmoid(W_u x_k + b_u + U_u h_(k-1) + c_u)      share of the state that is kept
        n_k = tanh(W_n x_k + b_n + r_k (U_n h_(k-1) + c_n))   candidate
        h_k = u_k h_(k-1) + (1 - u_k) n_k

    Args:
        inputs: I.
        hidden: H.
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.of_input = nn.Linear(inputs, 3 * hidden)
        self.of_state = nn.Linear(hidden, 3 * hidden)

    def forward(self, inputs: Tensor, start: Tensor, slots: ActiveSlots) -> Tensor:
        """States after active slots [K, H], from inputs [K, I] and states before days [N, H]."""
        if not len(inputs):
            return start[:0]
        lengths = slots.place[slots.last] + 1
        days = slots.day[slots.last]
        by_length = lengths.argsort(descending=True, stable=True)
        rank = by_length.argsort()
        number = slots.first.long().cumsum(0) - 1  # of each slot's day among the active days
        # the first slots of all days, then all second ones, and so on
        order = (slots.place * len(days) + rank[number]).argsort()
        states = _States.apply(
            self.of_input(inputs[order]),
            start[days[by_length]],
            self.of_state.weight,
            self.of_state.bias,
            torch.bincount(slots.place).tolist(),
        )
        return states[order.argsort()]


class _States(torch.autograd.Function):
    """States after active slots, sorted by their place; ``days`` counts the slots of each place.

    The gradient is written out, so that weights get theirs in one product over all slots. Autograd
    would add one for each step and keep every intermediate result.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, start: Tensor, weight: Tensor, bias: Tensor, days: list[int]
    ) -> Tensor:
        hidden = start.shape[1]
        of_state = torch.empty(len(x), 3 * hidden, dtype=weight.dtype, device=weight.device)
        gates = torch.empty(len(x), 2 * hidden, dtype=weight.dtype, device=weight.device)
        candidates = torch.empty(len(x), hidden, dtype=weight.dtype, device=weight.device)
        states = torch.empty_like(candidates)
        ctx.days = days
        ctx.dtypes = (x.dtype, start.dtype)
        x = x.to(weight.dtype)
        start = start.to(weight.dtype)
        h = start
        with torch.autocast(start.device.type, enabled=False):
            for x_k, o, g, n, s in _by_place(days, x, of_state, gates, candidates, states):
                h = h[: len(x_k)]
                torch.addmm(bias, h, weight.t(), out=o)
                torch.add(x_k[:, : 2 * hidden], o[:, : 2 * hidden], out=g).sigmoid_()
                new = torch.addcmul(x_k[:, 2 * hidden :], g[:, :hidden], o[:, 2 * hidden :], out=n)
                h = torch.lerp(new.tanh_(), h, g[:, hidden:], out=s)
        later = zip(states.split(days), days[1:], strict=False)
        before = torch.cat([start[: days[0]], *(s[:n] for s, n in later)])
        ctx.save_for_backward(before, gates, candidates, of_state[:, 2 * hidden :], weight)
        return states

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        before, gates, candidates, of_candidates, weight = ctx.saved_tensors
        hidden = candidates.shape[1]
        d_states = grads[0].clone()
        d_of_state = torch.empty(len(candidates), 3 * hidden).to(candidates)
        d_candidates = torch.empty_like(candidates)
        later = candidates[:0]
        by_place = _by_place(
            ctx.days, d_states, before, gates, candidates, of_candidates, d_of_state, d_candidates
        )
        for d, h, g, n, o, p, c in reversed(list(by_place)):
            d[: len(later)] += later
            kept = d * g[:, hidden:]
            torch.ops.aten.tanh_backward.grad_input(d - kept, n, grad_input=c)
            d_gates = torch.cat([c * o, d * (h - n)], 1)
            torch.ops.aten.sigmoid_backward.grad_input(d_gates, g, grad_input=p[:, : 2 * hidden])
            torch.mul(c, g[:, :hidden], out=p[:, 2 * hidden :])
            later = torch.addmm(kept, p, weight)
        d_x = torch.cat([d_of_state[:, : 2 * hidden], d_candidates], 1).to(ctx.dtypes[0])
        d_start = later.to(ctx.dtypes[1])
        return d_x, d_start, d_of_state.t() @ before, d_of_state.sum(0), None


def _by_place(days: list[int], *of_slots: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Split values of active slots by the place of the slot."""
    return zip(*(each.split(days) for each in of_slots), strict=True)


def count_features(counts: Tensor) -> Tensor:
    """Features of counts [..., C], [..., 6 C]."""
    rows = counts.clamp(max=LARGEST_COUNT).long()
    return functional.embedding(rows, count_feature_table(counts.device)).flatten(-2)


@cache
def count_feature_table(device: torch.device) -> Tensor:
    """Features of counts from 0 to 5000: any, logarithm, and indicators of small ones, [5001, 6].

    One look-up is quicker than six comparisons.
    """
    with torch.inference_mode(False):
        counts = torch.arange(LARGEST_COUNT + 1.0, device=device)
        from_3_to_4 = (counts > 2) & (counts < 5)
        from_5_to_9 = (counts >= 5) & (counts < 10)
        ranges = [counts == 1, counts == 2, from_3_to_4, from_5_to_9]
        any_at_all = (counts > 0).float()
        return torch.stack(
            [any_at_all, 0.5 * counts.log1p(), *(each.float() for each in ranges)], 1
        )
