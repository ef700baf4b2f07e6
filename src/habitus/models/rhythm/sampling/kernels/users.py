"""Compiled loops over users that read a day, or draw whether one is active.

Letters: B users, n users with an active day, S slots, C channels, H hidden units, I inputs of the
state.
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
def add_and_activate(sums: FloatArray, of_users: FloatArray) -> None:
    """Overwrite sums [B, H] by SiLU of them and the contributions of users [B, H]."""
    for i in range(len(sums)):
        for k in range(sums.shape[1]):
            x = sums[i, k] + of_users[i, k]
            sums[i, k] = x * sigmoid(x)


@compiled
def write_probabilities(
    sums: FloatArray, bias: FloatArray, weights: FloatArray, logits: FloatArray
) -> None:
    """Overwrite logits [B] by probabilities of an active day, through a layer of H units.

    Args:
        sums: Inputs of the units, [B, H].
        bias: Bias of the inputs, [H].
        weights: Weights of SiLU of them, [H].
        logits: Logits that are added; overwritten.
    """
    for i in range(len(sums)):
        logit = logits[i]
        for k in range(len(bias)):
            x = sums[i, k] + bias[k]
            logit += x * sigmoid(x) * weights[k]
        logits[i] = sigmoid(logit)


@compiled
def write_state_inputs(
    x: FloatArray,
    gap: FloatArray,
    weights: FloatArray,
    bias: FloatArray,
    entries: Sparse,
    inputs: FloatArray,
) -> None:
    """Write the inputs of the state but for the calendar: features of days, and the gap before.

    Args:
        x: Counts, [n, S, C].
        gap: Observed days since the active day before, [n].
        weights: Layer of a day: active cells, log counts, active slots; [(2 C + 1) S, H].
        bias: Bias of the layer, [H].
        entries: Space for the layer's inputs.
        inputs: Overwritten, the first H numbers and the last one, [n, I].
    """
    slots, channels = x.shape[1:]
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
                    entries.index[count] = cell
                    entries.values[count] = ONE
                    entries.index[count + 1] = cells + cell
                    entries.values[count + 1] = HALF * log(ONE + x[i, slot, channel])
                    count += 2
            if count > before:
                entries.index[count] = 2 * cells + slot
                entries.values[count] = ONE
                count += 1
        write(bias, features)
        add_rows(entries.index, entries.values, count, weights, features)
        for k in range(units):
            features[k] *= sigmoid(features[k])
        inputs[i, inputs.shape[1] - 1] = HALF * log(ONE + gap[i])


@compiled
def update_states(
    of_input: FloatArray,
    of_state: FloatArray,
    bias: FloatArray,
    users: IntArray,
    h: FloatArray,
    after: FloatArray,
) -> None:
    """Update the states of some users by a step of a GRU.

    Args:
        of_input: Contributions of inputs to the three gates, [n, 3 H].
        of_state: Contributions of states, [n, 3 H].
        bias: Bias of these, [3 H].
        users: Numbers of the users, [n].
        h: States of all users, changed, [B, H].
        after: Space for a state, [H].
    """
    for i, user in enumerate(users):
        next_state(of_input[i], of_state[i], bias, h[user], after)
        write(after, h[user])
