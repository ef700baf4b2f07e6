"""Figures of latent dimensions: pictures along a traversal, changes of habits, associations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes as Panel
from matplotlib.figure import Figure

from habitus.report.figures.style import COLOURS, FADING, FULL, INK, MUTED, STYLE, canvas, short
from habitus.report.figures.traversal import SMALLEST, mosaic
from habitus.schema import Axes, FloatArray

Interval = tuple[float, float, float]
"""Change, and the ends of its interval."""

MOST_ROWS = 30
MOST_COLUMNS = 18  # of a matrix with numbers in it


@mpl.rc_context(STYLE)
def dimension_walk(
    axes: Axes, pictures: FloatArray, points: FloatArray, changes: Mapping[str, Interval]
) -> Figure:
    """Expected profiles along one dimension, and the change of habits between its ends.

    Args:
        axes: What the axes of the pictures mean.
        pictures: Values summed over channels, mean over walks, [P, D, S].
        points: Values of z, [P].
        changes: Habit -> change from the low to the high end with its interval, in spreads of the
            users; a change whose interval excludes 0 is drawn in colour.
    """
    figure = canvas(FULL, max(2.6, 0.5 + 0.3 * len(changes)))
    left, right = figure.subplots(1, 2, width_ratios=(1.75, 1))
    _walk(left, axes, pictures, points)
    _bars(right, changes)
    return figure


def _walk(panel: Panel, axes: Axes, pictures: FloatArray, points: FloatArray) -> None:
    cells, middles = mosaic(pictures[:, None], len(points))
    top = max(float(pictures.max()), SMALLEST)
    panel.imshow(cells, cmap=FADING, vmin=0, vmax=top, aspect="auto", interpolation="none")
    panel.grid(visible=False)
    panel.spines[:].set_visible(False)
    panel.tick_params(length=0)
    panel.set_xticks(middles[0], [f"{value:+.1f}" for value in points])
    panel.set_yticks([0, axes.days - 1], ["day 1", f"day {axes.days}"])
    panel.set_xlabel(f"value of the dimension; each picture 24 hours across, brightest {top:.2g}")


def _bars(panel: Panel, changes: Mapping[str, Interval]) -> None:
    """Changes with their intervals, the largest on top."""
    names = sorted(changes, key=lambda name: abs(np.nan_to_num(changes[name][0])))
    for at, name in enumerate(names):
        change, low, high = changes[name]
        clear = low > 0 or high < 0
        colour = (
            MUTED if not clear else COLOURS["generated"] if change > 0 else COLOURS["reference"]
        )
        panel.plot([low, high], [at, at], color=colour, linewidth=1.6, solid_capstyle="butt")
        panel.plot(change, at, "o", color=colour, markersize=6)
    panel.axvline(0, color=INK, linewidth=0.8)
    panel.set_yticks(range(len(names)), [short(name, 24) for name in names])
    panel.grid(visible=True, axis="x")
    panel.grid(visible=False, axis="y")
    panel.set_ylim(-0.6, len(names) - 0.4)
    panel.set_xlabel("change from low to high end, in spreads of the users")


@mpl.rc_context(STYLE)
def association_matrix(rows: Sequence[str], columns: Sequence[str], values: FloatArray) -> Figure:
    """Association of latent dimensions with habits or factors of the users, 0 to 1.

    Args:
        rows: Names of the dimensions.
        columns: Names of the habits or factors.
        values: Associations [rows, columns].
    """
    figure = canvas(FULL, min(1.9 + 0.34 * len(rows), 14.0))
    panel = figure.subplots()
    image = panel.imshow(values, cmap=FADING, vmin=0, vmax=1, aspect="auto", interpolation="none")
    panel.set_xticks(
        range(len(columns)), [short(name, 22) for name in columns], rotation=35, ha="right"
    )
    for label in panel.get_xticklabels():
        label.set_rotation_mode("anchor")
    panel.set_yticks(range(len(rows)), rows)
    panel.grid(visible=False)
    if len(rows) <= MOST_ROWS and len(columns) <= MOST_COLUMNS:
        for (row, column), value in np.ndenumerate(values):
            colour = "black" if value > 0.6 else "white"
            panel.text(
                column, row, f"{value:.2f}", ha="center", va="center", color=colour, fontsize=10
            )
    figure.colorbar(image, ax=panel, aspect=25, pad=0.01).outline.set_visible(False)  # type: ignore[operator]
    return figure
