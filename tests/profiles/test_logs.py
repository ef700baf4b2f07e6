"""Profiles back to logs: profiled again, a log gives the profiles that it was made from."""

import datetime as dt
from dataclasses import replace
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_logs import ZONES
from scipy.stats import chisquare

from conftest import random_profiles
from habitus.events import EventLog
from habitus.events.format import MINUTE, LogFormat
from habitus.events.writing import file_format, write_log
from habitus.profiles import ProfileConfig, Profiles, profile, to_events
from habitus.profiles import logs as logs_module
from habitus.profiles.logs import event_tables, format_of, log_schema
from habitus.profiles.wall_clock import onto_slots_that_exist
from habitus.profiles.windows import moved, starting
from habitus.schema import Axes

UTC = dt.UTC


def same(one: Profiles, other: Profiles) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("indptr", "cells", "values")
    )


def again(events: pa.Table, axes: Axes, form: LogFormat | None = None) -> Profiles:
    form = form or LogFormat(events.schema)
    log = EventLog.open(
        events, user=form.user, time=form.time, channel=form.channel, offset=form.offset,
        timezone="UTC" if form.offset else axes.timezone,
    )  # fmt: skip
    return profile(
        log,
        ProfileConfig(
            start=axes.start, days=axes.days, every=axes.every, slot_minutes=axes.slot_minutes,
            channels=axes.channels if form.channel else None, min_users=1),
    )  # fmt: skip


def in_one_zone(
    start: dt.date, days: int, slot: int, zone: str, seed: int, channels=("web", "phone", "tv")
):
    axes = Axes(start, days, slot, channels, zone)
    return random_profiles(axes, 6, seed, density=0.5)


