"""What is written is read again: series with their axes, values with their scale."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from test_series_rows import same

from habitus.series import Series, read_about, read_series, write_series
from habitus.series.scaling import unscaled

SCALES = [1.0, 0.001, 0.01, 0.1, 3.0, -2.5, 1 / 7, 1e-9, 123.456]
QUIET = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
NUMBERS = st.floats(-1e30, 1e30, allow_subnormal=False) | st.just(float("nan"))
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=4, min_size=1)


@st.composite
def any_series(draw: st.DrawFn, scale: float = 1.0) -> Series:
    variables = draw(
        st.lists(
            st.sampled_from(["a", "b", "step", "series", "time", "user"]), min_size=1, unique=True
        )
    )
    lengths = draw(st.lists(st.integers(0, 5), min_size=1, max_size=4).filter(any))
    parts = [
        draw(arrays(np.float64, (length, len(variables)), elements=NUMBERS)) for length in lengths
    ]
    ids = draw(st.lists(NAMES, min_size=len(lengths), max_size=len(lengths), unique=True))
    times = None
    if draw(st.booleans()):
        times = np.datetime64("1960-01-01", "us") + np.concatenate(
            [np.arange(n) * 1_000_001 for n in lengths]
        )
    time = draw(st.sampled_from([None, "when", "a"]))
    series_id = draw(st.sampled_from([None, "who", "b", "when"]))
    return Series.from_arrays(
        parts, variables, scale=scale, time=time, series_id=series_id, ids=ids, times=times
    )  # fmt: skip


@QUIET
@given(any_series())
def test_a_file_gives_the_same_series_again(tmp_path, series):
    write_series(tmp_path / "x.parquet", series)
    assert same(read_series(tmp_path / "x.parquet"), series)


@QUIET
@given(st.sampled_from(SCALES).flatmap(any_series))
def test_scaled_values_come_back_to_the_last_digit(tmp_path, series):
    write_series(tmp_path / "x.parquet", series)
    again = read_series(tmp_path / "x.parquet")
    assert again.axes == series.axes
    assert (again.observed == series.observed).all()
    size = np.maximum(np.abs(series.values), 1e-290)  # a quotient below 2e-308 has fewer digits
    assert (np.abs(again.values - series.values) <= np.spacing(size)).all()


@QUIET
@given(
    st.lists(st.integers(-(10**9), 10**9), min_size=1), st.integers(0, 5), st.sampled_from(SCALES)
)
def test_what_was_read_is_written_unchanged(tmp_path, whole, decimals, scale):
    numbers = [float(f"{number}e-{decimals}") for number in whole]
    pd.DataFrame({"a": numbers}).to_csv(tmp_path / "x.csv", index=False)
    write_series(tmp_path / "x.parquet", read_series(tmp_path / "x.csv", scale=scale))
    assert pd.read_parquet(tmp_path / "x.parquet")["a"].tolist() == numbers


@given(arrays(np.float32, 20, elements=st.floats(2**-60, 2**60, width=32)), st.sampled_from(SCALES))
def test_single_precision_is_unscaled_to_its_last_digit(values, scale):
    again = (unscaled(values, scale).astype(np.float64) * scale).astype(np.float32)
    assert (np.abs(again - values) <= np.spacing(values)).all()


def test_values_that_cannot_be_unscaled():
    with pytest.raises(ValueError, match="too large to be divided by a scale of 1e-09"):
        unscaled(np.array([1e300]), 1e-9)
    with pytest.raises(ValueError, match="finite"):
        unscaled(np.array([np.nan]), 1.0)


def test_what_pandas_sees(tmp_path):
    series = Series.from_arrays(
        [[0.5, np.nan], [0.25]], ["load"], scale=0.5, series_id="user", ids=["x", "y"]
    )
    write_series(tmp_path / "x.parquet", series, {"seed": 1})
    frame = pd.read_parquet(tmp_path / "x.parquet")
    assert frame.columns.tolist() == ["user", "step", "load"]
    assert frame["user"].tolist() == ["x", "x", "y"]
    assert frame["step"].tolist() == [1, 2, 1]
    assert frame["load"].tolist()[::2] == [1.0, 0.5]
    assert pq.read_table(tmp_path / "x.parquet")["load"].null_count == 1
    header = json.loads(pq.read_schema(tmp_path / "x.parquet").metadata[b"habitus"])
    assert (header["kind"], header["version"], header["axes"]) == (
        "series",
        1,
        series.axes.to_json(),
    )
    assert read_about(tmp_path / "x.parquet") == {"seed": 1}


def test_options_go_before_what_the_file_says(tmp_path):
    times = np.array(["2024-01-01", "2024-01-02", "2024-01-01"], "datetime64[us]")
    series = Series.from_arrays(
        [[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0]]],
        ["a", "b"],
        scale=0.5,
        time="day",
        ids=["x", "y"],
        times=times,
    )
    write_series(tmp_path / "x.parquet", series)
    part = read_series(tmp_path / "x.parquet", ["b"], scale=1.0)
    assert part.axes.to_json() == {
        "variables": ["b"],
        "scale": 1.0,
        "time": "day",
        "series_id": None,
    }
    assert part.values[:, 0].tolist() == [4, 8, 12]
    assert part.ids == ("x", "y")
    assert (part.times == times).all()


def test_another_series_id_than_the_file_says(tmp_path):
    cube = [[[1.0, 7.0], [3.0, 8.0], [5.0, 7.0]], np.zeros((0, 2))]
    write_series(
        tmp_path / "x.parquet",
        Series.from_arrays(cube, ["a", "b"], series_id="who", ids=["x", "y"]),
    )
    assert read_series(tmp_path / "x.parquet").ids == ("x", "y")
    other = read_series(tmp_path / "x.parquet", ["a"], series_id="b")
    assert other.ids == ("7", "8")
    assert other.lengths.tolist() == [2, 1]
    assert other.values[:, 0].tolist() == [1, 5, 3]
    assert other.axes.series_id == "b"


def test_a_file_from_elsewhere_says_nothing(tmp_path):
    (tmp_path / "x.csv").write_text("a\n1\n")
    assert read_about(tmp_path / "x.csv") == {}
    pq.write_table(pa.table({"a": [1]}), tmp_path / "x.parquet")
    assert read_about(tmp_path / "x.parquet") == {}


def test_a_file_is_replaced_and_a_folder_is_not(tmp_path):
    one, other = (Series.from_arrays([np.full(2, x)], ["a"]) for x in (1.0, 2.0))
    write_series(tmp_path / "new" / "x.parquet", one)
    write_series(tmp_path / "new" / "x.parquet", other)
    assert read_series(tmp_path / "new" / "x.parquet").values.tolist() == [[2], [2]]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["x.parquet"]
    (tmp_path / "new" / "habitus.json").write_text("{}")
    with pytest.raises(ValueError, match="is a folder; choose another --out"):
        write_series(tmp_path / "new", one)
    with pytest.raises(ValueError, match=r"written as Parquet, not as \.csv"):
        write_series(tmp_path / "x.csv", one)


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ("{", "is damaged"),
        ('{"kind": "series"}', "is damaged"),
        ('{"kind": "series", "version": 1, "axes": {}}', "is damaged"),
        ('{"kind": "series", "version": 1, "axes": {"variables": ["a"]}, "columns": {"series": "b", "time": null}}',
         "no column 'b'"),
        ('{"kind": "series", "version": 2}', "newer habitus"),
        ('{"kind": "forecast", "version": 1}', "expected a file of series"),
    ],
)  # fmt: skip
def test_headers_that_are_refused(tmp_path, header, says):
    table = pa.table({"a": [1.0]}).replace_schema_metadata({b"habitus": header.encode()})
    pq.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(ValueError, match=says):
        read_series(tmp_path / "x.parquet")
