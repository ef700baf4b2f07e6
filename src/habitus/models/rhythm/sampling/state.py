"""What days are drawn from, step by step (Rhythm), as loops that are compiled are given it.

Letters: N days, n days going on, S slots, C channels, H hidden units, W units of a channel, P pairs, R numbers
recalled of a slot, F features of a count, V bins, K numbers told of a slot.
"""

from __future__ import annotations

from typing import NamedTuple

from habitus.schema import FloatArray, IntArray

END, NEW, COUNTS, LARGER, ONES = SCORES = range(5)  # columns of scores
SLOTS, CHANNELS, AMOUNTS = LOG_PROBS = range(3)  # columns of log-probabilities


class DayState(NamedTuple):
    """Days by their number; from ``largest`` on it changes with every slot.

    Attributes:
        recall: What is recalled of slots, [N, R + C, S].
        of_slots: What follows of it for the next slot, [N, R, S].
        channels: [N, 4 C].
        of_channels: What follows of these for counts, [N, C W].
        most: [N].
        largest: [N, C].
        now: Balance of the pairs, [N, P].
        lowest: [N, P].
        highest: [N, P].
        told: What is told of the counts of the slot before, [N, 6 C].
        x: Counts, [N, S, C].
        scores: d log p / d shift of the logits of a day's end, of new slots, of counts by their logs, of counts
            above all before, and of ones, [N, 5]: what was drawn less what was to be expected.
        log_probs: Log-probability of the slots drawn, of the channels active in them, and of their counts, [N, 3];
            [0, 3] where nobody asks for it.
    """

    recall: FloatArray
    of_slots: FloatArray
    channels: FloatArray
    of_channels: FloatArray
    most: FloatArray
    largest: FloatArray
    now: FloatArray
    lowest: FloatArray
    highest: FloatArray
    told: FloatArray
    x: FloatArray
    scores: FloatArray
    log_probs: FloatArray


class Going(NamedTuple):
    """Days that go on, by their place among these.

    Attributes:
        day: Their numbers, [n].
        slot: The last slot that was active, -1 for none, [n].
        h: Their states, [n, H].
    """

    day: IntArray
    slot: IntArray
    h: FloatArray


class Moved(NamedTuple):
    """Shifts of a day's logits.

    Attributes:
        end: Of its end.
        new_slots: Of a slot that never was active.
        counts: Of features of counts, [F].
    """

    end: float
    new_slots: float
    counts: FloatArray


class AmountKind(NamedTuple):
    """What a count that is not zero is drawn from, beside its features.

    Attributes:
        kind: Of habitus.models.rhythm.amounts.
        first: Counts that bins begin with, [V].
        last: [V].
        logs: Logs of the first ones, [V].
    """

    kind: int
    first: FloatArray
    last: FloatArray
    logs: FloatArray


class CountWeights(NamedTuple):
    """Of :class:`habitus.models.rhythm.day.SlotCounts`.

    Attributes:
        of_slot: [S, C W].
        of_gap: [S, C W].
        of_past: Of what is told before any count, [K, C W].
        earlier: What is told of a channel to those after it, [6 C, C W].
        gate: [C, W].
        out: [C, W, F + 6].
        bias: [C, 1 + F + 6].
        habit: [C, 3].
        pairs: Later and earlier channel of each pair, [P, 2].
        pair: Number of the pair that a channel may settle, -1 for none, [C].
        amounts: What they are drawn from.
        told: What is told of counts, [T, 6].
    """

    of_slot: FloatArray
    of_gap: FloatArray
    of_past: FloatArray
    earlier: FloatArray
    gate: FloatArray
    out: FloatArray
    bias: FloatArray
    habit: FloatArray
    pairs: IntArray
    pair: IntArray
    amounts: AmountKind
    told: FloatArray


class SlotWeights(NamedTuple):
    """Of :class:`habitus.models.rhythm.day.DaySlots`, but for the products of matrices.

    Attributes:
        bias: Of what is asked of each going day, [2 S + 1 + 2 R + C W].
        of_input: Of what the state is told after a slot, [K, 3 H].
        of_input_bias: [3 H].
        of_state_bias: [3 H].
        differences: What is told of differences, [T, 8].
    """

    bias: FloatArray
    of_input: FloatArray
    of_input_bias: FloatArray
    of_state_bias: FloatArray
    differences: FloatArray
