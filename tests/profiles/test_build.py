"""Counting against a plain loop, and each kind of user, channel and window."""

import datetime as dt
from collections import Counter

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from random_logs import ZONES, count_plainly, instants, log_of

from habitus.events import EPOCH, EventLog
from habitus.profiles import ProfileConfig, Profiles, build, profile, profile_to, sort_and_count
from habitus.profiles.build import Build

DAY = dt.date(2018, 2, 1)
NOON = dt.datetime(2018, 2, 1, 12)


def as_counter(profiles: Profiles) -> Counter:
    """Counts per (user, window, day, slot, channel)."""
    out = Counter()
    axes = profiles.axes
    users = profiles.users["user"].to_pylist()
    starts = (
        profiles.users["window_start"].to_pylist()
        if "window_start" in profiles.users.column_names
        else None
    )
    for row, cell, value in zip(
        profiles.row_of_cell(), profiles.cells, profiles.values, strict=True
    ):
        window = (starts[row] - axes.start).days // axes.every if starts else 0
        day, slot, channel = (int(i) for i in np.unravel_index(cell, axes.shape))
        out[users[row], window, day, slot, channel] += int(value)
    return out


users = st.lists(st.sampled_from(["", "b", "a b", "é"]) | st.none(), min_size=30, max_size=30)
numbers = st.lists(st.sampled_from([-7, 0, 3, 10**6, 2**62]) | st.none(), min_size=30, max_size=30)
channels = st.lists(
    st.sampled_from([" web", "phone", "other"]) | st.none(), min_size=30, max_size=30
)


@settings(max_examples=50, deadline=None)
@given(
    times=instants(),
    who=users | numbers,
    what=channels,
    zone=st.sampled_from(ZONES),
    start=st.none() | st.integers(-3, 14),
    days=st.integers(1, 9),
    every=st.none() | st.integers(1, 12),
    slot=st.sampled_from([15, 60, 480, 1440]),
    here=st.booleans(),
)
def test_counts_equal_a_plain_loop(times, who, what, zone, start, days, every, slot, here):
    known = [t for t in times if t is not None]
    assume(known)
    first = (
        min(known).astimezone(dt.UTC).date() + dt.timedelta(days=start)
        if start is not None
        else None
    )
    config = ProfileConfig(start=first, days=days, every=every, slot_minutes=slot, min_users=1)
    log = log_of(
        who[: len(times)],
        pa.array(times, pa.timestamp("us", "UTC")),
        what[: len(times)],
        timezone=zone,
    )
    made = Build(log, config)
    wanted, left_out = count_plainly(
        zip(who, times, what, strict=False),
        config,
        made.axes.start,
        made.windows,
        made.axes.channels,
        zone,
    )
    if not wanted:
        with pytest.raises(ValueError, match="no event to count"):
            list(made.chunks())
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "MOST_HERE", 10**9 if here else -1)
        found = sum((as_counter(chunk) for chunk in made.chunks()), Counter())
    assert found == wanted
    assert {why.partition(" is ")[0]: n for why, n in made.tally.unusable.items()} == left_out


@pytest.mark.parametrize(
    "ids",
    [
        pa.array([5, -3, 5, None], pa.int8()),
        pa.array([-(2**63), 2**63 - 1, 0, None]),
        pa.array([2**64 - 1, 1, 1, None], pa.uint64()),
        pa.array([2**64 - 2, 2**64 - 1, 2**64 - 1, None], pa.uint64()),
        pa.array([1.0, 2.0, 1.0, float("nan")]),
        pa.array(["b", "a", "b", None]),
        pa.array([dt.date(2000, 1, 1), dt.date(1999, 1, 1), None, dt.date(2000, 1, 1)]),
        pa.array(["b", "a", "b", None]).dictionary_encode(),
        pa.array([True, False, None, True]),
    ],
)
def test_any_kind_of_user(ids):
    table = pa.table({"who": ids, "when": [NOON] * 4})
    found = profile(
        EventLog(ibis.memtable(table), "who", "when"), ProfileConfig(days=1, min_users=1)
    )
    known = [user for user in ids.to_pylist() if user is not None and user == user]
    kept = (
        known
        if isinstance(known[0], int | float | str) and not isinstance(known[0], bool)
        else map(str, known)
    )
    want = Counter(str(user).lower() for user in kept)
    assert (
        dict(zip(map(str, found.users["user"].to_pylist()), found.values.tolist(), strict=True))
        == want
    )
    assert found.users["user"].to_pylist() == sorted(found.users["user"].to_pylist())


