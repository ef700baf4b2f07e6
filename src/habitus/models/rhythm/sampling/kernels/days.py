"""Loops over days that are drawn (Rhythm), compiled for the processor they run on.

One pass over a few numbers of a day takes the place of many over those of all days. Days are drawn in blocks, so
that room for their steps is small; products of matrices are those of BLAS, and what they would multiply by zeros is
told row by row.

Letters: as in :mod:`habitus.models.rhythm.sampling.state`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from habitus.models.rhythm.history import RECALLED
from habitus.models.rhythm.sampling.kernels.compiled import (
    ONE,
    Sparse,
    add_rows,
    allocating,
    compiled,
    sigmoid,
    write,
)
from habitus.models.rhythm.sampling.kernels.counts import CountRoom, count_room, draw_counts
from habitus.models.rhythm.sampling.kernels.slots import (
    next_slot,
    of_recalled,
    tell_after,
    tell_before,
)
from habitus.models.rhythm.sampling.state import CountWeights, DayState, Going, Moved, SlotWeights
from habitus.schema import FloatArray, IntArray

BLOCK = 256  # days drawn side by side


class Room(NamedTuple):
    """Room to work in, overwritten with each day.

    Attributes:
        every: Numbers from 0 on, as many as can be told.
        told: What is told.
        logits: Of slots and the end, [S + 1].
        of_input: What follows of it for the state, [3 H].
        h: A state, [H].
        of_counts: Room for counts.
    """

    every: IntArray
    told: Sparse
    logits: FloatArray
    of_input: FloatArray
    h: FloatArray
    of_counts: CountRoom


def room(weights: SlotWeights, of_counts: CountWeights) -> Room:
    """For days of some weights."""
    told = max(len(weights.of_input), len(of_counts.of_past))
    units = len(weights.of_state_bias)
    slots = len(of_counts.of_slot)
    (width, outputs) = of_counts.out.shape[1:]
    return Room(
        np.arange(told),
        Sparse(np.zeros(told + 1, np.int64), np.zeros(told + 1, np.float32)),
        *(np.zeros(each, np.float32) for each in (slots + 1, units, units // 3)),
        of_counts=count_room(width, outputs),
    )


class Products(NamedTuple):
    """Weights of products of matrices.

    Attributes:
        of_state: From a state to what is known and to the gates of the next state, [H, 4 H].
        asks: From what is known to what is asked of slots and the end, gaps, what is recalled, and of counts,
            [H, 2 S + 1 + 2 R + C W].
        of_recall: From what is recalled of a slot, [R, R].
        of_recall_bias: [R].
    """

    of_state: FloatArray
    asks: FloatArray
    of_recall: FloatArray
    of_recall_bias: FloatArray


@allocating
def draw_days(
    h: FloatArray,
    of_day: FloatArray,
    products: Products,
    weights: SlotWeights,
    of_counts: CountWeights,
    moved: Moved,
    days: DayState,
    room: Room,
    rng: Generator,
) -> None:
    """Draw days, step by step.

    Args:
        h: States before the first slot; overwritten, [N, H].
        of_day: What follows of days for what is known, [N, H].
        products: Weights of products.
        weights: Of slots.
        of_counts: Of counts.
        moved: Shifts of logits.
        days: The days; what is drawn is written there.
        room: To work in.
        rng: Of the noise.
    """
    follows = np.empty((BLOCK, products.of_state.shape[1]), np.float32)
    known = np.empty((BLOCK, h.shape[1]), np.float32)
    asked = np.empty((BLOCK, products.asks.shape[1]), np.float32)
    for begin in range(0, len(h), BLOCK):
        end = min(begin + BLOCK, len(h))
        recall = days.recall[begin:end]
        of_slots = days.of_slots[begin:end]
        of_recalled(recall, products.of_recall, products.of_recall_bias, of_slots)
        going = Going(np.arange(begin, end), np.full(end - begin, -1), h[begin:end])
        count = end - begin
        for place in range(days.x.shape[1]):
            if count == 0:
                break
            some = known[:count]
            of_state = follows[:count]
            asks = asked[:count]
            np.dot(going.h[:count], products.of_state, of_state)
            known_of_days(of_state, of_day, going.day, some)
            np.dot(some, products.asks, asks)
            count = draw_slots(
                asks, of_state, weights, of_counts, moved, days, going, place, room, rng
            )


@compiled
def known_of_days(
    of_state: FloatArray, of_day: FloatArray, day: IntArray, known: FloatArray
) -> None:
    """SiLU of what follows of states, the first numbers of [n, 4 H], and days [N, H]; written to [n, H]."""
    for i in range(len(known)):
        of_this = of_day[day[i]]
        for unit in range(known.shape[1]):
            x = of_state[i, unit] + of_this[unit]
            known[i, unit] = x * sigmoid(x)


@compiled
def draw_slots(
    asked: FloatArray,
    of_state: FloatArray,
    weights: SlotWeights,
    of_counts: CountWeights,
    moved: Moved,
    days: DayState,
    going: Going,
    place: int,
    room: Room,
    rng: Generator,
) -> int:
    """Draw the next slot of each going day with its counts, and the state after it; how many days go on.

    Those that do are moved to the front.

    Args:
        asked: What is asked of each: of slots and the end, gaps, what is recalled, counts; overwritten.
        of_state: What follows of its state, the last 3 H of [n, 4 H].
        weights: Of slots.
        of_counts: Of counts.
        moved: Shifts of logits.
        days: All days.
        going: Those that go on.
        place: How many slots each has had.
        room: To work in.
        rng: Of the noise.
    """
    slots = days.x.shape[1]
    units = going.h.shape[1]
    told = room.told
    count = 0
    asks = 2 * slots + 1 + 2 * RECALLED
    for i in range(len(asked)):
        day = going.day[i]
        before = going.slot[i]
        row = asked[i]
        for k in range(len(row)):
            row[k] += weights.bias[k]
        slot = next_slot(row[:asks], days, day, before, moved, room.every, room.logits, rng)
        if slot == slots:
            continue
        gap = slot - before if before >= 0 else 0
        base = row[asks:]
        known = tell_before(days, day, slot, gap, weights, told)
        add_rows(told.which, told.values, known, of_counts.of_past, base)
        draw_counts(base, of_counts, moved.counts, days, day, slot, gap, room.of_counts, rng)
        known = tell_after(days, day, slot, place, weights, told)
        write(weights.of_input_bias, room.of_input)
        add_rows(told.which, told.values, known, weights.of_input, room.of_input)
        next_state(room.of_input, of_state[i, units:], weights.of_state_bias, going.h[i], room.h)
        write(room.h, going.h[count])
        going.day[count] = day
        going.slot[count] = slot
        count += 1
    return count


@compiled
def next_state(
    of_input: FloatArray, of_state: FloatArray, bias: FloatArray, h: FloatArray, after: FloatArray
) -> None:
    """Write the state after a step of a GRU to a place of its own: over the one before, it would take longer.

    Args:
        of_input: What the input makes of its three gates, [3 H].
        of_state: What the state does, [3 H].
        bias: Added to that.
        h: The state, [H].
        after: Overwritten, [H].
    """
    units = len(h)
    for k in range(units):
        reset = sigmoid(of_input[k] + of_state[k] + bias[k])
        kept = sigmoid(of_input[units + k] + of_state[units + k] + bias[units + k])
        x = of_input[2 * units + k] + reset * (of_state[2 * units + k] + bias[2 * units + k])
        new = ONE - (ONE + ONE) * sigmoid(-(x + x))  # tanh
        after[k] = new + kept * (h[k] - new)
