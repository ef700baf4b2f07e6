"""Small random logs, and the plain way to count them."""

import datetime as dt
from collections import Counter
from zoneinfo import ZoneInfo

import ibis
import pyarrow as pa
from hypothesis import strategies as st

from habitus.events import EventLog

ZONES = (
    "UTC",
    "Europe/Stockholm",
    "America/New_York",
    "Africa/Casablanca",
    "Australia/Lord_Howe",
    "America/Recife",
)
MICRO = dt.timedelta(microseconds=1)


def log_of(users, times, channels=None, **roles) -> EventLog:
    columns = {
        "who": pa.array(users),
        "when": times if isinstance(times, pa.Array) else pa.array(times),
    }
    if channels is not None:
        columns["what"] = pa.array(channels, pa.string())
    table = ibis.memtable(pa.table(columns | roles.pop("more", {})))
    return EventLog(table, "who", "when", "what" if channels is not None else None, **roles)


@st.composite
def instants(draw) -> list[dt.datetime | None]:
    """Instants near one of the years' clock changes, often a microsecond from a slot's end; some missing."""
    first = draw(
        st.sampled_from(
            [dt.datetime(2018, 3, 24), dt.datetime(2000, 10, 6), dt.datetime(2018, 10, 26)]
        )
        | st.datetimes(dt.datetime(1955, 1, 1), dt.datetime(2030, 1, 1))
    )
    quarters = st.integers(0, 12 * 96).map(lambda n: dt.timedelta(minutes=15 * n))
    moment = st.builds(
        lambda q, e: (first + q + e * MICRO).replace(tzinfo=dt.UTC), quarters, st.integers(-1, 1)
    )
    return draw(st.lists(moment | st.none(), min_size=1, max_size=30))


def count_plainly(events, config, start, windows, channels, zone) -> tuple[Counter, Counter]:
    """Events per (user, window, day, slot, channel), and rows that cannot be used per reason, in a loop."""
    counts = Counter()
    left_out = Counter()
    index = {name: position for position, name in enumerate(channels)}
    for user, time, channel in events:
        reason = (
            "the user"
            if user is None
            else "the time"
            if time is None
            else "the channel"
            if channel is None
            else 0
        )
        if reason:
            left_out[reason] += 1
            continue
        wall = time.astimezone(ZoneInfo(zone))
        inside = 0
        for window in range(windows):
            day = (wall.date() - start).days - window * (config.every or 0)
            if 0 <= day < config.days:
                slot = (wall.hour * 60 + wall.minute) // config.slot_minutes
                counts[user, window, day, slot, index.get(channel.strip(), len(channels) - 1)] += 1
                inside += 1
        left_out["the event"] += inside == 0
    return counts, +left_out
