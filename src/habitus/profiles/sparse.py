"""Profiles: sparse counts[user, day, slot, channel] in memory, with who each profile is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.sparse import csr_array

from habitus.schema import Axes, BoolArray, IntArray, Values

CHUNK = 8192  # profiles in a row group: about 450,000 cells, a few megabytes, of a typical log
USER = "user"
WINDOW = "window_start"
MOST_EVENTS = 2**32 - 1  # in a cell, whose count is an uint32


class Readable(Protocol):
    """Requirements of :class:`ProfileSet`."""

    @property
    def axes(self) -> Axes: ...
    @property
    def users(self) -> pa.Table: ...
    @property
    def groups(self) -> int: ...
    def __len__(self) -> int: ...
    def load(self) -> Profiles: ...
    def read_group(self, group: int) -> Profiles: ...
    def take(self, rows: IntArray | BoolArray | Sequence[int]) -> Profiles: ...


class ProfileSet:
    """Methods that profiles in memory and on disk share; each reads only what it returns."""

    @property
    def shape(self: Readable) -> tuple[int, int, int, int]:
        """(U, D, S, C)."""
        return (len(self), *self.axes.shape)

    @property
    def groups(self: Readable) -> int:
        """Number of pieces of CHUNK profiles; the last one may be smaller."""
        return -(-len(self) // CHUNK)

    def chunks(self: Readable) -> Iterator[Profiles]:
        """The profiles in order, piece by piece."""
        return map(self.read_group, range(self.groups))

    def dense(self: Readable, rows: IntArray | slice | None = None) -> NDArray[np.float32]:
        """The profiles (all, or the given ones) as an array, float32 [B, D, S, C]."""
        part = self.load() if rows is None else self.take(np.arange(len(self))[rows])
        out = np.zeros(len(part) * self.axes.cells, np.float32)
        out[part.row_of_cell() * self.axes.cells + part.cells] = part.values
        return out.reshape(part.shape)

    def sample(self: Readable, size: int, seed: int) -> Profiles:
        """Draw profiles at random without replacement, in their original order.

        Raises:
            ValueError: if there are fewer than ``size``.
        """
        if not 0 < size <= len(self):
            raise ValueError(f"expected a sample of 1 to {len(self)} profiles, got {size}")
        drawn = np.random.default_rng(seed).choice(len(self), size, replace=False)
        return self.take(np.sort(drawn))

    def split(self: Readable, test: float, seed: int) -> tuple[Profiles, Profiles]:
        """Split by user, not by profile, so that no user is in both sets ("Time pictures" 5.1.2).

        Args:
            test: Share of users in the second set, between 0 and 1.
            seed: Decides which set a user is in.

        Raises:
            ValueError: if the share leaves one of the sets empty.
        """
        chosen = users_drawn(self.users, test, seed)
        return self.take(~chosen), self.take(chosen)

    def where(self: Readable, **attributes: Any) -> Profiles:
        """The profiles whose attributes have the given values, as in ``where(country="France")``.

        Raises:
            ValueError: for an attribute that the population does not have.
        """
        mask = np.ones(len(self), bool)
        for name, value in attributes.items():
            mask &= _matches(self.users, name, value)
        return self.take(mask)


@dataclass(frozen=True, eq=False)
class Profiles(ProfileSet):
    """A population: one activity profile (D, S, C) per row, kept sparse.

    "Time pictures" 5.1 calls a profile a time picture. Profile u has the cells
    ``cells[indptr[u]:indptr[u + 1]]``, where a cell is (day * S + slot) * C + channel, ascending,
    and a value is never zero.

    Attributes:
        axes: What days, slots, channels and values are.
        indptr: int64 [U + 1].
        cells: int32 [N].
        values: uint32 [N] counts, or float32 [N] where the unit is not a count.
        users: One row per profile: ``user`` and, where known, ``window_start`` and attributes.
        about: Where they came from, such as the zero threshold of a generated population.

    >>> import datetime as dt
    >>> axes = Axes(dt.date(2018, 2, 1), 2, 720, ("web", "phone"))
    >>> profiles = Profiles.from_dense(axes, np.array([[[[0, 3], [0, 0]], [[1, 0], [0, 0]]]]))
    >>> len(profiles), profiles.cells.tolist(), profiles.values.tolist(), profiles.peaks().tolist()
    (1, [1, 4], [3, 1], [3.0])
    """

    axes: Axes
    indptr: NDArray[np.int64]
    cells: NDArray[np.int32]
    values: Values
    users: pa.Table
    about: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def __repr__(self) -> str:
        days, slots, channels = self.axes.shape
        return (
            f"Profiles({len(self):,} profiles x {days} days x {slots} slots x {channels} channels, "
            f"{len(self.cells):,} non-empty cells, unit {self.axes.unit})"
        )

    @classmethod
    def from_dense(cls, axes: Axes, values: NDArray[Any], users: pa.Table | None = None) -> Self:
        """From an array [U, D, S, C]; ``users`` defaults to 0, 1, 2, ...

        Raises:
            ValueError: if the shape is not that of the axes, a value is negative or not finite, or
                a count is not whole.
        """
        if values.shape[1:] != axes.shape:
            raise ValueError(
                f"expected values of shape (profiles, {axes.shape}), got {values.shape}"
            )
        if users is not None and len(users) != len(values):
            raise ValueError(
                f"expected a user for each of {len(values)} profiles, got {len(users)}"
            )
        flat = values.reshape(len(values), axes.cells)
        if axes.unit != "count":
            flat = flat.astype(
                np.float32, copy=False
            )  # first, as what is too small for it becomes zero
        rows, cells = np.divmod(
            np.flatnonzero(flat != 0), axes.cells
        )  # of bool it is found far quicker
        kept = checked_values(flat[rows, cells], axes.unit)
        users = numbered(len(flat)) if users is None else users
        return cls(axes, offsets(rows, len(flat)), cells.astype(np.int32), kept, users)

    def load(self) -> Self:
        """Return the profiles, which are in memory already."""
        return self

    @property
    def matrix(self) -> csr_array:
        """The profiles as sparse rows of cells, [U, D * S * C], in the same memory."""
        index = np.int32 if self.indptr[-1] < 2**31 else np.int64
        rows = (self.values, self.cells, self.indptr.astype(index))
        return csr_array(rows, shape=(len(self), self.axes.cells))

    def row_of_cell(self) -> NDArray[np.int64]:
        """The profile that each cell belongs to, int64 [N]."""
        return np.repeat(np.arange(len(self)), np.diff(self.indptr))

    def peaks(self) -> NDArray[np.float32]:
        """Each profile's largest value, float32 [U]; 0 for an empty profile."""
        out = np.zeros(len(self), np.float32)
        filled = np.diff(self.indptr) > 0
        if filled.any():
            out[filled] = np.maximum.reduceat(self.values, self.indptr[:-1][filled])
        return out

    def in_unit(self, unit: str) -> Self:
        """Convert to another unit: counts to shares of their own peak, or any values to binary.

        "Time pictures" 5.1.1 divides by the profile's largest count.

        Raises:
            ValueError: if absolute counts are wanted of profiles that do not have them.
        """
        if unit == self.axes.unit:
            return self
        if unit == "binary":
            values = np.ones(len(self.cells), np.float32)
        elif unit == "peak" and self.axes.unit == "count":
            values = self.values / np.repeat(self.peaks(), np.diff(self.indptr))
        else:
            raise ValueError(
                f"expected profiles of unit {unit}, got {self.axes.unit}, which does not hold them"
            )
        return replace(self, axes=self.axes.with_unit(unit), values=values.astype(np.float32))

    def take(self, rows: IntArray | BoolArray | Sequence[int]) -> Self:
        """The given profiles, in the given order; a boolean mask selects."""
        index = np.asarray(rows)
        index = np.flatnonzero(index) if index.dtype == np.bool_ else index.astype(np.int64)
        part = self.matrix[index]
        return replace(
            self,
            indptr=part.indptr.astype(np.int64),
            cells=part.indices.astype(np.int32, copy=False),
            values=part.data,
            users=self.users.take(pa.array(index, pa.int64())),
        )

    def with_cells(self, kept: BoolArray) -> Self:
        """Keep only the cells marked in ``kept``, bool [N]."""
        indptr = np.append(0, np.cumsum(kept))[self.indptr]
        return replace(self, indptr=indptr, cells=self.cells[kept], values=self.values[kept])

    def slice(self, start: int, stop: int) -> Self:
        """Profiles start to stop without copying a cell."""
        first = self.indptr[start]
        last = self.indptr[stop]
        return replace(
            self,
            indptr=self.indptr[start : stop + 1] - first,
            cells=self.cells[first:last],
            values=self.values[first:last],
            users=self.users.slice(start, stop - start),
        )

    def read_group(self, group: int) -> Self:
        """One piece of at most CHUNK profiles, as a view."""
        return self.slice(group * CHUNK, min((group + 1) * CHUNK, len(self)))

    def counted(self) -> pa.Table:
        """The table on disk: ``users`` with two list columns, ``cells`` and ``values``."""
        starts = pa.array(self.indptr.astype(np.int32))
        cells = pa.ListArray.from_arrays(starts, pa.array(self.cells))
        values = pa.ListArray.from_arrays(starts, pa.array(self.values))
        return self.users.append_column("cells", cells).append_column("values", values)


