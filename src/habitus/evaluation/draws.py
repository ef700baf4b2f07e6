"""Random draws of profiles, and of whole users: a user with many windows is one person."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from habitus.schema import BoolArray, IntArray, ProfileSource

USER = "user"


def random_rows(available: int, wanted: int, rng: np.random.Generator) -> BoolArray:
    """Mark profiles drawn at random without replacement, [available]; all if there are too few.

    >>> [random_rows(size, 4, np.random.default_rng(0)).sum().item() for size in (10, 3)]
    [4, 3]
    """
    rows = np.zeros(available, bool)
    rows[rng.permutation(available)[:wanted]] = True
    return rows


def random_users(users: IntArray, wanted: int, rng: np.random.Generator) -> BoolArray:
    """Mark all profiles of users drawn at random, about ``wanted`` profiles in all, [U].

    Users are drawn until the next one would exceed the number, but at least one. Fewer are drawn of
    the same users for a smaller number, so that draws of one seed are nested. Where each user has
    one profile it is the draw of :func:`random_rows`.

    Args:
        users: User of each profile, from 0, [U].
        wanted: Number of profiles.
        rng: Source of the draw.

    >>> random_users(np.array([0, 0, 0, 1, 1, 1]), 4, np.random.default_rng(0)).sum().item()
    3
    """
    count = int(users.max(initial=-1)) + 1
    if count == len(users):
        return random_rows(count, wanted, rng)
    order = rng.permutation(count)
    kept = np.cumsum(np.bincount(users, minlength=count)[order]) <= wanted
    kept[:1] = True
    chosen = np.zeros(count, bool)
    chosen[order[kept]] = True
    return chosen[users]


def users_of(source: ProfileSource) -> NDArray[np.int64]:
    """User of each profile, from 0, [U]; all different where the set does not say."""
    tables: list[Any] = [getattr(chunk, "users", None) for chunk in source.chunks()]
    if any(table is None or USER not in table.column_names for table in tables):
        return np.arange(len(source))
    names = np.concatenate([table[USER].to_numpy(zero_copy_only=False) for table in tables])
    return np.unique(names.astype(str) if names.dtype == object else names, return_inverse=True)[1]
