"""``habitus export``: profiles of counts as an event log."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from habitus.cli._console import bar
from habitus.cli._options import Overwrite, Seed, Stored, command
from habitus.cli._options.logs import Format, Shard, Start
from habitus.files import check_outputs

if TYPE_CHECKING:
    from habitus.profiles.sparse import Profiles
    from habitus.profiles.store import StoredProfiles
    from habitus.schema import Progress

Out = Annotated[
    Path,
    typer.Option(
        "--out", help="The log, a .parquet or .csv file, or - for standard output.",
        show_default=False,
    ),
]  # fmt: skip


@command("Example: habitus export demo/profiles --out demo/again.parquet")
def export(
    profiles: Stored,
    out_: Out,
    seed: Seed = 0,
    format: Format = None,
    start: Start = None,
    shard: Shard = None,
    overwrite: Overwrite = False,
) -> None:
    """Turn profiles of counts, real or generated, into an event log.

    A count becomes as many events at random times within its slot, as fine as the times of the log
    that was profiled, and as often in each minute. Columns have that log's names and types. Users
    come one after the other, each one's events in order of time. Profiling the new log gives the
    same counts.
    """
    from habitus.cli._shared.logs import is_stdout, log_format_of, say, sink_of
    from habitus.cli._shared.texts import shard_of
    from habitus.events.writing import write_log
    from habitus.profiles.logs import check_events, event_tables, format_of, log_schema
    from habitus.profiles.store import StoredProfiles

    source = StoredProfiles.open(profiles)
    kind = log_format_of(out_, format)
    if not is_stdout(out_):
        check_outputs("export", {"log": out_}, [profiles], overwrite=overwrite)
    schema_of_users = source.users.schema
    check_events(source.axes, schema_of_users)
    form = format_of(source.about, schema_of_users)
    schema = log_schema(form, source.axes, schema_of_users)
    part = shard_of(shard or "1/1")
    with bar("Exporting", "profiles", -(-len(source) // part[1])) as advance:
        pieces = _pieces(source, part, start, advance)
        tables = event_tables(pieces, seed, form, schema)
        events = write_log(
            sink_of(out_), kind, form, schema, tables, command="export", overwrite=overwrite
        )
    say(out_, f"{out_}: {events:,} events of {len(source):,} profiles")


def _pieces(
    source: StoredProfiles, part: tuple[int, int], start: dt.date | None, on_progress: Progress
) -> Iterator[tuple[int, Profiles]]:
    """Yield the groups of profiles of a shard, and the place of each one's first profile."""
    from habitus.profiles.sparse import CHUNK
    from habitus.profiles.windows import moved

    done = 0
    for group in range(part[0] - 1, source.groups, part[1]):
        profiles = source.read_group(group)
        yield group * CHUNK, profiles if start is None else moved(profiles, start)
        done += len(profiles)
        on_progress(done, -(-len(source) // part[1]), "exporting")
