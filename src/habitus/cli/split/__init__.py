"""Options of ``habitus split``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from habitus.cli._options import Seed, Stored, command

Test = Annotated[float, typer.Option(help="Share of the users in the second set, between 0 and 1.")]
Out = Annotated[
    tuple[Path, Path],
    typer.Option("--out", help="Folders for the two sets.", metavar="A B", show_default=False),
]


@command("Example: habitus split profiles --test 0.26 --seed 0 --out train test")
def split(profiles: Stored, out_: Out, test: Test = 0.2, seed: Seed = 0) -> None:
    """Split profiles into two sets, by user: no user is in both."""
