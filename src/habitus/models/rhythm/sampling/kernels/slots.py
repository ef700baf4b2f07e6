"""Compiled loops that draw the next active slot of a day, and gather inputs of layers.

Letters: those of :mod:`habitus.models.rhythm.sampling.kernels.arrays`.
"""

from __future__ import annotations

import math

from numpy.random import Generator

from habitus.models.rhythm.history.features import NEVER_ACTIVE, SLOT_FEATURES
from habitus.models.rhythm.sampling.kernels.arrays import (
    END,
    NEW,
    SLOTS,
    DayArrays,
    Offsets,
    SlotWeights,
    Workspace,
)
from habitus.models.rhythm.sampling.kernels.compiled import (
    HALF,
    ONE,
    ZERO,
    Sparse,
    add_rows,
    append,
    choose,
    compiled,
    log_probability,
    sigmoid,
    write,
)
from habitus.models.rhythm.sampling.kernels.history import (
    indicator_of_difference,
    row_of_difference,
)
from habitus.schema import FloatArray


@compiled
def write_slot_features(
    history: FloatArray, weights: FloatArray, bias: FloatArray, features: FloatArray
) -> None:
    """Write features [N, R, S] of the history [N, R + C, S] of slots, as DaySlots.of_slots."""
    for i in range(len(history)):
        for k in range(SLOT_FEATURES):
            row = features[i, k]
            for slot in range(len(row)):
                row[slot] = bias[k]
            for r in range(SLOT_FEATURES):
                for slot in range(len(row)):
                    row[slot] += history[i, r, slot] * weights[r, k]
            for slot in range(len(row)):
                row[slot] *= sigmoid(row[slot])


@compiled
def next_slot(
    row: FloatArray,
    days: DayArrays,
    day: int,
    before: int,
    offsets: Offsets,
    space: Workspace,
    rng: Generator,
) -> int:
    """Draw the next active slot of a day; return S for the end.

    Args:
        row: Logits of slots and the end, logits of gaps, weights of the slots' history, [2 S + 1 +
            2 R].
        days: All days.
        day: Number of the day.
        before: Active slot before, -1 for none.
        offsets: Offsets of logits.
        space: Space to work in.
        rng: Source of randomness.
    """
    slots = days.x.shape[1]
    begin = before + 1
    of_history = row[2 * slots + 1 :]
    every = space.every
    logits = space.logits
    write(row, logits)
    of_history[NEVER_ACTIVE] += offsets.new_slots
    add_rows(every, of_history, SLOT_FEATURES, days.slot_history[day], logits[:slots])
    of_features = of_history[SLOT_FEATURES:]
    add_rows(every, of_features, SLOT_FEATURES, days.slot_features[day], logits[:slots])
    for slot in range(begin, slots):
        logits[slot] += row[slots + 1 + slot - begin]
    logits[slots] += offsets.end
    last = slots if begin == 0 else slots + 1  # a day that is active does not end before it began
    chosen = choose(logits[begin:last], rng)
    never = days.slot_history[day, NEVER_ACTIVE]
    score_slots(logits[begin:last], never[begin:], chosen, days.scores[day])
    if len(days.log_probs) > 0:
        days.log_probs[day, SLOTS] += log_probability(logits[begin:last], chosen)
    return begin + chosen


@compiled
def score_slots(weights: FloatArray, never: FloatArray, chosen: int, scores: FloatArray) -> None:
    """Add the scores of a choice among slots and the end, by the weights [k] of its draw."""
    slots = len(never)
    total = ZERO
    new = ZERO
    for k in range(len(weights)):
        total += weights[k]
    for k in range(slots):
        new += weights[k] * never[k]
    if len(weights) > slots:
        scores[END] += (ONE if chosen == slots else ZERO) - weights[slots] / total
    scores[NEW] += (never[chosen] if chosen < slots else ZERO) - new / total


@compiled
def append_balance(
    days: DayArrays, day: int, table: FloatArray, begin: int, inputs: Sparse, count: int
) -> int:
    """Append Balance.features of a day's pairs, [24 P]; return the number of entries.

    Args:
        days: All days.
        day: Number of the day.
        table: Features of differences, [T, 8].
        begin: Index of the first feature.
        inputs: Entries, changed.
        count: Number of entries so far.
    """
    pairs = days.now.shape[1]
    width = table.shape[1]
    for pair in range(pairs):
        now = days.now[day, pair]
        below = now - days.lowest[day, pair]
        above = days.highest[day, pair] - now
        for kind, difference in enumerate((now, below, above)):
            first = begin + (kind * pairs + pair) * width
            inputs.index[count] = first + indicator_of_difference(difference)
            inputs.values[count] = ONE
            inputs.index[count + 1] = first + width - 1
            inputs.values[count + 1] = table[row_of_difference(difference), width - 1]
            count += 2
    return count


@compiled
def gather_before_counts(
    days: DayArrays, day: int, slot: int, gap: int, weights: SlotWeights, inputs: Sparse
) -> int:
    """Gather the inputs of the counts of a slot; return the number of entries."""
    features = days.slot_history.shape[1]
    for r in range(features):
        inputs.index[r] = r
        inputs.values[r] = days.slot_history[day, r, slot]
    count = append_balance(days, day, weights.table, features, inputs, features)
    if gap != 1:  # counts of the last active slot are inputs only if that slot is adjacent
        return count
    balance = weights.table.shape[1] * 3 * days.now.shape[1]
    return append(days.counts[day], features + balance, inputs, count)


@compiled
def gather_after_counts(
    days: DayArrays, day: int, slot: int, place: int, weights: SlotWeights, inputs: Sparse
) -> int:
    """Gather the inputs of the state after a slot; return the number of entries."""
    slots = days.x.shape[1]
    counts = days.counts.shape[1]
    inputs.index[0] = slot
    inputs.values[0] = ONE
    count = append(days.counts[day], slots, inputs, 1)
    count = append_balance(days, day, weights.table, slots + counts, inputs, count)
    begin = slots + counts + weights.table.shape[1] * 3 * days.now.shape[1]
    left = days.most_slots[day] - 1 - place
    for k in range(3):
        inputs.index[count + k] = begin + k
    inputs.values[count] = HALF * math.log1p(place)
    inputs.values[count + 1] = math.tanh(left / 3)
    inputs.values[count + 2] = ONE if left > 0 else ZERO
    return count + 3
