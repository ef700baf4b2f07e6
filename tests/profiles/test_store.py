"""Profiles on disk."""

import json
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conftest import random_profiles
from habitus.profiles import Profiles, StoredProfiles, save, sparse, store
from habitus.profiles.store import empty, from_table
from habitus.schema import Axes


@pytest.fixture(autouse=True)
def small_groups(monkeypatch):
    for module in (sparse, store):
        monkeypatch.setattr(module, "CHUNK", 16)


def same(one: Profiles, other: Profiles) -> bool:
    fields = ("indptr", "cells", "values")
    return one.users.equals(other.users) and all(
        np.array_equal(getattr(one, f), getattr(other, f))
        and getattr(one, f).dtype == getattr(other, f).dtype
        for f in fields
    )


@pytest.mark.parametrize("unit", ["count", "peak"])
@pytest.mark.parametrize("cuts", [[], [1, 2, 60, 61], [16, 32], [50], [0, 0, 120]])
def test_what_is_written_in_pieces_is_read_whole(tmp_path, population, cuts, unit):
    population = population.in_unit(unit)
    ends = [0, *cuts, len(population)]
    pieces = (population.slice(a, b) for a, b in pairwise(ends))
    stored = save(tmp_path / "p", pieces, population.axes, {"a": 1})
    assert same(stored.load(), population)
    assert (stored.about, len(stored), stored.groups) == ({"a": 1}, 120, 8)
    assert [len(chunk) for chunk in stored.chunks()] == [16] * 7 + [8]
    assert pq.ParquetFile(tmp_path / "p" / "profiles.parquet").num_row_groups == 8
    assert same(stored.read_group(2), population.slice(32, 48))
    assert stored.users is stored.users
    assert [path.name for path in tmp_path.iterdir()] == ["p"]


def test_nobody(tmp_path, axes):
    stored = save(tmp_path / "p", [], axes)
    assert (len(stored), stored.groups, list(stored.chunks()), len(stored.load())) == (0, 0, [], 0)
    assert same(stored.load(), empty(axes))


def test_a_failure_leaves_nothing_and_keeps_what_was_there(tmp_path, population):
    def pieces():
        yield population
        raise RuntimeError("stop")

    save(tmp_path / "p", [population.slice(0, 5)], population.axes)
    with pytest.raises(RuntimeError, match="stop"):
        save(tmp_path / "p", pieces(), population.axes)
    assert len(StoredProfiles.open(tmp_path / "p")) == 5
    assert [path.name for path in tmp_path.iterdir()] == ["p"]


def test_an_error_of_the_writing_thread_is_raised(tmp_path, population, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq.ParquetWriter, "write_table", fail)
    with pytest.raises(OSError, match="No space left"):
        save(tmp_path / "p", [population], population.axes)
    assert list(tmp_path.iterdir()) == []


def test_a_slice_of_an_arrow_table(population):
    assert same(
        from_table(population.axes, population.counted().slice(7, 20)), population.slice(7, 27)
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda t: t.drop_columns(["cells"]),
            "expected a column 'cells', got user, values",
        ),
        (
            lambda t: t.drop_columns(["values"]),
            "expected a column 'values', got user, cells",
        ),
        (
            lambda t: t.set_column(1, "cells", t["user"]),
            r"expected list<item: int32> in the column 'cells', got int64",
        ),
        (lambda t: t.slice(1), "expected 120 profiles, found 119"),
    ],
)
def test_a_table_that_is_not_ours(tmp_path, population, change, says):
    save(tmp_path / "p", [population], population.axes)
    file = tmp_path / "p" / "profiles.parquet"
    pq.write_table(change(pq.read_table(file)), file, row_group_size=16)
    with pytest.raises(ValueError, match=says):
        StoredProfiles.open(tmp_path / "p")


def test_row_groups_of_another_size(tmp_path, population):
    save(tmp_path / "p", [population], population.axes)
    file = tmp_path / "p" / "profiles.parquet"
    pq.write_table(pq.read_table(file), file, row_group_size=10)
    with pytest.raises(ValueError, match="expected 16 profiles in each row group"):
        StoredProfiles.open(tmp_path / "p")


@pytest.mark.parametrize("key", ["axes", "profiles", "about", "version", "kind"])
def test_a_header_that_lacks_something(tmp_path, population, key):
    save(tmp_path / "p", [population], population.axes)
    header = tmp_path / "p" / "habitus.json"
    content = json.loads(header.read_text())
    del content[key]
    header.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"habitus.json|expected a folder of habitus profiles"):
        StoredProfiles.open(tmp_path / "p")


def test_attributes_keep_their_types(tmp_path, axes):
    users = pa.table(
        {
            "user": ["a", "b", "c"],
            "country": ["se", None, "uk"],
            "age": pa.array([1, None, 3], pa.int8()),
        }
    )
    profiles = Profiles.from_dense(axes, random_profiles(axes, 3).dense(), users)
    save(tmp_path / "p", [profiles], Axes(**vars(axes)))
    assert same(StoredProfiles.open(tmp_path / "p").load(), profiles)


def test_profiles_on_disk_have_the_methods_of_those_in_memory(tmp_path, population):
    stored = save(tmp_path / "p", population.chunks(), population.axes)
    assert stored.shape == population.shape
    np.testing.assert_array_equal(stored.dense(), population.dense())
    np.testing.assert_array_equal(stored.dense(slice(3, 9)), population.dense(slice(3, 9)))
    np.testing.assert_array_equal(stored.dense(np.array([7, 2, 7])), population.dense([7, 2, 7]))
    for mine, theirs in zip(stored.split(0.25, 0), population.split(0.25, 0), strict=True):
        assert mine.users.equals(theirs.users)
        np.testing.assert_array_equal(mine.dense(), theirs.dense())
    assert stored.sample(5, 1).users.equals(population.sample(5, 1).users)
    user = population.users["user"][4].as_py()
    assert stored.where(user=user).users["user"].to_pylist() == [user]
    assert len(stored.take([])) == 0