@settings(max_examples=25, deadline=None)
@given(
    zone=st.sampled_from([*ZONES, "America/Sao_Paulo", "Asia/Kolkata", "Pacific/Apia"]),
    start=st.sampled_from(
        [dt.date(2018, 3, 23), dt.date(2018, 10, 5), dt.date(2018, 10, 27), dt.date(2011, 12, 28)]
    )
    | st.dates(dt.date(1960, 1, 1), dt.date(2030, 1, 1)),
    slot=st.sampled_from([15, 60, 90, 1440]),
    resolution=st.sampled_from([1, 1000, 10**6, MINUTE, 15 * MINUTE, 60 * MINUTE]),
    seed=st.integers(0, 99),
    days=st.integers(2, 5),
)
def test_events_and_back(zone, start, slot, resolution, seed, days):
    """Whatever the clocks do meanwhile: what lies where they skipped is moved before."""
    profiles = in_one_zone(start, days, slot, zone, seed)
    plain = format_of({}, profiles.users.schema)
    form = replace(plain, resolution=resolution, minutes=(0, 3, 1) * (slot // 3))
    events = to_events(profiles, seed, form)
    expected = onto_slots_that_exist(profiles)
    assert events.num_rows == profiles.values.sum() == expected.values.sum()
    assert same(again(events, profiles.axes), expected)
    assert events.equals(to_events(profiles, seed, form))
    times = events["timestamp"].cast(pa.int64()).to_numpy()
    if (
        slot * MINUTE % resolution == 0
        and zone in ("UTC", "Europe/Stockholm")
        and start.year > 1980
    ):
        assert not (times % resolution).any()
    place = events["user"].to_numpy()
    assert (np.lexsort((times, place)) == np.arange(len(times))).all()


def skipped_slots(axes: Axes) -> set[int]:
    """Slots of which clocks show no minute, minute by minute."""
    zone = ZoneInfo(axes.timezone)
    shown = set()
    first = dt.datetime(
        axes.start.year, axes.start.month, axes.start.day, tzinfo=UTC
    ) - dt.timedelta(days=2)
    for minute in range((axes.days + 4) * 1440):
        wall = (first + dt.timedelta(minutes=minute)).astimezone(zone).replace(tzinfo=None)
        since = wall - dt.datetime(axes.start.year, axes.start.month, axes.start.day)
        shown.add(int(since.total_seconds() // 60 // axes.slot_minutes))
    return set(range(axes.days * axes.slots)) - shown


@pytest.mark.parametrize(
    ("zone", "day", "slot", "gone"),
    [
        ("Europe/Stockholm", dt.date(2018, 3, 25), 60, 1),
        ("Europe/Stockholm", dt.date(2018, 3, 25), 90, 0),
        ("Europe/Stockholm", dt.date(2018, 10, 28), 30, 0),
        ("Australia/Lord_Howe", dt.date(2018, 10, 7), 15, 2),
        ("Australia/Lord_Howe", dt.date(2018, 10, 7), 60, 0),
        ("America/Sao_Paulo", dt.date(2018, 11, 4), 60, 1),
        ("America/New_York", dt.date(2018, 3, 11), 30, 2),
        ("Pacific/Apia", dt.date(2011, 12, 29), 1440, 1),
    ],
)
def test_what_lies_where_clocks_skipped_comes_out_in_the_next_slot_that_there_is(
    zone, day, slot, gone
):
    axes = Axes(day, 2, slot, ("events",), zone)
    counts = np.random.default_rng(0).integers(1, 5, (1, *axes.shape))
    skipped = skipped_slots(axes)
    expected = counts.ravel().copy()
    for at in sorted(skipped):
        later = [slot for slot in range(at, axes.days * axes.slots) if slot not in skipped]
        earlier = [slot for slot in range(at) if slot not in skipped]
        expected[later[0] if later else earlier[-1]] += counts.ravel()[at]
        expected[at] = 0
    assert len(skipped) == gone
    profiles = Profiles.from_dense(axes, counts)
    assert onto_slots_that_exist(profiles).dense().ravel().tolist() == expected.tolist()
    assert again(to_events(profiles, 0), axes).dense().ravel().tolist() == expected.tolist()


def test_an_hour_that_clocks_show_twice_has_events_in_both():
    axes = Axes(dt.date(2018, 10, 28), 1, 60, ("events",), "Europe/Stockholm")
    counts = np.zeros((1, *axes.shape), int)
    counts[0, 0, 2, 0] = 10_000
    times = to_events(Profiles.from_dense(axes, counts), 0)["timestamp"].to_pylist()
    first = sum(time.hour == 0 for time in times)
    assert {time.hour for time in times} == {0, 1}
    assert abs(first - 5000) < 4 * 50


def test_a_window_that_clocks_skipped_is_one_line():
    profiles = Profiles.from_dense(
        Axes(dt.date(2011, 12, 30), 1, 1440, ("e",), "Pacific/Apia"), np.ones((1, 1, 1, 1))
    )
    with pytest.raises(ValueError, match="skipped the whole window; choose another start"):
        to_events(profiles, 0)


@pytest.mark.parametrize("every", [9, 11])
def test_users_own_windows(axes, every):
    tiled = Axes(**{**vars(axes), "every": every, "timezone": "Europe/Stockholm"})
    starts = [tiled.start + dt.timedelta(days=every * (u % 2)) for u in range(12)]
    users = pa.table({"user": [u // 2 for u in range(12)], "window_start": pa.array(starts)})
    some = random_profiles(tiled, 12, 1)
    profiles = Profiles(tiled, some.indptr, some.cells, some.values, users)
    found = again(to_events(profiles, 0), tiled)
    assert same(found, profiles)
    assert found.users.equals(users.cast(found.users.schema))
    overlapping = Profiles(
        Axes(**{**vars(tiled), "every": 3}), some.indptr, some.cells, some.values, users
    )
    with pytest.raises(ValueError, match="windows that overlap"):
        to_events(overlapping, 0)


def log_of(time: pa.Array, **columns) -> pa.Table:
    rng = np.random.default_rng(0)
    n = len(time)
    return pa.table(
        {
            "weight": rng.random(n),
            "when": time,
            "country": pa.array(["SE", "NO"] * (n // 2)).dictionary_encode(),
            "who": columns.pop("who", pa.array(rng.integers(0, 9, n), pa.int32())),
            **columns,
        }
    )


SECONDS = 1_517_443_200 + np.sort(np.random.default_rng(1).integers(0, 9 * 1440, 400)) * 60
KINDS = {
    "us, UTC": pa.array(SECONDS * 10**6).view(pa.timestamp("us", "UTC")),
    "ns, no zone": pa.array(SECONDS * 10**9).view(pa.timestamp("ns")),
    "ms, Stockholm": pa.array(SECONDS * 1000).view(pa.timestamp("ms", "Europe/Stockholm")),
    "s": pa.array(SECONDS).view(pa.timestamp("s")),
    "numbers": pa.array(SECONDS),
    "fractions": pa.array(SECONDS + 0.25),
    "text": pa.array(
        [dt.datetime.fromtimestamp(s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for s in SECONDS.tolist()]
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channel", [None, "what"])
def test_the_log_has_the_columns_and_types_of_the_real_one(kind, channel):
    table = log_of(KINDS[kind], what=pa.array([1, 2, 7, 8] * 100, pa.int16()))
    log = EventLog.open(table, user="who", time="when", channel=channel, attributes=("country",))
    profiles = profile(log, ProfileConfig(days=9, min_users=1))
    form = format_of(profiles.about, profiles.users.schema)
    assert form.resolution == {"fractions": 250_000}.get(kind, MINUTE) or kind == "fractions"
    events = to_events(profiles, 0)
    wanted = ["when", "country", "who", *(["what"] if channel else [])]
    assert events.schema.equals(
        table.select([name for name in table.column_names if name in wanted]).schema
    )
    found = again(events, profiles.axes, form)
    assert same(found, profiles)
    assert found.users["user"].to_pylist() == profiles.users["user"].to_pylist()
    assert EventLog.open(events, user="who", time="when").days() == log.days()
    people = dict(zip(events["who"].to_pylist(), events["country"].to_pylist(), strict=True))
    assert people == dict(
        zip(profiles.users["user"].to_pylist(), profiles.users["country"].to_pylist(), strict=True)
    )


@pytest.mark.parametrize(
    ("who", "slot", "channel", "expected"),
    [
        (
            pa.array(["b", "a"] * 200).dictionary_encode(),
            60,
            None,
            {"who": pa.dictionary(pa.int32(), pa.string())},
        ),
        (pa.array([3, 4] * 200, pa.int8()), 1440, None, {"who": pa.int64(), "day": pa.date32()}),
        (pa.array([3, 4] * 200), 60, ("1",), {"day": pa.timestamp("us"), "what": pa.string()}),
    ],
)
def test_types_that_cannot_hold_what_is_written_are_wider(who, slot, channel, expected):
    days = pa.array([dt.date(2018, 2, 1) + dt.timedelta(days=n % 9) for n in range(400)])
    table = log_of(KINDS["s"], who=who, day=days, what=pa.array([1, 2] * 200))
    log = EventLog.open(table, user="who", time="day", channel="what", timezone="America/New_York")
    profiles = profile(log, ProfileConfig(days=9, slot_minutes=slot, channels=channel, min_users=1))
    events = to_events(profiles, 3)
    for name, kind in expected.items():
        assert events.schema.field(name).type == kind
    assert same(
        again(events, profiles.axes, format_of(profiles.about, profiles.users.schema)), profiles
    )


def test_each_events_own_clock(axes):
    table = log_of(KINDS["us, UTC"], offset=pa.array([60, -330] * 200, pa.int16()))
    log = EventLog.open(table, user="who", time="when", offset="offset")
    profiles = profile(log, ProfileConfig(start=dt.date(2018, 1, 31), days=11, min_users=1))
    events = to_events(profiles, 0)
    assert events.schema.field("offset").type == pa.int16()
    assert same(
        again(events, profiles.axes, format_of(profiles.about, profiles.users.schema)), profiles
    )


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "Australia/Lord_Howe", "Europe/Stockholm"])
def test_events_come_as_often_in_each_minute_as_in_the_log(zone):
    rng = np.random.default_rng(5)
    shares = np.array([4, 1, 0, 0, 1] * 12) / 72
    minutes = rng.choice(60, 6000, p=shares) + 60 * rng.integers(0, 48, 6000)
    table = pa.table(
        {"user": rng.integers(0, 50, 6000), "time": pa.array(1_522_454_400 + minutes * 60)}
    )
    log = EventLog.open(
        table, user="user", time="time", timezone=zone
    )  # around Lord Howe's change by half an hour
    profiles = profile(log, ProfileConfig(days=3, min_users=1))
    made = np.concatenate([to_events(profiles, seed)["time"].to_numpy() for seed in range(5)])
    seen = np.bincount(made // 60 % 60, minlength=60)
    real = np.bincount(minutes % 60, minlength=60)
    assert not (made % 60).any()
    assert not seen[real == 0].any()
    assert chisquare(seen[real > 0], real[real > 0] * 5).pvalue > 1e-3


def test_without_a_log_any_moment_is_as_likely():
    counts = np.zeros((1, 1, 24, 1), int)
    counts[0, 0, 5] = 60_000
    events = to_events(Profiles.from_dense(Axes(dt.date(2018, 2, 1), 1, 60, ("e",)), counts), 0)
    second = events["timestamp"].cast(pa.int64()).to_numpy() // 10**6 % 3600
    assert chisquare(np.bincount(second // 36, minlength=100)).pvalue > 1e-3
    assert len(np.unique(events["timestamp"].cast(pa.int64()).to_numpy() % 10**6)) > 50_000


@settings(max_examples=10, deadline=None)
@given(cuts=st.lists(st.integers(0, 40), max_size=4), most=st.sampled_from([1, 50, 10**6]))
def test_events_do_not_depend_on_the_pieces_that_profiles_come_in(cuts, most):
    profiles = in_one_zone(dt.date(2018, 3, 23), 4, 60, "Europe/Stockholm", 0)
    profiles = profiles.take([u % 6 for u in range(40)])
    bounds = sorted({0, 40, *cuts})
    form = format_of({}, profiles.users.schema)
    schema = log_schema(form, profiles.axes, profiles.users.schema)
    pieces = [(low, profiles.slice(low, high)) for low, high in pairwise(bounds)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logs_module, "MOST_EVENTS", most)
        tables = list(event_tables(pieces, 7, form, schema))
    assert pa.concat_tables(tables).equals(to_events(profiles, 7))
    two = to_events(profiles.take([0, 0]), 7)
    assert two.num_rows == 2 * int(profiles.slice(0, 1).values.sum())
    half = two.num_rows // 2
    assert not two["timestamp"].slice(0, half).equals(two["timestamp"].slice(half))


def test_parquet_csv_and_streams_hold_the_same(tmp_path):
    profiles = profile(
        EventLog.open(log_of(KINDS["us, UTC"], what=pa.array(["a,b", 'say "x"'] * 200)), user="who", time="when",
                      channel="what", attributes=("country",)),
        ProfileConfig(days=9, min_users=1),
    )  # fmt: skip
    events = to_events(profiles, 0)
    form = format_of(profiles.about, profiles.users.schema)
    for kind in ("parquet", "csv"):
        path = tmp_path / f"log.{kind}"
        with (tmp_path / f"stream.{kind}").open("wb") as stream:
            for sink in (path, stream):
                assert (
                    write_log(
                        sink, kind, form, events.schema, [events.slice(0, 99), events.slice(99)]
                    )
                    == 400
                )
            assert not stream.closed
        assert path.read_bytes() == (tmp_path / f"stream.{kind}").read_bytes()
    assert pq.read_table(tmp_path / "log.parquet").equals(events)
    read = pyarrow.csv.read_csv(tmp_path / "log.csv")
    plain = events.cast(
        pa.schema([(f.name, pa.string() if f.name == "country" else f.type) for f in events.schema])
    )
    assert read.cast(plain.schema).equals(plain)
    assert "2018-02-01 04:10:00Z" in (tmp_path / "log.csv").read_text()
    assert ".000000" not in (tmp_path / "log.csv").read_text()
    write_log(tmp_path / "none.csv", "csv", form, events.schema, [])
    assert (tmp_path / "none.csv").read_text().count("\n") == 1


def test_formats_by_name(tmp_path):
    with pytest.raises(ValueError, match=r"got log.txt; end its name in .parquet or .csv"):
        file_format(tmp_path.relative_to(tmp_path) / "log.txt", None)
    with pytest.raises(ValueError, match="--format must be parquet or csv, got 'xml'"):
        file_format(tmp_path / "log.csv", "xml")
    with pytest.raises(ValueError, match="is a folder"):
        file_format(tmp_path, "csv")


def test_windows_that_start_on_another_day(axes):
    profiles = random_profiles(axes, 5)
    later = moved(profiles, dt.date(2027, 1, 7))
    assert later.axes.start == dt.date(2027, 1, 7)
    assert min(to_events(later, 0)["timestamp"].to_pylist()).date() == dt.date(2027, 1, 7)
    assert same(again(to_events(later, 0), later.axes), profiles)
    with pytest.raises(
        ValueError, match=r"on a Thu, and 2027-01-05 is a Tue; start on 2026-12-31 or 2027-01-07"
    ):
        moved(profiles, dt.date(2027, 1, 5))
    with pytest.raises(ValueError, match="cannot start on 9999-12-30"):
        starting(axes, dt.date(9999, 12, 30))
    free = Axes(**{**vars(axes), "every": 10})
    assert starting(free, dt.date(2027, 1, 5)).start == dt.date(2027, 1, 5)


def test_what_cannot_become_events(population):
    with pytest.raises(ValueError, match="expected profiles of unit count, got peak"):
        to_events(population.in_unit("peak"), 0)
    damaged = Profiles(**{**vars(population), "about": {"log": {"user": "u"}}})
    with pytest.raises(ValueError, match="what is remembered of the log is damaged"):
        to_events(damaged, 0)


def test_nobody(axes):
    events = to_events(Profiles.from_dense(axes, np.zeros((0, *axes.shape))), 0)
    assert (events.num_rows, events.column_names) == (0, ["user", "timestamp", "channel"])
