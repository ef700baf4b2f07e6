"""Completion by decoding draws from a posterior of the latents."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor
from torch.distributions import Distribution, Independent

from habitus.models.base import Completion
from habitus.models.parts.gaussians import reparameterise
from habitus.models.pictures.likelihoods import Likelihood


def complete_from_posterior(
    q: Independent,
    decode: Callable[[Tensor], Distribution],
    likelihood: Likelihood,
    missing: Tensor,
    samples: int,
    generator: Generator,
) -> Completion:
    """Draw z from q, and the missing cells from the distribution that each z decodes to.

    Args:
        q: Posterior q(z|known cells), [B, Z].
        decode: Map from z to the distribution of a picture [B, ...].
        likelihood: Likelihood that draws from such a distribution.
        missing: Missing cells, bool, of the picture's shape.
        samples: Number of draws, K.
        generator: Source of all randomness.
    """
    mean = torch.zeros(int(missing.sum()), device=missing.device)
    draws = list[Tensor]()
    for _ in range(samples):
        p = decode(reparameterise(q, generator))
        mean += p.mean[missing] / samples
        draws.append(likelihood.draw(p, generator)[missing])
    return Completion(mean, torch.stack(draws))
