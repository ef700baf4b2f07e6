"""Options of ``habitus cluster``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from habitus.cli._options import RunFolder, Seed, Stored, command

K = Annotated[
    str,
    typer.Option(
        "--k",
        help="How many cohorts, or auto: the largest number that is stable.",
        metavar="auto|NUMBER",
    ),
]
Out = Annotated[Path, typer.Option("--out", help="Folder for the cohorts.", show_default=False)]


@command("Example: habitus cluster demo/runs/vae demo/train --k auto --out demo/cohorts")
def cluster(run: RunFolder, profiles: Stored, out_: Out, k: K = "auto", seed: Seed = 0) -> None:
    """Find cohorts: groups of users with like habits, in a run's latent space.

    The folder holds who is in which cohort, what each is like, and a page and a picture to look
    at. The run remembers its latest cohorts: habitus generate RUN --cohorts 0 draws users of one.
    """