def concat(parts: Sequence[Profiles]) -> Profiles:
    """Concatenate populations.

    Raises:
        ValueError: if there is none, or their axes or units differ.
    """
    if not parts:
        raise ValueError("expected at least one set of profiles to put together, got none")
    for part in parts[1:]:
        reason = parts[0].axes.mismatch(part.axes)
        if reason or part.axes.unit != parts[0].axes.unit:
            raise ValueError(
                f"cannot put these profiles together: {reason or 'their units differ'}"
            )
    if len(parts) == 1:
        return parts[0]
    ends = np.cumsum([0] + [part.indptr[-1] for part in parts])
    indptr = [part.indptr[:-1] + end for part, end in zip(parts, ends, strict=False)]
    return Profiles(
        parts[0].axes,
        np.concatenate([*indptr, ends[-1:]]),
        np.concatenate([part.cells for part in parts]),
        np.concatenate([part.values for part in parts]),
        _one_after_another([part.users for part in parts]),
    )


def _one_after_another(users: Sequence[pa.Table]) -> pa.Table:
    """Concatenate users tables into a single chunk, from which rows are taken faster."""
    try:
        return pa.concat_tables(users, promote_options="permissive").combine_chunks()
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        line = str(error).splitlines()[0]
        raise ValueError(
            f"cannot put these profiles together, as their users differ in type: {line}"
        ) from None