def test_many_users_with_names(tmp_path):
    count = 50_000
    names = [f"user {i:06d}" for i in range(count)]
    times = pa.array(np.arange(count) % 86_400)
    found = profile(
        log_of(names * 2, pa.concat_arrays([times, times])),
        ProfileConfig(days=1, slot_minutes=1440, min_users=1),
    )
    assert found.users["user"].to_pylist() == names
    assert found.values.tolist() == [2] * count


class TestChannels:
    times = (NOON,) * 4

    def profile(self, names, **config):
        return profile(
            log_of([1] * len(names), [NOON] * len(names), names),
            ProfileConfig(days=1, **config, min_users=1),
        )

    def per_channel(self, profiles):
        return dict(
            zip(profiles.axes.channels, profiles.dense().sum((0, 1, 2)).tolist(), strict=True)
        )

    def test_the_rest_is_other(self):
        made = self.profile(["a", "b", "c", "c"], channels=("b",))
        assert self.per_channel(made) == {"b": 1, "other": 3}

    def test_a_channel_that_is_called_other(self):
        assert self.per_channel(self.profile(["a", "other"], channels=("a",))) == {
            "a": 1,
            "other": 1,
        }
        made = self.profile(["a", "other", "b", "b"], channels=("other", "a"))
        assert self.per_channel(made) == {"other": 3, "a": 1}

    def test_all_named(self):
        assert self.per_channel(self.profile(["a", " b "], channels=("b", "a"))) == {"b": 1, "a": 1}

    def test_missing_ones_are_left_out(self):
        log = log_of([1, 1], [NOON] * 2, ["a", None])
        made = Build(log, ProfileConfig(days=1, channels=("a",)))
        list(made.chunks())
        assert made.tally.unusable == {"the channel is missing": 1}

    @pytest.mark.parametrize("named", [None, 20])
    def test_many_are_looked_up(self, named):
        names = [f" c{i:03d}" for i in range(200)] + ["c007x", None]
        wanted = tuple(f"c{i:03d}" for i in range(named)) if named else None
        log = log_of([1] * len(names) * 2, [NOON] * len(names) * 2, names * 2)
        made = profile(log, ProfileConfig(days=1, channels=wanted, min_users=1))
        counts = self.per_channel(made)
        assert counts["c007"] == 2
        assert sum(counts.values()) == 402
        assert len(counts) == (21 if named else 201)

    def test_too_many(self):
        with pytest.raises(ValueError, match="--channels"):
            self.profile([str(i) for i in range(300)])

    def test_one_that_is_not_there(self):
        with pytest.raises(ValueError, match="no channel 'x' in the log; it has a, b"):
            self.profile(["a", "b"], channels=("x",))


def test_smallest_profiles_are_left_out():
    log = log_of(
        ["a"] * 3 + ["b"] * 3 + ["c"], [NOON + dt.timedelta(days=d) for d in (0, 1, 2, 0, 0, 0, 0)]
    )
    made = Build(log, ProfileConfig(days=3, min_events=2, min_days=2))
    assert [c.users["user"].to_pylist() for c in made.chunks()] == [["a"]]
    assert made.tally.too_small == 2


