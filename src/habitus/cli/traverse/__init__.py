"""Options of ``habitus traverse``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from habitus.cli._options import RunFolder, Seed, command
from habitus.cli._options.names import ORDERS

ALL = "all"
SUM = "sum"

Dims = Annotated[
    str, typer.Option(help="all, or numbers from 0 separated by commas.", metavar="all|0,1,...")
]
Points = Annotated[int, typer.Option(min=2, help="Pictures of each dimension, from z = -3 to 3.")]
Channel = Annotated[
    str,
    typer.Option(
        help="What a picture shows: a channel by name or by number from 0, sum over channels, or "
        "all: a file each, "
        "and one of the sum.",
        metavar="NAME|NUMBER|sum|all",
    ),
]
Out = Annotated[
    Path,
    typer.Option("--out", help="PNG file; with --channel all the channel is added to its name."),
]
Order = Annotated[
    str, typer.Option(help=f"What puts the dimensions into order: {' or '.join(ORDERS)}.")
]
Prior = Annotated[
    str, typer.Option(help="What the other dimensions are drawn from: normal or mixture.")
]


@command(
    "Example: habitus traverse demo/runs/vae --dims all --points 10 --channel sum --out "
    "traversal.png"
)
def traverse(
    run: RunFolder,
    out_: Out = Path("traversal.png"),
    dims: Dims = ALL,
    points: Points = 10,
    channel: Channel = SUM,
    order: Order = ORDERS[0],
    prior: Prior = "normal",
    seed: Seed = 0,
) -> None:
    """Traverse each latent dimension of a run, and draw what changes.

    The other dimensions are held at one draw from the prior. Dimensions come in the order of their
    learned variance, as in the paper, or of their KL from N(0, 1), which is more robust; both
    stand above each column.
    """
