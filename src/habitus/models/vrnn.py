"""Variational recurrent neural network (Chung et al. 2015; tDLGM Eqs 1 and 2).

    z_t ~ N(mu_0(h_(t-1)), sigma_0(h_(t-1))^2)              prior
    v_t ~ p(v | phi_z(z_t), h_(t-1))
    q(z_t | v_<=t, z_<t) = N(mu(phi_v(v_t), h_(t-1)), sigma^2)
    h_t = GRU(phi_v(v_t), phi_z(z_t), h_(t-1))
    loss = sum_t KL(q(z_t) || p(z_t)) - E_q log p(v_t)

Its latents enter its state, so its steps are one after another, unlike those of a tDLGM.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn
from torch.distributions import Distribution

from habitus.models.base import State, Windows
from habitus.models.latent_layers import LATENT_DRAWS, mean_weight
from habitus.models.steps import SeriesConfig, StepModel, check_positive, check_shares, perceptron
from habitus.parts.gaussians import Diagonal, diagonal
from habitus.parts.shapes import SeriesAxes


@dataclass(frozen=True)
class VRNNConfig(SeriesConfig):
    """Settings of a VRNN.

    Attributes:
        latents: Of a step, Z.
        warm_up: Share of the fit over which the weight of the KL term rises from 0 to 1.
    """

    latents: int = 8
    warm_up: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "latents")
        check_shares(self, "warm_up")


@dataclass(frozen=True)
class _Step:
    """What one step of the inference leaves: log p(v, z), log q(z), KL and the mean of p(v | z)."""

    log_p: Tensor
    log_weight: Tensor
    kl: Tensor
    mean: Tensor


class VRNN(StepModel):
    """The model; see the module for its equations and :class:`VRNNConfig` for its settings."""

    Config = VRNNConfig
    latent_draws = LATENT_DRAWS

    def __init__(self, axes: SeriesAxes, config: VRNNConfig | None = None) -> None:
        super().__init__(axes, config or VRNNConfig())
        hidden, latents = self.config.hidden, self.config.latents
        known = hidden + 2 * len(self.periods)  # the state, and the phases of the step
        self.phi_v = nn.Sequential(nn.Linear(self.told, hidden), nn.SiLU())
        self.phi_z = nn.Sequential(nn.Linear(latents, hidden), nn.SiLU())
        self.p_z = perceptron(known, hidden, 2 * latents)
        self.q_z = perceptron(hidden + known, hidden, 2 * latents)
        self.features = perceptron(hidden + known, hidden, self.p_v.features)
        self.gru = nn.GRUCell(2 * hidden, hidden)

    def terms(self, x: Windows, generator: Generator) -> dict[str, Tensor]:
        """The bound."""
        steps = self._inferred(x, generator)
        kl, log_p = (torch.stack([getattr(step, name) for step in steps]).mean() for name in ("kl", "log_p"))
        return {"nll": -log_p, "kl": self.warmed_up * kl}

    def log_likelihood(self, x: Windows, samples: int, generator: Generator) -> Tensor:
        """Importance-weighted over whole windows, since latents enter the state."""
        drawn = [self._inferred(x, generator) for _ in range(samples)]
        return mean_weight(torch.stack([torch.stack([s.log_weight for s in steps]).sum(0) for steps in drawn]))

    def reconstructed(self, x: Windows, samples: int, generator: Generator) -> Tensor:
        """E[v_t | z_t ~ q]: what was seen, through the latents, [B, T, V]."""
        drawn = [torch.stack([step.mean for step in self._inferred(x, generator)], 1) for _ in range(samples)]
        return torch.stack(drawn).mean(0)

    def predictions(self, x: Windows, generator: Generator) -> Distribution:
        """Given latents from their prior, after states from inferred ones."""
        h, known, anchors = self._first(x), list[Tensor](), self.anchors(x)[:, :-1]
        for t in range(x.values.shape[1]):
            known.append(self._known(h, x.clock[:, t]))
            h = self._inferred_step(h, x, t, anchors[:, t], generator)[1]
        return self._drawn(torch.stack(known, 1), anchors, generator)

    def begin(self, series: int, clock: Tensor | None = None) -> State:
        """A zero state, and nothing to be relative to."""
        clock = self.begin_clock(series, clock)
        return clock.new_zeros(series, self.config.hidden), self.first_anchor(series), clock

    def predict(self, state: State, generator: Generator) -> Distribution:
        """Given a draw of latents."""
        h, anchor, clock = state
        return self._drawn(self._known(h, clock), anchor, generator)

    def observe(self, state: State, values: Tensor, observed: Tensor, generator: Generator) -> State:
        """The state after a step whose latents are inferred."""
        h, anchor, clock = state
        x = Windows(values[:, None], observed[:, None], clock[:, None])
        h = self._inferred_step(h, x, 0, anchor, generator)[1]
        return h, self.next_anchor(anchor, values, observed), clock + 1

    def _known(self, h: Tensor, clock: Tensor) -> Tensor:
        return torch.cat([h, self.phases(clock)], -1)

    def _drawn(self, known: Tensor, anchor: Tensor, generator: Generator) -> Distribution:
        """p(v | z) with z from the prior."""
        z = diagonal(self.p_z(known)).draw(generator)
        return self.expected(self.features(torch.cat([self.phi_z(z), known], -1)), anchor)

    def _inferred(self, x: Windows, generator: Generator) -> list[_Step]:
        """Every step with latents from q."""
        h, steps, anchors = self._first(x), list[_Step](), self.anchors(x)
        for t in range(x.values.shape[1]):
            step, h = self._inferred_step(h, x, t, anchors[:, t], generator)
            steps.append(step)
        return steps

    def _first(self, x: Windows) -> Tensor:
        """The state before windows, [B, N]."""
        return self.begin(len(x.values), x.clock[:, 0])[0]

    def _inferred_step(
        self, h: Tensor, x: Windows, t: int, anchor: Tensor, generator: Generator
    ) -> tuple[_Step, Tensor]:
        """One step, and the state after it; where nothing was observed latents come from the prior."""
        known = self._known(h, x.clock[:, t])
        told = self.phi_v(self.tell(x.values[:, t], x.observed[:, t], anchor))
        prior, seen = diagonal(self.p_z(known)), x.observed[:, t].any(-1)
        found = diagonal(self.q_z(torch.cat([told, known], -1)))
        assert isinstance(prior, Diagonal)
        assert isinstance(found, Diagonal)
        q = Diagonal(
            torch.where(seen[:, None], found.mean, prior.mean),
            torch.where(seen[:, None], found.log_variance, prior.log_variance),
        )
        z = q.draw(generator)
        p = self.expected(self.features(torch.cat([self.phi_z(z), known], -1)), anchor)
        log_p = torch.where(x.observed[:, t], p.log_prob(x.values[:, t]), 0.0).sum(-1)
        step = _Step(log_p, log_p + prior.log_prob(z) - q.log_prob(z), kl_of_diagonals(q, prior), p.mean)
        return step, self.gru(torch.cat([told, self.phi_z(z)], -1), h)


def kl_of_diagonals(q: Diagonal, p: Diagonal) -> Tensor:
    """KL(q || p) in closed form, [...]."""
    ratio = (q.log_variance - p.log_variance).exp()
    away = (q.mean - p.mean).square() * (-p.log_variance).exp()
    return 0.5 * (ratio + away - 1 - q.log_variance + p.log_variance).sum(-1)
