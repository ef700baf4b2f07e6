"""Work of ``habitus profile``."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from habitus.cli._console import out, spinner
from habitus.cli._options.names import WINDOW_DAYS
from habitus.cli._shared.texts import date_of, names_of, slot_minutes, weekday_number
from habitus.events import EventLog
from habitus.files import check_apart
from habitus.profiles.build import ProfileConfig, profile_to
from habitus.profiles.calendar import Calendar, dates_file
from habitus.profiles.store import StoredProfiles


def execute(
    log: str,
    user: str,
    time: str,
    out_: Path,
    channel: str | None,
    attribute: list[str] | None,
    timezone: str,
    offset: str | None,
    start: dt.datetime | None,
    end: dt.datetime | None,
    days: int | None,
    window_every: int | None,
    align: str | None,
    slot: str,
    holidays: Path | None,
    unobserved: Path | None,
    channels: str | None,
    filter: str | None,
    min_events: int,
    min_days: int,
    strict: bool,
    memory: str,
) -> None:
    """Count a log's events per user, day, slot and channel."""
    check_apart(out_, Path(log), holidays, unobserved)
    config = ProfileConfig(
        start=date_of(start), end=date_of(end), days=_days(days, start, end, window_every),
        every=window_every,
        align=weekday_number(align), slot_minutes=slot_minutes(slot), channels=names_of(channels),
        min_events=min_events, min_days=min_days, strict=strict,
        calendar=Calendar(_dates(holidays), _dates(unobserved)),
    )  # fmt: skip
    with spinner("Counting", "events") as advance:
        events = EventLog.open(
            log, user=user, time=time, channel=channel, attributes=tuple(attribute or ()),
            timezone=timezone,
            offset=offset, filter=filter, memory_limit=memory,
        )  # fmt: skip
        made = profile_to(out_, events, config, advance)
    _report(out_, made, config)


def _dates(path: Path | None) -> tuple[dt.date, ...]:
    return () if path is None else dates_file(path)


def _days(
    days: int | None, start: dt.datetime | None, end: dt.datetime | None, every: int | None
) -> int:
    """Days in a window: as given, or from start to end where the log is not tiled."""
    if end is None or every is not None:
        return WINDOW_DAYS if days is None else days
    if start is None or days is not None:
        raise ValueError("--end without --window-every needs --start, and no --days")
    if end < start:
        raise ValueError(f"--end {end:%Y-%m-%d} is before --start {start:%Y-%m-%d}")
    return (end - start).days + 1


def _report(path: Path, made: StoredProfiles, config: ProfileConfig) -> None:
    axes = made.axes
    rows = made.about["rows"]
    days, slots, channels = axes.shape
    tiled = f", windows every {axes.every} days" if axes.every else ""
    out(
        f"{path}: {len(made):,} profiles x {days} days x {slots} slots x {channels} channels "
        f"from {axes.start}{tiled}, {axes.timezone}"
    )
    left_out = "; ".join(
        f"{count:,} because {reason}" for reason, count in rows["unusable"].items()
    )
    out(f"rows: {rows['events']:,} counted, {left_out or 'none'} left out")
    if rows["too_small"]:
        out(
            f"profiles: {rows['too_small']:,} left out with fewer than {config.min_events} "
            f"events or "
            f"{config.min_days} days"
        )
