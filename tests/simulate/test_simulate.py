"""The simulated log: its columns, that it is reproducible, bounded, and written whole or not at all."""

import datetime as dt
import resource

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from habitus.simulate import CHANNELS, DAY_TYPES, factors_path, simulate, write_log
from habitus.simulate.population import BLOCK_USERS

START = dt.date(2018, 2, 1)


def first_users(block_table, users):
    return block_table.filter(pc.less(block_table["user_id"], users))


def concatenated(blocks):
    blocks = list(blocks)
    return pa.concat_tables(b.events for b in blocks), pa.concat_tables(b.factors for b in blocks)


def test_columns_and_types():
    block = next(simulate(50, 32, 0))
    assert block.events.schema == pa.schema(
        {
            "user_id": pa.int64(),
            "timestamp": pa.timestamp("us", tz="UTC"),
            "platform": pa.dictionary(pa.int32(), pa.string()),
        }
    )
    assert block.factors.column_names == [
        *(
            "user_id",
            "type",
            "preferred_hour",
            "hour_width",
            "weekend_preference",
            "rate",
            "first_day",
        ),
        *("last_day", "regularity", "burstiness", "one_off"),
        *(f"p_{channel}" for channel in CHANNELS),
    ]
    assert set(block.factors["type"].to_pylist()) <= set(DAY_TYPES)
    assert block.events["platform"].combine_chunks().dictionary.to_pylist() == list(CHANNELS)


def test_events_are_sorted_whole_seconds_within_the_window():
    stamps = next(simulate(500, 7, 3)).events["timestamp"].to_numpy()
    assert (np.diff(stamps) >= np.timedelta64(0)).all()
    assert (stamps == stamps.astype("datetime64[s]")).all()
    assert stamps[0] >= np.datetime64("2018-02-01")
    assert stamps[-1] < np.datetime64("2018-02-08")


def test_same_seed_same_tables_and_another_seed_another():
    one, again, other = (next(simulate(200, 32, seed)) for seed in (5, 5, 6))
    assert one.events.equals(again.events)
    assert one.factors.equals(again.factors)
    assert not one.events.equals(other.events)


@pytest.mark.parametrize("users", [1, 137, BLOCK_USERS, BLOCK_USERS + 1])
def test_a_user_does_not_depend_on_how_many_there_are(users):
    few_events, few_factors = concatenated(simulate(users, 32, 0))
    many_events, many_factors = concatenated(simulate(2 * BLOCK_USERS, 32, 0))
    assert few_factors.combine_chunks().equals(first_users(many_factors, users).combine_chunks())
    order = [("user_id", "ascending"), ("timestamp", "ascending"), ("platform", "ascending")]
    plain = few_events.schema.set(2, pa.field("platform", pa.string()))
    few, many = (
        t.cast(plain).sort_by(order).combine_chunks()
        for t in (few_events, first_users(many_events, users))
    )
    assert few.equals(many)


@pytest.mark.parametrize("days", [1, 2, 32, 400])
def test_every_user_has_an_event(days):
    users = 1200
    events, factors = concatenated(simulate(users, days, 1))
    assert factors["user_id"].to_pylist() == list(range(users))
    assert pc.count_distinct(events["user_id"]).as_py() == users


@pytest.mark.parametrize(
    "channels", [("only",), ("Ünï", "<script>"), tuple(f"c{i}" for i in range(300))]
)
def test_any_number_of_channels(channels):
    block = next(simulate(300, 10, 0, start=START, channels=channels))
    assert set(block.events["platform"].to_pylist()) <= set(channels)
    shares = np.stack([block.factors[f"p_{c}"].to_numpy() for c in channels], axis=1)
    np.testing.assert_allclose(shares.sum(axis=1), 1)


def test_a_long_window_has_small_blocks():
    events_of = {days: next(simulate(10**6, days, 0)).events.num_rows for days in (32, 3650)}
    assert events_of[3650] < 1.5 * events_of[32]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"users": 0}, "users must be at least 1, got 0"),
        ({"days": 0}, "days must be at least 1, got 0"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
        ({"days": 10**7}, "must end by 9999-12-31"),
        ({"channels": ()}, "channels must be"),
        ({"channels": ("web", " web")}, "distinct"),
        ({"channels": ("web", " ")}, "not blank"),
    ],
)
def test_bad_input_is_refused_at_once(arguments, words):
    with pytest.raises(ValueError, match=words):
        simulate(**{"users": 1, "days": 1, "seed": 0, **arguments})


def test_write_log_writes_what_simulate_yields(tmp_path):
    path = tmp_path / "deep" / "events.parquet"
    progress = []
    users = BLOCK_USERS + 7
    written = write_log(path, users, 3, 0, on_progress=lambda *step: progress.append(step))
    events, factors = concatenated(simulate(users, 3, 0))
    assert written == events.num_rows
    assert pq.read_table(path).equals(events)
    assert pq.read_table(factors_path(path)).equals(factors)
    assert progress == [(BLOCK_USERS, users, "simulating"), (users, users, "simulating")]
    assert sorted(p.name for p in path.parent.iterdir()) == [
        "events.factors.parquet",
        "events.parquet",
    ]


def test_a_failure_half_way_leaves_what_was_there(tmp_path):
    path = tmp_path / "events.parquet"
    path.write_text("old")

    def stop(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_log(path, 10, 3, 0, on_progress=stop, overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["events.parquet"]
    assert path.read_text() == "old"


def test_a_disk_that_fills_up_leaves_nothing(tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_log(tmp_path / "events.parquet", 5000, 32, 0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.iterdir())


def test_a_path_that_is_no_parquet_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"ends in \.parquet"):
        write_log(tmp_path / "events.csv", 1, 1, 0)
    (tmp_path / "folder.parquet").mkdir()
    with pytest.raises(ValueError, match="is a folder"):
        write_log(tmp_path / "folder.parquet", 1, 1, 0)
