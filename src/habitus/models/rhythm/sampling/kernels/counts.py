"""Compiled loops that draw the counts of an active slot, channel after channel.

Letters: those of :mod:`habitus.models.rhythm.sampling.kernels.arrays`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.random import Generator

from habitus.models.parts.binned_counts import MOST
from habitus.models.rhythm.active_slots import COUNT_FEATURES, LARGEST_COUNT
from habitus.models.rhythm.amounts import BINNED, LEAST_RATE, MOST_LOG_SIZE, MOST_RATE, POISSON
from habitus.models.rhythm.day import SETTLED
from habitus.models.rhythm.history.features import SLOT_FEATURES
from habitus.models.rhythm.sampling.kernels.arrays import (
    AMOUNTS,
    CHANNELS,
    COUNTS,
    LARGER,
    ONES,
    AmountArrays,
    CountWeights,
    DayArrays,
    Workspace,
)
from habitus.models.rhythm.sampling.kernels.compiled import (
    ONE,
    ZERO,
    add_rows,
    allocating,
    choose,
    compiled,
    log_probability,
    sigmoid,
    weigh,
    write,
)
from habitus.models.rhythm.sampling.kernels.history import add_to_balance
from habitus.schema import FloatArray

NEVER = np.float32(-1e4)  # a logit
RARELY_ZERO = 0.9  # probability of 0 from which the CDF is inverted, instead of rejecting zeros


@compiled
def draw_counts(
    base: FloatArray,
    weights: CountWeights,
    offset: FloatArray,
    days: DayArrays,
    day: int,
    slot: int,
    gap: int,
    space: Workspace,
    rng: Generator,
) -> None:
    """Draw the counts of a slot.

    Args:
        base: Units of all channels, but for what the slot, the gap and the channels' history add;
            overwritten, [C W].
        weights: Weights of counts.
        offset: Offset of the features of counts, [F].
        days: All days.
        day: Number of the day.
        slot: The slot.
        gap: Slots since the active one before, 0 where there is none.
        space: Space to work in.
        rng: Source of randomness.
    """
    (channels, width) = weights.active.shape
    empty = True
    features = days.counts[day]
    of_slot = weights.of_slot[slot]
    of_gap = weights.of_gap[gap]
    of_channels = days.of_channels[day]
    for k in range(len(base)):
        base[k] += of_slot[k] + of_gap[k] + of_channels[k]
    for k in range(len(features)):
        features[k] = ZERO
    for channel in range(channels):
        units = base[channel * width : (channel + 1) * width]
        logit = active_logit(units, weights, days, day, slot, channel, space.hidden)
        active = rng.random() < sigmoid(logit)
        certain = empty and channel == channels - 1  # an active slot has an active channel
        if len(days.log_probs) > 0 and not certain:
            away = -logit if active else logit
            days.log_probs[day, CHANNELS] -= math.log1p(math.exp(away))
        if active or certain:
            empty = False
            write_outputs(weights, channel, offset, space)
            count = draw_count(space, weights, days, day, slot, channel, rng)
            if len(days.log_probs) > 0:
                write_outputs(weights, channel, offset, space)  # drawing has overwritten them
                log_prob = log_prob_of_count(space, weights, days, day, channel, count)
                days.log_probs[day, AMOUNTS] += log_prob
            days.x[day, slot, channel] = count
            days.largest[day, channel] = max(days.largest[day, channel], count)
            begin = channel * COUNT_FEATURES
            end = (channel + 1) * COUNT_FEATURES
            write(weights.table[int(min(count, np.float32(LARGEST_COUNT)))], features[begin:end])
            later = (channel + 1) * width
            add_rows(
                space.every,
                features[begin:end],
                COUNT_FEATURES,
                weights.of_earlier[begin:end, later:],
                base[later:],
            )
    now = days.now[day]
    add_to_balance(now, days.lowest[day], days.highest[day], days.x[day, slot], weights.pairs)


@compiled
def active_logit(
    units: FloatArray,
    weights: CountWeights,
    days: DayArrays,
    day: int,
    slot: int,
    channel: int,
    hidden: FloatArray,
) -> Any:
    """Compute a channel's activation logit; write SiLU of its units to ``hidden``, [W]."""
    channels = days.x.shape[2]
    of_units = weights.active[channel]
    logit = ZERO
    for unit in range(len(of_units)):
        hidden[unit] = units[unit] * sigmoid(units[unit])
        logit += hidden[unit] * of_units[unit]
    of_habit = weights.habit[channel]
    habit = of_habit[1] * days.channel_history[day, 3 * channels + channel]
    habit += of_habit[2] * days.slot_history[day, SLOT_FEATURES + channel, slot]
    logit += habit + of_habit[0] if days.largest[day, channel] == 0 else habit
    return logit + weights.bias[channel, 0]


