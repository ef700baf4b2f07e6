"""Time deep latent Gaussian model (Johansson and Ramaswamy; tDLGM Eqs 9 to 18 and 28).

    xi_(l,t) ~ N(0, I)                                      l = 1 .. L
    h_(L,t) = G_L xi_(L,t)
    h_(l,t) = R_l(h_(l+1,t), s_(l,t)) + G_l xi_(l,t)        l = 1 .. L - 1
    s_(l,t+1) = F_l(h_(l+1,t), s_(l,t))                     l = 1 .. L - 1
    v_t ~ p(v | T_0(h_(1,t)))
    q(xi_t | v) = prod_l N(mu_l, C_l)                       latent recognition
    s_t = F^(v_<t)                                          state recognition: states of an LSTM
    loss = KL(q || N(0, I)) + alpha D(F^(v_<=t), F(s_t, xi_t))
           - E_q log p(v_t | s_t, xi_t) - log p(theta)

D is the mean squared error (Eq 26), or minus the log-likelihood of the next state under a Gaussian
around the generated one (the paper's alternative). The states of a window are recognised once for
all its positions.

With recognised states the model is autoregressive and its bound is one of log p(v), since the
states follow from the past without error. Drawing with them is the default; drawing with generated
states, by F, is the paper's way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, cast

import torch
from torch import Generator, Tensor, nn
from torch.distributions import Distribution

from habitus.models.base import State, Windows
from habitus.models.parts.gaussians import Gaussian
from habitus.models.recurrent.cells import CellLSTM, StateCell
from habitus.models.recurrent.latent_layers import LatentConfig, LatentLayers
from habitus.models.recurrent.step import perceptron
from habitus.schema import SeriesAxes
from habitus.settings import NotNegative, configuration

# Least log standard deviation of the states' likelihood: states are learnt, so that states and
# standard deviation could shrink together and lower the loss without bound.
LEAST_LOG_SCALE = -4.0


@configuration
class TDLGMConfig(LatentConfig):
    """Settings of a tDLGM.

    Attributes:
        alpha: Weight of the states' error, alpha of Eq 26.
        state_error: mse, or likelihood (the paper's alternative).
        recognition: Input of q(xi_t): value (v_t alone, Eq 14) or both (v_t and the state).
        transition: Next state while drawing: recognised (from the drawn values) or generated (by F,
            Eq 12).
    """

    alpha: NotNegative = 0.1
    state_error: Literal["mse", "likelihood"] = "mse"
    recognition: Literal["value", "both"] = "both"
    transition: Literal["recognised", "generated"] = "recognised"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.layers < 2:
            raise ValueError(
                f"layers must be at least 2 (the top one has no state), got {self.layers}"
            )


class TDLGM(LatentLayers):
    """Time deep latent Gaussian model; equations in the module, settings in :class:`TDLGMConfig`.

    A state is the outputs h and cell states c of the recognition's layers, each [B, (L - 1) N], the
    anchor and the clock.
    """

    Config = TDLGMConfig

    def __init__(self, axes: SeriesAxes, config: TDLGMConfig | None = None) -> None:
        super().__init__(axes, config or TDLGMConfig())
        hidden = self.config.hidden
        stateful = self.config.layers - 1
        self.F_hat = nn.ModuleList(
            CellLSTM(hidden if at else self.inputs, hidden) for at in range(stateful)
        )
        self.R = nn.ModuleList(StateCell(hidden, hidden) for _ in range(stateful))
        self.G = nn.ModuleList(
            nn.Linear(self.config.latents, hidden, bias=False) for _ in range(stateful + 1)
        )
        of_state = stateful * hidden if self.config.recognition == "both" else 0
        self.q_xi = self.recognition(self.step_inputs + of_state)
        self.T_0 = perceptron(hidden, hidden, self.p_v.features)
        self.log_scale = nn.Parameter(torch.zeros(stateful * hidden))

    def states(self, x: Windows) -> tuple[Tensor, Tensor]:
        """States h and c of F^ before every step and after the last (Eqs 15, 17).

        Each is [B, T + 1, (L - 1) N].
        """
        below = self.window_inputs(x)
        outputs = list[Tensor]()
        cells = list[Tensor]()
        for layer in self.F_hat:
            below, cell = layer(below)
            outputs.append(below)
            cells.append(cell)
        return torch.cat(outputs, -1), torch.cat(cells, -1)

    def generate_step(self, xi: Tensor, s: Tensor, anchor: Tensor) -> tuple[Distribution, Tensor]:
        """Distribution p(v_t | s_t, xi_t) and next state F(s_t, xi_t) (Eqs 10 to 13).

        Args:
            xi: Latents, [..., L, Z].
            s: States, [..., (L - 1) N].
            anchor: Values that the step is modelled relative to, [..., V].
        """
        of_layer = s.unflatten(-1, (len(self.R), -1))
        after = list[Tensor]()
        h = self.G[-1](xi[..., -1, :])
        for at in range(len(self.R) - 1, -1, -1):
            output, next_state = self.R[at](h, of_layer[..., at, :])
            h = output + self.G[at](xi[..., at, :])
            after.insert(0, next_state)
        return self.distribution(self.T_0(h), anchor), torch.cat(after, -1)

    def q_xi_given_v(self, x: Windows, s: Tensor, anchors: Tensor) -> Gaussian:
        """Posterior q(xi_t) from v_t, and from the state where the settings say so (Eq 14)."""
        seen = self.encode_step(x.values, x.observed, anchors)
        if self.config.recognition == "both":
            seen = torch.cat([seen, s], -1)
        return self.posterior(self.q_xi(seen))

    def conditionals(self, x: Windows) -> tuple[Gaussian, Callable[[Tensor], Distribution]]:
        s = self.states(x)[1][:, :-1]
        anchors = self.anchors(x)[:, :-1]
        return self.q_xi_given_v(x, s, anchors), lambda xi: self.generate_step(xi, s, anchors)[0]

    def terms(self, x: Windows, generator: Generator) -> dict[str, Tensor]:
        """Terms of Eq 28 but for the prior on the weights."""
        c = self.states(x)[1]
        anchors = self.anchors(x)[:, :-1]
        s = c[:, :-1]
        q = self.q_xi_given_v(x, s, anchors)
        p, generated = self.generate_step(q.draw(generator), s, anchors)
        terms = self.bound_terms(p, q, x)
        return {**terms, "state": self.config.alpha * self._state_error(c[:, 1:], generated)}

    def _state_error(self, recognised: Tensor, generated: Tensor) -> Tensor:
        """Error D of generated next states, scalar."""
        squared = (recognised - generated).square()
        if self.config.state_error == "mse":
            return squared.mean()
        log_scale = self.log_scale.clamp_min(LEAST_LOG_SCALE)
        return (0.5 * squared * (-2 * log_scale).exp() + log_scale).mean()

    def begin(self, series: int, clock: Tensor | None = None) -> State:
        clock = self.first_clock(series, clock)
        zeros = torch.zeros(series, len(self.R) * self.config.hidden)
        anchor = self.first_anchor(series)
        return self._recognise(self.first_input(clock), zeros, zeros, anchor, clock)

    def predict(self, state: State, generator: Generator) -> Distribution:
        _, s, anchor, clock = state
        return self.generate_step(self.draw_prior(clock.shape, generator), s, anchor)[0]

    def observe(
        self, state: State, values: Tensor, observed: Tensor, generator: Generator
    ) -> State:
        h, c, anchor, clock = state
        inputs = self.next_input(values, observed, clock + 1, anchor)
        anchor = self.next_anchor(anchor, values, observed)
        return self._recognise(inputs, h, c, anchor, clock + 1)

    def read(self, x: Windows, generator: Generator) -> State:
        h, c = self.states(x)
        return h[:, -1], c[:, -1], self.anchors(x)[:, -1], x.clock[:, -1] + 1

    def continue_from(self, state: State, steps: int, generator: Generator) -> Tensor:
        """Draw the steps after a state; with generated states no value is read again (Eq 12)."""
        if self.config.transition == "recognised":
            return super().continue_from(state, steps, generator)
        drawn = list[Tensor]()
        _, s, anchor, clock = state
        for _ in range(steps):
            p, s = self.generate_step(self.draw_prior(clock.shape, generator), s, anchor)
            values = self.draw(p, generator)
            drawn.append(values)
            anchor = self.next_anchor(anchor, values, torch.ones_like(values, dtype=torch.bool))
        return torch.stack(drawn, 1)

    def _recognise(
        self, below: Tensor, h: Tensor, c: Tensor, anchor: Tensor, clock: Tensor
    ) -> State:
        """State after one step of F^ from an input [B, I]."""
        outputs = list[Tensor]()
        cells = list[Tensor]()
        before = zip(h.chunk(len(self.R), -1), c.chunk(len(self.R), -1), strict=True)
        for layer, (h_l, c_l) in zip(self.F_hat, before, strict=True):
            below, cell = cast(CellLSTM, layer).step(below, h_l, c_l)
            outputs.append(below)
            cells.append(cell)
        return torch.cat(outputs, -1), torch.cat(cells, -1), anchor, clock
