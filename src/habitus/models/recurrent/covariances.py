"""Covariances of recognised latents: diagonal, or the inverse of a diagonal plus rank one.

Letters: Z latent dimensions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from habitus.models.parts.gaussians import LEAST, MOST, Gaussian, diagonal


@dataclass(frozen=True)
class RankOne(Gaussian):
    """Gaussian with C^-1 = D + u u^T, D = diag(d) (Rezende et al. 2014, 4.3, Eqs 16 to 18).

    With eta = 1 / (1 + u^T D^-1 u), C = D^-1 - eta D^-1 u u^T D^-1 and
    log|C| = log eta - sum log d.

    Attributes:
        mean: [..., Z].
        log_precision: log d, [..., Z].
        u: [..., Z].
    """

    mean: Tensor
    log_precision: Tensor
    u: Tensor

    @property
    def _eta(self) -> Tensor:
        squared = (self.u.square() * (-self.log_precision).exp()).sum(-1, keepdim=True)
        return 1 / (1 + squared)

    @property
    def _log_determinant(self) -> Tensor:
        """Logarithm of |C|, [...]."""
        return self._eta.log().squeeze(-1) - self.log_precision.sum(-1)

    def transform(self, noise: Tensor) -> Tensor:
        """Map noise to mean + R noise, where R R^T = C.

        R = D^-1/2 - (1 - sqrt eta) / (u^T D^-1 u) D^-1 u u^T D^-1/2.
        """
        scaled = noise * (-self.log_precision / 2).exp()
        # (1 - sqrt eta) / (u^T D^-1 u) = eta / (1 + sqrt eta), which stays finite where u vanishes
        along = self._eta / (1 + self._eta.sqrt()) * (self.u * scaled).sum(-1, keepdim=True)
        return self.mean + scaled - along * self.u * (-self.log_precision).exp()

    def kl(self) -> Tensor:
        variance = (-self.log_precision).exp()
        trace = (variance - self._eta * (self.u * variance).square()).sum(-1)
        squared = self.mean.square().sum(-1)
        return 0.5 * (squared + trace - self._log_determinant - self.mean.shape[-1])

    def log_prob(self, xi: Tensor) -> Tensor:
        away = xi - self.mean
        of_diagonal = (away.square() * self.log_precision.exp()).sum(-1)
        squared = of_diagonal + (away * self.u).sum(-1).square()
        constant = xi.shape[-1] * math.log(2 * math.pi)
        return -0.5 * (squared + self._log_determinant + constant)


def rank_one(features: Tensor) -> Gaussian:
    """Make a Gaussian from features [..., 3Z]: mean, log d, and u."""
    mean, log_precision, u = features.chunk(3, -1)
    return RankOne(mean, log_precision.clamp(-MOST, -LEAST), u)


COVARIANCES = {"diagonal": (2, diagonal), "low-rank": (3, rank_one)}
"""Number of features per latent dimension, and the Gaussian that they make, by name."""


def standard_log_prob(xi: Tensor) -> Tensor:
    """Log-density of N(0, I) at xi [..., Z], [...]."""
    return -0.5 * (xi.square() + math.log(2 * math.pi)).sum(-1)
