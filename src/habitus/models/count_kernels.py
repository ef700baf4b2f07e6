"""Counts of active slots drawn channel after channel (habitus.models.day_slots), compiled.

Letters: N days, n days going on, S slots, C channels, W units of a channel, P pairs, F features of a count, V bins.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.random import Generator

from habitus.models.day_kernels import COUNTS, LARGER, ONES, DayState, Going
from habitus.models.day_slots import SETTLED
from habitus.parts.active_slots import MOST_TOLD, TOLD_OF_COUNT
from habitus.parts.compiled import ONE, ZERO, choose, compiled, sigmoid
from habitus.parts.counts.amounts import BINNED, LEAST_RATE, MOST_RATE, POISSON
from habitus.parts.counts.bins import MOST
from habitus.parts.memory import RECALLED
from habitus.parts.shapes import FloatArray, IntArray

NEVER = np.float32(-1e4)  # a logit
RARELY_NONE = 0.9  # chance of zero up to which a count that is not zero is found by drawing again


class AmountKind(NamedTuple):
    """What a count that is not zero is drawn from, beside its features.

    Attributes:
        kind: Of habitus.parts.counts.amounts.
        first: Counts that bins begin with, [V].
        last: [V].
        logs: Logs of the first ones, [V].
    """

    kind: int
    first: FloatArray
    last: FloatArray
    logs: FloatArray


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
def draw_counts(base: FloatArray, weights: CountWeights, days: DayState, going: Going, rng: Generator) -> None:
    """Draw the counts of a slot of each, channel after channel; ``base`` is what is known before any, [n, C W]."""
    channels, width = weights.gate.shape
    hidden, out = np.empty(width, np.float32), np.empty(weights.out.shape[2], np.float32)
    for i in range(len(base)):
        day, slot, empty = going.day[i], going.slot[i], True
        add_both(base[i], weights.of_slot[slot], weights.of_gap[going.gap[i]])
        for k in range(days.told.shape[1]):
            days.told[day, k] = ZERO
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
    logit = ZERO
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
    return draw_amount(out[:features], weights.amounts, days.largest[day, channel], rng, days.scores[day])


@compiled
def draw_amount(features: FloatArray, amounts: AmountKind, largest: Any, rng: Generator, scores: FloatArray) -> Any:
    """A count of one or more, as the class of its likelihood has it; features are overwritten, scores added to."""
    if amounts.kind == BINNED:
        return draw_binned(features, amounts, largest, rng, scores)
    rate = math.exp(min(max(features[0], math.log(LEAST_RATE)), math.log(MOST_RATE)))
    if amounts.kind == POISSON:
        found, moves, some = draw_poisson(rate, rng), 1.0, -math.expm1(-rate)
    else:
        size = math.exp(min(max(features[1], -5), 5))
        found, moves = draw_negative_binomial(rate, size, rng), size / (rate + size)
        some = -math.expm1(-size * math.log1p(rate / size))
    score = moves * (found - rate / some)  # d log p / d log rate
    scores[COUNTS] += score
    scores[LARGER] += score
    return np.float32(found)


@compiled
def draw_binned(features: FloatArray, amounts: AmountKind, largest: Any, rng: Generator, scores: FloatArray) -> Any:
    """A bin, then a count within it, from features [V + 2]."""
    first, last = amounts.first, amounts.last
    bins, same = len(last), len(last)
    logits = features[:bins]
    if largest > 0:
        same = 0
        while same < bins - 1 and last[same] < largest:
            same += 1
        logits[same] += features[bins]
        for k in range(same + 1, bins):
            logits[k] += features[bins + 1]
    chosen = choose(logits, rng)
    score_bins(logits, amounts, same, chosen, scores)
    within = np.floor(np.float32(rng.random()) * (last[chosen] - first[chosen] + ONE))
    return min(first[chosen] + within, last[chosen])


@compiled
def score_bins(chances: FloatArray, amounts: AmountKind, same: int, chosen: int, scores: FloatArray) -> None:
    """Add to the scores of a choice among bins, by chances [V] that need not sum to one."""
    total, logs, above = ZERO, ZERO, ZERO
    for k in range(len(chances)):
        total += chances[k]
        logs += chances[k] * amounts.logs[k]
    for k in range(same + 1, len(chances)):
        above += chances[k]
    scores[COUNTS] += amounts.logs[chosen] - logs / total
    scores[LARGER] += (ONE if chosen > same else ZERO) - above / total
    scores[ONES] += (ONE if chosen == 0 else ZERO) - chances[0] / total


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
