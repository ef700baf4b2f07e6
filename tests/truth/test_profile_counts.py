"""Profile counts against pandas on every real log; skipped where the data is absent."""

import datetime as dt
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from habitus.events import EventLog
from habitus.profiles import ProfileConfig, profile

DATA = Path(os.environ.get("HABITUS_DATA", Path(__file__).parents[3] / "shared" / "data"))


def data(name: str) -> str:
    path = DATA / f"{name}.parquet"
    if not path.is_file():
        pytest.skip(f"{path} is absent; set HABITUS_DATA to the folder of real logs")
    return str(path)


def counted_by_pandas(name: str, channel: str, zone: str, offset: str | None) -> pd.DataFrame:
    """User, day (a date), hour, channel and count of every event."""
    wanted = ["user_id", "timestamp", channel, *([offset] if offset else [])]
    frame = pd.read_parquet(data(name), columns=wanted)
    time = frame["timestamp"]
    time = time.dt.tz_localize("UTC") if time.dt.tz is None else time
    wall = time.dt.tz_convert(zone).dt.tz_localize(None)
    if offset:
        wall = wall + pd.to_timedelta(frame[offset].astype("float64"), unit="min")
    frame = pd.DataFrame(
        {"user": frame["user_id"], "channel": frame[channel], "hour": wall.dt.floor("h")}
    ).dropna()
    return (
        frame.groupby(["user", "hour", "channel"], observed=True)
        .size()
        .rename("count")
        .reset_index()
    )


LOGS = [
    ("irc_w3c", "event", "America/New_York", None),
    ("irc_raku", "room", "Australia/Lord_Howe", None),
    ("commits_git", "channel", "UTC", "tz_offset_min"),
    ("mail_eu", "channel", "UTC", None),
    ("retail_uk", "channel", "Europe/London", None),
    ("messages_college", "channel", "America/Los_Angeles", None),
    ("github_activities", "channel", "Africa/Casablanca", None),
]


@pytest.mark.parametrize(("name", "channel", "zone", "offset"), LOGS, ids=[log[0] for log in LOGS])
def test_a_window_of_days_equals_pandas_and_no_event_is_lost(name, channel, zone, offset):
    """Totals of one window of day slots over the whole log; hours of a middle window by cell."""
    want = counted_by_pandas(name, channel, zone, offset)
    log = EventLog.open(
        data(name), user="user_id", time="timestamp", channel=channel, timezone=zone, offset=offset
    )
    first, last = log.days()
    assert (first, last) == (want["hour"].min().date(), want["hour"].max().date())

    days = (last - first).days + 1
    whole = profile(log, ProfileConfig(start=first, days=days, slot_minutes=1440, min_users=1))
    assert int(whole.values.sum(dtype=np.int64)) == int(want["count"].sum())
    per_user = want.groupby("user")["count"].sum().sort_index()
    assert whole.users["user"].to_pylist() == per_user.index.tolist()
    assert (
        np.add.reduceat(whole.values.astype(np.int64), whole.indptr[:-1]).tolist()
        == per_user.tolist()
    )

    start = first + dt.timedelta(days=days // 2)
    some = profile(log, ProfileConfig(start=start, days=32, min_users=1))
    day = (want["hour"].dt.normalize() - pd.Timestamp(start)).dt.days
    inside = want[(day >= 0) & (day < 32)]
    codes = pd.Index(some.users["user"].to_pylist()).get_indexer(inside["user"])
    channels = pd.Index(some.axes.channels).get_indexer(inside["channel"].astype(str).str.strip())
    assert (codes >= 0).all()
    assert (channels >= 0).all()
    cells = (day[inside.index] * 24 + inside["hour"].dt.hour) * len(some.axes.channels) + channels
    order = np.lexsort((cells, codes))
    assert (some.row_of_cell() == codes[order]).all()
    assert (some.cells == cells.to_numpy()[order]).all()
    assert (some.values == inside["count"].to_numpy()[order]).all()


def test_the_windows_of_the_main_example():
    """59,499 profiles of 10,954 users, counted independently, and events of each, by pandas."""
    log = EventLog.open(data("irc_w3c"), user="user_id", time="timestamp", channel="event")
    config = ProfileConfig(
        start=dt.date(2006, 12, 1),
        days=32,
        every=35,
        align=0,
        min_events=10,
        min_days=3,
        min_users=1,
    )
    made = profile(log, config)
    assert made.axes.start == dt.date(2006, 12, 4)
    assert len(made) == 59_499
    assert len(set(made.users["user"].to_pylist())) == 10_954

    frame = pd.read_parquet(data("irc_w3c"), columns=["user_id", "timestamp"])
    date = frame["timestamp"].dt.tz_localize(None).dt.normalize()
    day = (date - pd.Timestamp(2006, 12, 4)).dt.days
    frame = pd.DataFrame({"user": frame["user_id"], "window": day // 35, "day": day})[
        (day >= 0) & (day % 35 < 32)
    ]
    want = frame.groupby(["user", "window"])["day"].agg(["size", "nunique"])
    want = want[(want["size"] >= 10) & (want["nunique"] >= 3)].sort_index()
    assert (
        np.add.reduceat(made.values.astype(np.int64), made.indptr[:-1]).tolist()
        == want["size"].tolist()
    )
    assert made.users["user"].to_pylist() == want.index.get_level_values(0).tolist()
