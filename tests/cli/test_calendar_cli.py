"""Dates given on the command line: what becomes of them, and of what is none."""

import datetime as dt
import json
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from command_line import call
from habitus.training import moment_matching

FIRST = dt.datetime(2018, 1, 1, 12, tzinfo=dt.UTC)
LOG = (
    "--user",
    "user",
    "--time",
    "time",
    "--days",
    "7",
    "--slot",
    "6h",
    "--window-every",
    "5",
    "--end",
    "2018-01-27",
)


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    """Run a command in a folder with a log; return exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    for name in ("FIRST", "EACH", "STEPS", "LAST"):  # offsets are not what these tests are about
        monkeypatch.setattr(moment_matching, name, 1)
    rng = np.random.default_rng(0)
    users, days = np.nonzero(rng.random((20, 27)) < 0.7)
    times = [FIRST + dt.timedelta(days=day) for day in days.tolist()]
    pq.write_table(pa.table({"user": users, "time": times}), "log.parquet")

    return partial(call, capsys)


def profiled(run, *args: str) -> None:
    code, _, err = run("profile", "log.parquet", *LOG, "--out", "p", *args)
    assert (code, err) == (0, "")


def fitted(run) -> None:
    settings = ("latents=2", "hidden=8", "channel_width=4", "components=2")
    sets = [part for each in settings for part in ("--set", each)]
    code, _, err = run("fit", "p", "--model", "rhythm", "--epochs", "1", "--out", "r", *sets)
    assert (code, err) == (0, "")


def about(folder: str) -> dict[str, object]:
    return json.loads((Path(folder) / "habitus.json").read_text())["about"]


def test_dates_travel_from_the_log_to_what_is_generated(run):
    Path("h.csv").write_text("date\n2018-01-06\n2030-01-02\n2018-01-06\n")
    Path("u.csv").write_text("date\n2018-01-09\n")
    profiled(run, "--holidays", "h.csv", "--unobserved", "u.csv")
    calendar = {"holidays": ["2018-01-06", "2030-01-02"], "unobserved": ["2018-01-09"]}
    assert about("p")["calendar"] == calendar
    run("split", "p", "--test", "0.5", "--out", "s", "t")
    assert about("t")["calendar"] == calendar
    fitted(run)
    assert about("r")["calendar"] == calendar
    code, _, err = run("generate", "r", "--users", "5", "--start", "2029-12-30", "--out", "g")
    assert (code, err) == (0, "")
    assert about("g")["calendar"] == {"holidays": ["2030-01-02"]}
    Path("other.csv").write_text("date\n2029-12-31\n2031-01-01\n")
    run(
        "generate",
        "r",
        "--users",
        "5",
        "--start",
        "2029-12-30",
        "--holidays",
        "other.csv",
        "--out",
        "g",
    )
    assert about("g")["calendar"] == {"holidays": ["2029-12-31"]}


def test_holidays_that_nothing_was_learnt_of(run):
    profiled(run)
    assert "calendar" not in about("p")
    fitted(run)
    Path("h.csv").write_text("date\n2018-01-06\n")
    code, _, err = run("generate", "r", "--users", "5", "--holidays", "h.csv", "--out", "g")
    assert code == 0
    assert err.count("\n") == 1
    assert err.startswith("habitus: holidays have no effect, as this run learnt without any")
    profiled(run, "--holidays", "h.csv")
    for args in (
        ("score", "r", "p", "--out", "s.csv"),
        ("forecast", "r", "p", "--days", "2", "--out", "f"),
    ):
        code, _, err = run(*args)
        assert code == 0
        assert err.count("\n") == 1
        assert "holidays have no effect" in err


@pytest.mark.parametrize("option", ["--holidays", "--unobserved"])
@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        (
            "absent.csv",
            None,
            "no such file: absent.csv; expected a CSV or Parquet file of dates, in a column 'date'",
        ),
        ("a.csv", "", "a.csv is empty; expected a CSV or Parquet file"),
        ("a.csv", "date\n", "there are no dates in a.csv"),
        ("a.csv", "date,name\n,x\n", "there are no dates in a.csv"),
        ("a.csv", "day\n2018-01-06\n", "there is no column 'date' in a.csv; it has day"),
        ("a.csv", "date\nchristmas\n", "the column 'date' of a.csv holds what is no date"),
        ("a.csv", "date\n2018-02-30\n", "the column 'date' of a.csv holds what is no date"),
        ("a.csv", "date\n2018-01-01,2\n", "a.csv is no readable CSV file (CSV parse error"),
        ("a.parquet", "date\n2018-01-06\n", "a.parquet is no readable Parquet file"),
        ("a.txt", "2018-01-06\n", "there is no column 'date' in a.txt"),
    ],
)
def test_what_holds_no_dates(run, option, name, text, expected):
    if text is not None:
        Path(name).write_text(text)
    code, _, err = run("profile", "log.parquet", *LOG, "--out", "p", option, name)
    assert code == 2
    assert err.startswith(f"habitus: {expected}"), err
    assert err.count("\n") == 1
    assert not Path("p").exists()


def test_numbers_are_no_dates(run):
    pq.write_table(pa.table({"date": [20180106]}), "a.parquet")
    code, _, err = run("profile", "log.parquet", *LOG, "--out", "p", "--holidays", "a.parquet")
    assert code == 2
    assert (
        err == "habitus: the column 'date' of a.parquet holds int64, expected dates such as "
        "2018-12-24\n"
    )


def test_a_log_of_which_no_day_was_recorded(run):
    every = [f"{dt.date(2018, 1, 1) + dt.timedelta(days=day)}" for day in range(40)]
    Path("u.csv").write_text("\n".join(["date", *every]))
    profiled(run, "--unobserved", "u.csv")
    code, _, err = run("fit", "p", "--model", "rhythm", "--epochs", "1", "--out", "r")
    assert code == 2
    assert err == "habitus: no day of any window was observed; mend the dates given as unobserved\n"
    assert not Path("r").exists()
