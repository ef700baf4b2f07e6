"""A matplotlib figure as a PNG file."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from habitus.files import replacing

DPI = 110
BACKGROUND = "white"  # the figures themselves are transparent, for pages with a theme


def save_png(figure: Figure, path: Path | str) -> None:
    """Write a figure; the file appears whole or not at all.

    Raises:
        ValueError: for a name that does not end in .png.
    """
    if Path(path).suffix.lower() != ".png":
        raise ValueError(f"a figure is written as PNG, got {path}; give a name that ends in .png")
    with replacing(path) as part:
        figure.savefig(part, format="png", dpi=DPI, facecolor=BACKGROUND)
