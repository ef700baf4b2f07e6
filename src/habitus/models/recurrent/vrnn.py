"""Variational recurrent neural network (Chung et al. 2015; tDLGM Eqs 1 and 2).

    z_t ~ N(mu_0(h_(t-1)), sigma_0(h_(t-1))^2)              prior
    v_t ~ p(v | phi_z(z_t), h_(t-1))
    q(z_t | v_<=t, z_<t) = N(mu(phi_v(v_t), h_(t-1)), sigma^2)
    h_t = GRU(phi_v(v_t), phi_z(z_t), h_(t-1))
    loss = sum_t KL(q(z_t) || p(z_t)) - E_q log p(v_t)

Latents enter the state, so steps are computed one after another, unlike those of a tDLGM.

Letters: B series, T steps, V variables, Z latents, N hidden units, E encoded inputs of a step,
M = N + phases of the seasons.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn
from torch.distributions import Distribution

from habitus.models.base import State, Windows
from habitus.models.parts.gaussians import Diagonal, diagonal, kl_of_diagonals
from habitus.models.recurrent.latent_layers import LATENT_DRAWS, log_mean_exp
from habitus.models.recurrent.step import SeriesConfig, StepModel, perceptron
from habitus.schema import SeriesAxes
from habitus.settings import Positive, Share, configuration


@configuration
class VRNNConfig(SeriesConfig):
    """Settings of a VRNN.

    Attributes:
        latents: Latents of a step, Z.
        warm_up: Share of the fit over which the weight of the KL term rises from 0 to 1.
    """

    latents: Positive = 8
    warm_up: Share = 0.2


class Inferred(NamedTuple):
    """Latents of every step of windows.

    Attributes:
        known: State and phases of the seasons before the step, [B, T, M].
        z: Latents drawn from q, [B, T, Z].
        q: Their posterior.
        prior: Their prior.
    """

    known: Tensor
    z: Tensor
    q: Diagonal
    prior: Diagonal


class VRNN(StepModel):
    """Variational recurrent network; equations in the module, settings in :class:`VRNNConfig`.

    A state is h [B, N], the anchor and the clock.
    """

    Config = VRNNConfig
    latent_draws = LATENT_DRAWS

    def __init__(self, axes: SeriesAxes, config: VRNNConfig | None = None) -> None:
        super().__init__(axes, config or VRNNConfig())
        hidden = self.config.hidden
        latents = self.config.latents
        known = hidden + 2 * len(self.periods)
        self.phi_v = nn.Sequential(nn.Linear(self.step_inputs, hidden), nn.SiLU())
        self.phi_z = nn.Sequential(nn.Linear(latents, hidden), nn.SiLU())
        self.p_z = perceptron(known, hidden, 2 * latents)
        self.q_z = perceptron(hidden + known, hidden, 2 * latents)
        self.features = perceptron(hidden + known, hidden, self.p_v.features)
        self.gru = nn.GRUCell(2 * hidden, hidden)

    def terms(self, x: Windows, generator: Generator) -> dict[str, Tensor]:
        found = self.infer(x, generator)
        kl = kl_of_diagonals(found.q, found.prior).mean()
        nll = -self.log_prob(self._p_v(found, x), x).mean()
        return {"nll": nll, "kl": self.warm_up_weight(self.config.warm_up) * kl}

    def log_likelihood(self, x: Windows, samples: int, generator: Generator) -> Tensor:
        """Importance-weighted bound over whole windows, since latents enter the state."""
        log_weights = list[Tensor]()
        for found in [self.infer(x, generator) for _ in range(samples)]:
            log_p = self.log_prob(self._p_v(found, x), x)
            z = found.z
            log_weights.append(log_p + found.prior.log_prob(z) - found.q.log_prob(z))
        return log_mean_exp(torch.stack(log_weights).sum(-1))

    def reconstruct(self, x: Windows, samples: int, generator: Generator) -> Tensor:
        """Mean of v_t given latents from q, [B, T, V]: observed steps, through the latents."""
        draws = [self._p_v(self.infer(x, generator), x).mean for _ in range(samples)]
        return torch.stack(draws).mean(0)

    def predictions(self, x: Windows, generator: Generator) -> Distribution:
        """Distribution given latents from their prior, after states from inferred ones."""
        known = self.infer(x, generator).known
        return self._predict(known, self.anchors(x)[:, :-1], generator)

    def begin(self, series: int, clock: Tensor | None = None) -> State:
        clock = self.first_clock(series, clock)
        return clock.new_zeros(series, self.config.hidden), self.first_anchor(series), clock

    def predict(self, state: State, generator: Generator) -> Distribution:
        h, anchor, clock = state
        return self._predict(self._known(h, clock), anchor, generator)

    def observe(
        self, state: State, values: Tensor, observed: Tensor, generator: Generator
    ) -> State:
        h, anchor, clock = state
        encoded = self.phi_v(self.encode_step(values, observed, anchor))
        q, _ = self._posterior_and_prior(self._known(h, clock), encoded, observed.any(-1))
        h = self._next(h, encoded, q.draw(generator))
        return h, self.next_anchor(anchor, values, observed), clock + 1

    def infer(self, x: Windows, generator: Generator) -> Inferred:
        """Draw the latents of every step of windows from their posterior."""
        encoded = self.phi_v(self.encode_step(x.values, x.observed, self.anchors(x)[:, :-1]))
        seen = x.observed.any(-1)
        steps = list[tuple[Tensor, ...]]()
        h = self.begin(len(x.values), x.clock[:, 0])[0]
        for t in range(x.values.shape[1]):
            known = self._known(h, x.clock[:, t])
            q, prior = self._posterior_and_prior(known, encoded[:, t], seen[:, t])
            z = q.draw(generator)
            steps.append((known, z, q.mean, q.log_variance, prior.mean, prior.log_variance))
            h = self._next(h, encoded[:, t], z)
        known, z, *moments = (torch.stack(each, 1) for each in zip(*steps, strict=True))
        return Inferred(known, z, Diagonal(*moments[:2]), Diagonal(*moments[2:]))

    def _known(self, h: Tensor, clock: Tensor) -> Tensor:
        return torch.cat([h, self.season_features(clock)], -1)

    def _next(self, h: Tensor, encoded: Tensor, z: Tensor) -> Tensor:
        """State h after a step, [B, N]."""
        return self.gru(torch.cat([encoded, self.phi_z(z)], -1), h)

    def _posterior_and_prior(
        self, known: Tensor, encoded: Tensor, seen: Tensor
    ) -> tuple[Diagonal, Diagonal]:
        """Posterior and prior of a step's latents, which are the same where nothing was seen."""
        prior = diagonal(self.p_z(known))
        q = diagonal(self.q_z(torch.cat([encoded, known], -1)))
        mean = torch.where(seen[:, None], q.mean, prior.mean)
        log_variance = torch.where(seen[:, None], q.log_variance, prior.log_variance)
        return Diagonal(mean, log_variance), prior

    def _decode(self, z: Tensor, known: Tensor, anchor: Tensor) -> Distribution:
        """Distribution p(v | z, h)."""
        return self.distribution(self.features(torch.cat([self.phi_z(z), known], -1)), anchor)

    def _predict(self, known: Tensor, anchor: Tensor, generator: Generator) -> Distribution:
        """Distribution p(v | z, h) with z from the prior."""
        return self._decode(diagonal(self.p_z(known)).draw(generator), known, anchor)

    def _p_v(self, found: Inferred, x: Windows) -> Distribution:
        """Distribution of every step given its inferred latents."""
        return self._decode(found.z, found.known, self.anchors(x)[:, :-1])
