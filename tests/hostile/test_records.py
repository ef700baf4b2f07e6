"""Damaged copies of folders and files are refused in one line, without much memory."""

import datetime as dt
import json
import resource
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from damage import Damage, json_damage, metadata_damage, parquet_damage

from habitus.events import EventLog
from habitus.profiles.build import ProfileConfig, profile
from habitus.profiles.calendar import Calendar
from habitus.profiles.completed import CompletedPiece, StoredCompleted, save_completed
from habitus.profiles.conditions import Conditions
from habitus.profiles.logs import to_events
from habitus.profiles.store import StoredProfiles, save
from habitus.schema import Filled, Forecast
from habitus.series import (
    Series,
    read_about,
    read_forecast,
    read_series,
    write_forecast,
    write_series,
)

ROOM = 1 << 30  # bytes that reading a damaged file may allocate


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A folder with one of each, undamaged."""
    folder = tmp_path_factory.mktemp("whole")
    rng = np.random.default_rng(0)
    first = dt.datetime(2018, 2, 1, 0, 30)
    times = [first + dt.timedelta(minutes=int(m)) for m in rng.integers(0, 4 * 1440, 60)]
    rows = pa.table(
        {
            "user": [f"u{n % 9}" for n in range(60)],
            "time": times,
            "channel": rng.choice(["web", "tv"], 60),
            "plan": [f"plan {n % 9 % 2}" for n in range(60)],
        }
    )
    log = EventLog.open(rows, user="user", time="time", channel="channel", attributes=("plan",))
    holidays = Calendar((dt.date(2018, 2, 2),), (dt.date(2018, 2, 4),))
    config = ProfileConfig(days=2, every=2, slot_minutes=360, calendar=holidays, min_users=1)
    profiles = profile(log, config)
    save(folder / "profiles", [profiles], profiles.axes, profiles.about)

    cells = profiles.axes.cells
    for name, mask in {"same": np.arange(cells) >= cells // 2, "own": None}.items():
        missing = (
            np.broadcast_to(mask, (len(profiles), cells))
            if mask is not None
            else rng.random((len(profiles), cells)) < 0.5
        )
        row, cell = np.nonzero(missing)
        draws = rng.poisson(0.7, (3, len(row))).astype(np.float32)
        filled = Filled(len(profiles), row, cell, draws.mean(0), draws)
        about = {**profiles.about, "completed": {"samples": 3, "mask": name}}
        shape = None if mask is None else mask.reshape(profiles.axes.shape)
        save_completed(
            folder / name, [CompletedPiece(profiles, filled)], profiles.axes, shape, about
        )

    series = Series.from_arrays(
        [rng.random((5, 2)), rng.random((0, 2)), rng.random((4, 2))], ["a", "b"]
    )
    write_series(folder / "series.parquet", series, {"how": "made"})
    draws = rng.random((2, 3, 2, 2)).astype(np.float32)
    write_forecast(
        folder / "forecast.parquet", Forecast(np.array([3, 8]), draws, draws[:, 0]), series
    )
    return folder


def read_profiles(path: Path) -> None:
    stored = StoredProfiles.open(path)
    loaded = stored.load()
    Conditions.of(stored.about)
    Calendar.of(stored.about).days(stored.users, stored.axes)
    loaded.dense()
    if "log" in stored.about and loaded.values.sum() < 1000:
        to_events(loaded, 0)


def read_completed(path: Path) -> None:
    stored = StoredCompleted.open(path)
    stored.load()
    assert sum(piece.profiles for piece in stored.pieces()) == len(stored)


def read_series_file(path: Path) -> None:
    read_about(path)
    read_series(path)


def read_forecast_file(path: Path) -> None:
    read_about(path, "forecast")
    read_forecast(path)


def of_folder(*tables: str) -> Callable[[Path], Iterator[Damage]]:
    def damage(path: Path) -> Iterator[Damage]:
        yield from json_damage(path / "habitus.json")
        for table in tables:
            yield from parquet_damage(path / table)

    return damage


def of_table(path: Path) -> Iterator[Damage]:
    yield from metadata_damage(path)
    yield from parquet_damage(path)


KINDS = {
    "profiles": (of_folder("profiles.parquet"), read_profiles),
    "same": (of_folder("filled.parquet"), read_completed),
    "own": (of_folder("filled.parquet"), read_completed),
    "series.parquet": (of_table, read_series_file),
    "forecast.parquet": (of_table, read_forecast_file),
}
"""By name of a file or folder: the damage to it, and all that is read of it."""


@pytest.fixture
def little_memory():
    """Limit what the process may allocate beyond what it has."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + ROOM, hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@pytest.mark.parametrize("name", KINDS)
