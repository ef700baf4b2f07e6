"""Arrays that the compiled loops over days read and write.

Letters: N days, n open days, S slots, C channels, H hidden units, W units of a channel, P pairs, R
features of a slot's history, F features of a count, V bins, I inputs of a layer, T rows of a table.
"""

from __future__ import annotations

from typing import NamedTuple

from habitus.models.rhythm.sampling.kernels.compiled import Sparse
from habitus.schema import FloatArray, IntArray

END, NEW, COUNTS, LARGER, ONES = SCORES = range(5)  # columns of scores
SLOTS, CHANNELS, AMOUNTS = LOG_PROBS = range(3)  # columns of log-probabilities


class DayArrays(NamedTuple):
    """Days that are drawn; from ``largest`` on the arrays change with every slot.

    Scores are the derivatives of log p by the offsets of a day: of its end, of new slots, of counts
    (times their logs), of counts above the largest so far, and of ones. Log-probabilities are
    those of the active slots, of the active channels in these slots, and of these channels' counts.
    """

    slot_history: FloatArray  # features of the history of slots, [N, R + C, S]
    slot_features: FloatArray  # features of these through a layer, [N, R, S]
    channel_history: FloatArray  # features of the history of channels, [N, 4 C]
    of_channels: FloatArray  # contribution of these to counts, [N, C W]
    most_slots: FloatArray  # largest number of active slots on a day so far, [N]
    largest: FloatArray  # largest count of each channel so far, [N, C]
    now: FloatArray  # balance of the pairs, [N, P]
    lowest: FloatArray  # [N, P]
    highest: FloatArray  # [N, P]
    counts: FloatArray  # features of the counts of the slot before, [N, 6 C]
    x: FloatArray  # counts, [N, S, C]
    scores: FloatArray  # [N, 5]
    log_probs: FloatArray  # [N, 3], or [0, 3] where they are not asked for


class OpenDays(NamedTuple):
    """Days that have not ended yet."""

    day: IntArray  # number of each, [n]
    slot: IntArray  # last active slot, -1 for none, [n]
    h: FloatArray  # state, [n, H]


class Offsets(NamedTuple):
    """Offsets of the logits of a day."""

    end: float  # of the day's end
    new_slots: float  # of slots that never were active
    counts: FloatArray  # of the features of counts, [F]


class AmountArrays(NamedTuple):
    """Likelihood of a count that is not zero."""

    kind: int  # its code in habitus.models.rhythm.amounts
    first: FloatArray  # first count of each bin, [V]
    last: FloatArray  # last count of each bin, [V]
    logs: FloatArray  # logarithms of the first counts, [V]


class CountWeights(NamedTuple):
    """Weights of :class:`habitus.models.rhythm.day.SlotCounts`."""

    of_slot: FloatArray  # [S, C W]
    of_gap: FloatArray  # [S, C W]
    of_history: FloatArray  # of the slot's history, the balance, and the counts before, [I, C W]
    of_earlier: FloatArray  # of the counts of each channel, for the channels after it, [6 C, C W]
    active: FloatArray  # [C, W]
    out: FloatArray  # [C, W, F + 6]
    bias: FloatArray  # [C, 1 + F + 6]
    habit: FloatArray  # [C, 3]
    pairs: IntArray  # later and earlier channel of each pair, [P, 2]
    pair: IntArray  # pair of which each channel is the later one, -1 for none, [C]
    amounts: AmountArrays
    table: FloatArray  # features of counts from 0 on, [T, 6]


class SlotWeights(NamedTuple):
    """Weights of :class:`habitus.models.rhythm.day.DaySlots`."""

    of_state: FloatArray  # to the context and the gates of the next state, [H, 4 H]
    of_context: FloatArray  # to rows of logits as in draw_slots, [H, 2 S + 1 + 2 R + C W]
    bias: FloatArray  # of these rows
    of_slots: FloatArray  # layer of the history of slots, [R, R]
    of_slots_bias: FloatArray  # [R]
    of_input: FloatArray  # of the inputs of the state, [I, 3 H]
    of_input_bias: FloatArray  # [3 H]
    of_state_bias: FloatArray  # [3 H]
    table: FloatArray  # features of differences, [T, 8]


class Workspace(NamedTuple):
    """Space that is overwritten with each slot and each count."""

    every: IntArray  # numbers from 0 on, as many as there are inputs
    inputs: Sparse  # inputs of a layer
    logits: FloatArray  # logits of slots and the end, [S + 1]
    of_input: FloatArray  # contribution of inputs to the gates of the state, [3 H]
    h: FloatArray  # a state, [H]
    hidden: FloatArray  # units of a channel, [W]
    out: FloatArray  # features of a count, and logits of the settling counts, [F + 6]
    settling: FloatArray  # settling counts of a pair, see SETTLED in day.py, [6]
    settling_logits: FloatArray  # logits of the likelihood and of each settling count, [7]
