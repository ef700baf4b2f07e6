"""Loops over users of whom a day is drawn or taken in (habitus.models.rhythm.sampling.users), compiled.

Letters: B users, n users with an active day, S slots, C channels, H hidden units, I numbers that a state is told.
"""

from __future__ import annotations

from habitus.models.rhythm.sampling.kernels.compiled import (
    HALF,
    ONE,
    Sparse,
    add_rows,
    compiled,
    log,
    sigmoid,
    write,
)
from habitus.models.rhythm.sampling.kernels.days import next_state
from habitus.schema import FloatArray, IntArray


@compiled
def activate(found: FloatArray, of_users: FloatArray) -> None:
    """SiLU of sums with what follows of users, both [B, H]; the former are overwritten."""
    for i in range(len(found)):
        for k in range(found.shape[1]):
            x = found[i, k] + of_users[i, k]
            found[i, k] = x * sigmoid(x)


@compiled
def chances(found: FloatArray, bias: FloatArray, weights: FloatArray, logits: FloatArray) -> None:
    """Chances of days' being active, in place of logits [B] that are added to those of a layer of H units.

    Args:
        found: What its units are told, [B, H].
        bias: Added to that, [H].
        weights: Of SiLU of it, [H].
        logits: Overwritten.
    """
    for i in range(len(found)):
        logit = logits[i]
        for k in range(len(bias)):
            x = found[i, k] + bias[k]
            logit += x * sigmoid(x) * weights[k]
        logits[i] = sigmoid(logit)


@compiled
def read_days(
    x: FloatArray,
    gap: FloatArray,
    weights: FloatArray,
    bias: FloatArray,
    told: Sparse,
    inputs: FloatArray,
) -> None:
    """Write what a state is told of active days, but for the calendar: their features, and the gap before.

    Args:
        x: Counts, [n, S, C].
        gap: Days, [n].
        weights: Of what is read of a day: which cells are active, how much, which slots; [(2 C + 1) S, H].
        bias: [H].
        told: Room for that.
        inputs: Overwritten, the first H numbers and the last one, [n, I].
    """
    (slots, channels) = x.shape[1:]
    units = len(bias)
    cells = slots * channels
    for i in range(len(x)):
        count = 0
        features = inputs[i, :units]
        for slot in range(slots):
            before = count
            for channel in range(channels):
                if x[i, slot, channel] > 0:
                    cell = slot * channels + channel
                    told.which[count] = cell
                    told.values[count] = ONE
                    told.which[count + 1] = cells + cell
                    told.values[count + 1] = HALF * log(ONE + x[i, slot, channel])
                    count += 2
            if count > before:
                told.which[count] = 2 * cells + slot
                told.values[count] = ONE
                count += 1
        write(bias, features)
        add_rows(told.which, told.values, count, weights, features)
        for k in range(units):
            features[k] *= sigmoid(features[k])
        inputs[i, inputs.shape[1] - 1] = HALF * log(ONE + gap[i])


@compiled
def next_states(
    of_input: FloatArray,
    of_state: FloatArray,
    bias: FloatArray,
    users: IntArray,
    h: FloatArray,
    after: FloatArray,
) -> None:
    """A step of a GRU of some users [n], from what input and state make of its three gates, [n, 3 H] each.

    Args:
        of_input: Of what the states are told.
        of_state: Of the states.
        bias: Added to the latter, [3 H].
        users: Their numbers.
        h: States, [B, H].
        after: Room for a state, [H].
    """
    for i, user in enumerate(users):
        next_state(of_input[i], of_state[i], bias, h[user], after)
        write(after, h[user])
