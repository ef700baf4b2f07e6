"""Rows, windows and splits of series, against loops over them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from habitus.schema import SeriesAxes
from habitus.series import Series


def random_series(lengths: list[int], variables: int = 2, seed: int = 0) -> Series:
    rng = np.random.default_rng(seed)
    arrays = [rng.normal(size=(length, variables)) for length in lengths]
    for array in arrays:
        array[rng.random(array.shape) < 0.2] = np.nan
    return Series.from_arrays(
        arrays, [f"v{i}" for i in range(variables)], ids=[f"s{i}" for i in range(len(lengths))]
    )


def same(one: Series, other: Series) -> bool:
    arrays = all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("values", "observed", "starts")
    )
    times = (one.times is None) == (other.times is None) and (
        one.times is None or np.array_equal(one.times, other.times)
    )
    return arrays and times and one.ids == other.ids and one.axes == other.axes


LENGTHS = st.lists(st.integers(0, 12), max_size=5)


@given(LENGTHS, st.integers(1, 6), st.integers(1, 4))
def test_window_starts_are_those_of_a_loop(lengths, length, stride):
    series = random_series(lengths)
    expected = [
        start
        for begin, end in zip(series.starts[:-1], series.starts[1:], strict=True)
        for start in range(begin, end - length + 1, stride)
    ]
    assert series.window_starts(length, stride).tolist() == expected


@given(LENGTHS, st.integers(1, 6), st.integers(1, 4))
def test_windows_are_slices(lengths, length, stride):
    series = random_series(lengths)
    starts = series.window_starts(length, stride)[::-1]
    values, observed = series.windows(starts, length)
    assert values.dtype == np.float32
    assert values.shape == observed.shape == (len(starts), length, 2)
    for row, start in enumerate(starts):
        assert (values[row] == series.values[start : start + length].astype(np.float32)).all()
        assert (observed[row] == series.observed[start : start + length]).all()
    assert not values[~observed].any()


@pytest.mark.parametrize("start", [-9, -1, 3, 4, 9, 11, 40])
def test_windows_never_reach_into_another_series(start):
    series = random_series([5, 0, 6])
    with pytest.raises(ValueError, match="each lie inside one series"):
        series.windows(np.array([5, start]), 3)
    assert series.windows(np.array([2, 5, 8]), 3)[0].shape == (3, 3, 2)


@given(LENGTHS, st.integers(0, 14))
def test_head_and_tail_are_slices(lengths, rows):
    series = random_series(lengths)
    expected = [(array[:rows], array[max(len(array) - rows, 0) :]) for array in series.arrays()]
    for part, number in ((series.head(rows), 0), (series.tail(rows), 1)):
        assert part.ids == series.ids
        for array, wanted in zip(part.arrays(), expected, strict=True):
            assert np.array_equal(array, wanted[number], equal_nan=True)


@given(st.lists(st.integers(4, 30), min_size=1, max_size=4), st.floats(0.3, 0.9))
def test_a_split_in_time_gives_every_row_once(lengths, share):
    series = random_series(lengths)
    early, late = series.split(share)
    assert early.ids == late.ids == series.ids
    for number, length in enumerate(lengths):
        whole = series.arrays()[number]
        parts = (early.arrays()[number], late.arrays()[number])
        assert np.array_equal(np.concatenate(parts), whole, equal_nan=True)
        assert len(parts[0]) == int(length * share + 1e-9)


def test_a_share_is_not_one_row_short_for_rounding():
    assert 0.29 * 100 < 29
    assert random_series([100]).split(0.29)[0].lengths.tolist() == [29]


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, float("nan")])
def test_a_share_lies_between_0_and_1(share):
    with pytest.raises(ValueError, match="expected a share of rows between 0 and 1"):
        random_series([5]).split(share)


def test_a_share_of_nothing_is_refused():
    with pytest.raises(
        ValueError, match=r"a share of 0\.5 of 1 rows leaves one of the two sets empty"
    ):
        random_series([1]).split(0.5)


def test_take_keeps_order_times_and_names():
    times = np.datetime64("2024-01-01", "us") + np.concatenate([np.arange(n) for n in (3, 1, 4)])
    series = Series.from_arrays(
        random_series([3, 1, 4]).arrays(), ["a", "b"], ids=["x", "y", "z"], times=times
    )
    part = series.take([2, 0])
    assert part.ids == ("z", "x")
    assert (part.times == np.concatenate([times[4:], times[:3]])).all()
    assert np.array_equal(part.arrays()[1], series.arrays()[0], equal_nan=True)
    assert same(series.take(np.array([False, True, False])), series.one(1))
    assert same(series.take(range(3)), series)
    assert len(series.take([])) == 0


def test_arrays_there_and_back():
    series = random_series([4, 0, 3], variables=3)
    assert same(Series.from_arrays(series.arrays(), **vars(series.axes), ids=series.ids), series)
    cube = np.arange(12.0).reshape(2, 3, 2)
    assert (Series.from_arrays(cube, ["a", "b"]).values == cube.reshape(6, 2)).all()
    flat = Series.from_arrays([np.arange(3)], ["a"])
    assert flat.ids == ("0",)
    assert flat.values.shape == (3, 1)
    assert len(Series.from_arrays([], ["a"])) == 0
    assert Series.from_arrays([], ["a"]).arrays() == []


def test_with_values_marks_nan_as_missing():
    series = random_series([4, 3])
    values = np.ones((7, 2), np.float32)
    values[2, 1] = np.nan
    changed = series.with_values(values)
    assert changed.observed.sum() == 13
    assert not changed.observed[2, 1]
    assert changed.values[2, 1] == 0
    assert changed.starts is series.starts


AXES = SeriesAxes(("a",))
GOOD = {
    "axes": AXES, "ids": ("0",), "starts": np.array([0, 2]), "values": np.ones((2, 1)),
    "observed": np.ones((2, 1), bool),
}  # fmt: skip
DAYS = np.array(["2024-01-01", "2024-01-02"], "datetime64[us]")


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("values", np.ones((2, 2)), r"expected values of shape \(2, 1\)"),
        ("values", np.ones((2, 1), np.float32), "float64, got"),
        ("values", np.array([[1.0], [np.inf]]), "finite"),
        ("observed", np.array([[True], [False]]), "0 where they are not observed"),
        ("observed", np.ones((3, 1), bool), "expected observed"),
        ("starts", np.array([0, 3]), "ascend from 0 to 2"),
        ("starts", np.array([1, 2]), "ascend from 0 to 2"),
        ("starts", np.array([0.0, 2.0]), "type int64"),
        ("ids", ("",), "a name of its own"),
        ("ids", ("0", "1"), "a name of its own for each of 1 series"),
        ("times", DAYS[:1], "expected 2 times"),
        ("times", DAYS.astype("datetime64[s]"), r"datetime64\[us\]"),
        ("times", DAYS[::-1], "ascend within each series"),
        ("times", DAYS[[0, 0]], "ascend within each series"),
        ("times", np.array([DAYS[0], np.datetime64("NaT")]), "ascend within each series"),
    ],
)
def test_what_no_series_can_be(field, value, says):
    assert len(Series(**GOOD)) == 1
    with pytest.raises(ValueError, match=says):
        Series(**{**GOOD, field: value})


def test_series_of_other_shapes_are_refused():
    with pytest.raises(
        ValueError, match=r"expected each series as an array of shape \(rows, 2\), got \(3, 1\)"
    ):
        Series.from_arrays([np.ones((3, 1))], ["a", "b"])
    with pytest.raises(ValueError, match="finite"):
        Series.from_arrays([[1.0, np.inf]], ["a"])
    with pytest.raises(ValueError, match="a name of its own"):
        Series.from_arrays([[1.0], [2.0]], ["a"], ids=["x", "x"])
    with pytest.raises(ValueError, match="at least 1 row"):
        random_series([4]).window_starts(0)
