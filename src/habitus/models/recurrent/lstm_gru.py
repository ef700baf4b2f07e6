"""LSTM and GRU with a probabilistic output (Hochreiter and Schmidhuber 1997; Cho et al. 2014).

    h_t = RNN(v_(t-1), h_(t-1))
    v_t ~ p(v | h_t)

The baseline of tDLGM's section 3, with a distribution as its output, so that it can be drawn from
and scored.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn
from torch.distributions import Distribution

from habitus.models.base import State, Windows
from habitus.models.recurrent.step import SeriesConfig, StepModel, perceptron
from habitus.schema import SeriesAxes
from habitus.settings import Layers, Share, configuration


@configuration
class RecurrentConfig(SeriesConfig):
    """Settings of an LSTM or a GRU.

    Attributes:
        layers: Recurrent layers.
        dropout: Share of the layers' outputs dropped in the fit.
    """

    layers: Layers = 1
    dropout: Share = 0.1


class LSTM(StepModel):
    """LSTM; equations in the module, settings in :class:`RecurrentConfig`.

    A state is the output at the last step, the network's own states [B, layers, N] (h, and c for an
    LSTM), the anchor and the clock.
    """

    Config = RecurrentConfig
    network: type[nn.LSTM | nn.GRU] = nn.LSTM
    states = 2  # tensors that the network keeps: h and c

    def __init__(self, axes: SeriesAxes, config: RecurrentConfig | None = None) -> None:
        super().__init__(axes, config or RecurrentConfig())
        hidden = self.config.hidden
        layers = self.config.layers
        between = self.config.dropout if layers > 1 else 0.0
        self.rnn = self.network(self.inputs, hidden, layers, batch_first=True, dropout=between)
        self.dropout = nn.Dropout(self.config.dropout)
        self.features = perceptron(hidden, hidden, self.p_v.features)

    def terms(self, x: Windows, generator: Generator) -> dict[str, Tensor]:
        return {"nll": -self.log_prob(self.predictions(x, generator), x).mean()}

    def predictions(self, x: Windows, generator: Generator) -> Distribution:
        outputs, _ = self.rnn(self.window_inputs(x)[:, :-1])
        return self.distribution(self.features(self.dropout(outputs)), self.anchors(x)[:, :-1])

    def log_likelihood(self, x: Windows, samples: int, generator: Generator) -> Tensor:
        """Log p(v) of windows, [B], exactly."""
        return self.log_prob(self.predictions(x, generator), x).sum(-1)

    def begin(self, series: int, clock: Tensor | None = None) -> State:
        clock = self.first_clock(series, clock)
        inputs = self.first_input(clock)[:, None]
        return self._run(inputs, self._zeros(series), self.first_anchor(series), clock)

    def predict(self, state: State, generator: Generator) -> Distribution:
        output, *_, anchor, _ = state
        return self.distribution(self.features(output), anchor)

    def observe(
        self, state: State, values: Tensor, observed: Tensor, generator: Generator
    ) -> State:
        _, *hidden, anchor, clock = state
        hidden = [each.transpose(0, 1).contiguous() for each in hidden]
        inputs = self.next_input(values, observed, clock + 1, anchor)[:, None]
        return self._run(inputs, hidden, self.next_anchor(anchor, values, observed), clock + 1)

    def read(self, x: Windows, generator: Generator) -> State:
        zeros = self._zeros(len(x.values))
        clock = x.clock[:, -1] + 1
        return self._run(self.window_inputs(x), zeros, self.anchors(x)[:, -1], clock)

    def _zeros(self, series: int) -> list[Tensor]:
        shape = (self.config.layers, series, self.config.hidden)
        return [torch.zeros(shape) for _ in range(self.states)]

    def _run(self, inputs: Tensor, hidden: list[Tensor], anchor: Tensor, clock: Tensor) -> State:
        """State after inputs [B, T, I] from the network's states [layers, B, N] before them."""
        outputs, after = self.rnn(inputs, tuple(hidden) if self.states > 1 else hidden[0])
        kept = after if self.states > 1 else (after,)
        return outputs[:, -1], *(each.transpose(0, 1) for each in kept), anchor, clock


class GRU(LSTM):
    """LSTM's counterpart with gated recurrent units."""

    network = nn.GRU
    states = 1
