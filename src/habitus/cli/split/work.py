"""Work of ``habitus split``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from habitus.cli._console import out
from habitus.files import replacing
from habitus.profiles.sparse import Profiles, users_drawn
from habitus.profiles.store import StoredProfiles, save
from habitus.schema import BoolArray


def execute(profiles: Path, out_: tuple[Path, Path], test: float, seed: int) -> None:
    """Split profiles into two sets, by user: no user is in both."""
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
