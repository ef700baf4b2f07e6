"""Small populations that many tests use."""

import datetime as dt

import numpy as np
import pytest

from habitus.profiles.sparse import Profiles
from habitus.schema import Axes


def random_profiles(axes: Axes, users: int, seed: int = 0, density: float = 0.05) -> Profiles:
    """Profiles with independent cells and weekday habits; every profile has at least one cell."""
    rng = np.random.default_rng(seed)
    busy = rng.random((users, 1, axes.slots, 1)) < 0.3
    counts = rng.poisson(density * (1 + 5 * busy), (users, *axes.shape))
    counts[:, 0, 0, 0] += 1
    return Profiles.from_dense(axes, counts)


@pytest.fixture(scope="session")
def axes() -> Axes:
    """Axes that are not multiples of eight, on purpose."""
    return Axes(dt.date(2018, 2, 1), 9, 120, ("web", "phone", "tv"))


@pytest.fixture(scope="session")
def population(axes: Axes) -> Profiles:
    return random_profiles(axes, 120)
