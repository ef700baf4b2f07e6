"""What a noisy series was, given all of it: a particle filter with fixed-lag smoothing (Kitagawa 1996).

Each particle is a past that may have been, with the model's state after it. At every step its value is drawn from
its own posterior given what was seen, which is in closed form (the best proposal there is), and the particle is
weighed by how probable what was seen is under it. What comes later so decides between pasts.

Letters: T steps, V variables, K particles, C components.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from habitus.models.base import AutoregressiveModel, State
from habitus.synthesis.series.noise import Expected, Noise

LAG = 16  # later steps that decide between pasts
LATENTS = 4  # draws of the latents that a particle's expectation is made of
FEWEST = 0.5  # share of effective particles below which they are drawn anew
LEAST_SHARE = 0.01


@dataclass(frozen=True)
class Smoothed:
    """A noisy series with its noise removed.

    Attributes:
        mean: E[v | y], [T, V].
        noise: The noise that the posterior makes most probable: a step of EM from the noise that was given.
    """

    mean: Tensor
    noise: Noise


def smoothed(
    model: AutoregressiveModel, y: Tensor, observed: Tensor, noise: Noise, particles: int, generator: Generator
) -> Smoothed:
    """Go through a series once.

    Args:
        model: Says what to expect; its likelihood has to have Gaussian components.
        y: What was seen, [T, V].
        observed: Bool [T, V]; what was not is drawn from what is expected.
        noise: What was added.
        particles: K.
        generator: Supplies all randomness.
    """
    state, log_weights = model.begin(particles), torch.zeros(particles)
    everything = torch.ones(particles, y.shape[1], dtype=torch.bool)
    pasts, means, moments = list[Tensor](), list[Tensor](), torch.zeros(3)
    for seen, known in zip(y, observed, strict=True):
        found = _expected(model, state, generator).posterior(seen, known, model.p_v.scale, noise, generator)
        log_weights = log_weights + found.log_evidence
        weights = log_weights.softmax(0)
        moments = moments + (weights[:, None] * found.moments).sum(0)
        state = model.observe(state, found.values, everything, generator)
        pasts.append(found.values)
        if len(pasts) > LAG:
            means.append(weights @ pasts.pop(0))
        if 1 / weights.square().sum() < FEWEST * particles:
            chosen = _systematic(weights, generator)
            state, pasts = _taken(state, chosen), [past[chosen] for past in pasts]
            log_weights = torch.zeros(particles)
    means += [log_weights.softmax(0) @ past for past in pasts]
    return Smoothed(torch.stack(means) if means else y, _most_probable(moments, noise))


def _expected(model: AutoregressiveModel, state: State, generator: Generator) -> Expected:
    """What each particle expects, [K, V, C], pooled over some draws of its latents."""
    draws = min(LATENTS, model.latent_draws)
    return Expected(*model.p_v.pooled([model.predict(state, generator) for _ in range(draws)]))


def _systematic(weights: Tensor, generator: Generator) -> Tensor:
    """As many indices as there are weights, each about as often as its weight says, with one random number."""
    places = (torch.arange(len(weights)) + torch.rand(1, generator=generator)) / len(weights)
    return torch.searchsorted(weights.cumsum(0), places).clamp_max(len(weights) - 1)


def _taken(state: State, chosen: Tensor) -> State:
    return tuple(each[chosen] for each in state)


def _most_probable(moments: Tensor, noise: Noise) -> Noise:
    """From counts of values, of modified ones, and of their squared modifications."""
    count, modified, squares = moments.tolist()
    if not modified:
        return noise
    return Noise((squares / modified) ** 0.5, min(1.0, max(LEAST_SHARE, modified / count)))