def test_damage_is_one_line_or_harmless(whole, tmp_path, little_memory, name):
    damages, read = KINDS[name]
    path = tmp_path / name
    copy = shutil.copytree if (whole / name).is_dir() else shutil.copy
    copy(whole / name, path)
    files = {file: file.read_bytes() for file in ([path] if path.is_file() else path.iterdir())}
    read(path)
    refused = 0
    wrong = []
    for label, damage in damages(path):
        for file, content in files.items():
            file.write_bytes(content)
        damage()
        try:
            read(path)
        except ValueError as error:
            refused += 1
            if "\n" in str(error) or not str(error):
                wrong.append(f"{label}: {error!r}")
        except Exception as error:
            wrong.append(f"{label}: {error!r}")
    assert not wrong, "\n".join([f"{len(wrong)} of {refused} and more", *wrong])
    assert refused > 100


@pytest.mark.parametrize(
    ("place", "value", "says"),
    [
        (("axes", "days"), 1740.0, "expected a whole number at axes.days, got 1740.0"),
        (("axes", "days"), 3_000_000, "days must be at most 36,525, from 1678-01-01 to 2261-12-31"),
        (("axes", "days"), "2", "expected a whole number at axes.days, got '2'"),
        (("axes", "start"), "2018-13-01",
         "expected a date such as 2018-12-24 at axes.start, got '2018-13-01'"),
        (("axes", "channels"), ["web", None], r"expected a text at axes.channels\[1\], got null"),
        (("about",), None, "expected an object at about, got null"),
        (("about", "log", "resolution"), 0, "expected at least 1 at about.log.resolution, got 0"),
        (("about", "log", "minutes"), None, "expected a list at about.log.minutes, got null"),
        (("profiles",), -1, "expected at least 0 at profiles, got -1"),
    ],
)  # fmt: skip
def test_messages_name_the_file_the_place_and_what_was_expected(
    whole, tmp_path, place, value, says
):
    shutil.copytree(whole / "profiles", tmp_path / "p")
    marker = tmp_path / "p" / "habitus.json"
    content = json.loads(marker.read_text())
    parent = content
    for key in place[:-1]:
        parent = parent[key]
    parent[place[-1]] = value
    marker.write_text(json.dumps(content))
    with pytest.raises(
        ValueError, match=f"habitus.json is damaged or foreign: {says}.*; restore the file"
    ):
        StoredProfiles.open(tmp_path / "p")


@pytest.mark.parametrize(
    ("column", "entries", "says"),
    [
        ("user", [[1]], "expected numbers or texts in the column 'user', got list"),
        ("user", [None], "expected a value in every row in the column 'user', got null"),
        ("cells", pa.array([[0, None]], pa.list_(pa.int32())),
         "expected a value for every entry of a list in the column 'cells'"),
        ("cells", pa.array([[0, 1, 2]], pa.list_(pa.int32())),
         "expected lists as long as those of 'cells' in the column 'values'"),
        ("cells", pa.array([[1, 0]], pa.list_(pa.int32())),
         "expected ascending cells in every profile"),
        ("cells", pa.array([[0, 99]], pa.list_(pa.int32())),
         "expected cells from 0 to 15, got 0 to 99"),
        ("values", pa.array([[1, 0]], pa.list_(pa.uint32())), "expected values above zero"),
        ("values", pa.array([[1, 2]], pa.list_(pa.int64())),
         "expected list<item: uint32> in the column 'values'"),
    ],
)  # fmt: skip
def test_columns_of_profiles_that_are_refused(whole, tmp_path, column, entries, says):
    axes = StoredProfiles.open(whole / "profiles").axes
    users = pa.table({"user": ["a"]})
    cells = pa.array([[0, 5]], pa.list_(pa.int32()))
    table = users.append_column("cells", cells).append_column(
        "values", pa.array([[1, 2]], pa.list_(pa.uint32()))
    )
    save(tmp_path / "p", [], axes)
    marker = tmp_path / "p" / "habitus.json"
    marker.write_text(marker.read_text().replace('"profiles": 0', '"profiles": 1'))
    file = tmp_path / "p" / "profiles.parquet"
    pq.write_table(table, file)
    read_profiles(tmp_path / "p")
    entries = pa.array(entries, pa.string()) if entries == [None] else pa.array(entries)
    pq.write_table(table.set_column(table.column_names.index(column), column, entries), file)
    with pytest.raises(ValueError, match=f"profiles.parquet is damaged or foreign: {says}"):
        read_profiles(tmp_path / "p")
