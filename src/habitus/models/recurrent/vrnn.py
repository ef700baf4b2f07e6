"""Variational recurrent neural network (Chung et al. 2015; tDLGM Eqs 1 and 2).

    z_t ~ N(mu_0(h_(t-1)), sigma_0(h_(t-1))^2)              prior
    v_t ~ p(v | phi_z(z_t), h_(t-1))
    q(z_t | v_<=t, z_<t) = N(mu(phi_v(v_t), h_(t-1)), sigma^2)
    h_t = GRU(phi_v(v_t), phi_z(z_t), h_(t-1))
    loss = sum_t KL(q(z_t) || p(z_t)) - E_q log p(v_t)

Its latents enter its state, so its steps are one after another, unlike those of a tDLGM.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn
from torch.distributions import Distribution

from habitus.models.base import State, Windows
from habitus.models.parts.gaussians import Diagonal, diagonal, kl_of_diagonals
from habitus.models.recurrent.latent_layers import LATENT_DRAWS, mean_weight
from habitus.models.recurrent.step import SeriesConfig, StepModel, perceptron
from habitus.schema import SeriesAxes
from habitus.settings import Positive, Share, configuration


@configuration
class VRNNConfig(SeriesConfig):
    """Settings of a VRNN.

    Attributes:
        latents: Of a step, Z.
        warm_up: Share of the fit over which the weight of the KL term rises from 0 to 1.
    """

    latents: Positive = 8
    warm_up: Share = 0.2


class _Inferred(NamedTuple):
    """What going through windows leaves: latents z ~ q, q, their prior, and p(v | z), of every step."""

    z: Tensor
    q: Diagonal
    prior: Diagonal
    p: Distribution


class VRNN(StepModel):
    """The model; see the module for its equations and :class:`VRNNConfig` for its settings."""

    Config = VRNNConfig
    latent_draws = LATENT_DRAWS

    def __init__(self, axes: SeriesAxes, config: VRNNConfig | None = None) -> None:
        super().__init__(axes, config or VRNNConfig())
        hidden = self.config.hidden
        latents = self.config.latents
        known = hidden + 2 * len(self.periods)  # the state, and the phases of the step
        self.phi_v = nn.Sequential(nn.Linear(self.told, hidden), nn.SiLU())
        self.phi_z = nn.Sequential(nn.Linear(latents, hidden), nn.SiLU())
        self.p_z = perceptron(known, hidden, 2 * latents)
        self.q_z = perceptron(hidden + known, hidden, 2 * latents)
        self.features = perceptron(hidden + known, hidden, self.p_v.features)
        self.gru = nn.GRUCell(2 * hidden, hidden)

    def terms(self, x: Windows, generator: Generator) -> dict[str, Tensor]:
        """The bound."""
        found = self._inferred(x, generator)
        kl = kl_of_diagonals(found.q, found.prior).mean()
        return {"nll": -self.log_prob(found.p, x).mean(), "kl": self.warmed_up * kl}

    def log_likelihood(self, x: Windows, samples: int, generator: Generator) -> Tensor:
        """Importance-weighted over whole windows, since latents enter the state."""
        drawn = [self._inferred(x, generator) for _ in range(samples)]
        weights = [self.log_prob(d.p, x) + d.prior.log_prob(d.z) - d.q.log_prob(d.z) for d in drawn]
        return mean_weight(torch.stack(weights).sum(-1))

    def reconstructed(self, x: Windows, samples: int, generator: Generator) -> Tensor:
        """E[v_t | z_t ~ q]: what was seen, through the latents, [B, T, V]."""
        return torch.stack([self._inferred(x, generator).p.mean for _ in range(samples)]).mean(0)

    def predictions(self, x: Windows, generator: Generator) -> Distribution:
        """Given latents from their prior, after states from inferred ones."""
        known = self._through(x, generator)[0]
        return self._drawn(known, self.anchors(x)[:, :-1], generator)

    def begin(self, series: int, clock: Tensor | None = None) -> State:
        """A zero state, and nothing to be relative to."""
        clock = self.begin_clock(series, clock)
        return clock.new_zeros(series, self.config.hidden), self.first_anchor(series), clock

    def predict(self, state: State, generator: Generator) -> Distribution:
        """Given a draw of latents."""
        h, anchor, clock = state
        return self._drawn(self._known(h, clock), anchor, generator)

    def observe(
        self, state: State, values: Tensor, observed: Tensor, generator: Generator
    ) -> State:
        """The state after a step whose latents are inferred."""
        h, anchor, clock = state
        told = self.phi_v(self.tell(values, observed, anchor))
        seen = observed.any(-1)
        z = self._posteriors(self._known(h, clock), told, seen)[0].draw(generator)
        return self._next(h, told, z), self.next_anchor(anchor, values, observed), clock + 1

    def _known(self, h: Tensor, clock: Tensor) -> Tensor:
        return torch.cat([h, self.season_features(clock)], -1)

    def _next(self, h: Tensor, told: Tensor, z: Tensor) -> Tensor:
        """The state after a step."""
        return self.gru(torch.cat([told, self.phi_z(z)], -1), h)

    def _given(self, z: Tensor, known: Tensor, anchor: Tensor) -> Distribution:
        """p(v | z, h)."""
        return self.distribution(self.features(torch.cat([self.phi_z(z), known], -1)), anchor)

    def _drawn(self, known: Tensor, anchor: Tensor, generator: Generator) -> Distribution:
        """p(v | z) with z from the prior."""
        return self._given(diagonal(self.p_z(known)).draw(generator), known, anchor)

    def _inferred(self, x: Windows, generator: Generator) -> _Inferred:
        """Every step with latents from q."""
        known, z, q, prior = self._through(x, generator)
        return _Inferred(z, q, prior, self._given(z, known, self.anchors(x)[:, :-1]))

    def _through(
        self, x: Windows, generator: Generator
    ) -> tuple[Tensor, Tensor, Diagonal, Diagonal]:
        """What is known before every step, and its latents, with their q and prior; what each decodes to is not."""
        told = self.phi_v(self.tell(x.values, x.observed, self.anchors(x)[:, :-1]))
        seen = x.observed.any(-1)
        clock = x.clock
        steps = list[tuple[Tensor, ...]]()
        h = self.begin(len(x.values), clock[:, 0])[0]
        for t in range(x.values.shape[1]):
            known = self._known(h, clock[:, t])
            q, prior = self._posteriors(known, told[:, t], seen[:, t])
            z = q.draw(generator)
            steps.append((known, z, q.mean, q.log_variance, prior.mean, prior.log_variance))
            h = self._next(h, told[:, t], z)
        known, z, *moments = (torch.stack(each, 1) for each in zip(*steps, strict=True))
        return known, z, Diagonal(*moments[:2]), Diagonal(*moments[2:])

    def _posteriors(self, known: Tensor, told: Tensor, seen: Tensor) -> tuple[Diagonal, Diagonal]:
        """Q and the prior of a step's latents, the same where nothing was seen."""
        prior = diagonal(self.p_z(known))
        found = diagonal(self.q_z(torch.cat([told, known], -1)))
        assert isinstance(prior, Diagonal)
        assert isinstance(found, Diagonal)
        moments = (
            torch.where(seen[:, None], a, b)
            for a, b in ((found.mean, prior.mean), (found.log_variance, prior.log_variance))
        )
        return Diagonal(*moments), prior
