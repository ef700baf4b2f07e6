"""A simulated population as Arrow tables, and as Parquet files."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from habitus.files import Mark, check_outputs, replacing
from habitus.schema import IntArray, Progress, no_progress
from habitus.simulate.events import draw_events
from habitus.simulate.population import DAY_TYPES, Factors, Window, draw_factors

START = dt.date(2018, 2, 1)
LOG = Mark("simulate", "log")
FACTORS = Mark("simulate", "factors")
CHANNELS = ("phone", "web", "tablet", "tv", "speaker")


@dataclass(frozen=True)
class SimulatedBlock:
    """Consecutive users of a simulated population.

    Attributes:
        events: One row per event in order of time: ``user_id`` int64, ``timestamp`` UTC in whole
            seconds, ``platform`` as a dictionary of strings.
        factors: One row per user: ``user_id``, ``type`` (one of ``DAY_TYPES``), the fields of
            :class:`Factors`, and ``p_<channel>`` for each channel.
    """

    events: pa.Table
    factors: pa.Table


def simulate(
    users: int,
    days: int,
    seed: int,
    *,
    start: dt.date = START,
    channels: tuple[str, ...] = CHANNELS,
) -> Iterator[SimulatedBlock]:
    """Simulate users 0 to ``users`` - 1 over ``days`` days, block by block.

    User u is the same whatever ``users`` is; every user has at least one event.

    Raises:
        ValueError: if there is no user, day or channel, the seed is negative, or a channel comes
            twice.

    >>> block = next(simulate(100, 32, seed=0))
    >>> block.events.column_names, block.factors.num_rows
    (['user_id', 'timestamp', 'platform'], 100)
    """
    _check(users, days, seed, start, channels)
    return _blocks(users, seed, Window(start, days, channels))


def factors_path(path: Path | str) -> Path:
    """Path of the factors of a log: ``events.factors.parquet`` beside ``events.parquet``."""
    return Path(path).with_suffix(".factors.parquet")


def write_log(
    path: Path | str,
    users: int,
    days: int,
    seed: int,
    *,
    start: dt.date = START,
    channels: tuple[str, ...] = CHANNELS,
    on_progress: Progress = no_progress,
    overwrite: bool = False,
) -> int:
    """Write a simulated log and, at :func:`factors_path`, its factors; both appear whole.

    Args:
        path: The log, ending in ``.parquet``.
        users: How many users.
        days: Length of the window.
        seed: Seed of the population.
        start: First day of the window.
        channels: Names of the channels.
        on_progress: Called after each block with users written, and users in all.
        overwrite: Replace whatever files stand there, not only earlier ones of this function.

    Returns:
        The number of events.

    Raises:
        ValueError: for a path that is a folder or does not end in ``.parquet``, or as
            :func:`simulate`, or if something else stands there and ``overwrite`` is not given.
    """
    blocks = simulate(users, days, seed, start=start, channels=channels)
    log = _check_file(Path(path))
    truth = _check_file(factors_path(path))
    check_outputs("simulate", {"log": log, "factors": truth}, overwrite=overwrite)
    with (
        replacing(truth, FACTORS, overwrite=overwrite) as truth_part,
        replacing(log, LOG, overwrite=overwrite) as log_part,
    ):
        return _write_blocks(blocks, log_part, truth_part, users, on_progress)


def _check(users: int, days: int, seed: int, start: dt.date, channels: tuple[str, ...]) -> None:
    for name, value, least in (("users", users, 1), ("days", days, 1), ("seed", seed, 0)):
        if value < least:
            raise ValueError(f"{name} must be at least {least}, got {value}")
    if days > (dt.date.max - start).days:
        raise ValueError(
            f"the window must end by {dt.date.max}, got {days} days from {start}; give fewer days"
        )
    names = [name.strip() for name in channels]
    if not names or not all(names) or len(set(names)) < len(names):
        raise ValueError(f"channels must be present, not blank and distinct, got {list(channels)}")


def _check_file(path: Path) -> Path:
    if path.suffix != ".parquet":
        raise ValueError(
            f"a log is written as Parquet, got {path}; give a name that ends in .parquet"
        )
    if path.is_dir():
        raise ValueError(f"{path} is a folder, expected a file to write; choose another name")
    return path


def _write_blocks(
    blocks: Iterator[SimulatedBlock], log: Path, truth: Path, total: int, on_progress: Progress
) -> int:
    """Write every block as a row group of each file; return the number of events."""
    first = next(blocks)
    events = users = 0
    with (
        _writer(log, first.events.schema, LOG) as log_writer,
        _writer(truth, first.factors.schema, FACTORS) as truth_writer,
    ):
        for block in chain([first], blocks):
            log_writer.write_table(block.events)
            truth_writer.write_table(block.factors)
            events += block.events.num_rows
            users += block.factors.num_rows
            on_progress(users, total, "simulating")
    return events


def _writer(path: Path, schema: pa.Schema, mark: Mark) -> pq.ParquetWriter:
    marked = schema.with_metadata(mark.parquet)
    return pq.ParquetWriter(path, marked, compression="zstd", compression_level=1)


def _blocks(users: int, seed: int, window: Window) -> Iterator[SimulatedBlock]:
    size = window.block_users
    for block, first_user in enumerate(range(0, users, size)):
        # A block is drawn whole even where only some of its users are wanted: they stay who they
        # are.
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(block,)))
        factors = draw_factors(rng, size, window)
        wanted = min(size, users - first_user)
        events = draw_events(rng, factors, wanted, window)
        yield SimulatedBlock(
            _events_table(*events, first_user, window),
            _factors_table(factors, wanted, first_user, window),
        )


def _events_table(
    second: IntArray, user: IntArray, channel: IntArray, first_user: int, window: Window
) -> pa.Table:
    microseconds = np.datetime64(window.start, "us") + second.astype("timedelta64[s]")
    columns = {
        "user_id": pa.array(user + first_user),
        "timestamp": pa.array(microseconds).cast(pa.timestamp("us", tz="UTC")),
        "platform": _labels(channel, window.channels),
    }
    return pa.table(columns)


def _factors_table(factors: Factors, wanted: int, first_user: int, window: Window) -> pa.Table:
    per_user = {
        name: values[:wanted]
        for name, values in vars(factors).items()
        if name not in ("day_type", "channel_mix")
    }
    shares = {
        f"p_{name}": factors.channel_mix[:wanted, c] for c, name in enumerate(window.channels)
    }
    return pa.table(
        {
            "user_id": np.arange(first_user, first_user + wanted),
            "type": _labels(factors.day_type[:wanted], DAY_TYPES),
            **per_user,
            **shares,
        }
    )


def _labels(index: IntArray, names: tuple[str, ...]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(index.astype(np.int32)), pa.array(names))
