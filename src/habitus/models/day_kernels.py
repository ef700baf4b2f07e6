"""Loops over days that are drawn (Rhythm), compiled for the processor they run on.

One pass over a few numbers of a day takes the place of many over those of all days. Matrix products are not here:
:mod:`habitus.models.day_draws` has them between these loops. Counts are in :mod:`habitus.models.count_kernels`.

Letters: N days, n days going on, S slots, C channels, H hidden units, P pairs, R numbers recalled of a slot,
K numbers told of a day before counts.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from habitus.parts.compiled import ONE, ZERO, choose, compiled, sigmoid, write
from habitus.parts.memory import MOST_APART, NEVER_BEFORE, RECALLED
from habitus.parts.shapes import FloatArray, IntArray

END, NEW, COUNTS, LARGER, ONES = SCORES = range(5)  # columns of scores


class DayState(NamedTuple):
    """What days are drawn from, by the number of the day; the last of it changes with every slot.

    Attributes:
        recall: [N, S, R + C].
        of_slots: What follows of it, [N, S, 2 R].
        channels: [N, 4 C].
        most: [N].
        largest: [N, C].
        now: Balance of the pairs, [N, P].
        lowest: [N, P].
        highest: [N, P].
        told: What is told of the counts of the slot before, [N, 6 C].
        x: Counts, [N, S, C].
        scores: d log p / d shift of the logits of a day's end, of new slots, of counts by their logs, of counts
            above all before, and of ones, [N, 5]: what was drawn less what was to be expected.
    """

    recall: FloatArray
    of_slots: FloatArray
    channels: FloatArray
    most: FloatArray
    largest: FloatArray
    now: FloatArray
    lowest: FloatArray
    highest: FloatArray
    told: FloatArray
    x: FloatArray
    scores: FloatArray


class Going(NamedTuple):
    """Days that go on, by their place among these.

    Attributes:
        day: Their numbers, [n].
        slot: The last slot that was active, -1 for none, [n].
        gap: How many slots it is after the one before, 0 where there is none, [n].
    """

    day: IntArray
    slot: IntArray
    gap: IntArray


@compiled
def known_of_days(known: FloatArray, of_day: FloatArray, day: IntArray) -> None:
    """SiLU of what is known of each going day [n, H] and of its day [N, H]; overwritten."""
    for i in range(len(known)):
        of_this = of_day[day[i]]
        for unit in range(known.shape[1]):
            x = known[i, unit] + of_this[unit]
            known[i, unit] = x * sigmoid(x)


@compiled
def of_recalled(recall: FloatArray, weights: FloatArray, bias: FloatArray, found: FloatArray) -> None:
    """Write what is recalled of slots and what follows from it, [N, S, 2 R]: as DaySlots.of_recalled has it."""
    follows = np.empty(RECALLED, np.float32)
    for i in range(recall.shape[0]):
        for slot in range(recall.shape[1]):
            recalled, row = recall[i, slot], found[i, slot]
            write(bias, follows)
            for r in range(RECALLED):
                row[r] = recalled[r]
                of_this = weights[r]
                for k in range(RECALLED):
                    follows[k] += recalled[r] * of_this[k]
            for k in range(RECALLED):
                row[RECALLED + k] = follows[k] * sigmoid(follows[k])


@compiled
def next_slots(
    asked: FloatArray,
    days: DayState,
    going: Going,
    new_slots: float,
    end: float,
    rng: Generator,
    following: IntArray,
) -> None:
    """Draw the next active slot of each, S for the end, [n].

    Args:
        asked: Logits of slots and the end, of gaps, and what is asked of what is recalled, [n, 2 S + 1 + 2 R].
        days: All days.
        going: Those that go on.
        new_slots: Added to the logit of a slot that never was active.
        end: Added to that of the end.
        rng: Of the noise.
        following: Overwritten.
    """
    slots = days.x.shape[1]
    logits = np.empty(slots + 1, np.float32)
    for i in range(len(asked)):
        day, begin = going.day[i], going.slot[i] + 1
        for slot in range(begin, slots):
            of_past = days.recall[day, slot, NEVER_BEFORE] * np.float32(new_slots)
            for r in range(2 * RECALLED):
                of_past += days.of_slots[day, slot, r] * asked[i, 2 * slots + 1 + r]
            logits[slot] = asked[i, slot] + asked[i, slots + 1 + slot - begin] + of_past
        logits[slots] = asked[i, slots] + np.float32(end)
        last = slots if begin == 0 else slots + 1  # a day that is active does not end before it began
        following[i] = begin + choose(logits[begin:last], rng)
        score_slots(logits[begin:last], days.recall[day, begin:], following[i] - begin, days.scores[day])


@compiled
def score_slots(chances: FloatArray, recall: FloatArray, chosen: int, scores: FloatArray) -> None:
    """Add to the scores of a choice among slots and the end, by chances [k] that need not sum to one."""
    slots, total, new = len(recall), ZERO, ZERO
    for k in range(len(chances)):
        total += chances[k]
    for k in range(slots):
        new += chances[k] * recall[k, NEVER_BEFORE]
    if len(chances) > slots:
        scores[END] += (ONE if chosen == slots else ZERO) - chances[slots] / total
    scores[NEW] += (recall[chosen, NEVER_BEFORE] if chosen < slots else ZERO) - new / total


@compiled
def keep_going(following: IntArray, end: int, going: Going, known: FloatArray, state: FloatArray) -> int:
    """Move those that go on to the front, all that is known of them too; how many there are."""
    count = 0
    for i in range(len(following)):
        if following[i] < end:
            going.day[count] = going.day[i]
            going.gap[count] = following[i] - going.slot[i] if going.slot[i] >= 0 else 0
            going.slot[count] = following[i]
            write(known[i], known[count])
            write(state[i], state[count])
            count += 1
    return count


@compiled
def tell_balance(days: DayState, day: int, differences: FloatArray, told: FloatArray) -> None:
    """Write what is told of the balance of a day's pairs, [24 P]: as Balance.told has it."""
    pairs, width = days.now.shape[1], differences.shape[1]
    for pair in range(pairs):
        now = days.now[day, pair]
        for kind, value in enumerate((now, now - days.lowest[day, pair], days.highest[day, pair] - now)):
            row = int(min(max(value, -MOST_APART), MOST_APART)) + MOST_APART
            begin = (kind * pairs + pair) * width
            write(differences[row], told[begin : begin + width])


