"""Latent traversals as one picture: a column per dimension, a row per point (Figs 6.10 to 6.13)."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes as Panel
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from habitus.report.figures.style import FADING, FULL, STYLE, canvas, plain_numbers
from habitus.schema import Axes, FloatArray

MOST_COLUMNS = 10
GAP = 0.12  # between pictures, as a share of a picture's side
# percentile of the cells that has the brightest colour, so that one cell does not darken the rest
BRIGHTEST = 99.8
SMALLEST = 1e-9  # top of a colour scale where all is empty
PICTURE = 1.24  # inches, the height of a picture beside GAP
BAR = 0.25  # inches, the width of the colour bar, which stands beside the first band


@mpl.rc_context(STYLE)
def traversal_grid(
    axes: Axes,
    pictures: FloatArray,
    names: Sequence[str],
    points: FloatArray,
    unit: str = "expected activity",
) -> Figure:
    """Draw expected profiles along traversals, the largest z on top, on one colour scale.

    Args:
        axes: What the axes of the pictures mean.
        pictures: Values of one channel, or summed over channels, [K, P, D, S].
        names: What stands above each column, K of them.
        points: Values of z along a walk, [P].
        unit: What a value is, written at the colour bar.
    """
    bands = [slice(first, first + MOST_COLUMNS) for first in range(0, len(pictures), MOST_COLUMNS)]
    columns = min(len(pictures), MOST_COLUMNS)
    lines = max(name.count("\n") for name in names) + 1
    height = (0.72 * PICTURE * len(points) + 0.2 * lines) * len(bands) + 0.7
    figure = canvas(max(4.6, (FULL - 1.4) * columns / MOST_COLUMNS + 1.4), height)
    panels = figure.subplots(len(bands), 1, squeeze=False)[:, 0]
    top = max(float(np.percentile(pictures, BRIGHTEST)), SMALLEST)
    images = [
        _band(panel, pictures[band], names[band], points, columns, top)
        for panel, band in zip(panels, bands, strict=True)
    ]
    bar = figure.colorbar(
        images[0], ax=list(panels), format=plain_numbers(), pad=0.01, extend="max",
        shrink=1 / len(bands), anchor=(0.0, 1.0), aspect=height / len(bands) / BAR,
    )  # fmt: skip
    bar.outline.set_visible(False)  # type: ignore[operator]
    bar.set_label(unit)
    down = "1 day" if axes.days == 1 else f"{axes.days} days"
    figure.supxlabel(
        f"each picture: {down} down, 24 hours across", fontsize=mpl.rcParams["axes.labelsize"]
    )
    return figure


def _band(
    panel: Panel,
    pictures: FloatArray,
    names: Sequence[str],
    points: FloatArray,
    columns: int,
    top: float,
) -> AxesImage:
    """Draw one band of at most ``columns`` traversals side by side, pictures [k, P, D, S]."""
    cells, middles = mosaic(pictures[:, ::-1], columns)
    image = panel.imshow(cells, cmap=FADING, vmin=0, vmax=top, aspect="auto", interpolation="none")
    panel.grid(visible=False)
    panel.spines[:].set_visible(False)
    panel.tick_params(length=0)
    panel.xaxis.tick_top()
    panel.set_xticks(middles[0][: len(names)], names)
    panel.set_yticks(middles[1], [f"{value:+.2f}" for value in points[::-1]])
    panel.set_ylabel("value of the dimension")
    return image


def mosaic(pictures: FloatArray, columns: int) -> tuple[FloatArray, tuple[FloatArray, FloatArray]]:
    """Pictures [K, P, D, S] on one canvas, and the middles of its columns and rows."""
    count, rows, days, slots = pictures.shape
    high = days + max(1, round(GAP * days))
    wide = slots + max(1, round(GAP * slots))
    cells = np.full((rows * high, columns * wide), np.nan, np.float32)
    for (column, row), _ in np.ndenumerate(np.empty((count, rows))):
        cells[row * high : row * high + days, column * wide : column * wide + slots] = pictures[
            column, row
        ]
    middles = np.arange(columns) * wide + (slots - 1) / 2, np.arange(rows) * high + (days - 1) / 2
    return cells[: -(high - days), : -(wide - slots)], middles
