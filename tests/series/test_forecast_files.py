"""Forecasts on disk, against loops over their draws."""

import itertools

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from test_series_rows import random_series

from habitus.series import (
    Forecast,
    Series,
    SeriesAxes,
    read_about,
    read_forecast,
    read_series,
    write_forecast,
)


def random_forecast(
    origin: list[int], samples: int = 3, steps: int = 4, variables: int = 2
) -> Forecast:
    draws = (
        np.random.default_rng(0)
        .normal(size=(len(origin), samples, steps, variables))
        .astype(np.float32)
    )
    return Forecast(np.array(origin), draws, draws.mean(axis=1))


def test_every_draw_has_its_row(tmp_path):
    series = random_series([5, 0, 6])
    forecast = random_forecast([2, 5, 6, 11])
    write_forecast(tmp_path / "f.parquet", forecast, series, {"seed": 3})
    frame = pd.read_parquet(tmp_path / "f.parquet")
    assert frame.columns.tolist() == ["series", "origin", "sample", "step", "v0", "v1"]
    places = [("s0", 2), ("s0", 5), ("s2", 1), ("s2", 6)]
    expected = [
        (*places[o], k, h + 1, *forecast.draws[o, k, h].tolist())
        for o, k, h in itertools.product(range(4), range(3), range(4))
    ]
    assert list(frame.itertuples(index=False, name=None)) == expected
    assert read_about(tmp_path / "f.parquet", "forecast") == {"seed": 3}


@pytest.mark.parametrize("scale", [1.0, 0.001, 3.0])
def test_there_and_back(tmp_path, scale):
    series = Series.from_arrays(
        random_series([5, 6]).arrays(), ["step", "b"], scale=scale, ids=["x", "y"]
    )
    forecast = random_forecast([1, 11])
    write_forecast(tmp_path / "f.parquet", forecast, series)
    axes, table = read_forecast(tmp_path / "f.parquet")
    assert axes == series.axes
    assert table.series == ("x", "y")
    assert table.origin.tolist() == [1, 6]
    np.testing.assert_array_max_ulp(table.draws, forecast.draws, 1)
    np.testing.assert_allclose(table.mean, forecast.draws.mean(axis=1), rtol=1e-5)
    again = table.on(series)
    assert again.origin.tolist() == [1, 11]
    assert table.on(series.take([1, 0])).origin.tolist() == [7, 6]


def test_series_that_a_forecast_is_not_of(tmp_path):
    series = random_series([5, 6])
    write_forecast(tmp_path / "f.parquet", random_forecast([4, 11]), series)
    table = read_forecast(tmp_path / "f.parquet")[1]
    with pytest.raises(ValueError, match="of series 's1', which is not among the 1 given"):
        table.on(series.one(0))
    with pytest.raises(
        ValueError, match="expected 6 rows of series 's1' or more, which the forecast knew, got 5"
    ):
        table.on(series.head(5))


@pytest.mark.parametrize("origin", [0, -1, 12])
def test_an_origin_has_a_row_before_it(tmp_path, origin):
    with pytest.raises(ValueError, match="expected origins from 1 to 11"):
        write_forecast(tmp_path / "f.parquet", random_forecast([3, origin]), random_series([5, 6]))


def test_draws_that_are_refused(tmp_path):
    series = random_series([5, 6])
    with pytest.raises(
        ValueError, match=r"expected draws of shape \(1, samples, steps, 2\), got \(1, 3, 4, 3\)"
    ):
        write_forecast(tmp_path / "f.parquet", random_forecast([3], variables=3), series)
    forecast = random_forecast([3])
    forecast.draws[0, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="finite"):
        write_forecast(tmp_path / "f.parquet", forecast, series)
    assert list(tmp_path.iterdir()) == []


def test_files_that_are_no_forecast(tmp_path):
    path = tmp_path / "f.parquet"
    write_forecast(path, random_forecast([3]), random_series([5]))
    with pytest.raises(ValueError, match=r"expected a file of series at .*, got one of forecast"):
        read_series(path)
    pd.read_parquet(path).to_parquet(path)
    with pytest.raises(ValueError, match="does not say that it is one"):
        read_forecast(path)


@pytest.mark.parametrize("change", ["by step", "by sample", "short", "renamed"])
def test_a_forecast_that_somebody_changed(tmp_path, change):
    path = tmp_path / "f.parquet"
    write_forecast(path, random_forecast([3, 4]), random_series([5]))
    table = pq.read_table(path)
    changed = {
        "by step": table.sort_by("step"),
        "by sample": table.take(np.roll(np.arange(24).reshape(2, 3, 4), 1, axis=1).reshape(-1)),
        "short": table.slice(0, len(table) - 1),
        "renamed": table.rename_columns(
            [*table.column_names[:4], "x", "y"]
        ).replace_schema_metadata(table.schema.metadata),
    }[change]
    pq.write_table(changed, path)
    with pytest.raises(ValueError, match="is damaged"):
        read_forecast(path)


def test_a_million_rows_in_seconds(tmp_path):
    """No loop over rows: a million of them take a fraction of a second, far from the bound."""
    series = Series.from_arrays([np.arange(1001.0)], **vars(SeriesAxes(("a",))))
    draws = np.random.default_rng(0).random((1000, 100, 10, 1), np.float32)
    write_forecast(tmp_path / "f.parquet", Forecast(np.arange(1, 1001), draws, draws[:, 0]), series)
    assert (read_forecast(tmp_path / "f.parquet")[1].draws == draws).all()
