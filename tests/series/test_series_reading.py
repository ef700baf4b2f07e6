"""Series from CSV and Parquet: what is read, against pandas; and what is refused, in one line each."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from habitus.series import Series, read_series

CSV = "when,user,load,heat,kind\n2024-01-01,b,1,2.5,x\n2024-01-01,a,,3,y\n2024-01-02,b,7,nan,z\n"


@pytest.fixture
def csv(tmp_path):
    def write(text: str | bytes, name: str = "data.csv") -> str:
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(tmp_path / name)

    return write


def refused(path: object, columns: list[str] | None = None, **options: object) -> str:
    """The one line in which a file is refused."""
    with pytest.raises(ValueError, match=r".") as caught:
        read_series(path, columns, **options)
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_every_column_of_numbers_in_file_order(csv):
    series = read_series(csv(CSV))
    assert series.axes.variables == ("load", "heat")
    assert series.ids == ("0",)
    assert series.times is None
    assert series.values.tolist() == [[1, 2.5], [0, 3], [7, 0]]
    assert series.observed.tolist() == [[True, True], [False, True], [True, False]]


def test_rows_of_several_series_may_alternate(csv):
    series = read_series(csv(CSV), time="when", series_id="user")
    assert series.ids == ("b", "a")
    assert series.starts.tolist() == [0, 2, 3]
    assert series.values[:, 0].tolist() == [1, 7, 0]
    assert series.times.astype("datetime64[D]").astype(str).tolist() == [
        "2024-01-01",
        "2024-01-02",
        "2024-01-01",
    ]
    assert (series.axes.time, series.axes.series_id) == ("when", "user")


def test_as_pandas_reads_it(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "group": rng.integers(0, 5, 400),
            "a": rng.normal(size=400),
            "b": rng.integers(0, 9, 400).astype(float),
        }
    )
    frame.loc[rng.random(400) < 0.1, "a"] = np.nan
    frame.to_csv(tmp_path / "x.csv", index=False)
    frame.to_parquet(tmp_path / "x.parquet")
    for name in ("x.csv", "x.parquet"):
        series = read_series(tmp_path / name, scale=0.5, series_id="group")
        groups = dict(iter(frame.groupby("group", sort=False)))
        assert series.ids == tuple(map(str, groups))
        for array, group in zip(series.arrays(), groups.values(), strict=True):
            assert np.array_equal(array, group[["a", "b"]].to_numpy() * 0.5, equal_nan=True)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a;b\n1;2\n3;4\n", "data.csv"),
        ("a\tb\n1\t2\n3\t4\n", "data.tsv"),
        ("\ufeffa,b\r\n1,2\r\n3,4\r\n", "data.txt"),
        ('"a","b"\n"1","2"\n 3, 4\n', "data.csv"),
    ],
)
def test_dialects(csv, text, name):
    series = read_series(csv(text, name))
    assert series.axes.variables == ("a", "b")
    assert series.values.tolist() == [[1, 2], [3, 4]]


def test_compressed(tmp_path):
    pd.DataFrame({"a": [1.0, 2.0]}).to_csv(tmp_path / "x.csv.gz", index=False)
    assert read_series(tmp_path / "x.csv.gz").values.tolist() == [[1], [2]]


def test_an_empty_line_of_a_single_column_is_a_missing_value(csv):
    series = read_series(csv("a\n1\n\n3\n"))
    assert series.observed[:, 0].tolist() == [True, False, True]


def test_the_content_and_not_the_name_tells_the_format(tmp_path):
    pq.write_table(pa.table({"a": [1, 2]}), tmp_path / "data.csv")
    assert read_series(tmp_path / "data.csv").values.tolist() == [[1], [2]]


KINDS = [
    pa.array([1, None, 3], pa.int8()), pa.array([1, None, 3], pa.uint64()),
    pa.array([1.0, float("nan"), 3.0], pa.float32()),
    pa.array([1.0, None, 3.0], pa.float16()), pa.array([Decimal("1.00"), None, Decimal("3.00")]),
    pa.array(["1", "", " 3.0 "]), pa.array(["1", "NA", "3"], pa.large_string()),
    pa.array(["1", None, "3"]).dictionary_encode(),
]  # fmt: skip


@pytest.mark.parametrize("column", KINDS, ids=lambda column: str(column.type))
def test_kinds_of_numbers(tmp_path, column):
    pq.write_table(pa.table({"a": column}), tmp_path / "x.parquet")
    series = read_series(tmp_path / "x.parquet", ["a"])
    assert series.values[:, 0].tolist() == [1, 0, 3]
    assert series.observed[:, 0].tolist() == [True, False, True]


def test_truth_values_only_where_asked_for(tmp_path):
    pq.write_table(pa.table({"a": [True, False], "b": [1, 2]}), tmp_path / "x.parquet")
    assert read_series(tmp_path / "x.parquet").axes.variables == ("b",)
    assert read_series(tmp_path / "x.parquet", ["a"]).values.tolist() == [[1], [0]]


def test_an_index_that_pandas_kept_is_no_variable(tmp_path):
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0]})
    frame[frame.a > 1].to_parquet(tmp_path / "x.parquet")
    assert read_series(tmp_path / "x.parquet").axes.variables == ("a",)


NOON = dt.datetime(2024, 5, 1, 12)
TIMES = [
    pa.array([NOON], pa.timestamp("ns")), pa.array([NOON], pa.timestamp("s")), pa.array(["2024-05-01 12:00:00"]),
    pa.array(["2024-05-01T12:00"]), pa.array(["2024-05-01T14:00:00+02:00"]), pa.array([1714564800]),
    pa.array([1714564800.0]), pa.array([NOON.replace(tzinfo=dt.UTC)], pa.timestamp("ms", "Asia/Tokyo")),
]  # fmt: skip


@pytest.mark.parametrize("column", TIMES, ids=lambda column: str(column.type))
def test_kinds_of_times(tmp_path, column):
    pq.write_table(pa.table({"t": column, "a": [1.0]}), tmp_path / "x.parquet")
    series = read_series(tmp_path / "x.parquet", ["a"], time="t")
    assert series.times.tolist() == [NOON]


def test_dates_and_fractions_of_seconds(csv):
    assert read_series(csv("t,a\n2024-05-01,1\n"), time="t").times.tolist() == [
        dt.datetime(2024, 5, 1)
    ]
    assert read_series(csv("t,a\n-0.25,1\n"), time="t").times.tolist() == [
        dt.datetime(1969, 12, 31, 23, 59, 59, 750000)
    ]


@pytest.mark.parametrize(
    ("text", "columns", "says"),
    [
        (
            "a,b\n1,2\nx,3\n",
            ["a"],
            "expected numbers in the column 'a', got 'x' in data row 2; correct it",
        ),
        ("a,b\n1,2\nx,3\n", ["c"], "no column 'c'; columns of numbers are: b"),
        ("a\nx\n", ["c"], "no column 'c'; columns of numbers are: none"),
        ("a\nx\n", None, "expected a column of numbers, but there is none; it has a"),
        ("a,b\n1,\n2,nan\n", ["b"], "the column 'b' has no value in any row"),
        ("a\n1\ninf\n", None, "the column 'a' is infinite in data row 2"),
        (
            "a\n1\n-1e39\n",
            None,
            "the column 'a' is -1e+39 once scaled, beyond 3.4e+38, in data row 2",
        ),
        ("a,a\n1,2\n", None, "the column 'a' comes twice"),
        ("a,b\n1,2\n", ["a", "a"], "distinct"),
        ("a,b\n", None, "has no row"),
        ("", None, "is empty"),
        ("a,b\n1\n", None, "no readable CSV file (CSV parse error: Expected 2 columns, got 1: 1)"),
        (b"\x89PNG\r\n\0\0", None, "neither CSV nor Parquet"),
        ("b\u00e4r,b\n1,2\n".encode("latin-1"), None, "no readable CSV file"),
        (b"PAR1 and then nonsense", None, "no readable Parquet file"),
        ("t,a\n12:00:00,1\n", ["t"], "expected numbers in the column 't', got time32[s]"),
    ],
)
def test_files_that_are_refused(csv, text, columns, says):
    assert says in refused(csv(text), columns)


def test_no_file(tmp_path):
    assert "no such file" in refused(tmp_path / "none.csv")
    assert "got the folder" in refused(tmp_path)


@pytest.mark.parametrize("scale", [0, float("inf"), float("nan")])
def test_scales_that_are_refused(csv, scale):
    assert "scale must be a number other than 0" in refused(csv("a\n1\n"), scale=scale)


def test_the_row_of_the_first_text_in_a_long_column(csv):
    lines = ["1"] * 70_000
    lines[65_537] = "one"
    lines[69_000] = "two"
    assert "got 'one' in data row 65538;" in refused(csv("\n".join(["a", *lines])), ["a"])


@pytest.mark.parametrize(
    ("text", "options", "says"),
    [
        ("t,a\n3,1\n1,1\n", {}, "data row 2 has the time 1970-01-01T00:00:01.000000, before 1970-01-01T00:00:03"),
        ("t,a\n3,1\n1,1\n", {}, "sort the rows by 't', or name the column of series (--series-id)"),
        ("t,a\n1,1\n2,1\n2,1\n", {}, "data row 3 has the same time as the row before it, 1970-01-01T00:00:02"),
        (
            "s,t,a\nx,1,1\ny,5,1\nx,2,1\ny,5,1\nx,0,0\n", {"series_id": "s"},
            "data row 4 of series 'y' has the same time as the row before it, "
            "1970-01-01T00:00:05.000000; keep",
        ),
        ("s,t,a\nx,1,1\n,2,1\n", {"series_id": "s"}, "data row 2 has no series in the column 's'"),
        ("t,a\n1,1\n,2\n", {}, "data row 2 has no time in the column 't'"),
        ("t,a\nsoon,1\n", {}, "expected times in the column 't', got 'soon' in data row 1"),
        ("t,a\n12:00:00,1\n", {}, "expected times in the column 't', got time32[s]"),
        ("t,a\n1e15,1\n", {}, "expected seconds since 1970 in the column 't', got 1e+15 in data row 1"),
        ("a,b\n1,1\n", {}, "no column 't'; its columns are: a, b"),
        ("t,a\n1,1\n", {"columns": ["t", "a"]}, "the column 't' is named twice"),
        ("t,a\n1,1\n", {"columns": ["a"], "series_id": "t"}, "the column 't' is named twice"),
    ],
)  # fmt: skip
def test_times_and_series_that_are_refused(csv, text, options, says):
    assert says in refused(csv(text), **{"time": "t", **options})


def test_names_that_are_lists_are_refused(tmp_path):
    pq.write_table(pa.table({"s": [[1], [2]], "a": [1, 2]}), tmp_path / "x.parquet")
    assert "expected names of series in the column 's', got list" in refused(
        tmp_path / "x.parquet", series_id="s"
    )


def test_names_that_look_like_numbers_stay_apart(csv):
    assert read_series(csv("s,a\n1,1\n001,1\nNA,2\n"), series_id="s").ids == ("1", "001", "NA")


def test_a_single_name_is_one_column(csv):
    assert isinstance(read_series(csv("ab,c\n1,2\n"), "ab"), Series)
