"""Compiled loops that draw days, slot after slot.

Days are drawn in blocks, so that little space is needed for their steps. Products of matrices are
those of BLAS; where most factors are zeros, rows are added one by one instead.

Letters: those of :mod:`habitus.models.rhythm.sampling.kernels.arrays`.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from habitus.models.rhythm.active_slots import COUNT_FEATURES
from habitus.models.rhythm.day import SETTLED
from habitus.models.rhythm.history.features import SLOT_FEATURES
from habitus.models.rhythm.sampling.kernels.arrays import (
    CountWeights,
    DayArrays,
    Offsets,
    OpenDays,
    SlotWeights,
    Workspace,
)
from habitus.models.rhythm.sampling.kernels.compiled import (
    ONE,
    Sparse,
    add_rows,
    allocating,
    compiled,
    sigmoid,
    write,
)
from habitus.models.rhythm.sampling.kernels.counts import draw_counts
from habitus.models.rhythm.sampling.kernels.slots import (
    gather_after_counts,
    gather_before_counts,
    next_slot,
    write_slot_features,
)
from habitus.schema import FloatArray, IntArray

BLOCK = 256  # days drawn side by side


def workspace(weights: SlotWeights, counts: CountWeights) -> Workspace:
    """Make space for days of some weights."""
    slots = len(counts.of_slot)
    width, outputs = counts.out.shape[1:]
    inputs = max(len(weights.of_input), len(counts.of_history), width, COUNT_FEATURES)
    gates = len(weights.of_state_bias)
    return Workspace(
        np.arange(inputs),
        Sparse(np.zeros(inputs + 1, np.int64), np.zeros(inputs + 1, np.float32)),
        *(
            np.zeros(size, np.float32)
            for size in (slots + 1, gates, gates // 3, width, outputs, SETTLED, 1 + SETTLED)
        ),
    )


@allocating
def draw_days(
    h: FloatArray,
    of_day: FloatArray,
    weights: SlotWeights,
    counts: CountWeights,
    offsets: Offsets,
    days: DayArrays,
    space: Workspace,
    rng: Generator,
) -> None:
    """Draw days that are active.

    Args:
        h: States before the first slot; overwritten, [N, H].
        of_day: Contribution of each day to its contexts, [N, H].
        weights: Weights of slots.
        counts: Weights of counts.
        offsets: Offsets of logits.
        days: The days; what is drawn is written there.
        space: Space to work in.
        rng: Source of randomness.
    """
    of_states = np.empty((BLOCK, weights.of_state.shape[1]), np.float32)
    contexts = np.empty((BLOCK, h.shape[1]), np.float32)
    rows = np.empty((BLOCK, weights.of_context.shape[1]), np.float32)
    for begin in range(0, len(h), BLOCK):
        end = min(begin + BLOCK, len(h))
        history = days.slot_history[begin:end]
        features = days.slot_features[begin:end]
        write_slot_features(history, weights.of_slots, weights.of_slots_bias, features)
        open_days = OpenDays(np.arange(begin, end), np.full(end - begin, -1), h[begin:end])
        count = end - begin
        for place in range(days.x.shape[1]):
            if count == 0:
                break
            of_state = of_states[:count]
            np.dot(open_days.h[:count], weights.of_state, of_state)
            write_contexts(of_state, of_day, open_days.day, contexts[:count])
            np.dot(contexts[:count], weights.of_context, rows[:count])
            count = draw_slots(
                rows[:count], of_state, weights, counts, offsets, days, open_days, place, space, rng
            )


@compiled
def write_contexts(
    of_state: FloatArray, of_day: FloatArray, day: IntArray, contexts: FloatArray
) -> None:
    """Write contexts of open days, SiLU of contributions of state and day.

    Args:
        of_state: Contributions of states, the first numbers of rows, [n, 4 H].
        of_day: Contributions of days, [N, H].
        day: Numbers of the open days, [n].
        contexts: Overwritten, [n, H].
    """
    for i in range(len(contexts)):
        of_this = of_day[day[i]]
        for unit in range(contexts.shape[1]):
            x = of_state[i, unit] + of_this[unit]
            contexts[i, unit] = x * sigmoid(x)


@compiled
def draw_slots(
    rows: FloatArray,
    of_state: FloatArray,
    weights: SlotWeights,
    counts: CountWeights,
    offsets: Offsets,
    days: DayArrays,
    open_days: OpenDays,
    place: int,
    space: Workspace,
    rng: Generator,
) -> int:
    """Draw the next slot of each open day with its counts, and the state after it.

    Days that do not end are moved to the front; their number is returned.

    Args:
        rows: Logits of slots and the end, logits of gaps, weights of the slots' history, and units
            of counts, without their bias; overwritten, [n, 2 S + 1 + 2 R + C W].
        of_state: Contributions of states to the gates of the next state, the last 3 H of [n, 4 H].
        weights: Weights of slots.
        counts: Weights of counts.
        offsets: Offsets of logits.
        days: All days.
        open_days: Days that have not ended.
        place: Active slots of each so far.
        space: Space to work in.
        rng: Source of randomness.
    """
    slots = days.x.shape[1]
    units = open_days.h.shape[1]
    inputs = space.inputs
    left = 0
    logits = 2 * slots + 1 + 2 * SLOT_FEATURES
    for i in range(len(rows)):
        day = open_days.day[i]
        before = open_days.slot[i]
        row = rows[i]
        for k in range(len(row)):
            row[k] += weights.bias[k]
        slot = next_slot(row[:logits], days, day, before, offsets, space, rng)
        if slot == slots:
            continue
        gap = slot - before if before >= 0 else 0
        base = row[logits:]
        count = gather_before_counts(days, day, slot, gap, weights, inputs)
        add_rows(inputs.index, inputs.values, count, counts.of_history, base)
        draw_counts(base, counts, offsets.counts, days, day, slot, gap, space, rng)
        count = gather_after_counts(days, day, slot, place, weights, inputs)
        write(weights.of_input_bias, space.of_input)
        add_rows(inputs.index, inputs.values, count, weights.of_input, space.of_input)
        of_gates = of_state[i, units:]
        next_state(space.of_input, of_gates, weights.of_state_bias, open_days.h[i], space.h)
        write(space.h, open_days.h[left])
        open_days.day[left] = day
        open_days.slot[left] = slot
        left += 1
    return left


@compiled
def next_state(
    of_input: FloatArray, of_state: FloatArray, bias: FloatArray, h: FloatArray, after: FloatArray
) -> None:
    """Compute a step of a GRU into a separate array, which is faster than in place.

    Args:
        of_input: Contributions of the input to the three gates, [3 H].
        of_state: Contributions of the state, [3 H].
        bias: Bias of these, [3 H].
        h: State before, [H].
        after: Overwritten, [H].
    """
    units = len(h)
    for k in range(units):
        reset = sigmoid(of_input[k] + of_state[k] + bias[k])
        kept = sigmoid(of_input[units + k] + of_state[units + k] + bias[units + k])
        x = of_input[2 * units + k] + reset * (of_state[2 * units + k] + bias[2 * units + k])
        new = ONE - (ONE + ONE) * sigmoid(-(x + x))  # tanh
        after[k] = new + kept * (h[k] - new)
