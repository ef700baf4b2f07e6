"""Completed profiles: a population whose missing cells were filled, with every draw that was made.

On disk it is a folder of profiles like any other (:mod:`habitus.profiles.store`), whose missing
cells hold the first draw, and beside it

``filled.parquet``, one row per profile:

=============  ===================================================================================
gap_start      list of int32: first cell of each run of missing cells; only where masks differ
gap_stop       list of int32: the cell after each run's last
mean_cell      list of int32: cells with a forecast above MEAN_FLOOR times the profile's largest
mean           list of float32: their point forecasts
draw_size      list of int32, K long: how many cells each draw has that are not zero
draw_cell      list of int32: these cells, draw after draw
draw_value     list of the profiles' values: what was drawn
=============  ===================================================================================

``daily_totals.parquet``, one row per profile and day with something missing: ``user``,
``window_start``, ``day``, ``date``, ``known`` (that day's total over known cells), and of the day's
whole total over the draws ``mean``, ``q05``, ``q25``, ``q50``, ``q75``, ``q95``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import Field

from habitus.files import MARKER, Mark, replacing
from habitus.profiles.sparse import Profiles, ProfileSet, offsets, value_type
from habitus.profiles.store import (
    KIND,
    PARQUET,
    ProfilesAbout,
    ProfilesHeader,
    StoredProfiles,
    list_column,
    profile_writer,
    write_profiles,
)
from habitus.profiles.totals import daily_totals
from habitus.records import (
    ADVICE,
    Column,
    Record,
    arrow_errors,
    check_columns,
    check_equal_lengths,
    check_values,
    open_parquet,
)
from habitus.schema import MOST_CELLS, Axes, BoolArray, Filled, IntArray, starts_of_runs

GAPS = ("gap_start", "gap_stop")
FILLED = "filled.parquet"
TOTALS = "daily_totals.parquet"
# Share of the profile's largest expected value, below which expected values are not stored: each
# adds at most 1e-8 to a squared error in shares of that value.
MEAN_FLOOR = 1e-4
MOST_SAMPLES = 1 << 20  # draws of a cell
ROW_GROUP = 2048
MOST_BYTES = 1 << 26  # size from which the rows held of a table are written, about
DENSE_VALUES = 1 << 25  # draws unpacked together: 128 MiB


@dataclass(frozen=True)
class CompletedPiece:
    """Consecutive completed profiles; the first draw is in their missing cells."""

    profiles: Profiles
    filled: Filled


@dataclass(frozen=True)
class Completed(ProfileSet):
    """Completed profiles in memory, as :func:`habitus.complete` returns them.

    Attributes:
        profiles: The profiles; their missing cells hold the first draw.
        parts: What was filled in, piece by piece, in order.
    """

    profiles: Profiles
    parts: tuple[Filled, ...]

    @property
    def axes(self) -> Axes:
        """Axes of the profiles."""
        return self.profiles.axes

    @property
    def users(self) -> pa.Table:
        """Users table, a row per profile."""
        return self.profiles.users

    @property
    def samples(self) -> int:
        """Draws of each missing cell, K."""
        return len(self.parts[0].draws)

    def __len__(self) -> int:
        return len(self.profiles)

    def load(self) -> Profiles:
        """All profiles, with the first draw in their missing cells."""
        return self.profiles

    def read_group(self, group: int) -> Profiles:
        """One piece of the profiles, of at most CHUNK."""
        return self.profiles.read_group(group)

    def take(self, rows: IntArray | BoolArray | Sequence[int]) -> Profiles:
        """The given profiles, with the first draw in their missing cells."""
        return self.profiles.take(rows)

    def pieces(self) -> Iterator[Filled]:
        """Values filled in, piece by piece in the order of the profiles."""
        return iter(self.parts)


class CompletedRecord(Record):
    """The entry ``completed`` of the JSON, as far as habitus reads it again.

    Attributes:
        samples: Draws of each missing cell, K.
        gaps: Runs of missing cells [start, stop) that every profile has, or None where they differ.
    """

    samples: Annotated[int, Field(ge=1, le=MOST_SAMPLES)]
    gaps: list[tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(lt=MOST_CELLS)]]] | None


class CompletedAbout(ProfilesAbout):
    """Provenance of completed profiles, as far as habitus reads it again."""

    completed: CompletedRecord


class CompletedHeader(ProfilesHeader):
    """The ``habitus.json`` of a folder of completed profiles."""

    about: CompletedAbout  # pyright: ignore[reportIncompatibleVariableOverride]


@dataclass(frozen=True)
class StoredCompleted(StoredProfiles):
    """Completed profiles on disk; as profiles they hold the first draw."""

    record: ClassVar[type[ProfilesHeader]] = CompletedHeader

    @classmethod
    def open(cls, path: Path | str) -> Self:
        """Open a folder without reading its profiles.

        Raises:
            ValueError: if it is not a folder of completed profiles, or it is damaged.
        """
        made = super().open(path)
        check_gaps(made.path, made.gaps, made.axes)
        file = open_parquet(made.path / FILLED)
        check_columns(made.path / FILLED, file.schema_arrow, made._filled_columns)
        if file.metadata.num_rows != len(made):
            raise ValueError(
                f"{made.path / FILLED} is damaged or foreign: expected {len(made)} profiles, "
                f"found {file.metadata.num_rows}"
            )
        return made

    @property
    def _filled_columns(self) -> tuple[Column, ...]:
        values = pa.from_numpy_dtype(value_type(self.axes.unit))
        return (
            *(Column(name, pa.list_(pa.int32())) for name in (GAPS if self.gaps is None else ())),
            Column("mean_cell", pa.list_(pa.int32())),
            Column("mean", pa.list_(pa.float32())),
            Column("draw_size", pa.list_(pa.int32())),
            Column("draw_cell", pa.list_(pa.int32())),
            Column("draw_value", pa.list_(values)),
        )

    @property
    def samples(self) -> int:
        """Draws of each missing cell, K."""
        return int(self.about["completed"]["samples"])

    @property
    def gaps(self) -> list[list[int]] | None:
        """Runs of missing cells [start, stop) that every profile has, or None where they differ."""
        return self.about["completed"]["gaps"]

    def pieces(self) -> Iterator[Filled]:
        """Read the values filled in, a few hundred profiles at a time.

        Raises:
            ValueError: if the file is damaged.
        """
        size = max(1, DENSE_VALUES // (self.samples * max(1, self._most_missing)))
        path = self.path / FILLED
        batches = open_parquet(path).iter_batches(size)
        while True:
            with arrow_errors(path):
                batch = next(batches, None)
            if batch is None:
                return
            table = pa.Table.from_batches([batch])
            check_values(path, table, self._filled_columns)
            check_equal_lengths(path, table, ("mean_cell", "mean"))
            check_equal_lengths(path, table, ("draw_cell", "draw_value"))
            if self.gaps is None:
                check_equal_lengths(path, table, GAPS)
            try:
                piece = unpack(table, self.gaps, self.samples, self.axes.cells)
            except ValueError as error:
                raise ValueError(f"{path} is damaged or foreign: {error}; {ADVICE}") from None
            yield piece

    @property
    def _most_missing(self) -> int:
        return (
            self.axes.cells if self.gaps is None else sum(stop - start for start, stop in self.gaps)
        )


def is_completed(path: Path | str) -> bool:
    """True if a folder holds completed profiles."""
    return (Path(path) / FILLED).is_file()


def open_profiles(path: Path | str) -> StoredProfiles:
    """Profiles on disk, completed ones with their draws.

    Raises:
        ValueError: as :meth:`StoredProfiles.open`.
    """
    return (StoredCompleted if is_completed(path) else StoredProfiles).open(path)


def save_completed(
    path: Path | str,
    pieces: Iterable[CompletedPiece],
    axes: Axes,
    mask: BoolArray | None,
    about: dict[str, Any],
    *,
    command: str = "complete",
    overwrite: bool = False,
) -> StoredCompleted:
    """Write completed profiles that come in pieces; the folder appears when it is complete.

    Args:
        path: The folder.
        pieces: The completed profiles, in order.
        axes: Axes of the completed profiles.
        mask: The missing cells [D, S, C], where they are the same for all.
        about: Where they came from; ``about["completed"]`` gains the mask's runs.
        command: What writes them; only its own earlier profiles are replaced.
        overwrite: Replace whatever folder stands there.

    Raises:
        ValueError: if something else stands at ``path`` and ``overwrite`` is not given.
    """
    gaps = None if mask is None else runs(mask)
    header = {**about, "completed": {**about["completed"], "gaps": gaps}}
    with replacing(path, Mark(command, KIND), overwrite=overwrite) as part:
        part.mkdir()
        with (
            profile_writer(part, axes) as append,
            _table_writer(part / FILLED) as fill,
            _table_writer(part / TOTALS) as total,
        ):
            count = 0
            for piece in pieces:
                count += append(piece.profiles)
                fill(pack(piece, mask is None))
                total(daily_totals(piece.profiles, piece.filled))
        write_profiles(part, axes, count, header)
    return StoredCompleted.open(path)


def runs(missing: NDArray[np.bool_]) -> list[list[int]]:
    """Runs of missing cells [start, stop) of one profile.

    >>> runs(np.array([True, True, False, True]))
    [[0, 2], [3, 4]]
    """
    edges = np.flatnonzero(np.diff(missing.reshape(-1).astype(np.int8), prepend=0, append=0))
    return edges.reshape(-1, 2).tolist()


def pack(piece: CompletedPiece, with_gaps: bool) -> pa.Table:
    """The rows of ``filled.parquet`` for a piece."""
    filled = piece.filled
    unit = piece.profiles.axes.unit
    samples = len(piece.filled.draws)
    shown = filled.mean > MEAN_FLOOR * _largest_of_profile(filled)
    index = np.ascontiguousarray(filled.draws.T).reshape(-1)  # [M * K], as most draws are zero
    at = np.flatnonzero(index)
    missing, draw = np.divmod(at, samples)
    key = filled.row[missing] * samples + draw
    order = np.argsort(key, kind="stable")
    missing = missing[order]
    values = index[at[order]]
    sizes = np.bincount(key, minlength=filled.profiles * samples).astype(np.int32)
    columns = {
        "mean_cell": _lists(
            filled.row[shown], filled.cell[shown].astype(np.int32), filled.profiles
        ),
        "mean": _lists(filled.row[shown], filled.mean[shown], filled.profiles),
        "draw_size": pa.FixedSizeListArray.from_arrays(sizes, samples).cast(pa.list_(pa.int32())),
        "draw_cell": _lists(
            filled.row[missing], filled.cell[missing].astype(np.int32), filled.profiles
        ),
        "draw_value": _lists(filled.row[missing], values.astype(value_type(unit)), filled.profiles),
    }
    return pa.table({**(_gaps(filled) if with_gaps else {}), **columns})


def _largest_of_profile(filled: Filled) -> NDArray[np.float32]:
    """The largest expected value in the profile of each missing cell, [M]."""
    first = starts_of_runs(filled.row)
    if not len(first):
        return filled.mean
    return np.repeat(
        np.maximum.reduceat(filled.mean, first), np.diff(first, append=len(filled.row))
    )


def unpack(table: pa.Table, gaps: list[list[int]] | None, samples: int, cells: int) -> Filled:
    """The inverse of :func:`pack`; cells whose mean was left out have mean zero.

    Args:
        table: Rows of ``filled.parquet``.
        gaps: Runs of missing cells that every profile has, or None where the rows have their own.
        samples: Draws of each missing cell, K.
        cells: Cells of a profile.

    Raises:
        ValueError: if the lists contradict each other.
    """
    lists = {name: list_column(table, name) for name in table.column_names}
    if gaps is None:
        row, starts = _rows(lists["gap_start"])
        stops = _rows(lists["gap_stop"])[1]
        if ((starts < 0) | (stops <= starts) | (stops > cells)).any():
            raise ValueError(f"expected gaps that begin and end within {cells} cells, got others")
        key = row * cells + starts
        if (key[1:] < (row * cells + stops)[:-1]).any():
            raise ValueError("expected gaps in order of profile and cell, got others")
    else:
        starts, stops = (np.tile([gap[end] for gap in gaps], len(table)) for end in (0, 1))
        row = np.repeat(np.arange(len(table)), len(gaps))
    row, cell = _spelled_out(row, starts, stops)
    key = row * cells + cell
    mean = np.zeros(len(key), np.float32)
    mean[_places(key, lists["mean_cell"], cells, "mean_cell")] = _rows(lists["mean"])[1]
    sizes = _rows(lists["draw_size"])[1]
    per_row = np.diff(lists["draw_size"].offsets.to_numpy())
    if (per_row != samples).any() or (sizes < 0).any():
        raise ValueError(f"expected {samples} sizes in every list of 'draw_size', got others")
    of_row = sizes.reshape(-1, samples).sum(1, dtype=np.int64)
    if (of_row != np.diff(lists["draw_cell"].offsets.to_numpy())).any():
        raise ValueError("expected as many entries in 'draw_cell' as 'draw_size' adds up to")
    draws = np.zeros((samples, len(key)), np.float32)
    draw = np.repeat(np.tile(np.arange(samples), len(table)), sizes)
    at = _places(key, lists["draw_cell"], cells, "draw_cell")
    draws[draw, at] = _rows(lists["draw_value"])[1]
    return Filled(len(table), row, cell, mean, draws)


def _places(
    key: NDArray[np.int64], lists: pa.ListArray, cells: int, name: str
) -> NDArray[np.int64]:
    """The places of listed cells among the missing ones, whose keys are sorted."""
    row, cell = _rows(lists)
    wanted = row * cells + cell
    at = np.searchsorted(key, wanted)
    if len(at) and (at.max() >= len(key) or (key[at] != wanted).any()):
        raise ValueError(f"expected only missing cells in the column {name!r}, got others")
    return at


def check_gaps(path: Path, gaps: Sequence[Sequence[int]] | None, axes: Axes) -> None:
    """Refuse runs of missing cells that are empty, out of order or beyond the axes.

    Raises:
        ValueError: if there is one.
    """
    edges = [edge for gap in gaps or () for edge in gap]
    ordered = all(low <= high for low, high in pairwise(edges))
    if edges and not (ordered and edges[-1] <= axes.cells):
        raise ValueError(
            f"{path / MARKER} is damaged or foreign: expected gaps in order and within "
            f"{axes.cells} cells at about.completed.gaps, got others; {ADVICE}"
        )


def _gaps(filled: Filled) -> dict[str, pa.ListArray]:
    """Runs of missing cells of each profile, as lists."""
    breaks = np.flatnonzero(
        (np.diff(filled.cell, prepend=-2) != 1) | (np.diff(filled.row, prepend=-1) != 0)
    )
    last = np.append(breaks, len(filled.cell))[1:] - 1
    row = filled.row[breaks]
    starts = filled.cell[breaks]
    stops = filled.cell[last] + 1
    both = {"gap_start": starts, "gap_stop": stops}
    return {
        name: _lists(row, cells.astype(np.int32), filled.profiles) for name, cells in both.items()
    }


def _spelled_out(
    row: NDArray[Any], starts: NDArray[Any], stops: NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and number of each cell within runs."""
    lengths = (stops - starts).astype(np.int64)
    first = np.cumsum(lengths) - lengths
    cell = np.arange(lengths.sum()) + np.repeat(starts - first, lengths)
    return np.repeat(row, lengths).astype(np.int64), cell.astype(np.int64)


