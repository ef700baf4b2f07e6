"""Which slot of a day is active next, and what is told before and after it (habitus.models.rhythm.day), compiled.

Letters: as in :mod:`habitus.models.rhythm.sampling.state`.
"""

from __future__ import annotations

import math

from numpy.random import Generator

from habitus.models.rhythm.history import NEVER_BEFORE, RECALLED
from habitus.models.rhythm.sampling.kernels.compiled import (
    HALF,
    ONE,
    ZERO,
    Sparse,
    add_rows,
    choose,
    compiled,
    log_share,
    sigmoid,
    tell,
    write,
)
from habitus.models.rhythm.sampling.kernels.history import near_difference, row_of_difference
from habitus.models.rhythm.sampling.state import END, NEW, SLOTS, DayState, Moved, SlotWeights
from habitus.schema import FloatArray, IntArray


@compiled
def of_recalled(
    recall: FloatArray, weights: FloatArray, bias: FloatArray, found: FloatArray
) -> None:
    """Write what follows of what is recalled [N, R + C, S] of slots, [N, R, S]: as DaySlots.of_slots has it."""
    for i in range(len(recall)):
        for k in range(RECALLED):
            follows = found[i, k]
            for slot in range(len(follows)):
                follows[slot] = bias[k]
            for r in range(RECALLED):
                for slot in range(len(follows)):
                    follows[slot] += recall[i, r, slot] * weights[r, k]
            for slot in range(len(follows)):
                follows[slot] *= sigmoid(follows[slot])


@compiled
def next_slot(
    asked: FloatArray,
    days: DayState,
    day: int,
    before: int,
    moved: Moved,
    every: IntArray,
    logits: FloatArray,
    rng: Generator,
) -> int:
    """Draw the next active slot of a day, S for the end.

    Args:
        asked: Logits of slots and the end, of gaps, and what is asked of what is recalled, [2 S + 1 + 2 R].
        days: All days.
        day: Its number.
        before: The slot before, -1 for none.
        moved: Shifts of logits.
        every: Numbers from 0 on.
        logits: Overwritten, [S + 1].
        rng: Of the noise.
    """
    slots = days.x.shape[1]
    begin = before + 1
    of_past = asked[2 * days.x.shape[1] + 1 :]
    write(asked, logits)
    of_past[NEVER_BEFORE] += moved.new_slots
    add_rows(every, of_past, RECALLED, days.recall[day], logits[:slots])
    add_rows(every, of_past[RECALLED:], RECALLED, days.of_slots[day], logits[:slots])
    for slot in range(begin, slots):
        logits[slot] += asked[slots + 1 + slot - begin]
    logits[slots] += moved.end
    last = slots if begin == 0 else slots + 1  # a day that is active does not end before it began
    following = begin + choose(logits[begin:last], rng)
    never = days.recall[day, NEVER_BEFORE]
    score_slots(logits[begin:last], never[begin:], following - begin, days.scores[day])
    if len(days.log_probs) > 0:
        days.log_probs[day, SLOTS] += log_share(logits[begin:last], following - begin)
    return following


@compiled
def score_slots(chances: FloatArray, never: FloatArray, chosen: int, scores: FloatArray) -> None:
    """Add to the scores of a choice among slots and the end, by chances [k] that need not sum to one."""
    slots = len(never)
    total = ZERO
    new = ZERO
    for k in range(len(chances)):
        total += chances[k]
    for k in range(slots):
        new += chances[k] * never[k]
    if len(chances) > slots:
        scores[END] += (ONE if chosen == slots else ZERO) - chances[slots] / total
    scores[NEW] += (never[chosen] if chosen < slots else ZERO) - new / total


@compiled
def tell_balance(
    days: DayState, day: int, differences: FloatArray, begin: int, told: Sparse, count: int
) -> int:
    """Tell the balance of a day's pairs, [24 P]: as Balance.told has it."""
    pairs = days.now.shape[1]
    width = differences.shape[1]
    for pair in range(pairs):
        now = days.now[day, pair]
        for kind, value in enumerate(
            (now, now - days.lowest[day, pair], days.highest[day, pair] - now)
        ):
            row = row_of_difference(value)
            first = begin + (kind * pairs + pair) * width
            told.which[count] = first + near_difference(value)
            told.values[count] = ONE
            told.which[count + 1] = first + width - 1
            told.values[count + 1] = differences[row, width - 1]
            count += 2
    return count


@compiled
def tell_before(
    days: DayState, day: int, slot: int, gap: int, weights: SlotWeights, told: Sparse
) -> int:
    """Tell what counts of a slot are drawn from beside the state and channels, of K; how many are not zero."""
    recalled = days.recall.shape[1]
    for r in range(recalled):
        told.which[r] = r
        told.values[r] = days.recall[day, r, slot]
    count = tell_balance(days, day, weights.differences, recalled, told, recalled)
    if gap != 1:
        return count
    balance = weights.differences.shape[1] * 3 * days.now.shape[1]
    return tell(days.told[day], recalled + balance, told, count)


@compiled
def tell_after(
    days: DayState, day: int, slot: int, place: int, weights: SlotWeights, told: Sparse
) -> int:
    """Tell the state of a slot and its counts, of K, as DaySlots.told has it; how many are not zero."""
    slots = days.x.shape[1]
    counts = days.told.shape[1]
    told.which[0] = slot
    told.values[0] = ONE
    count = tell(days.told[day], slots, told, 1)
    count = tell_balance(days, day, weights.differences, slots + counts, told, count)
    begin = slots + counts + weights.differences.shape[1] * 3 * days.now.shape[1]
    left = days.most[day] - 1 - place
    for k in range(3):
        told.which[count + k] = begin + k
    told.values[count] = HALF * math.log1p(place)
    told.values[count + 1] = math.tanh(left / 3)
    told.values[count + 2] = ONE if left > 0 else ZERO
    return count + 3
