"""What DLGM and tDLGM share: layers of Gaussian latents, recognised from what was seen.

Letters: L layers, Z latents of a layer, N hidden units.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from typing import Literal

import torch
from torch import Generator, Tensor
from torch.distributions import Distribution

from habitus.models.base import Windows
from habitus.models.parts.gaussians import Gaussian
from habitus.models.recurrent.covariances import COVARIANCES, standard_log_prob
from habitus.models.recurrent.step import SeriesConfig, StepModel, perceptron
from habitus.schema import SeriesAxes
from habitus.settings import NotNegative, Positive, Share, configuration

LATENT_DRAWS = 24  # that stand for all latents where what they lead to is wanted


@configuration
class LatentConfig(SeriesConfig):
    """Settings of models with layers of latents.

    Attributes:
        layers: Layers of latents, L.
        latents: Latents of a layer, Z.
        covariance: Of the recognised latents: diagonal, or low-rank (precision of diagonal plus rank one).
        beta: Weight of the KL term; 1 is the bound of the likelihood.
        warm_up: Share of the fit over which that weight rises from 0, so that latents are used before they cost.
    """

    layers: Positive = 2
    latents: Positive = 8
    covariance: Literal["diagonal", "low-rank"] = "diagonal"
    beta: NotNegative = 1.0
    warm_up: Share = 0.2


class LatentLayers(StepModel):
    """A model whose step is drawn from latents xi_1 ... xi_L ~ N(0, I), independent between steps.

    Its latents are recognised step by step, so the bound of a step is tight as samples grow, whatever the others.
    """

    latent_draws = LATENT_DRAWS

    def __init__(self, axes: SeriesAxes, config: LatentConfig) -> None:
        super().__init__(axes, config)
        self.per_latent, self.gaussian = COVARIANCES[config.covariance]

    def recognition(self, inputs: int) -> torch.nn.Module:
        """Mu and C of all layers from what is recognised from."""
        return perceptron(
            inputs, self.config.hidden, self.config.layers * self.per_latent * self.config.latents
        )

    def posterior(self, features: Tensor) -> Gaussian:
        """q(xi), [..., L, Z], from the recognition's features."""
        return self.gaussian(features.unflatten(-1, (self.config.layers, -1)))

    def prior_draw(self, shape: torch.Size, generator: Generator) -> Tensor:
        """Xi ~ N(0, I), [*shape, L, Z] (Eqs 3 and 9)."""
        return torch.randn(*shape, self.config.layers, self.config.latents, generator=generator)

    @property
    def kl_weight(self) -> float:
        """beta, once warmed up."""
        return self.config.beta * self.warmed_up

    def bound_terms(self, p: Distribution, q: Gaussian, x: Windows) -> dict[str, Tensor]:
        """Negative log-likelihood and weighted KL of the latents (Eqs 22 and 28); nothing seen costs nothing."""
        seen = x.observed.any(-1)
        kl = torch.where(seen, q.kl().sum(-1), 0.0).mean()
        return {"nll": -self.log_prob(p, x).mean(), "kl": self.kl_weight * kl}

    def weighted(self, p: Distribution, q: Gaussian, xi: Tensor, x: Windows) -> Tensor:
        """Log importance weights log p(v, xi) - log q(xi) of every step, [K, B, T]."""
        ratio = (standard_log_prob(xi) - q.log_prob(xi)).sum(-1)
        return self.log_prob(p, x) + torch.where(x.observed.any(-1), ratio, 0.0)

    @abstractmethod
    def conditionals(self, x: Windows) -> tuple[Gaussian, Callable[[Tensor], Distribution]]:
        """q(xi_t | v) of every step, and from latents [B, T, L, Z] to p(v_t | xi_t, what came before)."""

    def log_likelihood(self, x: Windows, samples: int, generator: Generator) -> Tensor:
        """Importance-weighted, step by step: latents are independent given what came before."""
        q, p_given = self.conditionals(x)
        drawn = (q.draw(generator) for _ in range(samples))
        return mean_weight(torch.stack([self.weighted(p_given(xi), q, xi, x) for xi in drawn])).sum(
            -1
        )

    def reconstructed(self, x: Windows, samples: int, generator: Generator) -> Tensor:
        """E[v_t | xi ~ q] of every step: what was seen, through the latents, [B, T, V]."""
        q, p_given = self.conditionals(x)
        return torch.stack([p_given(q.draw(generator)).mean for _ in range(samples)]).mean(0)

    def predictions(self, x: Windows, generator: Generator) -> Distribution:
        """Given latents drawn from their prior."""
        return self.conditionals(x)[1](self.prior_draw(x.clock.shape, generator))


def mean_weight(log_weights: Tensor) -> Tensor:
    """Log of the mean over the first axis of weights given by their logarithms."""
    return log_weights.logsumexp(0) - math.log(len(log_weights))
