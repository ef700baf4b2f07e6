"""Recovery of known factors of users by latents: arrays in, numbers out.

    columns ──factors_from_columns──▶ factors ┐
                                              ├─disentanglement──▶ Disentanglement
    latents of the same users ────────────────┘

Each score has its own file. Import this package on its own, since scikit-learn loads for seconds.

Locatello et al. 2019 ("Challenging common assumptions in the unsupervised learning of disentangled
representations") compare these scores where factors are independent and can be set at will. Here
users are given: their factors are correlated, of unequal entropy, and some leave no trace in a log.
So no model reaches 1, and a latent of the common part of two correlated factors counts as
entangled. Compare models on the same users; do not read one number as a grade.
"""

from habitus.evaluation.latents.factors import Factor, KnownFactors, factors_from_columns
from habitus.evaluation.latents.scores import LEAST_USERS, Disentanglement, disentanglement

__all__ = [
    "LEAST_USERS",
    "Disentanglement",
    "Factor",
    "KnownFactors",
    "disentanglement",
    "factors_from_columns",
]
