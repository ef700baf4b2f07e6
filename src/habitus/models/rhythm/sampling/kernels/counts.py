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
    log_share,
    sigmoid,
    weigh,
    write,
)
from habitus.models.rhythm.sampling.kernels.history import follow
from habitus.models.rhythm.sampling.state import (
    AMOUNTS,
    CHANNELS,
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
        certain = empty and channel == channels - 1
        if len(days.log_probs) > 0 and not certain:
            days.log_probs[day, CHANNELS] += log_prob_of_channel(
                logit + weights.bias[channel, 0], active
            )
        if active or certain:
            empty = False
            outputs(weights, channel, shift, room)
            count = draw_count(room, weights, days, day, slot, channel, rng)
            if len(days.log_probs) > 0:
                outputs(weights, channel, shift, room)  # the draw has overwritten them
                days.log_probs[day, AMOUNTS] += log_prob_of_count(
                    room, weights, days, day, channel, count
                )
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
def log_prob_of_channel(logit: Any, active: bool) -> float:
    """Log-probability of a channel's being active, or not, from the logit of its being so."""
    return -math.log1p(math.exp(-logit if active else logit))


@compiled
def log_prob_of_count(
    room: CountRoom, weights: CountWeights, days: DayState, day: int, channel: int, count: Any
) -> float:
    """Log-probability of a count that was just drawn, by whichever way: it may be free, and settle its pair too.

    Args:
        room: With features of the count, and what :func:`draw_count` left of the choice whether it settles the pair.
        weights: Of counts.
        days: All days.
        day: The number of one.
        channel: Whose count it is.
        count: The count.
    """
    features = len(room.out) - SETTLED
    freely = log_prob_of_amount(
        room.out[:features], weights.amounts, days.largest[day, channel], count
    )
    if weights.pair[channel] < 0:
        return freely
    total, exactly = 0.0, 0.0
    for k in range(len(room.logits)):
        total += room.logits[k]
    for k in range(SETTLED):
        exactly += room.logits[1 + k] if room.values[k] == count else ZERO
    return math.log((exactly + room.logits[0] * math.exp(freely)) / total)


@compiled
def log_prob_of_amount(
    features: FloatArray, amounts: AmountKind, largest: Any, count: Any
) -> float:
    """Log-probability of a count that settles nothing, as the class of its likelihood has it; features are changed."""
    if amounts.kind == BINNED:
        logits, bin_of_count = features[: len(amounts.last)], 0
        favour_largest(features, amounts, largest)
        weigh(logits)
        while bin_of_count < len(logits) - 1 and amounts.last[bin_of_count] < count:
            bin_of_count += 1
        return log_share(logits, bin_of_count) - math.log(
            amounts.last[bin_of_count] - amounts.first[bin_of_count] + 1
        )
    rate = rate_of(features)
    if amounts.kind == POISSON:
        return (
            count * math.log(rate) - rate - math.lgamma(count + 1.0) - math.log(-math.expm1(-rate))
        )
    size = size_of(features)
    none = -size * math.log1p(rate / size)
    ways = math.lgamma(count + size) - math.lgamma(size) - math.lgamma(count + 1.0)
    return ways + none + count * math.log(rate / (rate + size)) - math.log(-math.expm1(none))


@compiled
def rate_of(features: FloatArray) -> float:
    """The rate of a count, from its features."""
    return math.exp(min(max(features[0], math.log(LEAST_RATE)), math.log(MOST_RATE)))


@compiled
def size_of(features: FloatArray) -> float:
    """The size of a negative binomial count, from its features."""
    return math.exp(min(max(features[1], -5), 5))


@compiled
def draw_amount(
    features: FloatArray, amounts: AmountKind, largest: Any, rng: Generator, scores: FloatArray
) -> Any:
    """A count of one or more, as the class of its likelihood has it; features are overwritten, scores added to."""
    if amounts.kind == BINNED:
        return draw_binned(features, amounts, largest, rng, scores)
    rate = rate_of(features)
    if amounts.kind == POISSON:
        found = draw_poisson(rate, rng)
        moves = 1.0
        some = -math.expm1(-rate)
    else:
        size = size_of(features)
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
    logits = features[: len(last)]
    same = favour_largest(features, amounts, largest)
    chosen = choose(logits, rng)
    score_bins(logits, amounts, same, chosen, scores)
    within = np.floor(np.float32(rng.random()) * (last[chosen] - first[chosen] + ONE))
    return min(first[chosen] + within, last[chosen])


@compiled
def favour_largest(features: FloatArray, amounts: AmountKind, largest: Any) -> int:
    """Add to logits of bins what the bin of the largest count so far has, and those above; that bin, V for none."""
    last, bins = amounts.last, len(amounts.last)
    if largest == 0:
        return bins
    same = 0
    while same < bins - 1 and last[same] < largest:
        same += 1
    features[same] += features[bins]
    for k in range(same + 1, bins):
        features[k] += features[bins + 1]
    return same


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