@compiled
def write_outputs(
    weights: CountWeights, channel: int, offset: FloatArray, space: Workspace
) -> None:
    """Write a count's features plus offset, and settling logits, to ``space.out``, [F + 6]."""
    bias = weights.bias[channel]
    out = space.out
    for k in range(len(out)):
        out[k] = bias[1 + k]
    for k in range(len(offset)):
        out[k] += offset[k]
    add_rows(space.every, space.hidden, len(space.hidden), weights.out[channel], out)


@compiled
def draw_count(
    space: Workspace,
    weights: CountWeights,
    days: DayArrays,
    day: int,
    slot: int,
    channel: int,
    rng: Generator,
) -> Any:
    """Draw a count of at least 1: a settling count of the channel's pair, or by the likelihood."""
    features = len(space.out) - SETTLED
    pair = weights.pair[channel]
    values = space.settling
    logits = space.settling_logits
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
            logits[1 + k] = space.out[features + k] if values[k] >= 1 else NEVER
        chosen = choose(logits, rng)
        if chosen > 0:
            return values[chosen - 1]
    largest = days.largest[day, channel]
    return draw_amount(space.out[:features], weights.amounts, largest, rng, days.scores[day])


@compiled
def log_prob_of_count(
    space: Workspace,
    weights: CountWeights,
    days: DayArrays,
    day: int,
    channel: int,
    count: Any,
) -> float:
    """Compute the log-probability of a drawn count under the mixture that :func:`draw_count` uses.

    The likelihood gives every count positive probability, and several settling counts may be
    equal: the probabilities of all components that yield the count are summed.

    Args:
        space: Outputs of the channel (overwritten), and the settling counts and mixture weights
            that :func:`draw_count` wrote.
        weights: Weights of counts.
        days: All days, not updated by the count yet.
        day: Number of the day.
        channel: Number of the channel.
        count: Drawn count, at least 1.
    """
    features = space.out[: len(space.out) - SETTLED]
    largest = days.largest[day, channel]
    freely = log_prob_of_amount(features, weights.amounts, largest, count)
    if weights.pair[channel] < 0:
        return freely
    total = 0.0
    settling = 0.0
    for k in range(len(space.settling_logits)):
        total += space.settling_logits[k]
    for k in range(SETTLED):
        settling += space.settling_logits[1 + k] if space.settling[k] == count else ZERO
    return math.log((settling + space.settling_logits[0] * math.exp(freely)) / total)


@compiled
def draw_amount(
    features: FloatArray, amounts: AmountArrays, largest: Any, rng: Generator, scores: FloatArray
) -> Any:
    """Draw a free count of one or more; features [F] are overwritten, scores [5] added to."""
    if amounts.kind == BINNED:
        return draw_binned(features, amounts, largest, rng, scores)
    rate = rate_of(features)
    if amounts.kind == POISSON:
        count = draw_poisson(rate, rng)
        slope = 1.0
        some = -math.expm1(-rate)
    else:
        size = size_of(features)
        count = draw_negative_binomial(rate, size, rng)
        slope = size / (rate + size)
        some = -math.expm1(-size * math.log1p(rate / size))
    score = slope * (count - rate / some)  # d log p / d log rate
    scores[COUNTS] += score
    scores[LARGER] += score
    return np.float32(count)


