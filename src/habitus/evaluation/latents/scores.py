"""Disentanglement scores of one set of latents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from habitus.evaluation.draws import random_rows
from habitus.evaluation.latents.association import association
from habitus.evaluation.latents.factors import USERS_PER_CLASS, Factor
from habitus.evaluation.latents.forests import concentration, forests
from habitus.evaluation.latents.information import shared_information
from habitus.evaluation.latents.pairs import beta_metric
from habitus.evaluation.latents.separability import linear_scores
from habitus.schema import FloatArray

LEAST_USERS = 50
_TRAIN_SHARE = 2 / 3


@dataclass(frozen=True)
class Disentanglement:
    """Scores of the recovery of F factors of users by Z latents, all from 0 to 1.

    Attributes:
        users: Number of users in the scores.
        prediction: Share that forests on all latents explain on held-out users, by factor: R², or
            the share of circular variance, or the Brier skill score of a categorical factor. 0 is
            no better than the mean (the shares of the classes), 1 is perfect.
        correlation: Correlation of each latent with each factor, [Z, F]: absolute Spearman
            correlation, correlation ratio of a categorical factor, multiple correlation of a
            circular one.
        mig: Mutual information gap, mean over factors (Chen et al. 2018). Factors of low entropy
            have the same weight as others.
        mig_by_factor: Mutual information with the best latent less that with the second, over the
            factor's entropy, by factor. With one latent the second is 0, here and below.
        sap: Separated attribute predictability, mean over factors (Kumar et al. 2018).
        sap_by_factor: Linear score of the best latent less that of the second, by factor.
        dci_disentanglement: Degree to which a latent serves one factor alone (Eastwood and Williams
            2018), latents weighted by their importance. Low where factors are correlated, or cannot
            be predicted.
        dci_completeness: Degree to which a factor is served by one latent alone.
        dci_informativeness: Mean of ``prediction``.
        beta_metric: Accuracy of the classifier of the factor that pairs share (Higgins et al.
            2017).
        beta_chance: Accuracy of guessing there, 1/F.
    """

    users: int
    prediction: dict[str, float]
    correlation: NDArray[np.float64]
    mig: float
    mig_by_factor: dict[str, float]
    sap: float
    sap_by_factor: dict[str, float]
    dci_disentanglement: float
    dci_completeness: float
    dci_informativeness: float
    beta_metric: float
    beta_chance: float

    def to_json(self) -> dict[str, Any]:
        """Fields by name; ``correlation`` as a list over latents, by factor."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        columns = dict(zip(self.prediction, self.correlation.T.tolist(), strict=True))
        return {**values, "correlation": columns}


def disentanglement(
    codes: FloatArray, factors: Sequence[Factor], *, seed: int = 0, most: int = 10_000
) -> Disentanglement:
    """Score latents against known factors of the same users; the same seed gives the same numbers.

    Forests, class means and the classifier of pairs are fitted to two thirds of the users and
    scored on the others. Scores do not depend on the scale of a latent. For one factor, or one
    latent, entanglement is not defined: then ``dci_disentanglement`` (one factor),
    ``dci_completeness`` (one latent) and ``beta_metric`` (one factor) are 1.

    Args:
        codes: Latents, such as means of the posterior, [U, Z].
        factors: F factors of the U users.
        seed: Seed of the draw of users, of their split, of forests and pairs.
        most: Largest number of users; more are subsampled at random.

    Raises:
        ValueError: if there are fewer than 50 users or no latent, for latents that are not finite,
            without factors, for factors of other lengths, of one name, constant, or with too many
            classes.
    """
    _check(codes, factors, most)
    rng = np.random.default_rng(seed)
    drawn = random_rows(len(codes), most, rng)
    codes = _scaled(codes[drawn])
    factors = [factor.of(drawn) for factor in factors]
    _check_values(factors)
    train = random_rows(len(codes), round(len(codes) * _TRAIN_SHARE), rng)
    explained, importance = forests(codes, factors, train, rng)
    mig = top_gap(shared_information(codes, factors))
    sap = top_gap(linear_scores(codes, factors, train))
    return Disentanglement(
        users=len(codes),
        prediction=_by_name(factors, explained),
        correlation=association(codes, factors),
        mig=float(mig.mean()),
        mig_by_factor=_by_name(factors, mig),
        sap=float(sap.mean()),
        sap_by_factor=_by_name(factors, sap),
        dci_disentanglement=concentration(importance),
        dci_completeness=concentration(importance.T),
        dci_informativeness=float(explained.mean()),
        beta_metric=beta_metric(codes, factors, train, rng),
        beta_chance=1 / len(factors),
    )


def top_gap(scores: FloatArray) -> NDArray[np.float64]:
    """Best score of each factor less the second best, [F], of scores [Z, F]; 0 if there is none.

    >>> top_gap(np.array([[0.75, 0.0], [0.25, 0.5], [0.5, 0.5]])).tolist()
    [0.25, 0.0]
    >>> top_gap(np.array([[0.5]])).tolist()
    [0.5]
    """
    ordered = np.sort(np.vstack([scores, np.zeros_like(scores[0])]), axis=0)
    return ordered[-1] - ordered[-2]


def _by_name(factors: Sequence[Factor], values: FloatArray) -> dict[str, float]:
    return {factor.name: float(value) for factor, value in zip(factors, values, strict=True)}


def _scaled(codes: FloatArray) -> NDArray[np.float64]:
    """Standardise latents, since forests compare in single precision; constant ones become 0."""
    codes = codes.astype(np.float64)
    codes -= codes.mean(axis=0)
    codes[:, np.ptp(codes, axis=0) == 0] = 0
    deviation = codes.std(axis=0)
    return codes / np.where(deviation > 0, deviation, 1)


def _check(codes: FloatArray, factors: Sequence[Factor], most: int) -> None:
    if codes.ndim != 2 or not codes.shape[1] or not np.isfinite(codes).all():
        raise ValueError(
            f"expected finite latents [users, latents], got values of shape {codes.shape}"
        )
    if min(len(codes), most) < LEAST_USERS:
        raise ValueError(
            f"expected at least {LEAST_USERS} users, got {min(len(codes), most)}; give more of them"
        )
    if not factors:
        raise ValueError(
            "expected at least one factor of the users, got none; name columns that vary"
        )
    for factor in factors:
        if len(factor) != len(codes):
            raise ValueError(
                f"expected factors of the {len(codes)} users, got {len(factor)} values of "
                f"{factor.name!r}"
            )
    names = [factor.name for factor in factors]
    if len(set(names)) < len(names):
        raise ValueError(f"expected factors with distinct names, got {names}")


def _check_values(factors: Sequence[Factor]) -> None:
    """Refuse factors for which no score is defined."""
    for factor in factors:
        different = len(np.unique(factor.levels))
        if different < 2:
            raise ValueError(
                f"expected factors that vary, got one value of {factor.name!r} in {len(factor)} "
                "users; leave it out"
            )
        if factor.categorical and different > len(factor) / USERS_PER_CLASS:
            raise ValueError(
                f"expected at least {USERS_PER_CLASS} users to a class of {factor.name!r}, "
                f"got {different} classes of {len(factor)} users; join classes"
            )
