"""Correlation of each latent with each factor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import orth
from scipy.stats import rankdata

from habitus.evaluation.latents.factors import Factor
from habitus.schema import FloatArray


def association(codes: FloatArray, factors: Sequence[Factor]) -> NDArray[np.float64]:
    """Correlation of each latent's ranks with each factor, from 0 to 1, [Z, F].

    For a continuous factor it is the absolute Spearman correlation; for a categorical one the
    correlation ratio (the root of the share of variance between classes); for a circular one the
    multiple correlation with (cos, sin) (Mardia 1976). All three are the multiple correlation with
    the factor's targets; a constant latent has 0. By chance the square is about k / U for k
    targets, so many classes of few users look associated.

    Args:
        codes: Latents, [U, Z].
        factors: F factors of the same users, none of them constant.
    """
    ranks = rankdata(codes, axis=0)
    ranks -= ranks.mean(axis=0)
    length = np.linalg.norm(ranks, axis=0)
    units = ranks / np.where(length > 0, length, 1)
    return np.column_stack(
        [
            np.linalg.norm(_target_basis(factor).T @ units, axis=0).clip(max=1.0)
            for factor in factors
        ]
    )


def _target_basis(factor: Factor) -> NDArray[np.float64]:
    """Orthonormal basis of the centred targets, of ranks for a continuous factor, [U, k]."""
    plain = not factor.categorical and factor.period is None
    targets = rankdata(factor.values)[:, None] if plain else factor.targets
    return orth(targets - targets.mean(axis=0))
