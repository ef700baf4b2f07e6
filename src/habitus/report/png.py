"""A matplotlib figure as a PNG file."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from habitus.files import KEY, Mark, replacing

DPI = 110
BACKGROUND = "white"  # the figures themselves are transparent, for pages with a theme


def save_png(
    figure: Figure, path: Path | str, mark: Mark | None = None, *, overwrite: bool = False
) -> None:
    """Write a figure; the file appears whole or not at all.

    Args:
        figure: The figure.
        path: The file.
        mark: What the picture says of itself, where it is an output of its own; only an earlier one
            of that mark is replaced.
        overwrite: Replace whatever file stands there.

    Raises:
        ValueError: for a name that does not end in .png, or if something else stands at ``path``
            and ``overwrite`` is not given.
    """
    if Path(path).suffix.lower() != ".png":
        raise ValueError(f"a figure is written as PNG, got {path}; give a name that ends in .png")
    about = {} if mark is None else {KEY: mark.text}
    with replacing(path, mark, overwrite=overwrite) as part:
        figure.savefig(part, format="png", dpi=DPI, facecolor=BACKGROUND, metadata=about)
