"""The active slots of days, and a recurrent network that reads them: an empty slot takes no work.

Days are read side by side without padding: sorted by their number of active slots, so that those with a k-th slot
come first, and its step is a step of their states only.

Letters: N days (of all users), S slots, C channels, K active slots of all days, I inputs, H hidden units.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from habitus.models.parts.indexing import rows_of

TOLD_OF_COUNT = 6
MOST_TOLD = 5000  # a larger count is told as this one


class ActiveSlots(NamedTuple):
    """The active slots of N days, in order.

    Attributes:
        day: The day of each, [K].
        slot: [K].
        counts: [K, C].
        place: How many active slots of its day come before it, [K].
        last: Whether it is the last of its day, bool [K].
    """

    day: Tensor
    slot: Tensor
    counts: Tensor
    place: Tensor
    last: Tensor

    @property
    def first(self) -> Tensor:
        """Whether it is the first of its day, bool [K]."""
        return self.place == 0

    @property
    def gap(self) -> Tensor:
        """Slots since the one before it on its day, 0 where it is the first, [K]."""
        return torch.where(self.first, 0, self.slot - self.slot.roll(1))

    def previous(self, of_slots: Tensor, of_days: Tensor) -> Tensor:
        """What belongs to the slot before each one [K, ...], or to its day [N, ...] where it is the first."""
        return torch.where(self.first[:, None], rows_of(of_days, self.day), of_slots.roll(1, 0))

    def next_slots(self, days: int, end: int) -> tuple[Tensor, Tensor]:
        """The slot that is active next, from the beginning of N days and from each slot; ``end`` for none."""
        first = torch.full((days,), end, device=self.slot.device)
        first[self.day[self.first]] = self.slot[self.first]
        return first, torch.where(self.last, end, self.slot.roll(-1))


def active_slots(x: Tensor) -> ActiveSlots:
    """Of days [N, S, C] of counts."""
    day, slot = x.amax(-1).nonzero(as_tuple=True)
    first = torch.ones_like(day, dtype=torch.bool)
    first[1:] = day[1:] != day[:-1]
    last = torch.ones_like(first)
    last[:-1] = first[1:]
    number = torch.arange(len(day), device=day.device)
    begins = torch.where(first, number, 0).cummax(0).values if len(day) else number
    return ActiveSlots(day, slot, x[day, slot], number - begins, last)


class SlotGRU(nn.Module):
    """A GRU over the active slots of each day (Cho et al. 2014).

        r_k = sigmoid(W_r x_k + b_r + U_r h_(k-1) + c_r)      what of the state is let into the new one
        u_k = sigmoid(W_u x_k + b_u + U_u h_(k-1) + c_u)      what of the state is kept
        n_k = tanh(W_n x_k + b_n + r_k (U_n h_(k-1) + c_n))
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
        """States after every slot [K, H], from inputs [K, I] and the state at the beginning of each day [N, H]."""
        if not len(inputs):
            return start[:0]
        lengths = slots.place[slots.last] + 1
        days = slots.day[slots.last]
        by_length = lengths.argsort(descending=True, stable=True)
        rank = by_length.argsort()
        number = slots.first.long().cumsum(0) - 1  # of its day among those with any
        order = (
            slots.place * len(days) + rank[number]
        ).argsort()  # all first slots, then all second ones, ...
        sizes = torch.bincount(slots.place).tolist()
        of_input = self.of_input(inputs[order])
        of_state = self.of_state
        found = _States.apply(
            of_input, start[days[by_length]], of_state.weight, of_state.bias, sizes
        )
        return found[order.argsort()]

    def step(self, inputs: Tensor, h: Tensor) -> Tensor:
        """The state after one slot, [N, H]."""
        of_input = self.of_input
        of_state = self.of_state
        return torch.gru_cell(
            inputs, h, of_input.weight, of_state.weight, of_input.bias, of_state.bias
        )


class _States(torch.autograd.Function):
    """States after every slot, from what the inputs make of it [K, 3 H]; ``days`` have a slot, a second one, ...

    The gradient is written out: weights get theirs in one product over all slots, where autograd would add one for
    each step and keep every intermediate result.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, start: Tensor, weight: Tensor, bias: Tensor, days: list[int]
    ) -> Tensor:
        hidden = start.shape[1]
        kind = {"dtype": weight.dtype, "device": weight.device}
        of_state, gates, new, states = (
            torch.empty(len(x), n * hidden, **kind) for n in (3, 2, 1, 1)
        )
        ctx.days = days
        ctx.kinds = (x.dtype, start.dtype)
        x = x.to(weight.dtype)
        start = start.to(weight.dtype)
        h = start
        with torch.autocast(start.device.type, enabled=False):
            for x_k, o, g, n, s in _steps(days, x, of_state, gates, new, states):
                h = h[: len(x_k)]
                torch.addmm(bias, h, weight.t(), out=o)
                torch.add(x_k[:, : 2 * hidden], o[:, : 2 * hidden], out=g).sigmoid_()
                torch.addcmul(
                    x_k[:, 2 * hidden :], g[:, :hidden], o[:, 2 * hidden :], out=n
                ).tanh_()
                h = torch.lerp(n, h, g[:, hidden:], out=s)
        before = torch.cat(
            [start[: days[0]], *(s[:n] for s, n in zip(states.split(days), days[1:], strict=False))]
        )
        ctx.save_for_backward(before, gates, new, of_state[:, 2 * hidden :], weight)
        return states

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        before, gates, new, of_new, weight = ctx.saved_tensors
        hidden = new.shape[1]
        of_state = torch.empty(len(new), 3 * hidden).to(new)
        candidate = torch.empty_like(new)
        later = new[:0]
        for d, h, g, n, o, p, c in reversed(
            list(
                _steps(ctx.days, grads[0].clone(), before, gates, new, of_new, of_state, candidate)
            )
        ):
            d[: len(later)] += later
            kept = d * g[:, hidden:]
            torch.ops.aten.tanh_backward.grad_input(d - kept, n, grad_input=c)
            of_gates = torch.cat([c * o, d * (h - n)], 1)
            torch.ops.aten.sigmoid_backward.grad_input(of_gates, g, grad_input=p[:, : 2 * hidden])
            torch.mul(c, g[:, :hidden], out=p[:, 2 * hidden :])
            later = torch.addmm(kept, p, weight)
        of_x = torch.cat([of_state[:, : 2 * hidden], candidate], 1)
        return (
            of_x.to(ctx.kinds[0]),
            later.to(ctx.kinds[1]),
            of_state.t() @ before,
            of_state.sum(0),
            None,
        )


def _steps(days: list[int], *of_slots: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """What belongs to the slots of each step."""
    return zip(*(each.split(days) for each in of_slots), strict=True)


def told_counts(counts: Tensor) -> Tensor:
    """Counts [..., C] as a network is told them, [..., 6 C]: whether any, how many, and which of the small ones."""
    known = counts.clamp(max=MOST_TOLD).long()
    return functional.embedding(known, told_of_counts(counts.device)).flatten(-2)


@cache
def told_of_counts(device: torch.device) -> Tensor:
    """What is told of each count from 0, [MOST_TOLD + 1, 6]: one look-up is quicker than six comparisons."""
    with torch.inference_mode(False):
        counts = torch.arange(MOST_TOLD + 1.0, device=device)
        ranges = [
            counts == 1,
            counts == 2,
            (counts > 2) & (counts < 5),
            (counts >= 5) & (counts < 10),
        ]
        return torch.stack(
            [(counts > 0).float(), 0.5 * counts.log1p(), *(each.float() for each in ranges)], 1
        )