def test_the_last_window_may_reach_past_the_log_unless_an_end_is_given():
    times = [NOON, NOON + dt.timedelta(days=10)]
    log = log_of([1, 1], times)
    assert Build(log, ProfileConfig(days=7, every=7)).windows == 2
    assert Build(log, ProfileConfig(days=7, every=7, end=DAY + dt.timedelta(days=13))).windows == 2
    assert Build(log, ProfileConfig(days=7, every=7, end=DAY + dt.timedelta(days=12))).windows == 1
    with pytest.raises(ValueError, match="no window of 7 days fits"):
        Build(log, ProfileConfig(days=7, every=7, end=DAY))


def test_alignment_to_a_weekday():
    assert Build(log_of([1], [NOON]), ProfileConfig(align=0)).axes.start == dt.date(2018, 2, 5)
    assert Build(log_of([1], [NOON]), ProfileConfig(align=3)).axes.start == DAY


def test_attributes_are_the_most_frequent_value():
    more = {
        "country": pa.array(["se", "uk", "uk", None, "b", "a"]),
        "age": pa.array([1, 1, None, None, 2, 2]),
    }
    log = log_of(list("xxxyzz"), [NOON] * 6, more=more, attributes=("country", "age"))
    users = profile(log, ProfileConfig(days=1, min_users=1)).users.to_pylist()
    assert users == [
        {"user": "x", "country": "uk", "age": 1},
        {"user": "y", "country": None, "age": None},
        {"user": "z", "country": "a", "age": 2},
    ]


def test_an_attribute_by_the_name_of_a_column_of_ours():
    log = log_of([1], [NOON], more={"values": pa.array([1])}, attributes=("values",))
    with pytest.raises(ValueError, match="cannot be called 'values'"):
        profile(log)


def test_columns_named_as_those_inside():
    more = {
        name: pa.array(["x", "y"])
        for name in ("key", "count", "_habitus_slot", "_habitus_code", "log")
    }
    assert (
        len(profile(log_of(["a", "b"], [NOON] * 2, more=more), ProfileConfig(days=1, min_users=1)))
        == 2
    )


def test_strict_refuses():
    log = log_of([1, None], [NOON] * 2)
    assert len(profile(log, ProfileConfig(days=1, min_users=1))) == 1
    with pytest.raises(ValueError, match="1 rows: the user is missing"):
        profile(log, ProfileConfig(days=1, strict=True, min_users=1))


def test_a_profile_that_spans_many_pieces(monkeypatch, tmp_path):
    """Pieces of keys far smaller than a profile, both ways of counting."""
    monkeypatch.setattr(sort_and_count, "PIECE", 8)
    monkeypatch.setattr(sort_and_count, "SAMPLED", 2)
    rng = np.random.default_rng(0)
    who = rng.integers(3, size=5000)
    when = rng.integers(86_400 * 4, size=5000)
    log = log_of(who, pa.array(when))
    here = profile(log, ProfileConfig(days=4, start=EPOCH, min_users=1))
    monkeypatch.setattr(build, "MOST_HERE", 0)
    there = profile_to(tmp_path / "p", log, ProfileConfig(days=4, start=EPOCH, min_users=1)).load()
    want = np.zeros((3, 96))
    np.add.at(want, (who, when // 3600), 1)
    for found in (here, there):
        assert (found.dense().reshape(3, 96) == want).all()


def test_progress_and_what_became_of_the_rows(tmp_path):
    pq.write_table(pa.table({"who": [1, 2, None], "when": [NOON] * 3}), tmp_path / "log.parquet")
    seen = []
    log = EventLog.open(tmp_path / "log.parquet", user="who", time="when")
    stored = profile_to(
        tmp_path / "p", log, ProfileConfig(days=1, min_users=1), lambda *step: seen.append(step)
    )
    assert seen[-1] == (2, 0, "counting")
    rows = {"events": 2, "unusable": {"the user is missing": 1}, "profiles": 2, "too_small": 0}
    assert stored.about["rows"] == rows
