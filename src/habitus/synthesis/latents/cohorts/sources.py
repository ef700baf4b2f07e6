"""Sources of users like those of some cohorts, or like given ones."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from habitus.evaluation.metrics.summary import summarise
from habitus.models.parts.priors import Mixture
from habitus.profiles.batches import Population
from habitus.run import Run, fingerprint
from habitus.schema import Progress, no_progress
from habitus.synthesis.capabilities import encoding_model
from habitus.synthesis.completion import check_axes
from habitus.synthesis.latents.cohorts.cohort import Cohorts
from habitus.synthesis.population import Part, Source
from habitus.training.encoding import Posterior, encode

MOST_LIKE = 20_000  # users that a population is drawn around


def mix(run: Run, cohorts: Cohorts, weights: Mapping[int, float]) -> Source:
    """Make a source of users of some cohorts, with each cohort's mixture of latents and zeros.

    Args:
        run: The run whose latents were clustered.
        cohorts: Its cohorts.
        weights: Weight of each cohort, by number; they need not sum to 1.

    Raises:
        ValueError: for cohorts of another run, one that does not exist, or a weight that is not
            above 0.
    """
    if cohorts.fingerprint != fingerprint(run.model):
        raise ValueError(
            "these cohorts are of another run or an earlier fit; run habitus cluster on this one"
        )
    parts = tuple(_part(cohorts, number, weight) for number, weight in weights.items())
    if not parts:
        raise ValueError("expected at least one cohort, got none")
    if math.isinf(sum(weights.values())):
        raise ValueError(
            "the weights of cohorts are too large to be added; give shares, such as 3:0.7,5:0.3"
        )
    shares = [
        {"number": number, "name": cohorts.groups[number].name, "weight": weight}
        for number, weight in weights.items()
    ]
    return Source(parts, {"prior": "cohorts", "cohorts": shares})


def _part(cohorts: Cohorts, number: int, weight: float) -> Part:
    if not 0 <= number < len(cohorts.groups):
        raise ValueError(
            f"there is no cohort {number}; there are {len(cohorts.groups)}, numbered from 0"
        )
    if not 0 < weight < float("inf"):
        raise ValueError(
            f"the weight of a cohort must be above 0, got {weight} for cohort {number}"
        )
    group = cohorts.groups[number]
    return Part(group.mixture, group.active_share, weight, number)


def around(
    run: Run, profiles: Population, seed: int = 0, on_progress: Progress = no_progress
) -> Source:
    """Make a source of users around given ones, with latents from a given user's posterior q(z|x).

    Zeros are as frequent as in the given users.

    Args:
        run: A run whose model has latents.
        profiles: The users; of more than MOST_LIKE, as many at random.
        seed: Decides which.
        on_progress: Called with profiles encoded, and profiles in all.

    Raises:
        ValueError: for a run without latents, profiles on other axes, or none.
    """
    model = encoding_model(run.model)
    check_axes(model, profiles.axes)
    if not len(profiles):
        raise ValueError("expected profiles to draw users around, got none")
    posterior = encode(model, profiles, on_progress)
    if len(posterior) > MOST_LIKE:
        rows = np.random.default_rng(seed).choice(len(posterior), MOST_LIKE, replace=False)
        posterior = Posterior(posterior.mean[rows], posterior.stddev[rows])
    active = summarise(profiles).active.mean(0)
    about = {"prior": "like", "like": len(profiles)}
    return Source((Part(Mixture.of_normals(posterior.mean, posterior.stddev), active),), about)