def _lists(row: NDArray[np.int64], values: NDArray[Any], count: int) -> pa.ListArray:
    return pa.ListArray.from_arrays(
        pa.array(offsets(row, count).astype(np.int32)), pa.array(values)
    )


def _rows(lists: pa.ListArray) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """The row of each entry, and the entries."""
    ends = lists.offsets.to_numpy()
    return np.repeat(np.arange(len(lists)), np.diff(ends)), lists.flatten().to_numpy(
        zero_copy_only=False
    )


@contextmanager
def _table_writer(path: Path) -> Iterator[Callable[[pa.Table], None]]:
    """Yield a function that appends tables to a Parquet file."""
    held: list[pa.Table] = []
    writer: pq.ParquetWriter | None = None

    def write() -> None:
        nonlocal writer
        table = pa.concat_tables(held).combine_chunks()
        held.clear()
        if writer is None:
            writer = pq.ParquetWriter(
                path, table.schema, compression=PARQUET["compression"], compression_level=1
            )
        writer.write_table(table)

    def append(table: pa.Table) -> None:
        held.append(table)
        if sum(map(len, held)) >= ROW_GROUP or sum(each.nbytes for each in held) >= MOST_BYTES:
            write()

    yield append
    if held:
        write()
    if writer is not None:
        writer.close()
