"""Loops over days that are drawn (Rhythm), compiled for the processor they run on.

One pass over a few numbers of a day takes the place of many over those of all days. Matrix products are not here:
:mod:`habitus.models.day_draws` has them between these loops.

Letters: N days, n days going on, S slots, C channels, H hidden units, W units of a channel, P pairs, R numbers
recalled of a slot, F features of a count, V bins of counts, K numbers told of a day before counts.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.random import Generator

from habitus.models.day_slots import SETTLED
from habitus.parts.active_slots import MOST_TOLD, TOLD_OF_COUNT
from habitus.parts.compiled import compiled
from habitus.parts.counts.amounts import BINNED, LEAST_RATE, MOST_RATE, POISSON
from habitus.parts.counts.bins import MOST
from habitus.parts.memory import MOST_APART, NEVER_BEFORE, RECALLED
from habitus.parts.shapes import FloatArray, IntArray

ONE, HALF = np.float32(1), np.float32(0.5)
LOG2_E, LARGEST_POWER = np.float32(math.log2(math.e)), np.float32(126)
EXP2 = tuple(
    np.float32(c) for c in (1.5403530e-4, 1.3333558e-3, 9.6181291e-3, 5.5504109e-2, 0.24022651, 0.69314718)
)  # least squares for 2^f
NEVER = np.float32(-1e4)  # a logit
RARELY_NONE = 0.9  # chance of zero up to which a count that is not zero is found by drawing again


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


class AmountKind(NamedTuple):
    """What a count that is not zero is drawn from, beside its features.

    Attributes:
        kind: Of habitus.parts.counts.amounts.
        first: Counts that bins begin with, [V].
        last: [V].
    """

    kind: int
    first: FloatArray
    last: FloatArray


class CountWeights(NamedTuple):
    """Of :class:`habitus.models.day_slots.SlotCounts`.

    Attributes:
        of_slot: [S, C W].
        of_gap: [S, C W].
        earlier: What is told of a channel to those after it, [C, 6, C W].
        gate: [C, W].
        out: [C, W, F + 6].
        bias: [C, 1 + F + 6].
        habit: [C, 3].
        pairs: Later and earlier channel of each pair, [P, 2].
        pair: Number of the pair that a channel may settle, -1 for none, [C].
        amounts: What they are drawn from.
        shift: Of features, [F].
        told: What is told of counts, [T, 6].
    """

    of_slot: FloatArray
    of_gap: FloatArray
    earlier: FloatArray
    gate: FloatArray
    out: FloatArray
    bias: FloatArray
    habit: FloatArray
    pairs: IntArray
    pair: IntArray
    amounts: AmountKind
    shift: FloatArray
    told: FloatArray


@compiled
def exp(x: Any) -> Any:
    """e^x to a relative 1e-6, by 2^(n + f) with |f| at most a half: unlike math.exp it runs side by side."""
    t = min(max(x * LOG2_E, -LARGEST_POWER), LARGEST_POWER)
    n = np.floor(t + HALF)
    f = t - n
    p = ((((EXP2[0] * f + EXP2[1]) * f + EXP2[2]) * f + EXP2[3]) * f + EXP2[4]) * f + EXP2[5]
    return (p * f + ONE) * np.int32((np.int32(n) + np.int32(127)) << np.int32(23)).view(np.float32)


@compiled
def sigmoid(x: Any) -> Any:
    """1 / (1 + e^-x)."""
    return ONE / (ONE + exp(-x))


@compiled
def choose(logits: FloatArray, rng: Generator) -> int:
    """One of k by its logit [k], which is overwritten."""
    top, total = logits[0], np.float32(0)
    for k in range(len(logits)):
        top = max(top, logits[k])
    for k in range(len(logits)):
        logits[k] = exp(logits[k] - top)
        total += logits[k]
    left = np.float32(rng.random()) * total
    chosen = 0
    for k in range(len(logits)):
        if logits[k] > 0:
            chosen = k
            left -= logits[k]
            if left < 0:
                break
    return chosen


@compiled
def write(numbers: FloatArray, place: FloatArray) -> None:
    """Copy some numbers: an assignment to a slice would look first whether both overlap."""
    for k in range(len(place)):
        place[k] = numbers[k]


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
            told[i, begin + balance + k] = days.told[day, k] if adjacent else np.float32(0)


@compiled
def tell_after(days: DayState, going: Going, place: int, differences: FloatArray, told: FloatArray) -> None:
    """Write what the state is told of slots and their counts, as DaySlots.told has it."""
    slots, counts = days.x.shape[1], days.told.shape[1]
    balance = differences.shape[1] * 3 * days.now.shape[1]
    begin = slots + counts
    for i in range(len(going.day)):
        day = going.day[i]
        for slot in range(slots):
            told[i, slot] = np.float32(0)
        told[i, going.slot[i]] = ONE
        write(days.told[day], told[i, slots:begin])
        tell_balance(days, day, differences, told[i, begin : begin + balance])
        left = days.most[day] - 1 - place
        told[i, begin + balance] = 0.5 * math.log1p(place)
        told[i, begin + balance + 1] = math.tanh(left / 3)
        told[i, begin + balance + 2] = ONE if left > 0 else np.float32(0)


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


@compiled
def draw_counts(base: FloatArray, weights: CountWeights, days: DayState, going: Going, rng: Generator) -> None:
    """Draw the counts of a slot of each, channel after channel; ``base`` is what is known before any, [n, C W]."""
    channels, width = weights.gate.shape
    hidden, out = np.empty(width, np.float32), np.empty(weights.out.shape[2], np.float32)
    for i in range(len(base)):
        day, slot, empty = going.day[i], going.slot[i], True
        add_both(base[i], weights.of_slot[slot], weights.of_gap[going.gap[i]])
        for k in range(days.told.shape[1]):
            days.told[day, k] = np.float32(0)
        for channel in range(channels):
            logit = gate(base[i, channel * width : (channel + 1) * width], weights.gate[channel], hidden)
            logit += of_habit(weights.habit[channel], days, day, slot, channel)
            active = rng.random() < sigmoid(logit + weights.bias[channel, 0])
            if active or (empty and channel == channels - 1):
                empty = False
                outputs(hidden, weights.out[channel], weights.bias[channel], weights.shift, out)
                count = draw_count(out, weights, days, day, slot, channel, rng)
                take_in(count, days, day, slot, channel)
                told = weights.told[int(min(count, np.float32(MOST_TOLD)))]
                tell(told, weights.earlier[channel], days.told[day], channel, base[i], width)
        settle_balance(days, day, slot, weights.pairs)


@compiled
def add_both(base: FloatArray, first: FloatArray, second: FloatArray) -> None:
    """Add two vectors to a third."""
    for k in range(len(base)):
        base[k] += first[k] + second[k]


@compiled
def gate(base: FloatArray, weights: FloatArray, hidden: FloatArray) -> Any:
    """Units of a channel, SiLU of what is known [W], written; and a logit from them."""
    logit = np.float32(0)
    for unit in range(len(weights)):
        hidden[unit] = base[unit] * sigmoid(base[unit])
        logit += hidden[unit] * weights[unit]
    return logit


@compiled
def of_habit(weights: FloatArray, days: DayState, day: int, slot: int, channel: int) -> Any:
    """Of the logit of a channel's being active what follows from its own past."""
    channels = days.x.shape[2]
    logit = weights[1] * days.channels[day, 3 * channels + channel]
    logit += weights[2] * days.recall[day, slot, RECALLED + channel]
    return logit + weights[0] if days.largest[day, channel] == 0 else logit


