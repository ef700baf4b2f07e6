"""Samples of profiles to compare, as many on either side, with the user of each."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from habitus.evaluation.blocks import blocks
from habitus.evaluation.draws import random_rows, users_of
from habitus.schema import BoolArray, IntArray, ProfileSource, starts_of_runs


@dataclass(frozen=True)
class Side:
    """Profiles chosen from a set.

    Attributes:
        source: The set, U profiles.
        rows: Mask of the chosen ones, [U].
        users: User of each chosen one, from 0, [n].
    """

    source: ProfileSource
    rows: BoolArray
    users: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.users)

    def folds(self, unit: str, count: int, seed: int) -> NDArray[np.int64]:
        """Fold of each profile (see :func:`folds`), [n]."""
        return folds(self.users, contents(self, unit, seed), count)

    def cut(self, most: int, rng: np.random.Generator) -> Side:
        """Draw at most ``most`` of the profiles at random."""
        kept = random_rows(len(self), most, rng)
        rows = self.rows.copy()
        rows[self.rows] = kept
        return Side(self.source, rows, self.users[kept])


def whole(source: ProfileSource) -> Side:
    """Choose all profiles of a set."""
    return Side(source, np.ones(len(source), bool), users_of(source))


def halves(source: ProfileSource, rng: np.random.Generator) -> tuple[Side, Side]:
    """Split a set in two by user: no user is in both."""
    everyone = whole(source)
    count = int(everyone.users.max(initial=-1)) + 1
    first = random_rows(count, count // 2, rng)[everyone.users]
    return Side(source, first, everyone.users[first]), Side(source, ~first, everyone.users[~first])


def contents(side: Side, unit: str, seed: int) -> NDArray[np.uint64]:
    """Random number for each profile, the same for profiles that are equal in a unit, [n]."""
    salt = seed.to_bytes(8, "little")
    found = []
    for block in blocks(side.source, side.rows):
        values = block.in_unit(side.source.axes, unit).astype(np.float32)
        ends = np.append(0, np.cumsum(block.lengths))
        for part in (slice(*pair) for pair in pairwise(ends)):
            content = block.cells[part].tobytes() + values[part].tobytes()
            digest = blake2b(content, digest_size=8, salt=salt).digest()
            found.append(int.from_bytes(digest, "little"))
    return np.array(found, np.uint64)


def folds(users: IntArray, keys: NDArray[np.uint64], count: int) -> NDArray[np.int64]:
    """Assign all profiles of a user to one fold, chosen by the content of the user's first profile.

    The n-th user with a given content gets the same fold in the generated and in the real set.
    If two equal profiles of opposite classes were in different folds, a classifier trained on one
    of them would misclassify the other.

    Args:
        users: User of each profile, from 0, [n]; at least ``count`` different ones.
        keys: Hash of the content of each profile (:func:`contents`), [n].
        count: Number of folds, none of which is empty.

    Returns:
        Folds from 0, [n].
    """
    _, first, code = np.unique(users, return_index=True, return_inverse=True)
    fold = (keys[first] % np.uint64(count)).astype(np.int64)
    fold = (fold + _occurrence(keys[first])) % count
    if len(np.unique(fold)) < count:
        fold = np.argsort(np.argsort(keys[first], kind="stable")) % count
    return fold[code]


def _occurrence(keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Number of equal keys before each, [n]."""
    _, code = np.unique(keys, return_inverse=True)
    order = np.argsort(code, kind="stable")
    starts = starts_of_runs(code[order])
    before = np.arange(len(keys)) - np.repeat(starts, np.diff(np.append(starts, len(keys))))
    out = np.zeros(len(keys), np.int64)
    out[order] = before
    return out
