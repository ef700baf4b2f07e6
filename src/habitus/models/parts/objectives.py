"""What is minimised, as functions of distributions, and the weights of its terms."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.distributions import Distribution, Independent, Normal, kl_divergence


def diagonal_normal(features: Tensor) -> Independent:
    """q(z|x) from features [B, 2Z]: the mean, then the log of the variance ("Time pictures" 5.2.2).

    The log-variance is kept within [-30, 20], where its exponential and its logarithm are still exact enough.
    """
    mean, log_variance = features.float().chunk(2, -1)
    return Independent(
        Normal(mean, (log_variance.clamp(-30, 20) / 2).exp(), validate_args=False), 1
    )


def reparameterised(q: Independent, generator: Generator) -> Tensor:
    """A draw from q [B, Z] through which gradients reach its mean and scale."""
    noise = torch.randn(q.mean.shape, generator=generator, device=generator.device)
    return q.mean + q.stddev * noise


def kl_from_standard_normal(q: Independent) -> Tensor:
    """KL(q || N(0, I)) in closed form, per latent dimension [B, Z] ("Time pictures" Eq 3.6)."""
    normal = q.base_dist
    return kl_divergence(normal, Normal(torch.zeros_like(normal.mean), 1.0, validate_args=False))


def negative_log_likelihood(p: Distribution, x: Tensor) -> Tensor:
    """-log p(x) summed over cells, [B]."""
    return -p.log_prob(x).flatten(1).sum(1)
