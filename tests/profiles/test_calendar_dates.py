"""What is known of dates, against loops over them."""

import datetime as dt
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from habitus.profiles.attributes import vocabulary_of
from habitus.profiles.calendar import Calendar, dates_file, observed_part
from habitus.profiles.sparse import Profiles
from habitus.profiles.windows import Later, starting_anywhere
from habitus.schema import Axes

AXES = Axes(dt.date(2020, 2, 26), 9, 720, ("a",), every=4)
STARTS = [dt.date(2020, 2, 26), dt.date(2020, 3, 1), dt.date(1969, 12, 29), dt.date(2020, 2, 26)]
CALENDAR = Calendar(
    (dt.date(2020, 3, 1), dt.date(1970, 1, 1), dt.date(2024, 1, 1)),
    (dt.date(2020, 2, 29), dt.date(2020, 3, 9)),
)
TEXT = [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]


def users(**columns: list[object]) -> pa.Table:
    return pa.table({"user": range(4), "window_start": pa.array(STARTS, pa.date32()), **columns})


def as_kind(dates: pa.Array, kind: pa.DataType) -> pa.Array:
    """Dates as a type, text by way of plain text."""
    return (dates if pa.types.is_temporal(kind) else dates.cast(pa.string())).cast(kind)


def test_days_are_those_of_each_window():
    told = CALENDAR.days(users(), AXES)
    for row, start in enumerate(STARTS):
        for day in range(AXES.days):
            date = start + dt.timedelta(day)
            assert told.weekday[row, day] == date.weekday()
            assert told.holiday[row, day] == (date in CALENDAR.holidays)
            assert told.observed[row, day] == (date not in CALENDAR.unobserved)


def test_without_windows_of_their_own_all_begin_with_the_axes():
    told = Calendar().days(pa.table({"user": [1, 2]}), AXES)
    assert told.weekday.tolist() == [[2, 3, 4, 5, 6, 0, 1, 2, 3]] * 2
    assert not told.holiday.any()
    assert told.observed.all()


@pytest.mark.parametrize("kind", [pa.date32(), pa.timestamp("us"), *TEXT], ids=str)
def test_users_are_observed_from_and_until_dates_of_their_own(kind):
    first = pa.array([dt.date(2020, 2, 28), None, None, dt.date(2021, 1, 1)], pa.date32())
    last = pa.array([dt.date(2020, 3, 2), None, dt.date(1969, 12, 31), None], pa.date32())
    table = users(observed_from=as_kind(first, kind), observed_until=as_kind(last, kind))
    observed = Calendar().days(table, AXES).observed
    dates = [[start + dt.timedelta(day) for day in range(AXES.days)] for start in STARTS]
    for row, (begin, end) in enumerate(zip(first.to_pylist(), last.to_pylist(), strict=True)):
        expected = [
            (begin is None or date >= begin) and (end is None or date <= end) for date in dates[row]
        ]
        assert observed[row].tolist() == expected
    assert vocabulary_of(table) == {}


def test_dates_of_users_that_are_none():
    with pytest.raises(
        ValueError, match="the users' attribute 'observed_from' holds what is no date"
    ):
        Calendar().days(users(observed_from=["spring"] * 4), AXES)
    with pytest.raises(
        ValueError, match="the users' attribute 'observed_until' holds int64, expected dates such"
    ):
        Calendar().days(users(observed_until=[1, 2, 3, 4]), AXES)


def test_json_and_back():
    again = Calendar.of({"log": {}, **CALENDAR.to_json()})
    assert again == Calendar(tuple(sorted(CALENDAR.holidays)), CALENDAR.unobserved)
    assert Calendar().to_json() == {}
    assert Calendar.of({}) == Calendar()
    assert Calendar((dt.date(2020, 1, 1),)).to_json() == {"calendar": {"holidays": ["2020-01-01"]}}


def test_holidays_count_where_a_window_has_them():
    assert CALENDAR.has_holidays(users(), AXES)
    assert not Calendar((dt.date(2020, 3, 10),)).has_holidays(users(), AXES)
    assert Calendar((dt.date(2020, 3, 9),)).has_holidays(users(), AXES)
    assert not replace(CALENDAR, unobserved=CALENDAR.holidays).has_holidays(users(), AXES)
    assert CALENDAR.within(AXES) == Calendar((dt.date(2020, 3, 1),))


def test_what_was_observed():
    x = np.random.default_rng(0).poisson(1, (4, *AXES.shape))
    given = Profiles.from_dense(AXES, x, users())
    observed = CALENDAR.days(given.users, AXES).observed
    np.testing.assert_array_equal(
        observed_part(given, observed).dense(), x * observed[..., None, None]
    )


def test_later_windows_keep_the_dates():
    given = replace(
        Profiles.from_dense(AXES, np.zeros((4, *AXES.shape)), users()), about=CALENDAR.to_json()
    )
    later = Later(given, 3)
    told = Calendar.of(later.about).days(later.users, later.axes)
    before = CALENDAR.days(given.users, AXES)
    for one, two in zip(told, before, strict=True):
        np.testing.assert_array_equal(one[:, :-3], two[:, 3:])


def test_a_window_from_any_weekday_on():
    axes = Axes(dt.date(2018, 2, 1), 7, 60, ("a",))
    assert starting_anywhere(axes, dt.date(2027, 1, 5)).start == dt.date(2027, 1, 5)
    with pytest.raises(ValueError, match="cannot start on 9999-12-30"):
        starting_anywhere(axes, dt.date(9999, 12, 30))


class TestFiles:
    expected = (dt.date(2018, 12, 24), dt.date(2018, 12, 25))

    def test_csv(self, tmp_path: Path):
        (tmp_path / "a.csv").write_text(
            "name,date\nnoel,2018-12-25\neve, 2018-12-24\nnoel,2018-12-25\nnone,\n"
        )
        assert dates_file(tmp_path / "a.csv") == self.expected

    @pytest.mark.parametrize(
        "kind", [pa.date32(), pa.date64(), pa.timestamp("s"), pa.timestamp("ns"), *TEXT], ids=str
    )
    def test_parquet(self, tmp_path: Path, kind: pa.DataType):
        dates = as_kind(pa.array([*self.expected[::-1], None], pa.date32()), kind)
        pq.write_table(pa.table({"date": dates}), tmp_path / "a.parquet")
        assert dates_file(tmp_path / "a.parquet") == self.expected
