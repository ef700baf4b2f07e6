"""Fit of a Gaussian mixture to latents."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.mixture import GaussianMixture
from torch import Tensor

from habitus.models.parts.priors import Mixture

COMPONENTS = (1, 4, 8, 32)


def fit_mixture(latents: Tensor, seed: int, components: tuple[int, ...] = COMPONENTS) -> Mixture:
    """Fit a mixture to draws from the posterior of the training users, [U, Z].

    The number of components is the one with the best likelihood on a fifth of the users, which
    are kept aside.

    Raises:
        ValueError: if there are fewer than 10 users.
    """
    if len(latents) < 10:
        raise ValueError(
            f"expected the latents of at least 10 users to fit a mixture to, got {len(latents)}"
        )
    z = latents.double().numpy(force=True)
    kept_aside = z[: len(z) // 5]
    fitted = z[len(z) // 5 :]
    candidates = [
        GaussianMixture(k, reg_covar=1e-5, max_iter=200, tol=1e-3, random_state=seed).fit(fitted)
        for k in components
        if 20 * k <= len(fitted) or k == 1
    ]
    best = max(candidates, key=lambda mixture: mixture.score(kept_aside))
    arrays = (best.weights_, best.means_, np.linalg.cholesky(np.asarray(best.covariances_)))
    return Mixture(*(torch.from_numpy(np.asarray(array)).float() for array in arrays))
