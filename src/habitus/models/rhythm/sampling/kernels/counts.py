"""Counts of active slots drawn channel after channel (habitus.models.rhythm.day), compiled.

Letters: as in :mod:`habitus.models.rhythm.sampling.state`.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.random import Generator

from habitus.models.parts.binned_counts import MOST
from habitus.models.rhythm.active_slots import MOST_TOLD, TOLD_OF_COUNT
from habitus.models.rhythm.amounts import BINNED, LEAST_RATE, MOST_RATE, POISSON
from habitus.models.rhythm.day import SETTLED
from habitus.models.rhythm.history import RECALLED
from habitus.models.rhythm.sampling.kernels.compiled import (
    ONE,
    ZERO,
    add_rows,
    allocating,
    choose,
    compiled,
    sigmoid,
    write,
)
from habitus.models.rhythm.sampling.kernels.history import follow
from habitus.models.rhythm.sampling.state import (
    COUNTS,
    LARGER,
    ONES,
    AmountKind,
    CountWeights,
    DayState,
)
from habitus.schema import FloatArray, IntArray

NEVER = np.float32(-1e4)  # a logit
RARELY_NONE = 0.9  # chance of zero up to which a count that is not zero is found by drawing again


class CountRoom(NamedTuple):
    """Room for what a count is drawn from, and what is overwritten with each.

    Attributes:
        every: Numbers from 0 on.
        hidden: Units of a channel, [W].
        out: Features and logits of settling, [F + 6].
        values: Counts that would settle a pair, [6].
        logits: Of being free and of each of these, [7].
    """

    every: IntArray
    hidden: FloatArray
    out: FloatArray
    values: FloatArray
    logits: FloatArray


def count_room(width: int, outputs: int) -> CountRoom:
    """For a count of any channel, from W units to F + 6 numbers."""
    sizes = (width, outputs, SETTLED, 1 + SETTLED)
    return CountRoom(
        np.arange(max(width, TOLD_OF_COUNT)), *(np.empty(size, np.float32) for size in sizes)
    )


@compiled
def draw_counts(
    base: FloatArray,
    weights: CountWeights,
    shift: FloatArray,
    days: DayState,
    day: int,
    slot: int,
    gap: int,
    room: CountRoom,
    rng: Generator,
) -> None:
    """Draw the counts of a slot, channel after channel.

    Args:
        base: What is known before any, but for the slot, the gap and the channels' past; overwritten, [C W].
        weights: Of counts.
        shift: Of features, [F].
        days: All days.
        day: The number of one.
        slot: The slot.
        gap: How many slots it is after the one before, 0 where there is none.
        room: To work in.
        rng: Of the noise.
    """
    (channels, width) = weights.gate.shape
    empty = True
    told = days.told[day]
    add_three(base, weights.of_slot[slot], weights.of_gap[gap], days.of_channels[day])
    for k in range(len(told)):
        told[k] = ZERO
    for channel in range(channels):
        logit = gate(
            base[channel * width : (channel + 1) * width], weights.gate[channel], room.hidden
        )
        logit += of_habit(weights.habit[channel], days, day, slot, channel)
        active = rng.random() < sigmoid(logit + weights.bias[channel, 0])
        if active or (empty and channel == channels - 1):
            empty = False
            outputs(weights, channel, shift, room)
            count = draw_count(room, weights, days, day, slot, channel, rng)
            take_in(count, days, day, slot, channel)
            begin = channel * TOLD_OF_COUNT
            end = (channel + 1) * TOLD_OF_COUNT
            write(weights.told[int(min(count, np.float32(MOST_TOLD)))], told[begin:end])
            later = (channel + 1) * width
            add_rows(
                room.every,
                told[begin:end],
                TOLD_OF_COUNT,
                weights.earlier[begin:end, later:],
                base[later:],
            )
    follow(days.now[day], days.lowest[day], days.highest[day], days.x[day, slot], weights.pairs)


@compiled
def add_three(base: FloatArray, first: FloatArray, second: FloatArray, third: FloatArray) -> None:
    """Add three vectors to a fourth."""
    for k in range(len(base)):
        base[k] += first[k] + second[k] + third[k]


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
    logit += weights[2] * days.recall[day, RECALLED + channel, slot]
    return logit + weights[0] if days.largest[day, channel] == 0 else logit


@compiled
def outputs(weights: CountWeights, channel: int, shift: FloatArray, room: CountRoom) -> None:
    """Write features of a channel's count, shifted, and logits of settling, [F + 6]."""
    bias = weights.bias[channel]
    out = room.out
    for k in range(len(out)):
        out[k] = bias[1 + k]
    for k in range(len(shift)):
        out[k] += shift[k]
    add_rows(room.every, room.hidden, len(room.hidden), weights.out[channel], out)


