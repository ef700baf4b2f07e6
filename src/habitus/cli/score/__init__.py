"""Options of ``habitus score``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from habitus.cli._options import RunFolder, Seed, Stored, command

Out = Annotated[
    Path, typer.Option("--out", help="The scores, a .parquet or .csv file.", show_default=False)
]
Against = Annotated[
    Path | None,
    typer.Option(
        help="Folder of profiles whose users they are compared with.", show_default="each other"
    ),
]
Samples = Annotated[
    int, typer.Option(min=1, help="Draws of the latents; more make the bound tighter.")
]
Top = Annotated[int, typer.Option(min=0, help="How many of the oddest users to show.")]


@command("Example: habitus score demo/runs/rhythm demo/test --out demo/scores.parquet")
def score(
    run: RunFolder,
    profiles: Stored,
    out_: Out,
    against: Against = None,
    samples: Samples = 10,
    seed: Seed = 0,
    top: Top = 10,
) -> None:
    """Score how likely each user is under a run, and how odd.

    The file has a row per profile: its log-likelihood in nats (a bound), and its oddness: by how
    many robust standard deviations it is less likely, per active slot, than users about as active.
    The same is there for hours, channels and amounts, and for the least likely day. What is very
    negative is unusually regular.
    """
