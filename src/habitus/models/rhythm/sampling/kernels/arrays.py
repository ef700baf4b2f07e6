"""Arrays that the compiled loops over days read and write.

Letters: N days, n open days, S slots, C channels, H hidden units, W units of a channel, P pairs, R features of a slot's
history, F features of a count, V bins, I inputs.
"""

from __future__ import annotations

from typing import NamedTuple

from habitus.models.rhythm.sampling.kernels.compiled import Sparse
from habitus.schema import FloatArray, IntArray

END, NEW, COUNTS, LARGER, ONES = SCORES = range(5)  # columns of scores
SLOTS, CHANNELS, AMOUNTS = LOG_PROBS = range(3)  # columns of log-probabilities


class DayArrays(NamedTuple):
    """Days that are drawn; from ``largest`` on the arrays change with every slot.

    Attributes:
        slot_history: Features of the history of slots, [N, R + C, S].
        slot_features: Features of these through a layer, [N, R, S].
        channel_history: Features of the history of channels, [N, 4 C].
        of_channels: Contribution of these to counts, [N, C W].
        most_slots: Largest number of active slots on a day so far, [N].
        largest: Largest count of each channel, [N, C].
        now: Balance of the pairs, [N, P].
        lowest: [N, P].
        highest: [N, P].
        counts: Features of the counts of the slot before, [N, 6 C].
        x: Counts, [N, S, C].
        scores: d log p / d offset of the logits of a day's end, of new slots, of counts by their logs, of counts
            above all before, and of ones, [N, 5]: what was drawn less what was to be expected.
        log_probs: Log-probability of the slots drawn, of the channels active in them, and of their counts, [N, 3];
            [0, 3] where it is not asked for.
    """

    slot_history: FloatArray
    slot_features: FloatArray
    channel_history: FloatArray
    of_channels: FloatArray
    most_slots: FloatArray
    largest: FloatArray
    now: FloatArray
    lowest: FloatArray
    highest: FloatArray
    counts: FloatArray
    x: FloatArray
    scores: FloatArray
    log_probs: FloatArray


class OpenDays(NamedTuple):
    """Days that have not ended yet.

    Attributes:
        day: Number of each, [n].
        slot: Last active slot, -1 for none, [n].
        h: State, [n, H].
    """

    day: IntArray
    slot: IntArray
    h: FloatArray


class Offsets(NamedTuple):
    """Offsets of the logits of a day.

    Attributes:
        end: Offset of the day's end.
        new_slots: Offset of slots that never were active.
        counts: Offset of the features of counts, [F].
    """

    end: float
    new_slots: float
    counts: FloatArray


class AmountArrays(NamedTuple):
    """Likelihood of a count that is not zero.

    Attributes:
        kind: Code of the likelihood, see habitus.models.rhythm.amounts.
        first: First count of each bin, [V].
        last: Last count of each bin, [V].
        logs: Logarithm of the first ones, [V].
    """

    kind: int
    first: FloatArray
    last: FloatArray
    logs: FloatArray


class CountWeights(NamedTuple):
    """Weights of :class:`habitus.models.rhythm.day.SlotCounts`.

    Attributes:
        of_slot: [S, C W].
        of_gap: [S, C W].
        of_history: Weights of the history of the slot, of the balance, and of the counts before, [I, C W].
        of_earlier: Weights of the counts of each channel for the channels after it, [6 C, C W].
        active: [C, W].
        out: [C, W, F + 6].
        bias: [C, 1 + F + 6].
        habit: [C, 3].
        pairs: Later and earlier channel of each pair, [P, 2].
        pair: Pair that each channel may settle, -1 for none, [C].
        amounts: Likelihood of counts.
        table: Features of counts from 0 on, [T, 6].
    """

    of_slot: FloatArray
    of_gap: FloatArray
    of_history: FloatArray
    of_earlier: FloatArray
    active: FloatArray
    out: FloatArray
    bias: FloatArray
    habit: FloatArray
    pairs: IntArray
    pair: IntArray
    amounts: AmountArrays
    table: FloatArray


class SlotWeights(NamedTuple):
    """Weights of :class:`habitus.models.rhythm.day.DaySlots`.

    Attributes:
        of_state: From a state to the context and to the gates of the next state, [H, 4 H].
        of_context: From the context to logits of slots and the end, of gaps, to weights of the slots' history, and to
            the units of counts, [H, 2 S + 1 + 2 R + C W].
        bias: Bias of these, [2 S + 1 + 2 R + C W].
        of_slots: Layer of the history of slots, [R, R].
        of_slots_bias: [R].
        of_input: Inputs of the state, [I, 3 H].
        of_input_bias: [3 H].
        of_state_bias: [3 H].
        table: Features of differences, [T, 8].
    """

    of_state: FloatArray
    of_context: FloatArray
    bias: FloatArray
    of_slots: FloatArray
    of_slots_bias: FloatArray
    of_input: FloatArray
    of_input_bias: FloatArray
    of_state_bias: FloatArray
    table: FloatArray


class CountWorkspace(NamedTuple):
    """Space that is overwritten with each count.

    Attributes:
        every: Numbers from 0 on.
        hidden: Units of a channel, [W].
        out: Features of the count and logits of settling, [F + 6].
        values: Counts that would settle a pair, [6].
        logits: Logits of being free and of each of these, [7].
    """

    every: IntArray
    hidden: FloatArray
    out: FloatArray
    values: FloatArray
    logits: FloatArray


class Workspace(NamedTuple):
    """Space that is overwritten with each slot.

    Attributes:
        every: Numbers from 0 on, as many as there are inputs.
        inputs: Inputs of a layer.
        logits: Logits of slots and the end, [S + 1].
        of_input: Contribution of inputs to the gates of the state, [3 H].
        h: A state, [H].
        counts: Space for counts.
    """

    every: IntArray
    inputs: Sparse
    logits: FloatArray
    of_input: FloatArray
    h: FloatArray
    counts: CountWorkspace
