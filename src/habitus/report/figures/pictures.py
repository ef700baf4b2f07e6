"""Activity profiles as pictures: days down, hours across, a panel per channel (Figs 5.1 to 6.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes as Panel
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from habitus.report.figures.style import (
    FULL,
    HALF,
    HEAT,
    LABELS,
    STYLE,
    busiest,
    canvas,
    day_ticks,
    finish_grid,
    label_slots,
    plain_numbers,
    share,
    short,
)
from habitus.schema import Axes, FloatArray

MOST_PANELS = 6
SMALLEST = 1e-9
"""Values below this are drawn as empty."""


def shown_channels(weights: FloatArray) -> list[int]:
    """Indices of the channels that the pictures show: all, or the busiest six."""
    return busiest(weights, MOST_PANELS)


@mpl.rc_context(STYLE)
def sample_pictures(
    axes: Axes, pictures: FloatArray, *, channels: Sequence[int] | None = None
) -> Figure:
    """Single profiles, one per row with its own colour scale (Figs 5.2a and 6.3).

    Args:
        axes: What the axes of the pictures mean.
        pictures: Values [N, D, S, C].
        channels: Which channels to show; None for the busiest six.
    """
    channels = shown_channels(pictures.sum((0, 1, 2))) if channels is None else channels
    figure = canvas(HALF, 0.9 + 1.25 * len(pictures))
    panels = figure.subplots(len(pictures), len(channels), squeeze=False, sharex=True, sharey=True)
    for row, picture in zip(panels, pictures, strict=True):
        _sample_row(figure, row, picture[:, :, list(channels)])
    for panel, channel in zip(panels[0], channels, strict=True):
        panel.set_title(short(axes.channels[channel], 60 // len(channels)))
    _label_picture(panels[0, 0], axes, hours=(0, 12))
    figure.supxlabel(f"hour of the day ({axes.timezone})", fontsize=12)
    return figure


def _sample_row(figure: Figure, row: Sequence[Panel], picture: FloatArray) -> None:
    peak = float(picture.max()) or 1.0
    image = [_heat_panel(panel, picture[:, :, at], peak) for at, panel in enumerate(row)][-1]
    bar = figure.colorbar(image, ax=list(row), aspect=14, pad=0.015)
    bar.set_ticks([SMALLEST, peak], labels=["0", f"{peak:.2g}"])
    bar.outline.set_visible(False)  # type: ignore[operator]


@mpl.rc_context(STYLE)
def mean_pictures(
    axes: Axes,
    mean: FloatArray,
    *,
    channels: Sequence[int] | None = None,
    peaks: FloatArray | None = None,
    unit: str = "",
) -> Figure:
    """The mean profile of a population, one panel per channel with its own scale (Fig 5.2b).

    Args:
        axes: What the axes of the picture mean.
        mean: Values [D, S, C].
        channels: Which channels to show; None for the busiest six.
        peaks: Top of each channel's scale [C], so that two populations can share it; None for own
            maxima.
        unit: What a value is, written at the colour bars.
    """
    channels = shown_channels(mean.sum((0, 1))) if channels is None else channels
    tops = mean.max((0, 1)) if peaks is None else peaks
    columns = min(3, len(channels))
    rows = -(-len(channels) // columns)
    figure = canvas(HALF, 0.7 + 2.5 * rows)
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for panel, channel in zip(panels.flat, channels, strict=False):
        _mean_panel(figure, panel, mean[:, :, channel], float(tops[channel]))
        panel.set_title(short(axes.channels[channel], 22))
    finish_grid(list(panels.flat), len(channels), columns)
    _label_picture(panels[0, 0], axes, hours=(0, 6, 12, 18))
    figure.supxlabel(
        f"hour of the day ({axes.timezone})" + (f"; colour: {unit}" if unit else ""), fontsize=12
    )
    return figure


def _mean_panel(figure: Figure, panel: Panel, picture: FloatArray, top: float) -> None:
    image = _heat_panel(panel, picture, max(top, SMALLEST))
    bar = figure.colorbar(image, ax=panel, aspect=18, pad=0.03, format=plain_numbers())
    bar.locator = MaxNLocator(3)
    bar.outline.set_visible(False)  # type: ignore[operator]
    bar.update_ticks()


@mpl.rc_context(STYLE)
def overlap_matrices(axes: Axes, matrices: Mapping[str, FloatArray]) -> Figure:
    """Share of time cells that two channels have in common, a matrix per population.

    Args:
        axes: Names of the channels.
        matrices: Population -> [C, C]: share of the row channel's active cells in which the column
            channel is active too; the diagonal is left out.
    """
    count = len(axes.channels)
    figure = canvas(FULL, min(2.0 + 0.42 * count, 9.0))
    panels = figure.subplots(1, len(matrices), squeeze=False, sharey=True)[0]
    off_diagonal = {
        name: np.where(np.eye(count, dtype=bool), np.nan, each) for name, each in matrices.items()
    }
    top = max([SMALLEST, *(float(np.nanmax(each, initial=0)) for each in off_diagonal.values())])
    images = [
        _matrix_panel(*pair, axes, top) for pair in zip(panels, off_diagonal.values(), strict=True)
    ]
    for panel, name in zip(panels, matrices, strict=True):
        panel.set_title(LABELS.get(name, name))
        panel.label_outer()
    figure.colorbar(images[0], ax=list(panels), format=share(), aspect=25, pad=0.01)
    return figure


def _matrix_panel(panel: Panel, matrix: FloatArray, axes: Axes, top: float) -> AxesImage:
    names = [short(name, 14) for name in axes.channels]
    image = panel.imshow(
        matrix, cmap=HEAT, vmin=SMALLEST, vmax=top, aspect="auto", interpolation="none"
    )
    panel.set_xticks(range(len(names)), names, rotation=40, ha="right", rotation_mode="anchor")
    panel.set_yticks(range(len(names)), names)
    panel.set(xlabel="… this is too", ylabel="when this is active …")
    panel.grid(visible=False)
    if len(names) <= MOST_PANELS:
        for (row, column), value in np.ndenumerate(matrix):
            if row != column:
                colour = "black" if value > 0.6 * top else "white"
                panel.text(column, row, f"{value:.1%}", ha="center", va="center", color=colour)
    return image


def _heat_panel(panel: Panel, picture: FloatArray, top: float) -> AxesImage:
    """Draw a picture without interpolation, for crisp cells and a small file."""
    panel.grid(visible=False)
    panel.tick_params(length=2.5)
    panel.spines[:].set_visible(False)
    return panel.imshow(
        picture, cmap=HEAT, vmin=SMALLEST, vmax=top, aspect="auto", interpolation="none"
    )


def _label_picture(panel: Panel, axes: Axes, hours: Sequence[int]) -> None:
    """Days downward and hours across (the other panels share these)."""
    ticks, names = day_ticks(axes)
    keep = slice(None, None, 2 if len(ticks) > 3 else 1)
    panel.set_yticks(ticks[keep], names[keep])
    label_slots(panel, axes, hours)
