"""Posterior mean of noisy series: a particle filter with fixed-lag smoothing (Kitagawa 1996).

Each particle is a hypothesis of the noise-free past, with the model's state after it. At every step
its next value is drawn from the posterior given the observation, the optimal proposal, which is
known in closed form, and its weight is multiplied by the probability of the observation. Later
observations thus weight earlier values. All series are processed in parallel.

Letters: N series, T steps, V variables, K particles of a series, C components.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from habitus.models.base import AutoregressiveModel, State
from habitus.synthesis.noise import Expected, Levels, Noise, StepPosterior

LAG = 16  # steps of the fixed-lag smoother
LATENTS = 4  # draws of the latents that a particle's predictive mixture pools, at most
FEWEST = 0.5  # effective sample size, relative to K, below which particles are resampled
LEAST_SHARE = 0.01  # least estimated probability that a value was modified


def smooth_series(
    model: AutoregressiveModel,
    y: Tensor,
    observed: Tensor,
    noises: Sequence[Noise],
    particles: int,
    generator: Generator,
) -> tuple[Tensor, list[Noise]]:
    """Estimate noise-free series by a particle smoother, and their noise by one step of EM.

    Args:
        model: Model of the noise-free series; its likelihood must have Gaussian components.
        y: Observed values, [N, T, V].
        observed: Bool [N, T, V]; unobserved values are drawn from the model.
        noises: Noise of each series, N.
        particles: Particles of a series, K.
        generator: Source of all randomness.

    Returns:
        E[v | y], [N, T, V], and the re-estimated noise of each series, N.
    """
    cloud = _Cloud(model, len(y), particles)
    levels = Levels.of(noises, particles)
    for t in range(y.shape[1]):
        cloud.step(y[:, t], observed[:, t], levels, generator)
    moments = zip(cloud.moments.tolist(), noises, strict=True)
    return cloud.mean(y.shape[2]), [_most_probable(found, noise) for found, noise in moments]


class _Cloud:
    """Weighted particles of N series, at one step."""

    def __init__(self, model: AutoregressiveModel, series: int, particles: int) -> None:
        self.model = model
        self.shape = (series, particles)
        self.state = model.begin(series * particles)
        self.log_weights = torch.zeros(series, particles)
        self.pasts = list[Tensor]()
        self.means = list[Tensor]()
        self.moments = torch.zeros(series, 3)

    def step(self, y: Tensor, observed: Tensor, levels: Levels, generator: Generator) -> None:
        """Update the particles with a step [N, V]."""
        y, observed = (each.repeat_interleave(self.shape[1], 0) for each in (y, observed))
        found = _posterior(self.model, self.state, y, observed, levels, generator)
        self.log_weights = self.log_weights + found.log_evidence.view(self.shape)
        weights = self.log_weights.softmax(-1)
        self.moments = self.moments + (
            weights[..., None] * found.moments.view(*self.shape, -1)
        ).sum(1)
        self.state = self.model.observe(
            self.state, found.values, torch.ones_like(observed), generator
        )
        self.pasts.append(found.values.view(*self.shape, -1))
        if len(self.pasts) > LAG:
            self.means.append(_mean(weights, self.pasts.pop(0)))
        few = 1 / weights.square().sum(-1) < FEWEST * self.shape[1]
        if few.any():
            self._draw_anew(weights, few, generator)

    def _draw_anew(self, weights: Tensor, few: Tensor, generator: Generator) -> None:
        """Resample the particles of series whose weight lies on few of them."""
        chosen = torch.where(
            few[:, None], _systematic(weights, generator), torch.arange(self.shape[1])
        )
        of_all = (chosen + torch.arange(self.shape[0])[:, None] * self.shape[1]).flatten()
        self.state = tuple(each[of_all] for each in self.state)
        self.pasts = [past.flatten(0, 1)[of_all].view(past.shape) for past in self.pasts]
        self.log_weights = torch.where(few[:, None], 0.0, self.log_weights)

    def mean(self, variables: int) -> Tensor:
        """E[v | y] of all steps, [N, T, V]."""
        rest = [_mean(self.log_weights.softmax(-1), past) for past in self.pasts]
        found = [*self.means, *rest]
        return torch.stack(found, 1) if found else torch.zeros(self.shape[0], 0, variables)


def _mean(weights: Tensor, values: Tensor) -> Tensor:
    """[N, V] from weights [N, K] and values [N, K, V]."""
    return (weights[..., None] * values).sum(1)


def _posterior(
    model: AutoregressiveModel,
    state: State,
    y: Tensor,
    observed: Tensor,
    levels: Levels,
    generator: Generator,
) -> StepPosterior:
    """Posterior of a step y [N K, V] by particle [N K, ...], pooled over draws of latents."""
    draws = min(LATENTS, model.latent_draws)
    found = list[StepPosterior]()

    def choose(at: slice, components: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        spread = model.p_v.scale[at]
        found.append(
            Expected(*components).posterior(y[:, at], observed[:, at], spread, levels, generator)
        )
        return found[-1].values

    values = model.p_v.choose_values(
        [model.predict(state, generator) for _ in range(draws)], choose
    )
    evidence = torch.stack([each.log_evidence for each in found]).sum(0)
    return StepPosterior(values, evidence, torch.stack([each.moments for each in found]).sum(0))


def _systematic(weights: Tensor, generator: Generator) -> Tensor:
    """Systematic resampling of weights [N, K], one random number a series; indices [N, K]."""
    series, count = weights.shape
    places = (torch.arange(count) + torch.rand(series, 1, generator=generator)) / count
    return torch.searchsorted(weights.cumsum(-1), places).clamp_max(count - 1)


def _most_probable(moments: Sequence[float], noise: Noise) -> Noise:
    """Estimate the noise from counts of all and of modified values, and squared modifications."""
    count, modified, squares = moments
    if not modified:
        return noise
    return Noise((squares / modified) ** 0.5, min(1.0, max(LEAST_SHARE, modified / count)))
