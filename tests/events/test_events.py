"""Reading logs: sources, time zones, unusable values."""

import datetime as dt
from zoneinfo import ZoneInfo, available_timezones

import duckdb
import ibis
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from habitus.events import EPOCH, EventLog, read_source
from habitus.events.clock import clock_changes, utc_offset

NOON = dt.datetime(2018, 2, 1, 12)
ROLES = {"user": "who", "time": "when", "channel": "what"}
TABLE = pa.table(
    {"who": [1, 2, 2], "when": [NOON, NOON, NOON + dt.timedelta(days=3)], "what": ["a", "b", "b"]}
)


def slots_of(log: EventLog, start=EPOCH, days=32, minutes=60) -> list:
    return log.table.select(s=log.slots(start, days, minutes)).to_pyarrow()["s"].to_pylist()


def timed(times, **roles) -> EventLog:
    times = times if isinstance(times, pa.Array) else pa.array(times)
    more = {name: roles.pop(name) for name in list(roles) if isinstance(roles[name], pa.Array)}
    return EventLog(
        ibis.memtable(pa.table({"who": np.arange(len(times)), "when": times, **more})),
        "who",
        "when",
        **roles,
    )


class TestSources:
    def check(self, source, rows=3, **more):
        log = EventLog.open(source, **ROLES, **more)
        assert log.table.count().to_pyarrow().as_py() == rows
        assert log.days() == (dt.date(2018, 2, 1), dt.date(2018, 2, 4))
        assert log.channel_names() == (["a", "b"] if rows == 3 else ["b"])

    def test_files_folders_globs(self, tmp_path):
        (tmp_path / "deep" / "er").mkdir(parents=True)
        pq.write_table(TABLE[:2], tmp_path / "deep" / "one.parquet")
        pq.write_table(TABLE[2:], tmp_path / "deep" / "er" / "two.parquet")
        self.check(tmp_path)
        self.check(str(tmp_path / "deep" / "**" / "*.parquet"))
        pa.csv.write_csv(TABLE, tmp_path / "log.csv")
        self.check(tmp_path / "log.csv")

    def test_a_file_whose_name_looks_like_a_glob(self, tmp_path):
        pq.write_table(TABLE, tmp_path / "log[1].parquet")
        self.check(tmp_path / "log[1].parquet")

    def test_tables_and_urls(self, tmp_path):
        self.check(TABLE)
        self.check(TABLE.to_pandas())
        self.check(ibis.memtable(TABLE))
        with duckdb.connect(str(tmp_path / "shop.ddb")) as con:
            con.register("t", TABLE)
            con.execute(
                "CREATE TABLE clicks AS SELECT * FROM t; CREATE VIEW seen AS SELECT * FROM clicks"
            )
        self.check(f"duckdb://{tmp_path}/shop.ddb#clicks")
        self.check(f"duckdb://{tmp_path}/shop.ddb#seen")
        with pytest.raises(ValueError, match=r"cannot read duckdb.*#none"):
            EventLog.open(f"duckdb://{tmp_path}/shop.ddb#none", **ROLES)

    @pytest.mark.parametrize(
        ("source", "says"),
        [
            ("absent.parquet", "no such file or folder"),
            ("*.none", "cannot read"),
            ("postgres://host/shop", "expected a table name behind a hash"),
            ("nothing://host#t", "cannot read nothing"),
        ],
    )
    def test_nothing_there(self, source, says):
        with pytest.raises(ValueError, match=says):
            EventLog.open(source, **ROLES)

    def test_memory_limit_is_set(self, tmp_path):
        pq.write_table(TABLE, tmp_path / "log.parquet")
        table = read_source(str(tmp_path / "log.parquet"), "1GB")
        limit = (
            ibis.get_backend(table).raw_sql("SELECT current_setting('memory_limit')").fetchone()[0]
        )
        assert limit == "953.6 MiB"

    def test_an_odd_value_far_down_a_csv_is_one_unreadable_time(self, tmp_path):
        lines = ["who,when"] + ["1,2018-02-01 10:00:00"] * 30_000 + ["1,soon"]
        (tmp_path / "log.csv").write_text("\n".join(lines))
        slots = slots_of(EventLog.open(tmp_path / "log.csv", user="who", time="when"), NOON.date())
        assert slots.count(10) == 30_000
        assert slots.count(None) == 1

    def test_filters(self):
        self.check(TABLE, filter="what <> 'x'")
        one, other = (EventLog.open(TABLE, **ROLES, filter=f"what = '{name}'") for name in "ab")
        assert (one.channel_names(), other.channel_names(), one.channel_names()) == (
            ["a"],
            ["b"],
            ["a"],
        )

    @pytest.mark.parametrize(
        "condition", ["what =", "nope = 1", "1=1) OR (2=2", "1=1; DROP TABLE log"]
    )
    def test_filters_that_do_not_work(self, condition):
        with pytest.raises(ValueError, match=r"the filter .* does not work") as error:
            EventLog.open(TABLE, **ROLES, filter=condition)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("times", "slots"),
    [
        (pa.array([0, 3_599_999_999_999, -1000], pa.timestamp("ns")), [0, 0, -1]),
        (pa.array([0, 3_599_999_999, 3_600_000_000, -1], pa.timestamp("us")), [0, 0, 1, -1]),
        (pa.array([-1, 3_599_999], pa.timestamp("ms", "Europe/Stockholm")), [-1, 0]),
        (pa.array([3599, 3600, None], pa.timestamp("s")), [0, 1, None]),
        (pa.array([-1, 0, 3600, 1_517_443_200_000, None]), [-1, 0, 1, None, None]),
        (pa.array([-0.5, 3599.999, float("nan"), float("inf"), 1e300]), [-1, 0, None, None, None]),
        (pa.array([EPOCH, dt.date(1969, 12, 31), None]), [0, -24, None]),
        (
            pa.array(["1970-01-01T02:59:59.999999+02:00", " 1970-01-01 ", "1970-01-01T01:00:00Z"]),
            [0, 0, 1],
        ),
        (pa.array(["soon", "", "infinity", None, "1970-01-01 01:30"]), [None, None, None, None, 1]),
    ],
)
def test_kinds_of_time(times, slots):
    assert slots_of(timed(times)) == slots


