"""Fused recurrent layers against loops over steps."""

import pytest
import torch
from torch import nn

from habitus.models.recurrent.cells import CellLSTM, StateCell, linear_recurrence


def looped(factors: torch.Tensor, terms: torch.Tensor) -> torch.Tensor:
    state = torch.zeros_like(terms[:, 0])
    found = []
    for t in range(terms.shape[1]):
        state = factors[:, t] * state + terms[:, t]
        found.append(state)
    return torch.stack(found, 1)


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 8, 33, 200])
def test_the_linear_recurrence_and_its_gradients_are_those_of_a_loop(steps):
    generator = torch.Generator().manual_seed(steps)
    pair = torch.rand(2, 3, steps, 4, generator=generator, dtype=torch.float64)
    gradients = []
    for function in (linear_recurrence, looped):
        factors = pair[0].clone().requires_grad_()
        terms = (pair[1] - 0.5).requires_grad_()
        found = function(factors, terms)
        gradients.append(
            (found, *torch.autograd.grad(found.pow(2).sum() + 0 * factors.sum(), (factors, terms)))
        )
    for fused, slow in zip(*gradients, strict=True):
        torch.testing.assert_close(fused, slow)


def test_the_linear_recurrence_with_closed_gates_and_open_ones():
    """Factors of 0 keep nothing; factors of 1 sum up."""
    terms = torch.arange(1.0, 6.0)[None, :, None]
    assert torch.equal(linear_recurrence(torch.zeros_like(terms), terms), terms)
    assert linear_recurrence(torch.ones_like(terms), terms).flatten().tolist() == [1, 3, 6, 10, 15]


@pytest.fixture
def cell() -> CellLSTM:
    torch.manual_seed(0)
    made = CellLSTM(3, 5)
    with torch.no_grad():
        for weight in made.parameters():
            weight.mul_(2.0)
    return made


def test_fused_states_are_those_of_torchs_cell_step_by_step(cell):
    """Outputs and cell states of every step, from the weights of an nn.LSTMCell."""
    reference = nn.LSTMCell(3, 5)
    reference.load_state_dict(
        {name.removesuffix("_l0"): w for name, w in cell.lstm.state_dict().items()}
    )
    x = torch.randn(4, 40, 3)
    h, c = cell(x)
    state = own = (torch.zeros(4, 5), torch.zeros(4, 5))
    for t in range(40):
        state = reference(x[:, t], state)
        own = cell.step(x[:, t], *own)
        for truth, fused, stepped in zip(state, (h[:, t], c[:, t]), own, strict=True):
            torch.testing.assert_close(fused, truth, rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(stepped, truth, rtol=1e-4, atol=1e-5)


def test_gradients_through_fused_states_are_those_of_the_steps(cell):
    x = torch.randn(2, 12, 3)
    gradients = []
    for fused in (True, False):
        cell.zero_grad()
        if fused:
            total = cell(x)[1].pow(2).sum()
        else:
            h = torch.zeros(2, 5)
            c = torch.zeros(2, 5)
            total = 0.0
            for t in range(12):
                h, c = cell.step(x[:, t], h, c)
                total = total + c.pow(2).sum()
        total.backward()
        gradients.append([weight.grad.clone() for weight in cell.parameters()])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_a_state_cell_is_an_lstm_cell_whose_output_gate_was_open():
    """With h = tanh(c), as if the gate of the step before had been 1."""
    torch.manual_seed(1)
    own = StateCell(3, 5)
    reference = nn.LSTMCell(3, 5)
    reference.load_state_dict({
        "weight_ih": own.of_input.weight, "weight_hh": own.of_state.weight,
        "bias_ih": own.of_input.bias, "bias_hh": torch.zeros(20),
    })  # fmt: skip
    x = torch.randn(6, 3)
    s = 2 * torch.randn(6, 5)
    for found, truth in zip(own(x, s), reference(x, (s.tanh(), s)), strict=True):
        torch.testing.assert_close(found, truth)


def test_forget_gates_begin_at_one():
    """Of the bias as a whole: the two that torch adds, or the one."""
    fused = CellLSTM(3, 5)
    state = StateCell(3, 5)
    both = fused.lstm.bias_ih_l0 + fused.lstm.bias_hh_l0
    assert torch.equal(both[5:10].detach(), torch.ones(5))
    assert torch.equal(state.of_input.bias[5:10].detach(), torch.ones(5))
