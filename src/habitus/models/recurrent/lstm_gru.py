"""LSTM and GRU with a probabilistic output (Hochreiter and Schmidhuber 1997; Cho et al. 2014).

    h_t = RNN(v_(t-1), h_(t-1))
    v_t ~ p(v | h_t)

The baseline of tDLGM's section 3, with a distribution for an output, so that it can be drawn from and scored.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn
from torch.distributions import Distribution

from habitus.models.base import State, Windows
from habitus.models.recurrent.step import SeriesConfig, StepModel, perceptron
from habitus.schema import SeriesAxes
from habitus.settings import Positive, Share, configuration


@configuration
class RecurrentConfig(SeriesConfig):
    """Settings of an LSTM or a GRU.

    Attributes:
        layers: Recurrent layers.
        dropout: Share of their outputs dropped while fitting.
    """

    layers: Positive = 1
    dropout: Share = 0.1


class LSTM(StepModel):
    """The model; see the module for its equations and :class:`RecurrentConfig` for its settings."""

    Config = RecurrentConfig
    network: type[nn.LSTM | nn.GRU] = nn.LSTM
    states = 2  # tensors that a network keeps: h and c

    def __init__(self, axes: SeriesAxes, config: RecurrentConfig | None = None) -> None:
        super().__init__(axes, config or RecurrentConfig())
        hidden = self.config.hidden
        layers = self.config.layers
        between = self.config.dropout if layers > 1 else 0.0
        self.rnn = self.network(self.inputs, hidden, layers, batch_first=True, dropout=between)
        self.dropout = nn.Dropout(self.config.dropout)
        self.features = perceptron(hidden, hidden, self.p_v.features)

    def terms(self, x: Windows, generator: Generator) -> dict[str, Tensor]:
        """Negative log-likelihood."""
        return {"nll": -self.log_prob(self.predictions(x, generator), x).mean()}

    def predictions(self, x: Windows, generator: Generator) -> Distribution:
        """p(v_t | v_<t) of every step, in one call of the fused kernel."""
        outputs, _ = self.rnn(self.inputs_of(x)[:, :-1])
        return self.distribution(self.features(self.dropout(outputs)), self.anchors(x)[:, :-1])

    def log_likelihood(self, x: Windows, samples: int, generator: Generator) -> Tensor:
        """Exact."""
        return self.log_prob(self.predictions(x, generator), x).sum(-1)

    def begin(self, series: int, clock: Tensor | None = None) -> State:
        """Zero states, and the first input."""
        clock = self.begin_clock(series, clock)
        hidden = [
            torch.zeros(self.config.layers, series, self.config.hidden) for _ in range(self.states)
        ]
        return self._after(
            self.first_input(clock)[:, None], hidden, self.first_anchor(series), clock
        )

    def predict(self, state: State, generator: Generator) -> Distribution:
        """p(v_t | h_t)."""
        return self.distribution(self.features(state[0]), state[-2])

    def observe(
        self, state: State, values: Tensor, observed: Tensor, generator: Generator
    ) -> State:
        """One step of the network."""
        *hidden, anchor, clock = state[1:]
        hidden = [each.transpose(0, 1).contiguous() for each in hidden]
        told = self.input_of(values, observed, clock + 1, anchor)[:, None]
        return self._after(told, hidden, self.next_anchor(anchor, values, observed), clock + 1)

    def read(self, x: Windows, generator: Generator) -> State:
        """In one call of the fused kernel."""
        zeros = [
            torch.zeros(self.config.layers, len(x.values), self.config.hidden)
            for _ in range(self.states)
        ]
        return self._after(self.inputs_of(x), zeros, self.anchors(x)[:, -1], x.clock[:, -1] + 1)

    def _after(self, inputs: Tensor, hidden: list[Tensor], anchor: Tensor, clock: Tensor) -> State:
        """The output at the last of some inputs, the states [B, layers, N] after it, the anchor, and the clock."""
        outputs, after = self.rnn(inputs, tuple(hidden) if self.states > 1 else hidden[0])
        kept = after if self.states > 1 else (after,)
        return outputs[:, -1], *(each.transpose(0, 1) for each in kept), anchor, clock


class GRU(LSTM):
    """The same with gated recurrent units."""

    network = nn.GRU
    states = 1
