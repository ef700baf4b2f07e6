"""Cohorts: users with like habits, found as clusters in a model's latent space.

Letters: U users (profiles), Z latent dimensions, K cohorts, D days, S slots, C channels.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Generator

from habitus.evaluation.habits import Habits, habits_of
from habitus.models.parts.mixtures import fit_mixture
from habitus.models.parts.priors import Mixture
from habitus.profiles.batches import Population
from habitus.profiles.sparse import USER, WINDOW
from habitus.run import Run, fingerprint
from habitus.schema import IntArray, Progress, no_progress
from habitus.synthesis.capabilities import encoding_model
from habitus.synthesis.completion import check_axes
from habitus.synthesis.latents.cohorts.cohort import Cohort, Cohorts
from habitus.synthesis.latents.cohorts.kmeans import AUTO, Clustering, checked_k, cluster_latents
from habitus.synthesis.latents.cohorts.names import (
    habit_medians,
    medians_of_groups,
    name_groups,
    spreads_of,
)
from habitus.synthesis.population import COHORT
from habitus.training.encoding import IN_USE, Posterior, encode

COMPONENTS = (1, 4)  # candidate numbers of components of a cohort's mixture
MIXTURE_USERS = 2000  # posterior draws that a cohort's mixture is fitted to, at most
FEWEST_FOR_FIT = 50  # least users for a fit; below, each user's posterior is a component


def cluster(
    run: Run,
    profiles: Population,
    k: int | str = AUTO,
    *,
    seed: int = 0,
    on_progress: Progress = no_progress,
) -> Cohorts:
    """Find cohorts: k-means on the posterior means of all profiles, in the dimensions in use.

    Args:
        run: A run whose model has latents.
        profiles: The profiles.
        k: Number of cohorts, or auto for the largest number that is stable
            (:data:`habitus.synthesis.latents.cohorts.kmeans.RULE`).
        seed: Decides all that is random.
        on_progress: Called with profiles encoded, and profiles in all.

    Raises:
        ValueError: for a run without latents or none in use, profiles on other axes, or a k that
            there cannot be.
    """
    model = encoding_model(run.model)
    check_axes(model, profiles.axes)
    checked_k(k, len(profiles))
    posterior = encode(model, profiles, on_progress)
    dims = dims_in_use(posterior)
    found = cluster_latents(posterior.mean[:, dims].double().numpy(), k, seed)
    habits = habits_of(profiles, model.unit)
    return Cohorts(
        _groups(found, habits, posterior, _Tally(profiles, found, model.unit), seed),
        model.axes.with_unit(model.unit),
        dims,
        habit_medians(habits),
        found.tried,
        found.rule,
        found.reason,
        seed,
        fingerprint(model),
        _members(profiles.users, found),
    )


def dims_in_use(posterior: Posterior) -> NDArray[np.int64]:
    """Dimensions in use, by which users differ.

    Raises:
        ValueError: if none does.
    """
    dims = np.flatnonzero((posterior.kl >= IN_USE).numpy())
    if not len(dims):
        raise ValueError(
            "no latent dimension of this run tells users apart; fit it with a smaller beta, or "
            "longer"
        )
    return dims


def _groups(
    found: Clustering, habits: Habits, posterior: Posterior, tally: _Tally, seed: int
) -> tuple[Cohort, ...]:
    typical = medians_of_groups(habits, found.labels, len(found.centres))
    names = name_groups(typical, habit_medians(habits), spreads_of(habits))
    return tuple(
        Cohort(
            number,
            name,
            int(tally.sizes[number]),
            float(tally.sizes[number] / tally.sizes.sum()),
            float(found.stability[number]),
            typical[number],
            found.centres[number],
            tally.pictures[number],
            tally.active_share[number],
            _mixture(posterior, np.flatnonzero(found.labels == number), seed),
        )
        for number, name in enumerate(names)
    )


class _Tally:
    """Sums over the users of each cohort, in one pass.

    Attributes:
        sizes: Users, [K].
        pictures: Mean profiles, [K, D, S, C].
        active_share: Share of users active on each day, [K, D].
    """

    def __init__(self, profiles: Population, found: Clustering, unit: str) -> None:
        axes = profiles.axes
        k = len(found.centres)
        days, slots, channels = axes.shape
        self.sizes = np.bincount(found.labels, minlength=k)
        sums = np.zeros(k * axes.cells)
        active = np.zeros((k, days))
        first = 0
        for chunk in profiles.chunks():
            part = chunk.in_unit(unit)
            labels = found.labels[first : first + len(chunk)]
            row = part.row_of_cell()
            first = first + len(chunk)
            sums += np.bincount(labels[row] * axes.cells + part.cells, part.values, k * axes.cells)
            seen = np.zeros((len(part), days))
            seen[row, part.cells // (slots * channels)] = 1
            np.add.at(active, labels, seen)
        self.pictures = sums.reshape(k, *axes.shape) / self.sizes[:, None, None, None]
        self.active_share = active / self.sizes[:, None]


def _mixture(posterior: Posterior, rows: IntArray, seed: int) -> Mixture:
    """Fit the distribution of a cohort's latents to draws from some of its users' posteriors."""
    if len(rows) > MIXTURE_USERS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, MIXTURE_USERS, replace=False))
    index = torch.from_numpy(rows)
    own = Posterior(posterior.mean[index], posterior.stddev[index])
    if len(rows) < FEWEST_FOR_FIT:
        return Mixture.of_normals(own.mean, own.stddev)
    return fit_mixture(own.draw(Generator().manual_seed(seed)), seed, COMPONENTS)


def _members(users: pa.Table, found: Clustering) -> pa.Table:
    """Members of the cohorts, a row per user."""
    table = users.select([name for name in (USER, WINDOW) if name in users.column_names])
    columns = {
        COHORT: pa.array(found.labels, pa.int32()),
        "distance": pa.array(found.distance, pa.float32()),
    }
    for name, column in columns.items():
        table = table.append_column(name, column)
    return table
