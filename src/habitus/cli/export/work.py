"""Work of ``habitus export``."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

from habitus.cli._console import bar
from habitus.cli._shared.logs import log_format_of, say, sink_of
from habitus.cli._shared.texts import date_of, shard_of
from habitus.events.writing import write_log
from habitus.files import check_apart
from habitus.profiles.logs import check_events, event_tables, format_of, log_schema
from habitus.profiles.sparse import CHUNK, Profiles
from habitus.profiles.store import StoredProfiles
from habitus.profiles.windows import moved
from habitus.schema import Progress


def execute(
    profiles: Path,
    out_: Path,
    seed: int,
    format: str | None,
    start: dt.datetime | None,
    shard: str | None,
) -> None:
    """Turn profiles of counts, real or generated, into an event log."""
    source = StoredProfiles.open(profiles)
    kind = log_format_of(out_, format)
    check_apart(out_, profiles)
    schema_of_users = source.users.schema
    check_events(source.axes, schema_of_users)
    form = format_of(source.about, schema_of_users)
    schema = log_schema(form, source.axes, schema_of_users)
    part = shard_of(shard or "1/1")
    with bar("Exporting", "profiles", -(-len(source) // part[1])) as advance:
        pieces = _pieces(source, part, date_of(start), advance)
        events = write_log(
            sink_of(out_), kind, form, schema, event_tables(pieces, seed, form, schema)
        )
    say(out_, f"{out_}: {events:,} events of {len(source):,} profiles")


def _pieces(
    source: StoredProfiles, part: tuple[int, int], start: dt.date | None, on_progress: Progress
) -> Iterator[tuple[int, Profiles]]:
    """Yield the groups of profiles of a shard, and the place of each one's first profile."""
    done = 0
    for group in range(part[0] - 1, source.groups, part[1]):
        profiles = source.read_group(group)
        yield group * CHUNK, profiles if start is None else moved(profiles, start)
        done += len(profiles)
        on_progress(done, -(-len(source) // part[1]), "exporting")
