"""Work of ``habitus traverse``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from habitus.cli._console import out, spinner
from habitus.cli.traverse import ALL, SUM
from habitus.report.figures import traversal_grid
from habitus.report.png import save_png
from habitus.run import load
from habitus.schema import Axes, FloatArray
from habitus.synthesis.latents.traversal import Traversal, traverse


def execute(
    run: Path, out_: Path, dims: str, points: int, channel: str, order: str, prior: str, seed: int
) -> None:
    """Traverse each latent dimension of a run, and draw what changes."""
    fitted = load(run)
    axes = fitted.model.axes
    channels = channels_of(channel, axes)
    paths = paths_of(out_, list(channels))
    with spinner("Traversing"):
        made = traverse(fitted, dims_of(dims), points, seed=seed, prior=prior, order=order)
        for path, (name, at) in zip(paths, channels.items(), strict=True):
            save_png(
                traversal_grid(
                    made.axes,
                    sum_channels(made, at),
                    names(made),
                    made.points,
                    f"expected activity, {_shown_channels(name)}",
                ),
                path,
            )
            out(
                f"{path}: {_shown_channels(name)}, {len(made.dims)} dimensions, {points} points "
                f"each"
            )
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
        ValueError: for a channel that there is not.
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
        own = path.with_stem(f"{path.stem}-{file_name(name)}")
        if own in of_file:
            raise ValueError(
                f"channels {of_file[own]!r} and {name!r} would both be {own.name}; draw one at a "
                f"time"
            )
        of_file[own] = name
    return list(of_file)


def file_name(channel: str) -> str:
    """Part of a file's name for a channel.

    >>> file_name("Smart TV/box")
    'Smart-TV-box'
    """
    return "".join(letter if letter.isalnum() else "-" for letter in channel)


def sum_channels(made: Traversal, channels: list[int]) -> FloatArray:
    """Pictures of some channels together, [K, P, D, S]."""
    return made.pictures[..., channels].sum(-1)


def names(made: Traversal) -> list[str]:
    """Headings of the columns."""
    numbers = zip(made.dims, made.variance, made.kl, strict=True)
    return [
        f"z{dim}\nvariance {_short(variance)}\nKL {_short(kl)}" for dim, variance, kl in numbers
    ]


def _short(value: np.float64) -> str:
    return f"{value:.1e}" if 0 < value < 1e-3 else f"{value:.2g}"


def _shown_channels(name: str) -> str:
    return "sum over channels" if name == SUM else f"channel {name}"
