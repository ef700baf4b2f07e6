"""Known factors of users, read from the columns of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from habitus.schema import BoolArray, FloatArray, IntArray

MOST_MISSING = 0.2  # largest share of users without a value; more would drop too many users
MOST_CLASSES = 50
USERS_PER_CLASS = 5  # on average; fewer do not suffice to learn a class

NOTHING = "missing for all users"

Column = NDArray[Any] | Sequence[Any]


@dataclass(frozen=True)
class Factor:
    """Known factor of U users.

    Attributes:
        name: Name of the factor.
        values: Finite numbers, [U]; for a categorical factor codes of classes, integers from 0.
            Give the logarithm of a heavy-tailed factor: the tail dominates its squared errors.
        categorical: Whether values are codes of classes.
        period: Period of a circular factor (24 for an hour of the day), None for another.

    Raises:
        ValueError: for values in another shape, that are not finite, or not codes; for an
            impossible period.
    """

    name: str
    values: FloatArray | IntArray
    categorical: bool = False
    period: float | None = None

    def __post_init__(self) -> None:
        if (
            self.values.ndim != 1
            or self.values.dtype.kind not in "iuf"
            or not np.isfinite(self.values).all()
        ):
            raise ValueError(
                f"factor {self.name!r}: expected a finite number per user, got {self.values.dtype} "
                f"of shape {self.values.shape}; drop users whose value is missing"
            )
        if self.categorical and (self.values.dtype.kind == "f" or self.values.min(initial=0) < 0):
            raise ValueError(
                f"factor {self.name!r}: expected classes as integers from 0; encode them"
            )
        if self.period is not None and (self.categorical or not 0 < self.period < np.inf):
            raise ValueError(
                f"factor {self.name!r}: expected a period above 0 of a factor that is not "
                f"categorical, got {self.period}"
            )

    def __len__(self) -> int:
        return len(self.values)

    def of(self, users: BoolArray) -> Factor:
        """Restrict the factor to the users of a mask [U]."""
        return replace(self, values=self.values[users])

    @property
    def classes(self) -> NDArray[np.int64]:
        """Classes of a categorical factor, [U]."""
        return self.values.astype(np.int64)

    @property
    def levels(self) -> FloatArray | IntArray:
        """Values, [U], those of a circular factor modulo its period."""
        return self.values if self.period is None else np.mod(self.values, self.period)

    @property
    def targets(self) -> NDArray[np.float64]:
        """Regression targets, [U, T]: scaled value, (cos, sin) of angle, or class indicators."""
        if self.categorical:
            classes, codes = np.unique(self.values, return_inverse=True)
            return np.eye(len(classes))[codes]
        if self.period is not None:
            angle = 2 * np.pi / self.period * self.values
            return np.column_stack([np.cos(angle), np.sin(angle)])
        values = self.values.astype(np.float64)
        # Scale by a power of 2, which is exact, so that squares neither overflow nor underflow.
        return np.ldexp(values, -np.frexp(np.abs(values).max(initial=0))[1])[:, None]


@dataclass(frozen=True)
class KnownFactors:
    """Factors found in a table, for those users for whom all of them are known.

    Attributes:
        factors: Factors in the order of the columns, K values each.
        users: Mask of these users of the table, [U] with K true: score ``codes[users]``.
        left_out: Reasons why columns are no factors, by name.
    """

    factors: tuple[Factor, ...]
    users: BoolArray
    left_out: dict[str, str]


def factors_from_columns(
    columns: Mapping[str, Column], periods: Mapping[str, float] | None = None
) -> KnownFactors:
    """Read factors from the columns of a table, one row per user.

    Numbers are continuous factors (leave out a numeric id of the user); strings, and true or false,
    are categorical. Left out are columns with a single value, strings with over 50 values or fewer
    than 5 users to a value, columns that lack more than a fifth of the users, and other types.
    None, NaN and infinity count as missing. All scores need the same users, so users without a
    value in a kept column are dropped.

    Args:
        columns: Values by name, [U] each.
        periods: Periods of circular factors, by name.

    Raises:
        ValueError: if there is no column, if lengths differ, or if a period has no column.

    >>> columns = {"plan": ["free", None, "paid"] * 50, "city": ["Lund"] * 150, "age": range(150)}
    >>> found = factors_from_columns(columns)
    >>> [factor.name for factor in found.factors], found.left_out
    (['age'], {'plan': 'missing for 33 % of the users', 'city': 'a single value'})
    """
    periods = periods or {}
    if unknown := sorted(periods.keys() - columns.keys()):
        raise ValueError(
            f"expected periods of the columns {list(columns)}, got one of {unknown[0]!r}"
        )
    if len(lengths := {len(column) for column in columns.values()}) != 1:
        raise ValueError(
            f"expected columns of one length, a row per user, got lengths {sorted(lengths)}"
        )
    read = {name: _read(column) for name, column in columns.items()}
    usable = {
        name: column
        for name, column in read.items()
        if isinstance(column, _Column) and not column.fault()
    }
    users = np.ones(lengths.pop(), bool)
    for column in usable.values():
        users &= column.known
    kept = {name: part for name, column in usable.items() if not (part := column.of(users)).fault()}
    return KnownFactors(
        factors=tuple(part.factor(name, periods.get(name)) for name, part in kept.items()),
        users=users,
        left_out={
            # A column may be no factor by itself, or among the users who are kept.
            name: column if isinstance(column, str) else column.fault() or column.of(users).fault()
            for name, column in read.items()
            if name not in kept
        },
    )


@dataclass(frozen=True)
class _Column:
    """Column of numbers or of classes, with a mask of the known cells."""

    values: NDArray[Any]
    known: BoolArray
    categorical: bool

    def of(self, users: BoolArray) -> _Column:
        """Restrict the column to the users of a mask [U]."""
        return replace(self, values=self.values[users], known=self.known[users])

    def fault(self) -> str:
        """Reason why the column is no factor; empty where it is one."""
        missing = 1 - self.known.mean() if len(self.known) else 0.0
        classes = len(np.unique(self.values[self.known]))
        if missing > MOST_MISSING:
            return f"missing for {missing:.0%} of the users".replace("%", " %")
        if classes <= 1:
            return "a single value"
        if self.categorical and classes > min(MOST_CLASSES, len(self.known) / USERS_PER_CLASS):
            return f"{classes:,} different values"
        return ""

    def factor(self, name: str, period: float | None) -> Factor:
        """Factor of the users, whose values are all known."""
        if self.categorical:
            return Factor(name, np.unique(self.values, return_inverse=True)[1], True, period)
        return Factor(name, self.values, False, period)


def _read(column: Column) -> _Column | str:
    """Read a column of cells, or give the reason why it cannot be read."""
    cells = column if isinstance(column, np.ndarray) else np.asarray(column, dtype=object)
    if cells.ndim == 1 and cells.dtype.kind in "iuf":
        return _numbers(cells, np.ones(len(cells), bool))
    if cells.ndim != 1 or cells.dtype.kind not in "ObUT":
        return "neither numbers nor strings"
    cells = cells.astype(object)
    kinds = np.array([_kind(cell) for cell in cells], dtype=str)
    known = kinds != ""
    found = set(kinds[known].tolist())
    if found == {"number"}:
        return _numbers(np.where(known, cells, np.nan), known)
    if found in ({"string"}, {"bool"}):
        return _Column(np.where(known, cells, "").astype(str), known, categorical=True)
    missing = (
        cell is None or (isinstance(cell, Real | Decimal) and cell != cell) for cell in cells
    )
    return NOTHING if all(missing) else "neither numbers nor strings"


def _numbers(cells: NDArray[Any], known: BoolArray) -> _Column:
    """Column of numbers; cells that are not finite are unknown."""
    values = cells.astype(np.float64)
    return _Column(values, known & np.isfinite(values), categorical=False)


def _kind(cell: object) -> str:
    """Type of a cell: bool, number or string; empty where it is missing or of another type."""
    if isinstance(cell, bool | np.bool_):  # first, since Python counts True as a number
        return "bool"
    if isinstance(cell, Real | Decimal):
        return "number" if cell == cell else ""  # NaN is not
    return "string" if isinstance(cell, str) else ""