@compiled
def log_prob_of_amount(
    features: FloatArray, amounts: AmountArrays, largest: Any, count: Any
) -> float:
    """Compute the log-probability of a free count; features [F] are overwritten."""
    if amounts.kind == BINNED:
        logits = features[: len(amounts.last)]
        add_largest_logits(features, amounts, largest)
        weigh(logits)
        chosen = 0
        while chosen < len(logits) - 1 and amounts.last[chosen] < count:
            chosen += 1
        width = amounts.last[chosen] - amounts.first[chosen] + 1
        return log_probability(logits, chosen) - math.log(width)
    rate = rate_of(features)
    if amounts.kind == POISSON:
        log_prob = count * math.log(rate) - rate - math.lgamma(count + 1.0)
        return log_prob - math.log(-math.expm1(-rate))
    size = size_of(features)
    zero = -size * math.log1p(rate / size)
    ways = math.lgamma(count + size) - math.lgamma(size) - math.lgamma(count + 1.0)
    log_prob = ways + zero + count * math.log(rate / (rate + size))
    return log_prob - math.log(-math.expm1(zero))


@compiled
def rate_of(features: FloatArray) -> float:
    """Compute the rate of a Poisson or negative binomial count."""
    return math.exp(min(max(features[0], math.log(LEAST_RATE)), math.log(MOST_RATE)))


@compiled
def size_of(features: FloatArray) -> float:
    """Compute the size of a negative binomial count."""
    return math.exp(min(max(features[1], -MOST_LOG_SIZE), MOST_LOG_SIZE))


@compiled
def draw_binned(
    features: FloatArray, amounts: AmountArrays, largest: Any, rng: Generator, scores: FloatArray
) -> Any:
    """Draw a bin, then a count within it, from features [V + 2]."""
    first = amounts.first
    last = amounts.last
    logits = features[: len(last)]
    same = add_largest_logits(features, amounts, largest)
    chosen = choose(logits, rng)
    score_bins(logits, amounts, same, chosen, scores)
    within = np.floor(np.float32(rng.random()) * (last[chosen] - first[chosen] + ONE))
    return min(first[chosen] + within, last[chosen])


@compiled
def add_largest_logits(features: FloatArray, amounts: AmountArrays, largest: Any) -> int:
    """Add the extra logits to the bin of the largest count so far, whose index is returned.

    The second extra logit is added to all bins above. Without a count so far (0) nothing is added,
    and the number of bins, V, is returned.
    """
    last = amounts.last
    bins = len(last)
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
    weights: FloatArray, amounts: AmountArrays, same: int, chosen: int, scores: FloatArray
) -> None:
    """Add the scores of a choice among bins, by the weights [V] that :func:`choose` leaves."""
    total = ZERO
    logs = ZERO
    above = ZERO
    for k in range(len(weights)):
        total += weights[k]
        logs += weights[k] * amounts.logs[k]
    for k in range(same + 1, len(weights)):
        above += weights[k]
    scores[COUNTS] += amounts.logs[chosen] - logs / total
    scores[LARGER] += (ONE if chosen > same else ZERO) - above / total
    scores[ONES] += (ONE if chosen == 0 else ZERO) - weights[0] / total


@allocating
def poisson(rate: float, rng: Generator) -> float:
    """Draw a Poisson count."""
    return float(rng.poisson(rate))


@compiled
def draw_poisson(rate: float, rng: Generator) -> float:
    """Draw a Poisson count of at least 1, as the first event of a process and those after it.

    The time of the first event is drawn from a truncated exponential distribution on [0, rate].
    """
    first = -math.log1p(rng.random() * math.expm1(-rate))
    return 1.0 + poisson(max(rate - first, 0.0), rng)


@compiled
def draw_negative_binomial(rate: float, size: float, rng: Generator) -> float:
    """Draw a negative binomial count that is not zero.

    Where zeros are rare counts are drawn until one is not zero; else the distribution function is
    inverted.
    """
    zero = math.exp(-size * math.log1p(rate / size))
    if zero < RARELY_ZERO:
        while True:
            count = poisson(rng.gamma(size, rate / size), rng)
            if count > 0:
                return min(count, float(MOST))
    count = 1.0
    left = rng.random() * -math.expm1(-size * math.log1p(rate / size))
    p = zero * size * rate / (rate + size)
    while left > p and count < MOST and (p > 0 or count < rate):
        left -= p
        p *= (count + size) / (count + 1) * rate / (rate + size)
        count += 1
    return count
