"""Files as people have them; each test skips where its file is not there."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from habitus.series import check_fit, pictures, read_series, write_series

DATA = Path(os.environ.get("HABITUS_DATA", Path(__file__).parents[3] / "shared" / "data"))


def file(name: str) -> Path:
    if not (DATA / name).is_file():
        pytest.skip(f"needs {name} in {DATA}")
    return DATA / name


def test_jobs_of_a_cluster(tmp_path):
    path = file("openb_pod_list_default.csv")
    series = read_series(path, ["gpu_milli"], scale=0.001)
    raw = pd.read_csv(path)["gpu_milli"].to_numpy()
    assert len(np.unique(series.values)) == 22
    assert (series.values[:, 0] == raw * 0.001).all()
    write_series(tmp_path / "x.parquet", series)
    assert (pd.read_parquet(tmp_path / "x.parquet")["gpu_milli"] == raw).all()
    with pytest.raises(
        ValueError,
        match=r"the same time as the row before it.* name the column of series",
    ):
        read_series(path, ["gpu_milli"], time="creation_time")


@pytest.mark.parametrize(
    ("name", "time", "variables"),
    [
        ("stock_data.csv", None, 6),
        ("energy_appliances.parquet", "date", 28),
        ("ETTh1.parquet", "date", 7),
    ],
)
def test_tables_of_several_variables(tmp_path, name, time, variables):
    path = file(name)
    series = read_series(path, time=time)
    frame = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    assert len(series.axes.variables) == variables
    assert (series.values == frame[list(series.axes.variables)].to_numpy()).all()
    if time:
        assert (
            series.times == pd.to_datetime(frame[time]).to_numpy().astype("datetime64[us]")
        ).all()
    check_fit(series, 24)
    write_series(tmp_path / "x.parquet", series)
    again = read_series(tmp_path / "x.parquet")
    assert (again.values == series.values).all()
    assert again.axes == series.axes


def test_weeks_of_a_transformer():
    path = file("ETTh1.parquet")
    series = read_series(path, ["OT"], time="date")
    series = series.with_values(np.maximum(series.values, 0))
    weeks = pictures(series, 7)
    frame = pd.read_parquet(path).set_index("date")["OT"].clip(lower=0)
    last = str(weeks.users["window_start"][len(weeks) - 1])
    expected = frame.loc[last:].iloc[:168].to_numpy()
    shown = (
        weeks.dense(slice(len(weeks) - 1, None)).reshape(-1)
        * weeks.users["peak"][len(weeks) - 1].as_py()
    )
    np.testing.assert_allclose(shown, expected, rtol=1e-6)
