"""Calendar of profiles: weekdays, holidays, and days on which nothing was recorded.

Letters: U profiles, D days.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from habitus.profiles.sparse import Profiles, window_starts
from habitus.records import Record
from habitus.schema import DAYS_PER_WEEK, Axes, BoolArray
from habitus.tables import is_text, read_table

DATE = "date"  # column of a table of dates
FROM = "observed_from"
UNTIL = "observed_until"  # attributes of users: the first and the last day that was recorded
FIRST_WEEKDAY = 3  # of the day that dates are counted from, 1970-01-01: a Thursday
ABOUT = "calendar"


class CalendarRecord(Record):
    """Calendar in the JSON of profiles and runs."""

    holidays: tuple[dt.date, ...] = ()
    unobserved: tuple[dt.date, ...] = ()


class CalendarDays(NamedTuple):
    """The days of profiles, each [U, D].

    Attributes:
        weekday: From 0 for Monday, int64.
        holiday: Whether the day is one.
        observed: Whether the log was recorded on the day, of this user.
    """

    weekday: NDArray[np.int64]
    holiday: BoolArray
    observed: BoolArray


@dataclass(frozen=True)
class Calendar:
    """Holidays, and days on which the log was not recorded, of any years.

    Attributes:
        holidays: Days that are unlike others of their weekday.
        unobserved: Days on which the log was not recorded, or only in part.
    """

    holidays: tuple[dt.date, ...] = ()
    unobserved: tuple[dt.date, ...] = ()

    @classmethod
    def of(cls, about: dict[str, Any]) -> Self:
        """Read the calendar from the ``about`` of profiles or a run."""
        known = about.get(ABOUT) or {}
        return cls(
            *(
                tuple(map(dt.date.fromisoformat, known.get(name, ())))
                for name in ("holidays", "unobserved")
            )
        )

    def to_json(self) -> dict[str, Any]:
        """The entry of ``about`` that :meth:`of` reads; empty for an empty calendar."""
        both = {"holidays": self.holidays, "unobserved": self.unobserved}
        known = {
            name: [date.isoformat() for date in sorted(set(dates))]
            for name, dates in both.items()
            if dates
        }
        return {ABOUT: known} if known else {}

    def days(self, users: pa.Table, axes: Axes) -> CalendarDays:
        """The days of profiles, from the starts of windows and the users' observed dates.

        Raises:
            ValueError: if ``observed_from`` or ``observed_until`` of the users holds no dates.
        """
        dates = _dates(users, axes)
        weekday = (dates.astype(np.int64) + FIRST_WEEKDAY) % DAYS_PER_WEEK
        return CalendarDays(weekday, _among(dates, self.holidays), self.observed(users, axes))

    def observed(self, users: pa.Table, axes: Axes) -> BoolArray:
        """Days of profiles on which the user was observed, bool [U, D].

        Raises:
            ValueError: as :meth:`days`.
        """
        if not self.leaves_out(users):
            return np.ones((len(users), axes.days), bool)
        dates = _dates(users, axes)
        observed = ~_among(dates, self.unobserved)
        for name, within in ((FROM, np.greater_equal), (UNTIL, np.less_equal)):
            if name in users.column_names:
                limit = _dates_of(users, name)[:, None]
                observed &= within(dates, limit) | np.isnat(limit)
        return observed

    def leaves_out(self, users: pa.Table) -> bool:
        """True if any day may be unobserved."""
        return bool(self.unobserved) or not {FROM, UNTIL}.isdisjoint(users.column_names)

    def has_holidays(self, users: pa.Table, axes: Axes) -> bool:
        """True if a holiday that was recorded falls into any window."""
        starts = np.unique(window_starts(users, axes))
        dates = np.array(sorted(set(self.holidays) - set(self.unobserved)), "datetime64[D]")
        after = dates[:, None] - starts
        return bool(((after >= np.timedelta64(0)) & (after < np.timedelta64(axes.days))).any())

    def within(self, axes: Axes) -> Calendar:
        """The holidays within the window of the axes."""
        end = axes.start + dt.timedelta(axes.days)
        return Calendar(tuple(date for date in self.holidays if axes.start <= date < end))


def dates_file(path: Path | str) -> tuple[dt.date, ...]:
    """The dates of a Parquet or CSV table, in its column ``date``; each once, in order.

    Raises:
        ValueError: if the file cannot be read, lacks the column or any row, or holds what is no
            date.
    """
    path = Path(path)
    table = read_table(path, f"dates, in a column {DATE!r}", as_text=(DATE,))
    if DATE not in table.column_names:
        raise ValueError(
            f"there is no column {DATE!r} in {path}; it has "
            f"{', '.join(table.column_names) or 'none'}"
        )
    found = _as_dates(table[DATE], f"the column {DATE!r} of {path}").drop_null()
    if not len(found):
        raise ValueError(
            f"there are no dates in {path}; leave the option out, or give a row for each date"
        )
    return tuple(sorted(set(found.to_pylist())))


def observed_part(profiles: Profiles, observed: BoolArray) -> Profiles:
    """Profiles without what stands in days [U, D] that were not observed."""
    if observed.all():
        return profiles
    _, slots, channels = profiles.axes.shape
    return profiles.with_cells(
        observed[profiles.row_of_cell(), profiles.cells // (slots * channels)]
    )


def _dates(users: pa.Table, axes: Axes) -> NDArray[np.datetime64]:
    """Dates of the days of profiles, [U, D]."""
    return window_starts(users, axes)[:, None] + np.arange(axes.days)


def _among(dates: NDArray[np.datetime64], some: tuple[dt.date, ...]) -> BoolArray:
    return np.isin(dates, np.array(some, "datetime64[D]")) if some else np.zeros(dates.shape, bool)


def _dates_of(users: pa.Table, name: str) -> NDArray[np.datetime64]:
    """An attribute as dates, not a time where it is null, [U]."""
    return _as_dates(users[name], f"the users' attribute {name!r}").to_numpy()


def _as_dates(column: pa.ChunkedArray, what: str) -> pa.ChunkedArray:
    """Convert dates, times or texts such as 2018-12-24 to dates; null where a text is empty.

    Raises:
        ValueError: for anything else.
    """
    text = is_text(column.type)
    if not (text or pa.types.is_date(column.type) or pa.types.is_timestamp(column.type)):
        raise ValueError(f"{what} holds {column.type}, expected dates such as 2018-12-24")
    try:
        if text:
            column = pc.call_function("utf8_trim_whitespace", [column.cast(pa.string())])
            column = pc.call_function(
                "if_else", [pc.call_function("equal", [column, ""]), None, column]
            )
        return column.cast(pa.date32(), safe=False)
    except pa.ArrowException as error:
        raise ValueError(
            f"{what} holds what is no date ({str(error).splitlines()[0]}); write 2018-12-24"
        ) from None
