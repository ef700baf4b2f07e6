"""Wall clocks: what a zone's clocks showed at an instant, in a form that any engine can compute."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import ibis

SECONDS_PER_DAY = 86_400
EPOCH = dt.date(1970, 1, 1)
# Days between probes of a zone's offset, fewer than between any change and its reversal (4 days in
# Freetown in 1939, 7 in Recife in 2000).
PROBE_DAYS = 3

OWN_CLOCK = "each event's own offset"  # name of the time zone of a log with an offset column

# an Ibis column, whose operators depend on a type that is known only when the log is opened
Column = Any


def zone(name: str) -> ZoneInfo:
    """A time zone by its IANA name.

    Raises:
        ValueError: for a name that there is not.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"unknown time zone {name!r}; expected a name such as Europe/Stockholm"
        ) from None


def since_epoch(day: dt.date) -> int:
    """Seconds from 1970 to a day's midnight, without a zone."""
    return (day - EPOCH).days * SECONDS_PER_DAY


def offset_at(ticks: Column, per_second: int, tz: ZoneInfo, first: int, last: int) -> Column:
    """Compute a zone's offset from UTC at each time, in ticks east of UTC.

    Args:
        ticks: Times in ticks since 1970.
        per_second: Ticks per second.
        tz: Time zone.
        first: Start of the span whose clock changes are followed, in seconds since 1970.
        last: End of that span.
    """
    *steps, (_, final) = clock_changes(tz, first, last)
    if not steps:
        return ibis.literal(final * per_second)
    branches = [(ticks < until * per_second, offset * per_second) for until, offset in steps]
    return ibis.cases(*branches, else_=final * per_second)


def clock_changes(tz: ZoneInfo, first: int, last: int) -> list[tuple[int, int]]:
    """Offsets of a zone as (last second, offset in seconds) in order, the last one open-ended."""
    out = []
    at = first
    while True:
        offset = utc_offset(tz, at)
        probe = at
        while probe < last and utc_offset(tz, probe) == offset:
            probe = min(probe + PROBE_DAYS * SECONDS_PER_DAY, last)
        if utc_offset(tz, probe) == offset:
            return [*out, (last, offset)]
        at = _first_with_other_offset(tz, at, probe, offset)
        out.append((at, offset))


def utc_offset(tz: ZoneInfo, instant: int) -> int:
    """Seconds east of UTC at an instant, given as seconds since 1970."""
    delta = dt.datetime.fromtimestamp(instant, tz).utcoffset()
    return int(delta.total_seconds()) if delta else 0


def _first_with_other_offset(tz: ZoneInfo, low: int, high: int, offset: int) -> int:
    low = max(low, high - PROBE_DAYS * SECONDS_PER_DAY)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if utc_offset(tz, middle) == offset else (low, middle)
    return high
