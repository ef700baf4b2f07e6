"""``habitus traverse``: pictures of what changes along each latent dimension of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import habitus
from habitus.cli._console import out, spinner
from habitus.cli._options import Overwrite, RunFolder, Seed, command
from habitus.cli._options.names import ORDERS
from habitus.cli._options.types import SEVERAL
from habitus.files import Mark, check_outputs

if TYPE_CHECKING:
    from habitus.schema import Axes
    from habitus.synthesis.latents.traversal import Traversal

ALL = "all"
SUM = "sum"

Dims = Annotated[
    str, typer.Option(help="all, or numbers from 0 separated by commas.", metavar="all|0,1,...")
]
Points = Annotated[
    int, typer.Option(help="Pictures of each dimension, from z = -3 to 3.", **SEVERAL)
]
Channel = Annotated[
    str,
    typer.Option(
        help="What a picture shows: a channel by name or by number from 0, sum over channels, or "
        "all: a file each, and one of the sum.",
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
    overwrite: Overwrite = False,
) -> None:
    """Traverse each latent dimension of a run, and draw what changes.

    The other dimensions are held at one draw from the prior. Dimensions come in the order of their
    learned variance, as in the paper, or of their KL from N(0, 1), which is more robust; both
    stand above each column.
    """
    from habitus.report.figures import traversal_grid
    from habitus.report.png import save_png
    from habitus.run import load

    fitted = load(run)
    shown = channels_of(channel, fitted.model.axes)
    paths = paths_of(out_, list(shown))
    mark = Mark("traverse", "picture")
    check_outputs(mark.command, {mark.kind: paths}, [run], overwrite=overwrite)
    with spinner("Traversing"):
        made = habitus.traverse(fitted, dims_of(dims), points, seed=seed, prior=prior, order=order)
        headings = headings_of(made)
        for path, (name, channels) in zip(paths, shown.items(), strict=True):
            what = "sum over channels" if name == SUM else f"channel {name}"
            pictures = made.pictures[..., channels].sum(-1)
            title = f"expected activity, {what}"
            grid = traversal_grid(made.axes, pictures, headings, made.points, title)
            save_png(grid, path, mark, overwrite=overwrite)
            out(f"{path}: {what}, {len(made.dims)} dimensions, {points} points each")
    for dim, variance, kl in zip(made.dims, made.variance, made.kl, strict=True):
        out(f"z{dim}: learned variance {variance:.3g}, KL {kl:.3g} nats")


def dims_of(text: str) -> list[int] | None:
    """Dimensions by number; None for all.

    Raises:
        ValueError: if it is neither.

    >>> dims_of("all"), dims_of("0, 3")
    (None, [0, 3])
    """
    if text == ALL:
        return None
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(
            f"--dims must be all, or numbers separated by commas; got {text!r}"
        ) from None


def channels_of(text: str, axes: Axes) -> dict[str, list[int]]:
    """Parse the pictures to draw: a name, and the channels that are summed for it.

    Raises:
        ValueError: for an unknown channel.
    """
    every = {SUM: list(range(len(axes.channels)))}
    if text in axes.channels:
        return {text: [axes.channels.index(text)]}
    if text == SUM:
        return every
    if text == ALL:
        return {name: [at] for at, name in enumerate(axes.channels)} | every
    if text.isdecimal() and int(text) < len(axes.channels):
        return {axes.channels[int(text)]: [int(text)]}
    known = ", ".join(f"{at} ({name})" for at, name in enumerate(axes.channels))
    raise ValueError(f"--channel must be {SUM}, {ALL} or one of {known}; got {text!r}")


def paths_of(path: Path, channels: list[str]) -> list[Path]:
    """Paths of the files, with the channel in each name where there are several.

    Raises:
        ValueError: if two channels would have the same file.
    """
    if len(channels) == 1:
        return [path]
    of_file: dict[Path, str] = {}
    for name in channels:
        letters = "".join(letter if letter.isalnum() else "-" for letter in name)
        own = path.with_stem(f"{path.stem}-{letters}")
        if own in of_file:
            raise ValueError(
                f"channels {of_file[own]!r} and {name!r} would both be {own.name}; draw one at a "
                f"time"
            )
        of_file[own] = name
    return list(of_file)


def headings_of(made: Traversal) -> list[str]:
    """Headings of the columns: number, learned variance and KL of each dimension."""
    numbers = zip(made.dims, made.variance, made.kl, strict=True)
    return [
        f"z{dim}\nvariance {_short(variance)}\nKL {_short(kl)}" for dim, variance, kl in numbers
    ]


def _short(value: float) -> str:
    return f"{value:.1e}" if 0 < value < 1e-3 else f"{value:.2g}"
