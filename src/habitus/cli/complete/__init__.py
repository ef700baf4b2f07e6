"""Options of ``habitus complete``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from habitus.cli._options import RunFolder, Samples, Seed, Stored, command
from habitus.cli._options.names import MASKS
from habitus.cli._options.series import SERIES

Out = Annotated[
    Path, typer.Option("--out", help="Folder for the completed profiles.", show_default=False)
]
MaskText = Annotated[
    str | None,
    typer.Option(
        "--mask", help=f"What is missing: {', '.join(MASKS)}.", show_default="the run's own"
    ),
]
Missing = Annotated[
    Path | None,
    typer.Option(
        help="The users' own gaps: a .csv or .parquet with the columns user, from, to and, if "
        "need be, channel; or "
        "a .npy array of bool, true where a cell is missing.",
        show_default=False,
    ),
]
NoiseLevel = Annotated[
    str,
    typer.Option(
        "--noise",
        help="Standard deviation of the noise in a series, scaled as its values are: auto "
        "(estimated), none, or a "
        "number.",
        metavar="auto|none|NUMBER",
        rich_help_panel=SERIES,
    ),
]
NoiseShare = Annotated[
    float | None,
    typer.Option(
        help="Share of values that have such noise.", rich_help_panel=SERIES, show_default="1"
    ),
]
Threshold = Annotated[
    str,
    typer.Option(
        help="Drawn values up to it become zero, for models without true zeros: auto, off, or a "
        "number.",
        metavar="auto|off|NUMBER",
    ),
]


@command(
    "Example: habitus complete demo/runs/centre demo/test --mask centre --samples 20 --out "
    "demo/completed"
)
def complete(
    run: RunFolder,
    profiles: Stored,
    out_: Out,
    mask: MaskText = None,
    missing: Missing = None,
    samples: Samples = 20,
    seed: Seed = 0,
    threshold: Threshold = "auto",
    noise: NoiseLevel = "auto",
    noise_share: NoiseShare = None,
) -> None:
    """Fill what is missing in profiles, or in series, from what is known.

    Known cells stay as they are. The folder holds the profiles with the first draw, all draws, the
    expected values, and each day's total with its interval. Of a series, which becomes a file,
    noise is removed as well.
    """