@compiled
def draw_count(
    room: CountRoom,
    weights: CountWeights,
    days: DayState,
    day: int,
    slot: int,
    channel: int,
    rng: Generator,
) -> Any:
    """A count: it settles the difference of the channel's pair, or is free."""
    features = len(room.out) - SETTLED
    pair = weights.pair[channel]
    values = room.values
    logits = room.logits
    if pair >= 0:
        values[0] = 0
        values[1] = 1
        values[2] = days.lowest[day, pair]
        values[3] = days.lowest[day, pair] + 1
        values[4] = days.highest[day, pair]
        values[5] = days.highest[day, pair] - 1
        now = days.now[day, pair] - days.x[day, slot, weights.pairs[pair, 1]]
        logits[0] = ZERO
        for k in range(SETTLED):
            values[k] -= now
            logits[1 + k] = room.out[features + k] if values[k] >= 1 else NEVER
        chosen = choose(logits, rng)
        if chosen > 0:
            return values[chosen - 1]
    return draw_amount(
        room.out[:features], weights.amounts, days.largest[day, channel], rng, days.scores[day]
    )


@compiled
def draw_amount(
    features: FloatArray, amounts: AmountKind, largest: Any, rng: Generator, scores: FloatArray
) -> Any:
    """A count of one or more, as the class of its likelihood has it; features are overwritten, scores added to."""
    if amounts.kind == BINNED:
        return draw_binned(features, amounts, largest, rng, scores)
    rate = math.exp(min(max(features[0], math.log(LEAST_RATE)), math.log(MOST_RATE)))
    if amounts.kind == POISSON:
        found = draw_poisson(rate, rng)
        moves = 1.0
        some = -math.expm1(-rate)
    else:
        size = math.exp(min(max(features[1], -5), 5))
        found = draw_negative_binomial(rate, size, rng)
        moves = size / (rate + size)
        some = -math.expm1(-size * math.log1p(rate / size))
    score = moves * (found - rate / some)  # d log p / d log rate
    scores[COUNTS] += score
    scores[LARGER] += score
    return np.float32(found)


@compiled
def draw_binned(
    features: FloatArray, amounts: AmountKind, largest: Any, rng: Generator, scores: FloatArray
) -> Any:
    """A bin, then a count within it, from features [V + 2]."""
    first = amounts.first
    last = amounts.last
    bins = len(last)
    same = len(last)
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
def score_bins(
    chances: FloatArray, amounts: AmountKind, same: int, chosen: int, scores: FloatArray
) -> None:
    """Add to the scores of a choice among bins, by chances [V] that need not sum to one."""
    total = ZERO
    logs = ZERO
    above = ZERO
    for k in range(len(chances)):
        total += chances[k]
        logs += chances[k] * amounts.logs[k]
    for k in range(same + 1, len(chances)):
        above += chances[k]
    scores[COUNTS] += amounts.logs[chosen] - logs / total
    scores[LARGER] += (ONE if chosen > same else ZERO) - above / total
    scores[ONES] += (ONE if chosen == 0 else ZERO) - chances[0] / total


@allocating
def poisson(rate: float, rng: Generator) -> float:
    """A Poisson count."""
    return float(rng.poisson(rate))


@compiled
def draw_poisson(rate: float, rng: Generator) -> float:
    """A Poisson count that is not zero: the first event falls before the end, the rest after it."""
    first = -math.log1p(rng.random() * math.expm1(-rate))
    return 1.0 + poisson(max(rate - first, 0.0), rng)


@compiled
def draw_negative_binomial(rate: float, size: float, rng: Generator) -> float:
    """A negative binomial count that is not zero."""
    none = math.exp(-size * math.log1p(rate / size))
    if none < RARELY_NONE:
        while True:
            found = poisson(rng.gamma(size, rate / size), rng)
            if found > 0:
                return min(found, float(MOST))
    found = 1.0
    left = rng.random() * -math.expm1(-size * math.log1p(rate / size))
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