def users_drawn(users: pa.Table, share: float, seed: int) -> NDArray[np.bool_]:
    """Draw a random share of the users, as a mask of their profiles, bool [U].

    Raises:
        ValueError: if that would be no user, or every one.
    """
    codes = pc.call_function("dictionary_encode", [users[USER].combine_chunks()])
    count = len(codes.dictionary)
    size = round(share * count)
    if not 0 < size < count:
        raise ValueError(f"a share of {share} of {count} users leaves one of the two sets empty")
    drawn = np.zeros(count, bool)
    drawn[np.random.default_rng(seed).permutation(count)[:size]] = True
    return drawn[codes.indices.to_numpy(zero_copy_only=False)]


def checked_values(values: NDArray[Any], unit: str) -> Values:
    """Values that are not zero, in the type of their unit."""
    if not (np.isfinite(values).all() and (values > 0).all()):
        raise ValueError("expected values that are finite and not negative; clean the array first")
    if unit == "count" and not (values == np.floor(values)).all():
        raise ValueError(
            "expected counts, which are whole numbers; round them, or give the axes another unit"
        )
    if unit == "count" and len(values) and values.max() > MOST_EVENTS:
        raise ValueError(f"expected counts up to {MOST_EVENTS:,}, got {values.max():,}")
    return values.astype(value_type(unit))


def value_type(unit: str) -> type[np.uint32 | np.float32]:
    """Type in which values of a unit are kept."""
    return np.uint32 if unit == "count" else np.float32


def offsets(rows: IntArray, count: int) -> NDArray[np.int64]:
    """Index of the first cell of each row, ``indptr`` [count + 1], from the row of each cell."""
    return np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=count))]).astype(np.int64)


def window_starts(users: pa.Table, axes: Axes) -> NDArray[np.datetime64]:
    """First day of each profile's window, datetime64[D] [U]."""
    if WINDOW not in users.column_names:
        return np.full(len(users), np.datetime64(axes.start, "D"))
    return users[WINDOW].cast(pa.date32()).to_numpy().astype("datetime64[D]")


def numbered(count: int, first: int = 0, text: bool = False) -> pa.Table:
    """A users table of generated users: numbers from ``first`` up, or texts that sort alike.

    >>> numbered(2, 9, text=True)["user"].to_pylist()
    ['generated-000000009', 'generated-000000010']
    """
    numbers = np.arange(first, first + count)
    return pa.table(
        {USER: pa.array([f"generated-{n:09d}" for n in numbers], pa.string()) if text else numbers}
    )


def _matches(users: pa.Table, name: str, value: Any) -> NDArray[np.bool_]:
    if name not in users.column_names:
        raise ValueError(
            f"no attribute {name!r}; these profiles have {', '.join(users.column_names)}"
        )
    try:
        return (
            pc.call_function("equal", [users[name], pa.scalar(value)]).fill_null(False).to_numpy()
        )
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise ValueError(
            f"attribute {name!r} is of type {users[name].type}, which {value!r} is not"
        ) from None
