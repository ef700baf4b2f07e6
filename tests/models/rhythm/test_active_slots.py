"""The recurrent network over active slots against torch's and against loops."""

import pytest
import torch
from rhythm_inputs import counts

from habitus.models.rhythm.active_slots import SlotGRU, active_slots


def step(gru: SlotGRU, inputs: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
    """States after one slot, by torch."""
    of_input, of_state = gru.of_input, gru.of_state
    weights = of_input.weight, of_state.weight, of_input.bias, of_state.bias
    return torch.gru_cell(inputs, h, *weights)


def test_the_fused_states_are_those_of_a_loop_over_each_day():
    torch.manual_seed(0)
    x = counts(7, 6, 3)
    gru = SlotGRU(3, 5)
    x[2] = 0
    start = torch.randn(7, 5)
    at = active_slots(x)
    found = gru(at.counts, start, at)
    number = 0
    for day in range(7):
        h = start[day : day + 1]
        for slot in range(6):
            if x[day, slot].any():
                h = step(gru, x[day, slot][None], h)
                torch.testing.assert_close(found[number], h[0])
                number += 1
    assert number == len(found)


@pytest.mark.parametrize("days", [7, 1])
def test_the_gradient_of_the_gru_is_that_of_its_steps(days):
    """By autograd through single steps: of inputs, of states before days, of every weight."""
    torch.manual_seed(0)
    x = counts(days, 6, 3)
    gru = SlotGRU(3, 5).double()
    start = torch.randn(days, 5, dtype=torch.float64)
    at = active_slots(x)
    weigh = torch.randn(6 * days, 5, dtype=torch.float64)
    inputs = at.counts.double().requires_grad_()
    start.requires_grad_()
    states = list[torch.Tensor]()
    h = start[:0]
    for number, (day, place) in enumerate(zip(at.day.tolist(), at.place.tolist(), strict=True)):
        h = step(gru, inputs[number : number + 1], h if place else start[day : day + 1])
        states.append(h)
    assert len(states) > 4
    by_steps = torch.cat(states)
    found = gru(inputs, start, at)
    torch.testing.assert_close(found, by_steps)
    wanted = [inputs, start, *gru.parameters()]
    ours, theirs = (
        torch.autograd.grad((each * weigh[: len(each)]).sum(), wanted) for each in (found, by_steps)
    )
    for mine, truth in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, truth)
