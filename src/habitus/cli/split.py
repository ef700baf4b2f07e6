"""habitus split."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from habitus.cli.console import out
from habitus.cli.options import Seed, Stored, command_app
from habitus.files import replacing
from habitus.profiles.sparse import Profiles, users_drawn
from habitus.profiles.store import StoredProfiles, save
from habitus.schema import BoolArray

app = command_app()

Test = Annotated[float, typer.Option(help="Share of the users in the second set, between 0 and 1.")]
Out = Annotated[
    tuple[Path, Path],
    typer.Option("--out", help="Folders for the two sets.", metavar="A B", show_default=False),
]


@app.command(epilog="Example: habitus split profiles --test 0.26 --seed 0 --out train test")
def split(profiles: Stored, out_: Out, test: Test = 0.2, seed: Seed = 0) -> None:
    """Split profiles into two sets, by user: nobody is in both, whatever number of windows they have."""
    if len({path.resolve() for path in (profiles, *out_)}) < 3:
        raise ValueError(
            f"the two folders of --out must differ from each other and from {profiles}"
        )
    source = StoredProfiles.open(profiles)
    chosen = users_drawn(source.users, test, seed)
    with replacing(out_[0]) as first, replacing(out_[1]) as second:
        for path, rows in ((first, ~chosen), (second, chosen)):
            about = {**source.about, "split": {"of": str(profiles), "test": test, "seed": seed}}
            save(path, _taken(source, rows), source.axes, about)
    out(f"{out_[0]}: {int((~chosen).sum()):,} profiles")
    out(f"{out_[1]}: {int(chosen.sum()):,} profiles")


def _taken(source: StoredProfiles, rows: BoolArray) -> Iterator[Profiles]:
    start = 0
    for chunk in source.chunks():
        yield chunk.take(rows[start : start + len(chunk)])
        start += len(chunk)
