"""Days drawn from p(x_d | h) of :mod:`habitus.models.rhythm.day`, many days side by side.

This module lays out the weights for the compiled loops. All computation is on the CPU, since days
end after different numbers of slots, so that later steps have ever smaller batches.

Letters: N days, S slots, C channels, H hidden units, P pairs of channels.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn

from habitus.models.rhythm.active_slots import COUNT_FEATURES, count_feature_table
from habitus.models.rhythm.amounts import Amount
from habitus.models.rhythm.day import DaySlots, partner_of
from habitus.models.rhythm.history.balance import difference_features
from habitus.models.rhythm.history.features import CHANNEL_FEATURES, SLOT_FEATURES, DayHistory
from habitus.models.rhythm.sampling.kernels.arrays import (
    LOG_PROBS,
    SCORES,
    AmountArrays,
    CountWeights,
    DayArrays,
    Offsets,
    SlotWeights,
)
from habitus.models.rhythm.sampling.kernels.compiled import single_threaded_blas
from habitus.models.rhythm.sampling.kernels.days import draw_days, workspace
from habitus.models.rhythm.statistics import DayOffsets
from habitus.schema import FloatArray

SEEDS = 2**62


class DrawnDays(NamedTuple):
    """Days that were drawn.

    Attributes:
        x: Counts, [N, S, C].
        scores: Derivatives of the log-probability by the offsets of a day's end, new slots,
            counts, larger counts and ones, [N, 5].
        log_probs: Log-probabilities of slots, channels and amounts, [N, 3]; [0, 3] if not asked
            for.
    """

    x: Tensor
    scores: Tensor
    log_probs: Tensor


class DaySampler:
    """Sampler of active days; weights are laid out once for many.

    Args:
        p_x: Distribution of a day.
        pairs: Pairs of channels, [P, 2].
    """

    def __init__(self, p_x: DaySlots, pairs: Tensor) -> None:
        self.p_x = p_x
        counts = p_x.counts
        # the history of channels is the same for all slots of a day: it contributes once
        begin = SLOT_FEATURES + p_x.channels
        end = begin + CHANNEL_FEATURES * p_x.channels
        of_history = counts.of_history.weight.detach().T
        self.of_channels = of_history[begin:end]
        of_slots = cast("nn.Linear", p_x.of_slots[0])
        no_bias = p_x.next_slot.weight.new_zeros(p_x.slots)
        bias = (p_x.next_slot.bias, no_bias, p_x.slot_weights.bias, counts.of_state.bias)
        self.weights = SlotWeights(
            of_state=_side_by_side(p_x.of_state, p_x.gru.of_state),
            of_context=_side_by_side(p_x.next_slot, p_x.gap, p_x.slot_weights, counts.of_state),
            bias=to_numpy(torch.cat(bias)),
            of_slots=to_numpy(of_slots.weight.T),
            of_slots_bias=to_numpy(of_slots.bias),
            of_input=to_numpy(p_x.gru.of_input.weight.T),
            of_input_bias=to_numpy(p_x.gru.of_input.bias),
            of_state_bias=to_numpy(p_x.gru.of_state.bias),
            table=to_numpy(difference_features(pairs.device)),
        )
        partners = [partner_of(channel, pairs) for channel in range(p_x.channels)]
        self.counts = CountWeights(
            of_slot=to_numpy(counts.of_slot.weight),
            of_gap=to_numpy(counts.of_gap.weight),
            of_history=to_numpy(torch.cat([of_history[:begin], of_history[end:]])),
            of_earlier=to_numpy(counts.of_earlier.T),
            active=to_numpy(counts.out[..., 0]),
            out=to_numpy(counts.out[..., 1:]),
            bias=to_numpy(counts.bias),
            habit=to_numpy(counts.habit),
            pairs=pairs.contiguous().numpy(),
            pair=np.array([-1 if found is None else found[0] for found in partners]),
            amounts=amount_arrays(counts.amount),
            table=to_numpy(count_feature_table(pairs.device)),
        )
        self.space = workspace(self.weights, self.counts)

    @torch.no_grad()
    @torch.autocast("cpu", enabled=False)
    def draw(
        self,
        h: Tensor,
        history: DayHistory,
        offsets: DayOffsets,
        generator: torch.Generator,
        log_probs: bool = False,
    ) -> DrawnDays:
        """Draw active days, the same for the same state of the generator.

        Args:
            h: Features of each day, [N, H].
            history: History before each day.
            offsets: Offsets of logits.
            generator: Source of randomness.
            log_probs: Whether to report the log-probability of what is drawn.
        """
        seed = torch.randint(SEEDS, (), generator=generator, device=generator.device)
        rng = np.random.default_rng(int(seed))
        h = h.float()
        state = torch.tanh(self.p_x.start(h))
        of_day = self.p_x.of_day(h) + self.p_x.of_state.bias
        amount = self.p_x.counts.amount
        of_counts = amount.offset(offsets.larger, offsets.ones, offsets.counts)
        added = Offsets(float(offsets.end), float(offsets.new_slots), to_numpy(of_counts))
        days = self._before_first_slot(history, len(h), len(h) if log_probs else 0)
        with single_threaded_blas():
            draw_days(
                state.numpy(),
                of_day.numpy(),
                self.weights,
                self.counts,
                added,
                days,
                self.space,
                rng,
            )
        drawn = (days.x, days.scores, days.log_probs)
        return DrawnDays(*(torch.from_numpy(each) for each in drawn))

    def _before_first_slot(self, history: DayHistory, days: int, reported: int) -> DayArrays:
        """Lay out days before their first slot; log-probabilities are reported of some or none."""
        slots = self.p_x.slots
        channels = self.p_x.channels
        now, lowest, highest = (to_numpy(each).copy() for each in history.balance)
        return DayArrays(
            slot_history=to_numpy(history.slots.mT),
            slot_features=np.empty((days, SLOT_FEATURES, slots), np.float32),
            channel_history=to_numpy(history.channels),
            of_channels=to_numpy(history.channels @ self.of_channels),
            most_slots=to_numpy(history.most_slots),
            largest=to_numpy(history.largest).copy(),
            now=now,
            lowest=lowest,
            highest=highest,
            counts=np.zeros((days, COUNT_FEATURES * channels), np.float32),
            x=np.zeros((days, slots, channels), np.float32),
            scores=np.zeros((days, len(SCORES)), np.float32),
            log_probs=np.zeros((reported, len(LOG_PROBS)), np.float32),
        )


def _side_by_side(*layers: nn.Linear) -> FloatArray:
    """Join the weights of linear layers of the same input, transposed, [I, O]."""
    return to_numpy(torch.cat([each.weight for each in layers]).T)


def amount_arrays(amount: Amount) -> AmountArrays:
    """Lay out a likelihood of counts."""
    first, last = (to_numpy(each) for each in amount.edges)
    return AmountArrays(amount.kind, first, last, np.log(first))


def to_numpy(x: Tensor) -> FloatArray:
    """Lay out weights or values for compiled loops."""
    return x.detach().float().contiguous().numpy()
