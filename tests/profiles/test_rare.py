"""Rare values are protected as a plain loop over users says, in memory and on disk alike."""

import datetime as dt
from collections import defaultdict

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from command_line import call
from habitus.events import EventLog
from habitus.profiles import rare
from habitus.profiles.build import ProfileConfig, profile, profile_to
from habitus.profiles.describe import describe
from habitus.profiles.rare import protection_of
from habitus.profiles.sparse import Profiles
from habitus.profiles.store import StoredProfiles

DAY = dt.datetime(2018, 2, 1)
WINDOW = 2  # days
CHANNELS = ("web", "phone", "tv", "car", "other")


def log_of(rows):
    """A log of (user, hour, channel, plan, age)."""
    table = pa.table(
        {
            "user": pa.array([row[0] for row in rows], pa.int64()),
            "time": pa.array([DAY + dt.timedelta(hours=row[1]) for row in rows]),
            "channel": pa.array([row[2] for row in rows], pa.string()),
            "plan": pa.array([f"plan {row[0] % 4 if row[0] < 8 else 0}" for row in rows]),
            "age": pa.array([row[0] // 3 for row in rows], pa.int64()),
        }
    )
    return EventLog(
        ibis.memtable(table), "user", "time", channel="channel", attributes=("plan", "age")
    )


def cells_of(profiles: Profiles) -> dict:
    """Counts by (user, window, hour, channel)."""
    channels = len(profiles.axes.channels)
    start = profiles.users["window_start"].to_pylist()
    users = profiles.users["user"].to_pylist()
    found = {}
    for row, cell, value in zip(
        profiles.row_of_cell(), profiles.cells, profiles.values, strict=True
    ):
        slot, channel = divmod(int(cell), channels)
        found[users[row], start[row], slot, profiles.axes.channels[channel]] = int(value)
    return found


def protected_plainly(cells: dict, fewest: int) -> dict:
    """Rare channels in ``other`` and clipped counts, users counted one by one."""
    users_of = defaultdict(set)
    peaks = defaultdict(dict)
    for (user, window, _, channel), value in cells.items():
        users_of[channel].add(user)
        peaks[window][user] = max(peaks[window].get(user, 0), value)
    limits = {
        window: sorted(of.values(), reverse=True)[:fewest][-1] for window, of in peaks.items()
    }
    merged = defaultdict(int)
    for (user, window, slot, channel), value in cells.items():
        name = channel if len(users_of[channel]) >= fewest else "other"
        merged[user, window, slot, name] += value
    return {key: min(value, limits[key[1]]) for key, value in merged.items()}


ROWS = st.lists(
    st.tuples(
        st.integers(0, 14), st.integers(0, 24 * 2 * WINDOW - 1), st.sampled_from(CHANNELS),
    ),
    min_size=1, max_size=120,
)  # fmt: skip


@settings(max_examples=15, deadline=None)
@given(ROWS, st.integers(2, 6))
def test_channels_and_counts_as_a_plain_loop_says(rows, fewest):
    log = log_of(rows + rows[: len(rows) // 2] * 3)
    config = {"start": DAY.date(), "days": WINDOW, "every": WINDOW}
    bare = profile(log, ProfileConfig(**config, min_users=1))
    found = profile(log, ProfileConfig(**config, min_users=fewest))
    assert cells_of(found) == protected_plainly(cells_of(bare), fewest)
    assert found.users["user"].equals(bare.users["user"])
    users_of = defaultdict(set)
    for user, _, _, channel in cells_of(found):
        users_of[channel].add(user)
    assert all(len(users_of[name]) >= fewest for name in found.axes.channels if name != "other")
    for name in ("plan", "age"):
        value_of = dict(zip(found.users["user"].to_pylist(), found.users[name].to_pylist(),
                            strict=True))  # fmt: skip
        known = dict(zip(bare.users["user"].to_pylist(), bare.users[name].to_pylist(),
                         strict=True))  # fmt: skip
        common = {value for value in known.values() if list(known.values()).count(value) >= fewest}
        instead = "other" if name == "plan" else None
        assert value_of == {
            user: value if value in common else instead for user, value in known.items()
        }


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_on_disk_in_pieces_as_in_memory(tmp_path, monkeypatch, size):
    """Users whose windows stand in two pieces are one user."""
    rng = np.random.default_rng(0)
    rows = list(
        zip(
            rng.integers(0, 15, 400).tolist(), rng.integers(0, 96, 400).tolist(),
            rng.choice(CHANNELS, 400, p=(0.6, 0.35, 0.02, 0.02, 0.01)).tolist(), strict=True,
        )
    )  # fmt: skip
    config = ProfileConfig(start=DAY.date(), days=1, every=1)
    whole = profile(log_of(rows), config)
    once = rare.RareValues.count

    def pieces(self, chunk):
        for start in range(0, len(chunk), size):
            once(self, chunk.slice(start, min(start + size, len(chunk))))

    monkeypatch.setattr(rare.RareValues, "count", pieces)
    stored = profile_to(tmp_path / "p", log_of(rows), config)
    assert cells_of(stored.load()) == cells_of(whole)
    assert stored.users.equals(whole.users)
    assert stored.about["protection"] == whole.about["protection"]
    assert sorted(path.name for path in (tmp_path / "p").iterdir()) == [
        "habitus.json", "profiles.parquet",
    ]  # fmt: skip


def test_several_windows_of_one_user_are_one_user():
    """A channel that one user has in 40 windows is as rare as one of a single window."""
    rows = [(user, 24 * day, "web") for user in range(6) for day in range(40)]
    rows += [(0, 24 * day, "car") for day in range(40)]
    found = profile(log_of(rows), ProfileConfig(start=DAY.date(), days=1, every=1))
    assert found.axes.channels == ("web", "other")
    record = protection_of(found.about)
    assert (record.channels, record.other_users) == (1, 1)
    assert "'other' itself has only 1 users" in record.sentence()


def test_names_of_what_is_rare_are_nowhere_in_the_folder(tmp_path):
    rows = [(user, hour, "web") for user in range(8, 30) for hour in range(5)]
    rows += [(1, 1, "secret-channel"), (9, 1, "secret-channel")]
    profile_to(tmp_path / "p", log_of(rows), ProfileConfig(days=1))
    for path in (tmp_path / "p").iterdir():
        assert b"secret-channel" not in path.read_bytes()
        assert b"plan 1" not in path.read_bytes()


def test_channels_asked_for_stay_while_nobody_has_them():
    """Two logs profiled with the same channels can be compared, although one lacks a channel."""
    rows = [(user, 0, "web") for user in range(6)] + [(0, 30, "tv")]
    config = ProfileConfig(start=DAY.date(), days=1, channels=("web", "tv"))
    assert profile(log_of(rows), config).axes.channels == ("web", "tv")


def test_a_log_without_channels_has_none_to_hide():
    table = pa.table({"user": [1, 2], "time": [DAY, DAY]})
    found = profile(EventLog(ibis.memtable(table), "user", "time"), ProfileConfig(days=1))
    assert found.axes.channels == ("events",)


def test_what_is_said(tmp_path, capsys):
    rows = [(user, 1, "web") for user in range(8, 30)] + [(9, 1, "web")] * 50 + [(9, 2, "car")]
    path = tmp_path / "log.parquet"
    pq.write_table(log_of(rows).table.to_pyarrow(), path)
    line = ("profile", str(path), "--user", "user", "--time", "time", "--channel", "channel",
            "--days", "1")  # fmt: skip
    code, out, _ = call(capsys, *line, "--out", str(tmp_path / "p"))
    said = (
        "rare values: protected below 5 users: 1 channels and 0 attribute values became 'other', "
        "1 counts were clipped; 'other' itself has only 1 users"
    )
    assert code == 0
    assert said in out
    assert "protected below 5 users" in call(capsys, "describe", str(tmp_path / "p"))[1]
    code, out, _ = call(capsys, *line, "--min-users", "1", "--out", str(tmp_path / "q"))
    assert "rare values are not protected" in out
    bare = StoredProfiles.open(tmp_path / "q")
    assert bare.load().values.max() == 51
    assert "not protected" in describe(bare, None, protection_of(bare.about)).protection


def test_an_impossible_number_of_users():
    with pytest.raises(ValueError, match="min_users must be at least 1, got 0"):
        ProfileConfig(min_users=0)
