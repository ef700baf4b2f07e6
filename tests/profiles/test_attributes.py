"""Attributes of users as codes, against what stands in the table."""

import numpy as np
import pyarrow as pa
import pytest

from habitus.models.rhythm.config import RhythmConfig
from habitus.profiles.attributes import (
    MOST_VALUES,
    codes_of,
    columns_of,
    combinations,
    vocabulary_of,
)

USERS = pa.table(
    {
        "user": [1, 2, 3, 4],
        "window_start": ["2020-01-01"] * 4,
        "country": ["France", "Spain", None, "France"],
        "age": [30, 40, 30, 30],
        "same": ["x"] * 4,
    }
)


def test_what_is_told_and_what_is_not():
    assert vocabulary_of(USERS) == {"country": ["France", "Spain"], "age": ["30", "40"]}
    many = pa.table({"user": np.arange(200), "name": [f"n{i}" for i in range(200)]})
    assert vocabulary_of(many) == {}
    assert MOST_VALUES < 200


def test_codes_stand_for_values_and_zero_for_what_is_not_known():
    vocabulary = vocabulary_of(USERS)
    codes = codes_of(USERS, vocabulary)
    assert codes.tolist() == [[1, 1], [2, 2], [0, 1], [1, 1]]
    again = columns_of(codes, vocabulary)
    assert again["country"].to_pylist() == ["France", "Spain", None, "France"]
    assert again["age"].to_pylist() == ["30", "40", "30", "30"]
    assert codes_of(pa.table({"user": [9], "country": ["Peru"]}), vocabulary).tolist() == [[0, 0]]


def test_combinations_are_counted():
    found = combinations(USERS, vocabulary_of(USERS))
    assert dict(zip(map(tuple, found["values"]), found["users"], strict=True)) == {
        (1, 1): 2,
        (0, 1): 1,
        (2, 2): 1,
    }


def test_a_model_is_told_the_attributes_that_it_asks_for():
    vocabulary = vocabulary_of(USERS)
    assert RhythmConfig().adapted_to(vocabulary, holidays=False).vocabulary == vocabulary
    assert RhythmConfig(attributes="none").adapted_to(vocabulary, holidays=False).vocabulary == {}
    assert list(
        RhythmConfig(attributes="age").adapted_to(vocabulary, holidays=False).vocabulary
    ) == ["age"]
    with pytest.raises(
        ValueError, match=r"^the users have no attribute 'plan' .* they have country, age$"
    ):
        RhythmConfig(attributes="plan").adapted_to(vocabulary, holidays=False)
