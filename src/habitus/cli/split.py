"""``habitus split``: profiles in two sets, by user."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from habitus.cli._console import out
from habitus.cli._options import Overwrite, Seed, Stored, command
from habitus.cli._options.types import OPEN_SHARE
from habitus.files import Mark, check_outputs, replacing

if TYPE_CHECKING:
    from habitus.profiles.sparse import Profiles
    from habitus.profiles.store import StoredProfiles
    from habitus.schema import BoolArray

Test = Annotated[
    float, typer.Option(help="Share of the users in the second set, between 0 and 1.", **OPEN_SHARE)
]
Out = Annotated[
    tuple[Path, Path],
    typer.Option("--out", help="Folders for the two sets.", metavar="A B", show_default=False),
]


@command("Example: habitus split profiles --test 0.26 --seed 0 --out train test")
def split(
    profiles: Stored,
    out_: Out,
    test: Test = 0.2,
    seed: Seed = 0,
    overwrite: Overwrite = False,
) -> None:
    """Split profiles into two sets, by user: no user is in both."""
    from habitus.profiles.sparse import users_drawn
    from habitus.profiles.store import StoredProfiles, save

    check_outputs("split", {"profiles": out_}, [profiles], overwrite=overwrite)
    source = StoredProfiles.open(profiles)
    chosen = users_drawn(source.users, test, seed)
    about = {**source.about, "split": {"of": str(profiles), "test": test, "seed": seed}}
    mark = Mark("split", "profiles")
    with (
        replacing(out_[0], mark, overwrite=overwrite) as first,
        replacing(out_[1], mark, overwrite=overwrite) as second,
    ):
        for part, rows in ((first, ~chosen), (second, chosen)):
            save(part, _taken(source, rows), source.axes, about)
    out(f"{out_[0]}: {int((~chosen).sum()):,} profiles")
    out(f"{out_[1]}: {int(chosen.sum()):,} profiles")


def _taken(source: StoredProfiles, rows: BoolArray) -> Iterator[Profiles]:
    """Yield the profiles of the given rows, piece by piece."""
    start = 0
    for chunk in source.chunks():
        yield chunk.take(rows[start : start + len(chunk)])
        start += len(chunk)
