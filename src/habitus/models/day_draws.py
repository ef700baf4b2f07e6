"""Days drawn from p(x_d | h) (habitus.models.day_slots), step by step for all days side by side.

Matrix products are torch's, everything between them is compiled (habitus.models.day_kernels). Drawn on the
processor, wherever the model is: days end one by one, and a step has ever fewer.

Letters: as in :mod:`habitus.models.day_kernels`.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from habitus.models import count_kernels, day_kernels
from habitus.models.count_kernels import AmountKind, CountWeights
from habitus.models.day_kernels import SCORES, DayState, Going
from habitus.models.day_slots import DaySlots, SlotCounts, partner_of
from habitus.models.rhythm_habits import Shifts
from habitus.parts.active_slots import TOLD_OF_COUNT, told_of_counts
from habitus.parts.counts.amounts import Amount
from habitus.parts.memory import RECALLED, Past, told_of_differences
from habitus.parts.shapes import FloatArray, IntArray

CPU = torch.device("cpu")
SEEDS = 2**62


class DrawnDays(NamedTuple):
    """Days that were drawn.

    Attributes:
        x: Counts, [N, S, C].
        scores: See :class:`habitus.models.day_kernels.DayState`, [N, 5].
    """

    x: Tensor
    scores: Tensor


@torch.no_grad()
@torch.autocast("cpu", enabled=False)
def draw_days(
    p_x: DaySlots, h: Tensor, past: Past, pairs: Tensor, shifts: Shifts, generator: torch.Generator
) -> DrawnDays:
    """Days with some activity, the same for the same state of the generator.

    Args:
        p_x: What they are drawn from.
        h: What is known of each, [N, H].
        past: Before it.
        pairs: [P, 2].
        shifts: Of logits.
        generator: Of the noise.
    """
    rng = np.random.default_rng(int(torch.randint(SEEDS, (), generator=generator, device=generator.device)))
    steps, days = _Steps(p_x, h.float(), pairs, shifts, rng), _state_of(p_x, past, len(h))
    going = Going(np.arange(len(h)), np.full(len(h), -1), np.zeros(len(h), np.int64))
    for place in range(p_x.slots):
        going = steps.next_slots(days, going)
        if not len(going.day):
            break
        steps.counts(days, going)
        steps.next_states(days, going, place)
    return DrawnDays(*(torch.from_numpy(each).to(h.device) for each in (days.x, days.scores)))


def _state_of(p_x: DaySlots, past: Past, days: int) -> DayState:
    """Before the first slot."""
    recall, layer = _numbers(past.recall), cast("nn.Linear", p_x.of_slots[0])
    of_slots = np.empty((days, p_x.slots, 2 * RECALLED), np.float32)
    day_kernels.of_recalled(recall, _numbers(layer.weight.T), _numbers(layer.bias), of_slots)
    told = np.zeros((days, TOLD_OF_COUNT * p_x.channels), np.float32)
    x = np.zeros((days, p_x.slots, p_x.channels), np.float32)
    now, lowest, highest = (_numbers(each).copy() for each in past.balance)
    return DayState(
        recall=recall,
        of_slots=of_slots,
        channels=_numbers(past.channels),
        most=_numbers(past.most),
        largest=_numbers(past.largest).copy(),
        now=now,
        lowest=lowest,
        highest=highest,
        told=told,
        x=x,
        scores=np.zeros((days, len(SCORES)), np.float32),
    )


class _Steps:
    """The steps of some days: which slot is next, its counts, and the state after it.

    Args:
        p_x: What they are drawn from.
        h: What is known of each day, [N, H].
        pairs: [P, 2].
        shifts: Of logits.
        rng: Of the noise.
    """

    def __init__(self, p_x: DaySlots, h: Tensor, pairs: Tensor, shifts: Shifts, rng: np.random.Generator) -> None:
        self.rng, self.slots = rng, p_x.slots
        self.end, self.new_slots = float(shifts.end), float(shifts.new_slots)
        self.state, self.of_day = torch.tanh(p_x.start(h)).to(CPU), _numbers(p_x.of_day(h))
        self.known = torch.empty_like(self.state)
        self.of_state = _Product(p_x.of_state)
        self.asks = _Product(p_x.next_slot, p_x.gap, p_x.of_recall)
        self.counts_of_state = _Product(p_x.counts.of_state)
        self.counts_of_past = p_x.counts.of_past.weight.to(CPU)
        self.of_input, self.of_hidden = _Product(p_x.gru.of_input), _Product(p_x.gru.of_state)
        self.weights = _count_weights(p_x.counts, pairs, shifts)
        self.differences = _numbers(told_of_differences(CPU))

    def next_slots(self, days: DayState, going: Going) -> Going:
        """Those days that have another slot, and which."""
        known, following = self.of_state(self.state), np.empty(len(going.day), np.int64)
        day_kernels.known_of_days(known.numpy(), self.of_day, going.day)
        asked = self.asks(known).numpy()
        day_kernels.next_slots(asked, days, going, self.new_slots, self.end, self.rng, following)
        count = day_kernels.keep_going(following, self.slots, going, known.numpy(), self.state.numpy())
        self.known, self.state = known[:count], self.state[:count]
        return Going(*(each[:count] for each in going))

    def counts(self, days: DayState, going: Going) -> None:
        """Draw those of the slot."""
        told = torch.empty(len(going.day), self.counts_of_past.shape[1])
        day_kernels.tell_before(days, going, self.differences, told.numpy())
        base = self.counts_of_state(self.known).addmm_(told, self.counts_of_past.t())
        count_kernels.draw_counts(base.numpy(), self.weights, days, going, self.rng)

    def next_states(self, days: DayState, going: Going, place: int) -> None:
        """The state after the slot."""
        told = torch.empty(len(going.day), self.of_input.inputs)
        day_kernels.tell_after(days, going, place, self.differences, told.numpy())
        of_input, of_hidden = self.of_input(told), self.of_hidden(self.state)
        day_kernels.next_states(of_input.numpy(), of_hidden.numpy(), self.state.numpy())


class _Product:
    """Linear layers of the same input as one, on the processor."""

    def __init__(self, *layers: nn.Linear) -> None:
        self.inputs = layers[0].in_features
        biases = (each.weight.new_zeros(each.out_features) if each.bias is None else each.bias for each in layers)
        self.weight = torch.cat([each.weight for each in layers]).to(CPU)
        self.bias = torch.cat(list(biases)).to(CPU)

    def __call__(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.weight, self.bias)


def _count_weights(p: SlotCounts, pairs: Tensor, shifts: Shifts) -> CountWeights:
    """What :func:`habitus.models.count_kernels.draw_counts` is given."""
    partners = [partner_of(channel, pairs) for channel in range(p.channels)]
    shift = p.amount.shift(shifts.larger, shifts.ones, shifts.counts)
    earlier = p.of_earlier.unflatten(1, (p.channels, TOLD_OF_COUNT)).permute(1, 2, 0)
    layers = (p.of_slot.weight, p.of_gap.weight, earlier, p.out[..., 0], p.out[..., 1:], p.bias, p.habit)
    return CountWeights(
        *map(_numbers, layers),
        pairs=_whole(pairs),
        pair=np.array([-1 if found is None else found[0] for found in partners]),
        amounts=amount_kind(p.amount),
        shift=_numbers(shift),
        told=_numbers(told_of_counts(CPU)),
    )


def amount_kind(amount: Amount) -> AmountKind:
    """What :func:`habitus.models.count_kernels.draw_amount` is given."""
    first, last = map(_numbers, amount.edges)
    return AmountKind(amount.kind, first, last, np.log(first))


def _numbers(x: Tensor) -> FloatArray:
    return x.detach().to(CPU, torch.float32).contiguous().numpy()


def _whole(x: Tensor) -> IntArray:
    return x.to(CPU, torch.int64).contiguous().numpy()