@compiled
def outputs(hidden: FloatArray, weights: FloatArray, bias: FloatArray, shift: FloatArray, out: FloatArray) -> None:
    """Write features of a channel's count, shifted, and logits of settling, [F + 6]."""
    for k in range(len(out)):
        out[k] = bias[1 + k]
    for k in range(len(shift)):
        out[k] += shift[k]
    whole = len(hidden) // 4 * 4
    for unit in range(0, whole, 4):  # four at a time: out is read and written less often
        first, second, third, fourth = hidden[unit], hidden[unit + 1], hidden[unit + 2], hidden[unit + 3]
        of_first, of_second, of_third, of_fourth = (
            weights[unit],
            weights[unit + 1],
            weights[unit + 2],
            weights[unit + 3],
        )
        for k in range(len(out)):
            out[k] += first * of_first[k] + second * of_second[k] + third * of_third[k] + fourth * of_fourth[k]
    for unit in range(whole, len(hidden)):
        of_this = weights[unit]
        for k in range(len(out)):
            out[k] += hidden[unit] * of_this[k]


@compiled
def draw_count(
    out: FloatArray, weights: CountWeights, days: DayState, day: int, slot: int, channel: int, rng: Generator
) -> Any:
    """A count: it settles the difference of the channel's pair, or is free."""
    features, pair = len(weights.shift), weights.pair[channel]
    if pair >= 0:
        values, logits = np.empty(SETTLED, np.float32), np.zeros(1 + SETTLED, np.float32)
        values[0], values[1] = 0, 1
        values[2], values[3] = days.lowest[day, pair], days.lowest[day, pair] + 1
        values[4], values[5] = days.highest[day, pair], days.highest[day, pair] - 1
        now = days.now[day, pair] - days.x[day, slot, weights.pairs[pair, 1]]
        for k in range(SETTLED):
            values[k] -= now
            logits[1 + k] = out[features + k] if values[k] >= 1 else NEVER
        chosen = choose(logits, rng)
        if chosen > 0:
            return values[chosen - 1]
    return draw_amount(out[:features], weights.amounts, days.largest[day, channel], rng)


