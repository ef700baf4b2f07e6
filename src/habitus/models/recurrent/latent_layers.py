"""Base of DLGM and tDLGM: layers of Gaussian latents, recognised from observed steps.

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
from habitus.settings import Layers, NotNegative, Positive, Share, configuration

LATENT_DRAWS = 24  # draws that stand for the distribution of a step's latents


@configuration
class LatentConfig(SeriesConfig):
    """Settings of models with layers of latents.

    Attributes:
        layers: Layers of latents, L.
        latents: Latents of a layer, Z.
        covariance: Covariance of the recognised latents: diagonal, or low-rank (precision of
            diagonal plus rank one).
        beta: Weight of the KL term; 1 is the bound of the likelihood.
        warm_up: Share of the fit over which the weight of the KL term rises from 0 to beta, to
            counter a collapse of the posterior.
    """

    layers: Layers = 2
    latents: Positive = 8
    covariance: Literal["diagonal", "low-rank"] = "diagonal"
    beta: NotNegative = 1.0
    warm_up: Share = 0.2


class LatentLayers(StepModel):
    """A model whose steps are drawn from latents xi_1 ... xi_L ~ N(0, I), each step its own.

    Given the past, the latents of a step do not depend on those of other steps. The
    importance-weighted bound is therefore taken per step, and becomes tight with more draws.
    """

    latent_draws = LATENT_DRAWS

    def __init__(self, axes: SeriesAxes, config: LatentConfig) -> None:
        super().__init__(axes, config)
        self.per_latent, self.gaussian = COVARIANCES[config.covariance]

    def recognition(self, inputs: int) -> torch.nn.Module:
        """Network for mean and covariance of all layers' latents from so many inputs."""
        outputs = self.config.layers * self.per_latent * self.config.latents
        return perceptron(inputs, self.config.hidden, outputs)

    def posterior(self, features: Tensor) -> Gaussian:
        """Posterior q(xi), [..., L, Z], from the recognition's features."""
        return self.gaussian(features.unflatten(-1, (self.config.layers, -1)))

    def draw_prior(self, shape: torch.Size, generator: Generator) -> Tensor:
        """Draw xi ~ N(0, I), [*shape, L, Z] (Eqs 3 and 9)."""
        return torch.randn(*shape, self.config.layers, self.config.latents, generator=generator)

    @property
    def kl_weight(self) -> float:
        """Weight of the KL term: beta, once warmed up."""
        return self.config.beta * self.warm_up_weight(self.config.warm_up)

    def bound_terms(self, p: Distribution, q: Gaussian, x: Windows) -> dict[str, Tensor]:
        """Negative log-likelihood and weighted KL (Eqs 22, 28); unobserved steps cost nothing."""
        seen = x.observed.any(-1)
        kl = torch.where(seen, q.kl().sum(-1), 0.0).mean()
        return {"nll": -self.log_prob(p, x).mean(), "kl": self.kl_weight * kl}

    @abstractmethod
    def conditionals(self, x: Windows) -> tuple[Gaussian, Callable[[Tensor], Distribution]]:
        """Posterior q(xi_t | v) of every step, and the map from latents to p(v_t | xi_t, past).

        Latents are [B, T, L, Z].
        """

    def log_likelihood(self, x: Windows, samples: int, generator: Generator) -> Tensor:
        """Importance-weighted bound, step by step: latents are independent given the past."""
        q, p_given = self.conditionals(x)
        log_weights = list[Tensor]()
        for _ in range(samples):
            xi = q.draw(generator)
            ratio = (standard_log_prob(xi) - q.log_prob(xi)).sum(-1)
            ratio = torch.where(x.observed.any(-1), ratio, 0.0)
            log_weights.append(self.log_prob(p_given(xi), x) + ratio)
        return log_mean_exp(torch.stack(log_weights)).sum(-1)

    def reconstruct(self, x: Windows, samples: int, generator: Generator) -> Tensor:
        """Mean of v_t given latents from q, [B, T, V]: observed steps, through the latents."""
        q, p_given = self.conditionals(x)
        return torch.stack([p_given(q.draw(generator)).mean for _ in range(samples)]).mean(0)

    def predictions(self, x: Windows, generator: Generator) -> Distribution:
        """Distribution of every step given latents drawn from their prior."""
        return self.conditionals(x)[1](self.draw_prior(x.clock.shape, generator))


def log_mean_exp(log_weights: Tensor) -> Tensor:
    """Logarithm of the mean of weights over the first axis."""
    return log_weights.logsumexp(0) - math.log(len(log_weights))
