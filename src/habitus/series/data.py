"""Series: numbers over time, in one or several variables, with a mask of what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from habitus.schema import BoolArray, FloatArray, IntArray, SeriesAxes

ROUNDING = 1e-9  # of share x rows, so that 0.29 of 100 rows are 29


@dataclass(frozen=True, eq=False)
class Series:
    """N series of V variables, one after another in R rows.

    Memory is 9 bytes for each value, and 8 for each row where there are times.

    Attributes:
        axes: What the columns are, and where they come from.
        values: float64 [R, V], rows in time order within a series; 0 where not observed.
        observed: bool [R, V].
        starts: int64 [N + 1]; series n is rows ``starts[n]:starts[n + 1]``, and may be empty.
        ids: Names of the N series, distinct.
        times: datetime64[us] [R], ascending within a series; or None where only the order is known.

    Raises:
        ValueError: if the parts do not fit together.

    >>> series = Series.from_arrays([[1.0, 2.0, np.nan], [4.0, 5.0]], ["load"])
    >>> len(series), series.lengths.tolist(), series.values[:, 0].tolist()
    (2, [3, 2], [1.0, 2.0, 0.0, 4.0, 5.0])
    >>> series.one(0).observed[:, 0].tolist()
    [True, True, False]
    """

    axes: SeriesAxes
    values: NDArray[np.float64]
    observed: BoolArray
    starts: NDArray[np.int64]
    ids: tuple[str, ...]
    times: NDArray[np.datetime64] | None = None

    def __post_init__(self) -> None:
        shape = (len(self.values), len(self.axes.variables))
        for name, kind in (("values", np.float64), ("observed", np.bool_)):
            array = getattr(self, name)
            if array.shape != shape or array.dtype != kind:
                raise ValueError(
                    f"expected {name} of shape {shape} and type {kind.__name__}, got "
                    f"{array.shape}, {array.dtype}"
                )
        if not np.isfinite(self.values).all() or self.values[~self.observed].any():
            raise ValueError("expected values that are finite, and 0 where they are not observed")
        self._check_rows()
        if self.times is not None:
            self._check_times(self.times)

    def _check_rows(self) -> None:
        starts = self.starts
        if starts.dtype != np.int64 or starts.ndim != 1 or not len(starts):
            raise ValueError(
                f"expected starts of type int64, one dimension, got {starts.dtype}, {starts.shape}"
            )
        if starts[0] != 0 or starts[-1] != len(self.values) or (np.diff(starts) < 0).any():
            raise ValueError(f"expected starts that ascend from 0 to {len(self.values)} rows")
        if len(set(self.ids) - {""}) != len(self.ids) or len(self.ids) != len(starts) - 1:
            raise ValueError(f"expected a name of its own for each of {len(starts) - 1} series")

    def _check_times(self, times: NDArray[np.datetime64]) -> None:
        if times.shape != (len(self.values),) or times.dtype != np.dtype("datetime64[us]"):
            raise ValueError(
                f"expected {len(self.values)} times of datetime64[us], got {times.shape}, "
                f"{times.dtype}"
            )
        if np.isnat(times).any() or len(not_later(times, self.starts)):
            raise ValueError("expected times that ascend within each series")

    @classmethod
    def from_arrays(
        cls,
        arrays: Sequence[Any] | NDArray[Any],
        variables: Sequence[str],
        *,
        scale: float = 1.0,
        time: str | None = None,
        series_id: str | None = None,
        ids: Sequence[str] | None = None,
        times: NDArray[np.datetime64] | None = None,
    ) -> Self:
        """From arrays [T, V], one per series, or one array [N, T, V]; NaN is what is missing.

        Arrays [T] do for a single variable. Values are taken as they are: ``scale`` says how they
        were read. The settings are those of the axes, so that ``from_arrays(arrays, **vars(axes))``
        is on given axes.

        Args:
            arrays: The values.
            variables: Names of the V variables.
            scale: What the values of the file were multiplied by.
            time: The file's column of times.
            series_id: The file's column of series.
            ids: Names of the series; "0", "1", ... where there are none.
            times: Times of all rows [R].

        Raises:
            ValueError: for arrays of another shape, or infinite values.
        """
        axes = SeriesAxes(tuple(variables), scale, time, series_id)
        parts = [_matrix(array, len(axes.variables)) for array in arrays]
        empty = np.zeros((0, len(axes.variables)))
        starts = np.cumsum([0] + [len(part) for part in parts], dtype=np.int64)
        names = tuple(map(str, range(len(parts)))) if ids is None else tuple(ids)
        if times is not None:
            times = times.astype("datetime64[us]")
        return cls(axes, *marked(np.concatenate([empty, *parts])), starts, names, times)

    def with_values(self, values: NDArray[Any]) -> Self:
        """Replace the values [R, V]; NaN is missing.

        Raises:
            ValueError: for another shape, or infinite values.
        """
        wide, observed = marked(np.asarray(values, np.float64))
        return replace(self, values=wide, observed=observed)

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        missing = int(self.observed.size - self.observed.sum())
        names = ", ".join(self.axes.variables[:4]) + (
            ", ..." if len(self.axes.variables) > 4 else ""
        )
        return (
            f"Series({len(self):,} series, {len(self.values):,} rows of {names}, "
            f"{missing:,} values missing)"
        )

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Rows of each series, int64 [N]."""
        return np.diff(self.starts)

    def arrays(self) -> list[NDArray[np.float64]]:
        """Each series as an array [T, V] with NaN where missing, for :meth:`from_arrays`."""
        return (
            np.split(np.where(self.observed, self.values, np.nan), self.starts[1:-1])
            if len(self)
            else []
        )

    def one(self, number: int) -> Self:
        """Select one series by its number."""
        return self.take([number])

    def take(self, numbers: IntArray | BoolArray | Sequence[int]) -> Self:
        """The given series, each at most once, in the given order; a boolean mask selects."""
        index = np.asarray(numbers)
        index = np.flatnonzero(index) if index.dtype == np.bool_ else index.astype(np.int64)
        part = self._rows(self.starts[:-1][index], self.lengths[index])
        return replace(self, **part, ids=tuple(self.ids[number] for number in index))

    def head(self, rows: int) -> Self:
        """The first rows of every series; all, where it has fewer."""
        return replace(self, **self._rows(self.starts[:-1], np.minimum(self.lengths, rows)))

    def tail(self, rows: int) -> Self:
        """The last rows of every series; all, where it has fewer."""
        lengths = np.minimum(self.lengths, rows)
        return replace(self, **self._rows(self.starts[1:] - lengths, lengths))

    def split(self, share: float) -> tuple[Self, Self]:
        """Split every series in time: its first share of rows, rounded down, and the rest.

        Args:
            share: Of the rows in the first set, between 0 and 1.

        Raises:
            ValueError: if the share is not between 0 and 1, or one of the sets would have no row.

        >>> early, late = Series.from_arrays(np.arange(10.0).reshape(2, 5, 1), ["load"]).split(0.8)
        >>> early.lengths.tolist(), late.values[:, 0].tolist()
        ([4, 4], [4.0, 9.0])
        """
        if not 0 < share < 1:
            raise ValueError(f"expected a share of rows between 0 and 1, got {share}")
        first = np.floor(self.lengths * share + ROUNDING).astype(np.int64)
        if not 0 < first.sum() < len(self.values):
            raise ValueError(
                f"a share of {share} of {len(self.values)} rows leaves one of the two sets empty"
            )
        head = self._rows(self.starts[:-1], first)
        rest = self._rows(self.starts[:-1] + first, self.lengths - first)
        return replace(self, **head), replace(self, **rest)

    def window_starts(self, length: int, stride: int = 1) -> NDArray[np.int64]:
        """First row of every whole window that lies inside one series, ascending.

        Args:
            length: Rows of a window (T).
            stride: Rows from one window's first row to the next's, counted from each series'
                beginning.

        Raises:
            ValueError: if length or stride is below 1.

        >>> Series.from_arrays([np.ones(4), np.ones(3)], ["load"]).window_starts(3).tolist()
        [0, 1, 4]
        """
        if length < 1 or stride < 1:
            raise ValueError(
                f"expected a window and a stride of at least 1 row, got {length} and {stride}"
            )
        counts = np.maximum((self.lengths - length) // stride + 1, 0)
        position = ranges(np.zeros_like(counts), counts)
        return np.repeat(self.starts[:-1], counts) + stride * position

    def windows(self, starts: IntArray, length: int) -> tuple[NDArray[np.float32], BoolArray]:
        """Windows of ``length`` rows from the given first rows.

        Returns:
            float32 [B, T, V] values, 0 where not observed, and bool [B, T, V] which are observed.

        Raises:
            ValueError: if a window does not lie inside one series.
        """
        starts = np.asarray(starts, np.int64)
        number = np.searchsorted(self.starts, starts, side="right")
        ends = np.concatenate(
            [[0], self.starts[1:], [0]]
        )  # of each series; rows outside of them lie in none
        if length < 1 or (starts < 0).any() or (starts + length > ends[number]).any():
            raise ValueError(f"expected windows of {length} rows that each lie inside one series")
        rows = starts[:, None] + np.arange(length)
        return self.values[rows].astype(np.float32), self.observed[rows]

    def _rows(self, begin: NDArray[np.int64], lengths: NDArray[np.int64]) -> dict[str, Any]:
        """The fields of series that are the given runs of rows."""
        source = ranges(begin, lengths)
        return {
            "values": self.values[source],
            "observed": self.observed[source],
            "starts": np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)]),
            "times": None if self.times is None else self.times[source],
        }


def ranges(begin: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Runs of whole numbers, one after another.

    >>> ranges(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total) + np.repeat(begin - ends + lengths, lengths)


def not_later(times: NDArray[np.datetime64], starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows whose time is not after that of the row before it in the same series, ascending."""
    stands = np.ones(len(times), bool)
    stands[1:] = times[1:] > times[:-1]
    stands[starts[:-1][np.diff(starts) > 0]] = True
    return np.flatnonzero(~stands)


def marked(values: FloatArray) -> tuple[NDArray[np.float64], BoolArray]:
    """Values with 0 in place of NaN, and which are observed."""
    observed = ~np.isnan(values)
    return np.where(observed, values, 0.0), observed


def _matrix(array: Any, variables: int) -> NDArray[np.float64]:
    out = np.asarray(array, np.float64)
    if out.ndim == 1 and variables == 1:
        return out[:, None]
    if out.ndim != 2 or out.shape[1] != variables:
        raise ValueError(
            f"expected each series as an array of shape (rows, {variables}), got {out.shape}"
        )
    return out