@compiled
def tell_before(days: DayState, going: Going, differences: FloatArray, told: FloatArray) -> None:
    """Write what counts of slots are drawn from beside the state, [n, K]."""
    recalled, channels = days.recall.shape[2], days.channels.shape[1]
    begin = recalled + channels
    balance = differences.shape[1] * 3 * days.now.shape[1]
    for i in range(len(going.day)):
        day = going.day[i]
        write(days.recall[day, going.slot[i]], told[i, :recalled])
        write(days.channels[day], told[i, recalled:begin])
        tell_balance(days, day, differences, told[i, begin : begin + balance])
        adjacent = going.gap[i] == 1
        for k in range(days.told.shape[1]):
            told[i, begin + balance + k] = days.told[day, k] if adjacent else ZERO


@compiled
def tell_after(days: DayState, going: Going, place: int, differences: FloatArray, told: FloatArray) -> None:
    """Write what the state is told of slots and their counts, as DaySlots.told has it."""
    slots, counts = days.x.shape[1], days.told.shape[1]
    balance = differences.shape[1] * 3 * days.now.shape[1]
    begin = slots + counts
    for i in range(len(going.day)):
        day = going.day[i]
        for slot in range(slots):
            told[i, slot] = ZERO
        told[i, going.slot[i]] = ONE
        write(days.told[day], told[i, slots:begin])
        tell_balance(days, day, differences, told[i, begin : begin + balance])
        left = days.most[day] - 1 - place
        told[i, begin + balance] = 0.5 * math.log1p(place)
        told[i, begin + balance + 1] = math.tanh(left / 3)
        told[i, begin + balance + 2] = ONE if left > 0 else ZERO


@compiled
def next_states(of_input: FloatArray, of_state: FloatArray, h: FloatArray) -> None:
    """A step of a GRU, from what input and state make of its three gates, [n, 3 H] each; states are overwritten."""
    units = h.shape[1]
    for i in range(len(h)):
        for k in range(units):
            reset = sigmoid(of_input[i, k] + of_state[i, k])
            kept = sigmoid(of_input[i, units + k] + of_state[i, units + k])
            x = of_input[i, 2 * units + k] + reset * of_state[i, 2 * units + k]
            new = ONE - (ONE + ONE) * sigmoid(-(x + x))  # tanh
            h[i, k] = new + kept * (h[i, k] - new)
