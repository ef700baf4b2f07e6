"""Deep latent Gaussian model (Rezende et al. 2014; tDLGM Eqs 3 to 6 and 14).

    xi_l ~ N(0, I)                               l = 1 .. L
    h_L = G_L xi_L
    h_l = T_l(h_(l+1)) + G_l xi_l                l = 1 .. L - 1
    v_t ~ p(v | T_0(h_1))
    q(xi | v) = prod_l N(mu_l(v_(t-m:t)), C_l(v_(t-m:t)))
    loss = KL(q || N(0, I)) - E_q log p(v_t | xi) - log p(theta)

The model has no state. As in tDLGM's section 3 the recognition reads the last m values in the fit,
the generator does not: generated steps are independent of each other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import torch
from pydantic import Field
from torch import Generator, Tensor, nn
from torch.distributions import Distribution

from habitus.models.base import State, Windows
from habitus.models.parts.gaussians import Gaussian
from habitus.models.recurrent.latent_layers import LatentConfig, LatentLayers
from habitus.models.recurrent.step import perceptron
from habitus.schema import SeriesAxes
from habitus.settings import configuration


@configuration
class DLGMConfig(LatentConfig):
    """Settings of a DLGM.

    Attributes:
        history: Number of values before a step that its recognition reads, m.
    """

    history: Annotated[int, Field(ge=0)] = 8


class DLGM(LatentLayers):
    """Deep latent Gaussian model; equations in the module, settings in :class:`DLGMConfig`.

    A state is the anchor and the clock.
    """

    Config = DLGMConfig

    def __init__(self, axes: SeriesAxes, config: DLGMConfig | None = None) -> None:
        super().__init__(axes, config or DLGMConfig())
        c = self.config
        self.q_xi = self.recognition((c.history + 1) * self.step_inputs)
        self.G = nn.ModuleList(nn.Linear(c.latents, c.hidden, bias=False) for _ in range(c.layers))
        self.T = nn.ModuleList(
            perceptron(c.hidden, c.hidden, c.hidden) for _ in range(c.layers - 1)
        )
        self.T_0 = perceptron(c.hidden + 2 * len(self.periods), c.hidden, self.p_v.features)

    def p_v_given_xi(self, xi: Tensor, clock: Tensor, anchor: Tensor) -> Distribution:
        """Distribution p(v | xi) from latents [..., L, Z] (Eqs 4 to 6)."""
        h = self.G[-1](xi[..., -1, :])
        for at in range(self.config.layers - 2, -1, -1):
            h = self.T[at](h) + self.G[at](xi[..., at, :])
        seasons = self.season_features(clock).expand(*h.shape[:-1], -1)
        return self.distribution(self.T_0(torch.cat([h, seasons], -1)), anchor)

    def q_xi_given_v(self, x: Windows, anchors: Tensor) -> Gaussian:
        """Posterior q(xi | v_(t-m:t)) from each step and the m before it, zeros at the start."""
        encoded = self.encode_step(x.values, x.observed, anchors)
        padded = nn.functional.pad(encoded, (0, 0, self.config.history, 0))
        return self.posterior(self.q_xi(padded.unfold(1, self.config.history + 1, 1).flatten(2)))

    def conditionals(self, x: Windows) -> tuple[Gaussian, Callable[[Tensor], Distribution]]:
        anchors = self.anchors(x)[:, :-1]
        return self.q_xi_given_v(x, anchors), lambda xi: self.p_v_given_xi(xi, x.clock, anchors)

    def terms(self, x: Windows, generator: Generator) -> dict[str, Tensor]:
        q, p_given = self.conditionals(x)
        return self.bound_terms(p_given(q.draw(generator)), q, x)

    def begin(self, series: int, clock: Tensor | None = None) -> State:
        return self.first_anchor(series), self.first_clock(series, clock)

    def predict(self, state: State, generator: Generator) -> Distribution:
        anchor, clock = state
        return self.p_v_given_xi(self.draw_prior(clock.shape, generator), clock, anchor)

    def observe(
        self, state: State, values: Tensor, observed: Tensor, generator: Generator
    ) -> State:
        anchor, clock = state
        return self.next_anchor(anchor, values, observed), clock + 1

    def read(self, x: Windows, generator: Generator) -> State:
        return self.anchors(x)[:, -1], x.clock[:, -1] + 1