@compiled
def draw_amount(features: FloatArray, amounts: AmountKind, largest: Any, rng: Generator) -> Any:
    """A count of one or more, as the class of its likelihood has it; features are overwritten."""
    if amounts.kind == BINNED:
        return draw_binned(features, amounts.first, amounts.last, largest, rng)
    rate = math.exp(min(max(features[0], math.log(LEAST_RATE)), math.log(MOST_RATE)))
    if amounts.kind == POISSON:
        return np.float32(draw_poisson(rate, rng))
    return np.float32(draw_negative_binomial(rate, math.exp(min(max(features[1], -5), 5)), rng))


@compiled
def draw_binned(features: FloatArray, first: FloatArray, last: FloatArray, largest: Any, rng: Generator) -> Any:
    """A bin, then a count within it, from features [V + 2]."""
    bins = len(last)
    logits = features[:bins]
    if largest > 0:
        for k in range(bins):
            if last[k] >= largest or k == bins - 1:
                same = k == 0 or last[k - 1] < largest
                logits[k] += features[bins] if same else features[bins + 1]
    chosen = choose(logits, rng)
    within = np.floor(np.float32(rng.random()) * (last[chosen] - first[chosen] + ONE))
    return min(first[chosen] + within, last[chosen])


@compiled
def draw_poisson(rate: float, rng: Generator) -> float:
    """A Poisson count that is not zero: the first event falls before the end, the rest after it."""
    first = -math.log1p(rng.random() * math.expm1(-rate))
    return 1.0 + rng.poisson(max(rate - first, 0.0))


@compiled
def draw_negative_binomial(rate: float, size: float, rng: Generator) -> float:
    """A negative binomial count that is not zero."""
    none = math.exp(-size * math.log1p(rate / size))
    if none < RARELY_NONE:
        while True:
            found = float(rng.poisson(rng.gamma(size, rate / size)))
            if found > 0:
                return min(found, float(MOST))
    found, left = 1.0, rng.random() * -math.expm1(-size * math.log1p(rate / size))
    p = none * size * rate / (rate + size)
    while left > p and found < MOST and (p > 0 or found < rate):
        left -= p
        p *= (found + size) / (found + 1) * rate / (rate + size)
        found += 1
    return found


@compiled
def take_in(count: Any, days: DayState, day: int, slot: int, channel: int) -> None:
    """Write down a count."""
    days.x[day, slot, channel] = count
    days.largest[day, channel] = max(days.largest[day, channel], count)


@compiled
def tell(
    told: FloatArray, weights: FloatArray, of_day: FloatArray, channel: int, base: FloatArray, width: int
) -> None:
    """Tell later channels, and the slot after this one, of a count."""
    for k in range(TOLD_OF_COUNT):
        of_day[channel * TOLD_OF_COUNT + k] = told[k]
        if told[k] != 0:
            for unit in range((channel + 1) * width, len(base)):
                base[unit] += told[k] * weights[k, unit]


@compiled
def settle_balance(days: DayState, day: int, slot: int, pairs: IntArray) -> None:
    """Take the counts of a slot into the balance of the pairs."""
    for pair in range(len(pairs)):
        now = days.now[day, pair] + days.x[day, slot, pairs[pair, 0]] - days.x[day, slot, pairs[pair, 1]]
        days.now[day, pair] = now
        days.lowest[day, pair] = min(days.lowest[day, pair], now)
        days.highest[day, pair] = max(days.highest[day, pair], now)
