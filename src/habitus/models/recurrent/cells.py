"""LSTM cells whose states at all positions of a window come from fused kernels.

``torch.nn.LSTM`` returns the outputs h of every step, but the cell states c of the last one only.
Given all h, the gates of every step are one matrix product, and c is the linear recurrence
c_t = f_t c_(t-1) + i_t g_t, which takes log2 T elementwise passes: the same numbers as a loop over
steps, without the loop.

Letters: B series, T steps, I inputs, N hidden units.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


def linear_recurrence(factors: Tensor, terms: Tensor) -> Tensor:
    """Solve c_t = factors_t c_(t-1) + terms_t with c_(-1) = 0, [B, T, N]."""
    return _Recurrence.apply(factors, terms)


class _Recurrence(torch.autograd.Function):
    """Linear recurrence with its gradient, the same recurrence backwards.

    Autograd would keep every pass of it.
    """

    @staticmethod
    def forward(ctx: Any, factors: Tensor, terms: Tensor) -> Tensor:
        c = _solve_by_doubling(factors, terms)
        ctx.save_for_backward(factors, c)
        return c

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        factors, c = ctx.saved_tensors
        nothing = torch.zeros_like(c[:, :1])
        later = torch.cat([factors[:, 1:], nothing], 1)
        of_terms = _solve_by_doubling(later.flip(1), grads[0].flip(1)).flip(1)
        return of_terms * torch.cat([nothing, c[:, :-1]], 1), of_terms


def _solve_by_doubling(factors: Tensor, terms: Tensor) -> Tensor:
    """Solve the recurrence in log2 T passes (Hillis and Steele 1986).

    After k passes each step holds the contributions of the 2^k steps up to it.
    """
    reach = 1
    last = terms.shape[1]
    while reach < last:
        rest = torch.addcmul(terms[:, reach:], terms[:, :-reach], factors[:, reach:])
        terms = torch.cat([terms[:, :reach], rest], 1)
        if 2 * reach < last:
            factors = torch.cat([factors[:, :reach], factors[:, reach:] * factors[:, :-reach]], 1)
        reach *= 2
    return terms


class CellLSTM(nn.Module):
    """LSTM layer that returns outputs and cell states of every step."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(inputs, hidden, batch_first=True)
        _start_remembering(*self._weights()[2:])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs and cell states [B, T, N] after each step of x [B, T, I], from zero states."""
        h, _ = self.lstm(x)
        before = torch.cat([torch.zeros_like(h[:, :1]), h[:, :-1]], 1)
        i, f, g, _ = self._gates(x, before).chunk(4, -1)
        return h, linear_recurrence(f.sigmoid(), i.sigmoid() * g.tanh())

    def step(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """Output and cell state [B, N] after one step x [B, I]."""
        return lstm_update(self._gates(x, h), c)

    def _gates(self, x: Tensor, h: Tensor) -> Tensor:
        of_input, of_state, input_bias, state_bias = self._weights()
        from_input = functional.linear(x, of_input, input_bias)
        return from_input + functional.linear(h, of_state, state_bias)

    def _weights(self) -> list[nn.Parameter]:
        """Weights of inputs [4N, I] and of states [4N, N], and the bias of each [4N]."""
        return list(self.lstm.parameters())


class StateCell(nn.Module):
    """LSTM cell whose only state is the cell state; its previous output is taken as tanh of that.

    It is R_l (the output) and F_l (the next cell state) of tDLGM (Eqs 11 and 12).
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.of_input = nn.Linear(inputs, 4 * hidden)
        self.of_state = nn.Linear(hidden, 4 * hidden, bias=False)
        _start_remembering(self.of_input.bias)

    def forward(self, x: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        """Output and next cell state from an input [..., I] and a cell state, all [..., N]."""
        return lstm_update(self.of_input(x) + self.of_state(s.tanh()), s)


def lstm_update(gates: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """Output and next cell state from gates [..., 4N], in the order input, forget, cell, output."""
    i, f, g, o = gates.chunk(4, -1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def _start_remembering(*biases: Tensor) -> None:
    """Set the forget gates' biases [N] to a sum of 1, so that gradients last (Gers et al. 2000)."""
    with torch.no_grad():
        for bias in biases:
            hidden = len(bias) // 4
            bias[hidden : 2 * hidden] = 1.0 / len(biases)
