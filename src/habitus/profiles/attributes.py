"""Attributes of users as codes: inputs of models, and combinations to draw users from."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from habitus.profiles.calendar import FROM, UNTIL
from habitus.profiles.sparse import USER, WINDOW
from habitus.schema import Vocabulary

MOST_VALUES = 100  # distinct values of an attribute, at most: one with more identifies users
MOST_COMBINATIONS = 10_000
OTHER = {
    USER,
    WINDOW,
    "peak",
    "cohort",
    FROM,
    UNTIL,
}  # columns of a users table that describe the profile


def vocabulary_of(users: pa.Table) -> Vocabulary:
    """Collect attributes with 2 to 100 distinct values, and these values, most frequent first.

    >>> users = {"user": [1, 2, 3], "plan": ["free", "paid", "free"], "name": ["a", "a", "a"]}
    >>> vocabulary_of(pa.table(users))
    {'plan': ['free', 'paid']}
    """
    found = Vocabulary()
    for name in users.column_names:
        values = Counter(text for text in _texts(users, name) if text is not None)
        if name not in OTHER and 2 <= len(values) <= MOST_VALUES:
            found[name] = sorted(values, key=lambda value: (-values[value], value))
    return found


def codes_of(users: pa.Table, vocabulary: Vocabulary) -> NDArray[np.int64]:
    """The code of each user's value of each attribute, 0 where it is not known, [U, A]."""
    codes = np.zeros((len(users), len(vocabulary)), np.int64)
    for at, (name, values) in enumerate(vocabulary.items()):
        if name in users.column_names:
            known = {value: number for number, value in enumerate(values, 1)}
            codes[:, at] = [known.get(text or "", 0) for text in _texts(users, name)]
    return codes


def combinations(users: pa.Table, vocabulary: Vocabulary) -> dict[str, Any]:
    """Combinations of values, for JSON: ``values`` [K, A] as codes, and their ``users`` [K]."""
    rows, counts = np.unique(codes_of(users, vocabulary), axis=0, return_counts=True)
    often = np.argsort(-counts, kind="stable")[:MOST_COMBINATIONS]
    return {"values": rows[often].tolist(), "users": counts[often].tolist()}


def columns_of(codes: NDArray[np.int64], vocabulary: Vocabulary) -> dict[str, pa.Array]:
    """The values that codes [U, A] stand for, by attribute; null for 0."""
    return {
        name: pa.array(values, pa.string()).take(pa.array(codes[:, at] - 1, mask=codes[:, at] == 0))
        for at, (name, values) in enumerate(vocabulary.items())
    }


def _texts(users: pa.Table, name: str) -> list[str | None]:
    column = users[name]
    return (column if pa.types.is_string(column.type) else pc.cast(column, pa.string())).to_pylist()
