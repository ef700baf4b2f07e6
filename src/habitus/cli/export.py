"""habitus export."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import pyarrow.parquet as pq
import typer

from habitus.cli.console import Advance, bar, out
from habitus.cli.options import Seed, Stored, command_app
from habitus.output import replacing
from habitus.profiles.convert import to_events
from habitus.profiles.store import StoredProfiles

app = command_app()

Out = Annotated[Path, typer.Option("--out", help="The log, a .parquet file.", show_default=False)]


@app.command(epilog="Example: habitus export demo/profiles --out demo/again.parquet")
def export(profiles: Stored, out_: Out, seed: Seed = 0) -> None:
    """Turn profiles back into an event log.

    A count becomes as many events at random times within its slot; the columns are user, timestamp (UTC) and
    channel. Users come a few thousand at a time, within these in order of time.
    """
    source = StoredProfiles.open(profiles)
    if out_.suffix != ".parquet":
        raise ValueError(f"a log is written as Parquet, got {out_}; give a name that ends in .parquet")
    with bar("Exporting", len(source), "profiles") as advance, replacing(out_) as part:
        events = _write(part, _tables(source, seed), advance)
    out(f"{out_}: {events:,} events of {len(source):,} profiles")


def _write(path: Path, tables: Iterator[tuple[int, pa.Table]], advance: Advance) -> int:
    first = next(tables)
    events = 0
    with pq.ParquetWriter(path, first[1].schema, compression="zstd") as writer:
        for done, table in chain([first], tables):
            writer.write_table(table)
            events += table.num_rows
            advance(done)
    return events


def _tables(source: StoredProfiles, seed: int) -> Iterator[tuple[int, pa.Table]]:
    """Profiles so far, and the events of the next group of them; each group has a seed of its own."""
    done = 0
    for group, chunk in enumerate(source.chunks()):
        done += len(chunk)
        yield done, to_events(chunk, seed + group)
