"""Profiles in memory against dense arrays."""

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from habitus.profiles import Profiles, concat
from habitus.profiles.sparse import users_drawn
from habitus.schema import Axes

AXES = Axes(dt.date(2018, 2, 1), 2, 720, ("web", "phone"))
counts = st.integers(0, 6).flatmap(
    lambda n: arrays(
        np.int64, (n, *AXES.shape), elements=st.sampled_from([0, 0, 0, 1, 2, 2**32 - 1])
    )
)


@settings(deadline=None)
@given(counts, st.randoms())
def test_every_way_round(dense, random):
    profiles = Profiles.from_dense(AXES, dense)
    assert (profiles.values > 0).all()
    assert (profiles.dense() == dense.astype(np.float32)).all()
    rows = [random.randrange(len(dense)) for _ in range(5)] if len(dense) else []
    assert (profiles.take(rows).dense() == profiles.dense()[rows]).all()
    assert (profiles.dense(np.array(rows, int)) == profiles.dense()[rows]).all()
    mask = np.array([random.random() < 0.5 for _ in range(len(dense))], bool)
    assert (profiles.take(mask).dense() == profiles.dense()[mask]).all()
    assert profiles.take(mask).users["user"].to_pylist() == np.flatnonzero(mask).tolist()
    kept = np.array([random.random() < 0.5 for _ in profiles.cells], bool)
    left = dense.ravel().copy()
    left[np.flatnonzero(left)[~kept]] = 0
    assert (profiles.with_cells(kept).dense() == left.reshape(dense.shape).astype(np.float32)).all()
    cut = random.randint(0, len(dense))
    both = concat([profiles.slice(0, cut), profiles.slice(cut, len(dense))])
    assert (both.dense() == profiles.dense()).all()
    assert (
        profiles.peaks().tolist()
        == dense.reshape(len(dense), AXES.cells).max(1, initial=0).astype(np.float32).tolist()
    )


def test_units():
    profiles = Profiles.from_dense(
        AXES, np.array([[[[4, 0], [1, 0]], [[0, 0], [0, 2]]], np.zeros(AXES.shape)])
    )
    assert profiles.in_unit("peak").dense()[0].ravel().tolist() == [1, 0, 0.25, 0, 0, 0, 0, 0.5]
    assert profiles.in_unit("peak").in_unit("binary").values.tolist() == [1, 1, 1]
    assert profiles.in_unit("count") is profiles
    with pytest.raises(ValueError, match="expected profiles of unit count, got peak"):
        profiles.in_unit("peak").in_unit("count")


@pytest.mark.parametrize(
    ("value", "unit", "says"),
    [
        (-1, "count", "not negative"),
        (np.nan, "peak", "finite"),
        (np.inf, "count", "finite"),
        (0.5, "count", "whole"),
        (2**32, "count", "up to"),
    ],
)
def test_values_that_cannot_be(value, unit, says):
    dense = np.zeros((1, *AXES.shape))
    dense[0, 1, 1, 1] = value
    with pytest.raises(ValueError, match=says):
        Profiles.from_dense(AXES.with_unit(unit), dense)


def test_what_is_too_small_for_a_float_is_not_kept():
    assert (
        len(Profiles.from_dense(AXES.with_unit("peak"), np.full((1, *AXES.shape), 1e-60)).cells)
        == 0
    )


def test_shapes_and_users_that_do_not_fit():
    with pytest.raises(ValueError, match="expected values of shape"):
        Profiles.from_dense(AXES, np.zeros((1, 3, 2, 2)))
    with pytest.raises(ValueError, match="a user for each of 2"):
        Profiles.from_dense(AXES, np.zeros((2, *AXES.shape)), pa.table({"user": [1]}))


def people(names, **more) -> Profiles:
    return Profiles.from_dense(
        AXES, np.ones((len(names), *AXES.shape)), pa.table({"user": names, **more})
    )


def test_split_is_by_user():
    profiles = people([f"u{i % 10}" for i in range(40)])
    train, test = profiles.split(0.3, seed=1)
    a, b = (set(part.users["user"].to_pylist()) for part in (train, test))
    assert (len(train), len(test), a & b) == (28, 12, set())
    assert profiles.split(0.3, seed=1)[1].users.equals(test.users)
    for share in (0.0, 1.0, 0.01):
        with pytest.raises(ValueError, match="leaves one of the two sets empty"):
            users_drawn(profiles.users, share, 0)


def test_sample_keeps_the_order():
    profiles = people(list(range(50)))
    users = profiles.sample(20, seed=3).users["user"].to_pylist()
    assert users == sorted(set(users))
    with pytest.raises(ValueError, match="sample of 1 to 50"):
        profiles.sample(51, seed=0)


def test_where():
    profiles = people([1, 2, 3], country=["se", None, "uk"], age=[1, 2, 2])
    assert profiles.where(country="se").users["user"].to_pylist() == [1]
    assert profiles.where(country="uk", age=2).users["user"].to_pylist() == [3]
    with pytest.raises(
        ValueError, match="no attribute 'town'; these profiles have user, country, age"
    ):
        profiles.where(town="x")
    with pytest.raises(ValueError, match="attribute 'country' is of type string, which 3 is not"):
        profiles.where(country=3)


def test_concat_refuses_what_differs():
    with pytest.raises(ValueError, match="got none"):
        concat([])
    with pytest.raises(ValueError, match="their units differ"):
        concat([people([1]), people([1]).in_unit("peak")])
    with pytest.raises(ValueError, match="users differ in type"):
        concat([people([1]), people(["a"])])
    assert concat([people([1], age=[3]), people([2])]).users["age"].to_pylist() == [3, None]