@pytest.mark.parametrize("times", [pa.array([True]), pa.array([b"x"]), pa.array([dt.time(3)])])
def test_columns_that_are_no_time(times):
    with pytest.raises(ValueError, match="expected times, text or numbers"):
        timed(times)


def test_no_readable_time():
    with pytest.raises(ValueError, match="seconds since 1970"):
        timed([1_517_443_200_000]).days()
    with pytest.raises(ValueError, match="the log has no rows"):
        timed(pa.array([], pa.int64())).days()


@pytest.mark.parametrize("kind", [pa.int8(), pa.int16(), pa.float64()])
def test_each_event_has_its_own_clock(kind):
    log = timed([0, 0, 0, 0], offset="tz", tz=pa.array([60, -30, 120, None], kind))
    assert slots_of(log) == [1, -1, 2, None]
    assert log.days() == (dt.date(1969, 12, 31), EPOCH)


ZONES = (
    "Europe/Stockholm",
    "America/New_York",
    "Africa/Casablanca",
    "Australia/Lord_Howe",
    "America/Recife",
    "Asia/Gaza",
)


@settings(max_examples=60, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    first=st.integers(-40 * 366, 60 * 366),
    slot=st.sampled_from([15, 30, 60]),
)
def test_wall_clocks_equal_zoneinfo(zone, first, slot):
    start = EPOCH + dt.timedelta(days=first)
    instants = [
        first * 86_400 + quarter * 900 + off for quarter in range(0, 40 * 96, 3) for off in (0, 899)
    ]
    log = timed(pa.array(instants, pa.timestamp("s")), timezone=zone)
    midnight = dt.datetime.combine(start, dt.time())
    walls = [dt.datetime.fromtimestamp(i, ZoneInfo(zone)).replace(tzinfo=None) for i in instants]
    assert slots_of(log, start, 40, slot) == [
        (wall - midnight) // dt.timedelta(minutes=slot) for wall in walls
    ]
    assert log.days() == (min(walls).date(), max(walls).date())


def test_clock_changes_of_every_zone_equal_a_search_hour_by_hour():
    first = 946_684_800
    last = 978_307_200  # the year 2000, when Recife changed twice within a week
    for name in [*sorted(available_timezones())[::12], "America/Recife"]:
        tz = ZoneInfo(name)
        changes = clock_changes(tz, first, last)
        for instant in range(first, last, 3600 * 5):
            assert next(
                (o for until, o in changes if instant < until), changes[-1][1]
            ) == utc_offset(tz, instant), name


def test_far_off_times_do_not_make_the_zone_expensive():
    log = timed(
        [dt.datetime(1, 1, 3), NOON, dt.datetime(9999, 12, 29)], timezone="Europe/Stockholm"
    )
    assert log.days() == (dt.date(1, 1, 3), dt.date(9999, 12, 29))


@pytest.mark.parametrize("name", ["Mars", "", "Europe", "../etc/passwd"])
def test_unknown_zone(name):
    with pytest.raises(ValueError, match="unknown time zone"):
        timed([0], timezone=name)


def test_unknown_column_and_bad_offset():
    with pytest.raises(ValueError, match="no column 'nope' in the log; it has who, when, what"):
        EventLog.open(TABLE, user="nope", time="when")
    with pytest.raises(ValueError, match="must hold minutes"):
        EventLog.open(TABLE, user="who", time="when", offset="what")


def test_channels_that_differ_by_spaces():
    log = EventLog.open(TABLE.set_column(2, "what", pa.array(["a", " a", "b"])), **ROLES)
    with pytest.raises(ValueError, match="the same but for spaces"):
        log.channel_names()
