"""Days drawn from p(x_d | h) (habitus.models.rhythm.day), step by step for many days side by side.

Weights are laid out here for the compiled loops that draw (habitus.models.rhythm.sampling.kernels.days). All of it is on the
processor: days end one by one, and a step has ever fewer.

Letters: as in :mod:`habitus.models.rhythm.sampling.state`.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn

from habitus.models.rhythm.active_slots import TOLD_OF_COUNT, told_of_counts
from habitus.models.rhythm.amounts import Amount
from habitus.models.rhythm.day import DaySlots, SlotCounts, partner_of
from habitus.models.rhythm.history import OF_CHANNEL, RECALLED, Past, told_of_differences
from habitus.models.rhythm.sampling.kernels import days as day_kernels
from habitus.models.rhythm.sampling.kernels.compiled import single_threaded_blas
from habitus.models.rhythm.sampling.kernels.days import Products
from habitus.models.rhythm.sampling.state import (
    LOG_PROBS,
    SCORES,
    AmountKind,
    CountWeights,
    DayState,
    Moved,
    SlotWeights,
)
from habitus.models.rhythm.statistics import Shifts
from habitus.schema import FloatArray, IntArray

SEEDS = 2**62


class DrawnDays(NamedTuple):
    """Days that were drawn.

    Attributes:
        x: Counts, [N, S, C].
        scores: See :class:`habitus.models.rhythm.sampling.state.DayState`, [N, 5].
        log_probs: Log-probability of slots, channels and counts, [N, 3]; [0, 3] where it was not asked for.
    """

    x: Tensor
    scores: Tensor
    log_probs: Tensor


class DayDraws:
    """Draws days; weights are laid out once for many.

    Args:
        p_x: What they are drawn from.
        pairs: [P, 2].
    """

    def __init__(self, p_x: DaySlots, pairs: Tensor) -> None:
        self.p_x = p_x
        of_past = p_x.counts.of_past.weight.detach().T
        before = RECALLED + p_x.channels
        channels = before + OF_CHANNEL * p_x.channels
        of_recall = cast("nn.Linear", p_x.of_slots[0])
        self.products = Products(
            _joined(p_x.of_state, p_x.gru.of_state),
            _joined(p_x.next_slot, p_x.gap, p_x.of_recall, p_x.counts.of_state),
            numbers_of(of_recall.weight.T),
            numbers_of(of_recall.bias),
        )
        self.of_channels = of_past[before:channels]
        self.weights = _slot_weights(p_x)
        self.of_counts = _count_weights(p_x.counts, pairs, before, channels)
        self.room = day_kernels.room(self.weights, self.of_counts)

    @torch.no_grad()
    @torch.autocast("cpu", enabled=False)
    def draw(
        self,
        h: Tensor,
        past: Past,
        shifts: Shifts,
        generator: torch.Generator,
        log_probs: bool = False,
    ) -> DrawnDays:
        """Days with some activity, the same for the same state of the generator.

        Args:
            h: What is known of each, [N, H].
            past: Before it.
            shifts: Of logits.
            generator: Of the noise.
            log_probs: Whether to report the log-probability of what is drawn.
        """
        rng = np.random.default_rng(
            int(torch.randint(SEEDS, (), generator=generator, device=generator.device))
        )
        h, days = h.float(), self._state_of(past, len(h), len(h) if log_probs else 0)
        state = torch.tanh(self.p_x.start(h))
        of_day = self.p_x.of_day(h) + self.p_x.of_state.bias
        given = self.products, self.weights, self.of_counts, self._moved(shifts)
        with single_threaded_blas():
            day_kernels.draw_days(state.numpy(), of_day.numpy(), *given, days, self.room, rng)
        return DrawnDays(
            torch.from_numpy(days.x),
            torch.from_numpy(days.scores),
            torch.from_numpy(days.log_probs),
        )

    def _state_of(self, past: Past, days: int, reported: int) -> DayState:
        """Before the first slot."""
        p_x = self.p_x
        recall = numbers_of(past.recall.mT)
        now, lowest, highest = (numbers_of(each).copy() for each in past.balance)
        return DayState(
            recall=recall,
            of_slots=np.empty((days, RECALLED, p_x.slots), np.float32),
            channels=numbers_of(past.channels),
            of_channels=numbers_of(past.channels @ self.of_channels),
            most=numbers_of(past.most),
            largest=numbers_of(past.largest).copy(),
            now=now,
            lowest=lowest,
            highest=highest,
            told=np.zeros((days, TOLD_OF_COUNT * p_x.channels), np.float32),
            x=np.zeros((days, p_x.slots, p_x.channels), np.float32),
            scores=np.zeros((days, len(SCORES)), np.float32),
            log_probs=np.zeros((reported, len(LOG_PROBS)), np.float32),
        )

    def _moved(self, shifts: Shifts) -> Moved:
        shift = self.p_x.counts.amount.shift(shifts.larger, shifts.ones, shifts.counts)
        return Moved(float(shifts.end), float(shifts.new_slots), numbers_of(shift))


def _joined(*layers: nn.Linear) -> FloatArray:
    """Weights of linear layers of the same input as one, [I, O], to be multiplied by."""
    return numbers_of(torch.cat([each.weight for each in layers]).T)


def _slot_weights(p_x: DaySlots) -> SlotWeights:
    """What :func:`habitus.models.rhythm.sampling.kernels.days.draw_slots` is given of slots."""
    gaps = p_x.next_slot.weight.new_zeros(p_x.slots)
    gru = p_x.gru
    bias = torch.cat([p_x.next_slot.bias, gaps, p_x.of_recall.bias, p_x.counts.of_state.bias])
    told = told_of_differences(p_x.start.weight.device)
    return SlotWeights(
        *map(numbers_of, (bias, gru.of_input.weight.T, gru.of_input.bias, gru.of_state.bias, told))
    )


def _count_weights(p: SlotCounts, pairs: Tensor, before: int, channels: int) -> CountWeights:
    """What :func:`habitus.models.rhythm.sampling.kernels.days.draw_slots` is given of counts."""
    partners = [partner_of(channel, pairs) for channel in range(p.channels)]
    of_past = p.of_past.weight.T
    of_past = torch.cat([of_past[:before], of_past[channels:]])
    layers = (
        p.of_slot.weight, p.of_gap.weight, of_past, p.of_earlier.T, p.out[..., 0], p.out[..., 1:], p.bias, p.habit
    )  # fmt: skip
    return CountWeights(
        *map(numbers_of, layers),
        pairs=_whole(pairs),
        pair=np.array([-1 if found is None else found[0] for found in partners]),
        amounts=amount_kind(p.amount),
        told=numbers_of(told_of_counts(pairs.device)),
    )


def amount_kind(amount: Amount) -> AmountKind:
    """What :func:`habitus.models.rhythm.sampling.kernels.counts.draw_amount` is given."""
    first, last = map(numbers_of, amount.edges)
    return AmountKind(amount.kind, first, last, np.log(first))


def numbers_of(x: Tensor) -> FloatArray:
    """Of weights, or of what follows, as loops that are compiled are given them."""
    return x.detach().float().contiguous().numpy()


def _whole(x: Tensor) -> IntArray:
    return x.long().contiguous().numpy()
