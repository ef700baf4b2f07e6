"""``habitus profile``: the events of a log, counted per user, day, slot and channel."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from habitus.cli._console import out, spinner
from habitus.cli._options import Overwrite, command
from habitus.cli._options.names import MEMORY_LIMIT, MIN_DAYS, MIN_EVENTS, MIN_USERS, WINDOW_DAYS
from habitus.cli._options.types import DATE, DAYS, POSITIVE, WHOLE
from habitus.files import check_outputs

if TYPE_CHECKING:
    from habitus.profiles.store import StoredProfiles

COLUMNS = "Columns of the log"
WINDOW = "Window and cells"
KEPT = "What is kept"
HOW = "How"


def _option(panel: str, help: str, *names: str, **rest: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=panel, **rest)


Source = Annotated[
    str,
    typer.Argument(
        help="CSV or Parquet: a file, a folder, a glob; or a database URL#table, such as "
        "'postgres://me:${PASSWORD}@host/shop#clicks' with a variable of the environment.",
        show_default=False,
    ),
]
Out = Annotated[Path, typer.Option("--out", help="Folder for the profiles.", show_default=False)]
User = Annotated[str, _option(COLUMNS, "Column that says who.", show_default=False)]
Time = Annotated[
    str,
    _option(
        COLUMNS,
        "Column that says when: times, ISO 8601, or seconds since 1970.",
        show_default=False,
    ),
]
Channel = Annotated[
    str | None, _option(COLUMNS, "Column that says what or where; without it, one channel.")
]
Attribute = Annotated[
    list[str] | None, _option(COLUMNS, "Column that describes a user; repeatable.")
]
Timezone = Annotated[str, _option(COLUMNS, "Zone on whose wall clock days and hours are counted.")]
Offset = Annotated[
    str | None, _option(COLUMNS, "Column of minutes east of UTC: each event's own clock.")
]
Start = Annotated[
    dt.date | None,
    _option(WINDOW, "First day.", show_default="the log's first day", **DATE),
]
End = Annotated[
    dt.date | None,
    _option(WINDOW, "Last day; of all windows where the log is tiled.", **DATE),
]
Days = Annotated[
    int | None, _option(WINDOW, "Days in a window.", show_default=str(WINDOW_DAYS), **DAYS)
]
Every = Annotated[
    int | None,
    _option(
        WINDOW, "Tile the log: a window every so many days, a profile per user and window.", **DAYS
    ),
]
Align = Annotated[
    str | None, _option(WINDOW, "Weekday that the first window begins on.", metavar="WEEKDAY")
]
Slot = Annotated[str, _option(WINDOW, "Length of a slot, a divisor of a day: 1h, 30m, 15m, ...")]
Channels = Annotated[
    str | None, _option(KEPT, "Channels to keep; the rest become 'other'.", metavar="A,B,C")
]
Filter = Annotated[
    str | None,
    _option(KEPT, "Condition in SQL on the log's columns; other rows are left out.", metavar="SQL"),
]
MinEvents = Annotated[int, _option(KEPT, "Fewest events of a profile.", **WHOLE)]
MinDays = Annotated[int, _option(KEPT, "Fewest days with an event of a profile.", **WHOLE)]
MinUsers = Annotated[
    int,
    _option(
        KEPT,
        "Fewest users of a channel, an attribute value and the largest counts: rarer channels and "
        "values become 'other', larger counts those of the last of so many users, window by "
        "window. 1 protects nothing.",
        **POSITIVE,
    ),
]
Strict = Annotated[bool, _option(KEPT, "Refuse a log with rows that cannot be used.", "--strict")]
Holidays = Annotated[
    Path | None,
    _option(
        WINDOW,
        "Dates of holidays, a CSV or Parquet file with a column date; it may reach past the log. "
        "A rhythm learns what they are like.",
        metavar="FILE", show_default=False,
    ),
]  # fmt: skip
Unobserved = Annotated[
    Path | None,
    _option(
        WINDOW,
        "Dates on which the log was not recorded, or only in part; such a file. A rhythm takes "
        "nothing from them.",
        metavar="FILE", show_default=False,
    ),
]  # fmt: skip
Memory = Annotated[str, _option(HOW, "Memory for DuckDB before it goes to disk.")]


@command(
    "Example: habitus profile events.parquet --user user_id --time timestamp --channel platform "
    "--start 2018-02-01 --days 32 --out profiles"
)
def profile(
    log: Source,
    user: User,
    time: Time,
    out_: Out,
    channel: Channel = None,
    attribute: Attribute = None,
    timezone: Timezone = "UTC",
    offset: Offset = None,
    start: Start = None,
    end: End = None,
    days: Days = None,
    window_every: Every = None,
    align: Align = None,
    slot: Slot = "1h",
    holidays: Holidays = None,
    unobserved: Unobserved = None,
    channels: Channels = None,
    filter: Filter = None,
    min_events: MinEvents = MIN_EVENTS,
    min_days: MinDays = MIN_DAYS,
    min_users: MinUsers = MIN_USERS,
    strict: Strict = False,
    memory: Memory = MEMORY_LIMIT,
    overwrite: Overwrite = False,
) -> None:
    """Count a log's events per user, day, slot and channel.

    Rows that cannot be used are counted and reported. On the day that clocks go forward the
    skipped hour is empty; on the day that they go back the repeated hour holds the events of both.
    Attributes observed_from and observed_until are the first and the last day on which a user was
    recorded.

    What fewer than 5 users have is protected by default (--min-users), since a rare channel or
    value names its user.
    """
    from habitus.cli._shared.texts import names_of, slot_minutes, weekday_number
    from habitus.events import EventLog
    from habitus.profiles.build import ProfileConfig, profile_to
    from habitus.profiles.calendar import Calendar, dates_file

    reads = [log, holidays, unobserved]
    check_outputs("profile", {"profiles": out_}, reads, overwrite=overwrite)
    config = ProfileConfig(
        start=start, end=end, days=_days(days, start, end, window_every),
        every=window_every, align=weekday_number(align), slot_minutes=slot_minutes(slot),
        channels=names_of(channels), min_events=min_events, min_days=min_days,
        min_users=min_users, strict=strict,
        calendar=Calendar(
            dates_file(holidays) if holidays else (), dates_file(unobserved) if unobserved else ()
        ),
    )  # fmt: skip
    with spinner("Counting", "events") as advance:
        events = EventLog.open(
            log, user=user, time=time, channel=channel, attributes=tuple(attribute or ()),
            timezone=timezone, offset=offset, filter=filter, memory_limit=memory,
        )  # fmt: skip
        made = profile_to(out_, events, config, advance, overwrite=overwrite)
    _report(out_, made)
    if too_small := made.about["rows"]["too_small"]:
        out(
            f"profiles: {too_small:,} left out with fewer than {min_events} events or "
            f"{min_days} days"
        )


def _days(days: int | None, start: dt.date | None, end: dt.date | None, every: int | None) -> int:
    """Days in a window: as given, or from start to end where the log is not tiled."""
    if end is None or every is not None:
        return WINDOW_DAYS if days is None else days
    if start is None or days is not None:
        raise ValueError("--end without --window-every needs --start, and no --days")
    if end < start:
        raise ValueError(f"--end {end} is before --start {start}")
    return (end - start).days + 1


def _report(path: Path, made: StoredProfiles) -> None:
    """Print the size of the profiles, and the rows that were left out."""
    from habitus.profiles.rare import protection_of

    axes = made.axes
    rows = made.about["rows"]
    days, slots, channels = axes.shape
    tiled = f", windows every {axes.every} days" if axes.every else ""
    out(
        f"{path}: {len(made):,} profiles x {days} days x {slots} slots x {channels} channels "
        f"from {axes.start}{tiled}, {axes.timezone}"
    )
    left_out = "; ".join(f"{count:,} because {why}" for why, count in rows["unusable"].items())
    out(f"rows: {rows['events']:,} counted, {left_out or 'none'} left out")
    if protection := protection_of(made.about):
        out(f"rare values: {protection.sentence()}")
