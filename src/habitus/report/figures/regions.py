"""Single users whose missing cells were filled: as pictures, and day by day with intervals."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes as Panel
from matplotlib.collections import LineCollection
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from habitus.evaluation.completion.paired import Example
from habitus.report.figures.pictures import SMALLEST
from habitus.report.figures.style import (
    COLOURS,
    FADING,
    FULL,
    INK,
    MUTED,
    SHADE,
    STYLE,
    canvas,
    day_ticks,
    days_label,
    label_days,
    label_slots,
    legend,
    plain_numbers,
    short,
)
from habitus.schema import Axes, BoolArray, FloatArray

COLUMNS = ("what is known", "what was drawn into it", "what is expected", "what was there")
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
STRIPES = 24  # across a panel
OUTLINE = "#7fd4ff"
UNITS = {"count": "events", "peak": "share of the busiest cell", "binary": "active channels"}


@mpl.rc_context(STYLE)
def completion_pictures(axes: Axes, examples: Sequence[Example]) -> Figure:
    """Known part, one draw, expectation and truth of some users (Figs 5.1 and 6.10).

    One row per user, with its own colour scale. Channels are added up, as far as some cell of
    theirs is missing.

    Args:
        axes: Of the completed set.
        examples: The users.
    """
    figure = canvas(FULL, 0.9 + 2.9 * len(examples))
    panels = figure.subplots(len(examples), len(COLUMNS), squeeze=False, sharex=True, sharey=True)
    for row, example in zip(panels, examples, strict=True):
        _picture_row(figure, row, axes, example)
    for panel, name in zip(panels[0], COLUMNS, strict=True):
        panel.set_title(name, fontsize=14)
    ticks, names = day_ticks(axes)
    panels[0, 0].set_yticks(ticks, names)
    label_slots(panels[0, 0], axes, (0, 6, 12, 18))
    figure.supxlabel(f"hour of the day ({axes.timezone})", fontsize=12)
    return figure


def _picture_row(figure: Figure, row: Sequence[Panel], axes: Axes, example: Example) -> None:
    """Draw four pictures on one scale, with the missing region hatched or outlined."""
    channels = np.asarray(example.missing.any(axis=(0, 1)))
    hole = np.asarray(example.missing.any(axis=2))
    known, drawn, mean, truth = (
        each[..., channels].sum(axis=2)
        for each in (example.truth, example.draws[0], example.mean, example.truth)
    )
    top = max(float(drawn.max()), float(truth.max())) or 1.0
    pictures = (np.where(hole, np.nan, known), drawn, mean, truth)
    images = [_heat(panel, picture, top) for panel, picture in zip(row, pictures, strict=True)]
    _hatch(row[0], hole)
    for panel in row[1:]:
        panel.add_collection(
            LineCollection(outline(hole), colors=OUTLINE, linewidths=1.6, linestyles=(0, (3, 1.5)))
        )
    row[0].set_ylabel(f"{example.name}\n{_channels(axes, channels)}", color=INK)
    _scale(figure, row, images[-1], top, UNITS[axes.unit])


def _hatch(panel: Panel, hole: BoolArray) -> None:
    """Draw missing cells in grey with striping lines, whose colour follows the page's theme."""
    patch = PathPatch(_cells(hole), facecolor=SHADE, linewidth=0)
    panel.add_patch(patch)
    starts = np.arange(-1, 1, 1 / STRIPES)
    lines = [[(start, 0.0), (start + 1, 1.0)] for start in starts]
    stripes = LineCollection(
        lines, transform=panel.transAxes, colors=MUTED, linewidths=0.8, alpha=0.7
    )
    stripes.set_clip_path(patch)
    panel.add_collection(stripes, autolim=False)


def _cells(hole: BoolArray) -> Path:
    """The missing cells of a picture [D, S], a rectangle for each run of slots."""
    day, edge = np.nonzero(np.diff(np.pad(hole, ((0, 0), (1, 1))).astype(np.int8), axis=1))
    corners = [
        (left - 0.5, right - 0.5, y)
        for left, right, y in zip(edge[::2], edge[1::2], day[::2], strict=True)
    ]
    boxes = [
        [(a, y - 0.5), (b, y - 0.5), (b, y + 0.5), (a, y + 0.5), (a, y - 0.5)]
        for a, b, y in corners
    ]
    return Path.make_compound_path(*(Path(box, closed=True) for box in boxes))


def _heat(panel: Panel, picture: FloatArray, top: float) -> AxesImage:
    """Draw a picture on a square-root colour scale, on which small expected values are visible."""
    panel.grid(visible=False)
    panel.tick_params(length=2.5)
    panel.spines[:].set_visible(False)
    norm = PowerNorm(0.5, vmin=SMALLEST, vmax=top)
    return panel.imshow(picture, cmap=FADING, norm=norm, aspect="auto", interpolation="none")


def _scale(figure: Figure, row: Sequence[Panel], image: AxesImage, top: float, unit: str) -> None:
    bar = figure.colorbar(image, ax=list(row), aspect=16, pad=0.012)
    ticks = [
        tick
        for tick in MaxNLocator(4, integer=top > 4).tick_values(0, top)
        if SMALLEST < tick <= top
    ]
    bar.set_ticks([SMALLEST, *ticks], labels=["0", *(f"{tick:.3g}" for tick in ticks)])
    bar.minorticks_off()
    bar.set_label(unit)
    bar.outline.set_visible(False)  # type: ignore[operator]


def _channels(axes: Axes, shown: BoolArray) -> str:
    count = int(shown.sum())
    name = axes.channels[int(np.argmax(shown))]
    return short(name, 26) if count == 1 else f"{count} channels added up"


def outline(hole: BoolArray) -> list[NDArray[np.float64]]:
    """The edges between missing and known cells of a picture [D, S], each from (x, y) to (x, y).

    >>> len(outline(np.array([[False, True], [False, True]])))
    6
    """
    edge = np.pad(hole, 1).astype(np.int8)
    day, slot = np.nonzero(np.diff(edge, axis=0)[:, 1:-1])
    across = [
        np.array([[x - 0.5, y - 0.5], [x + 0.5, y - 0.5]]) for y, x in zip(day, slot, strict=True)
    ]
    day, slot = np.nonzero(np.diff(edge, axis=1)[1:-1])
    down = [
        np.array([[x - 0.5, y - 0.5], [x - 0.5, y + 0.5]]) for y, x in zip(day, slot, strict=True)
    ]
    return across + down


@mpl.rc_context(STYLE)
def daily_intervals(axes: Axes, examples: Sequence[Example]) -> Figure:
    """Each day's total of single users: what is known, the intervals of the draws, and the truth.

    Args:
        axes: Of the completed set.
        examples: The users, one panel each.
    """
    figure = canvas(FULL, 4.0)
    panels = figure.subplots(1, max(1, len(examples)), squeeze=False)[0]
    for panel, example in zip(panels, examples, strict=False):
        _interval_panel(panel, example)
        label_days(panel, axes)
        panel.set_xlabel("")
        panel.set_xticks(
            *(each[1::2] or each for each in day_ticks(axes))
        )  # away from the neighbour's labels
        panel.set_title(example.name)
        panel.set_ylim(-0.03 * panel.get_ylim()[1], None)
        panel.yaxis.set_major_formatter(plain_numbers())
    panels[0].set_ylabel(f"total of the day, in {'events' if axes.unit == 'count' else 'peaks'}")
    figure.supxlabel(days_label(axes), fontsize=12)
    legend(figure, panels[0])
    return figure


def _interval_panel(panel: Panel, example: Example) -> None:
    """Bands over the missing days; bars for what is known of every day."""
    days = np.flatnonzero(example.missing.any(axis=(1, 2)))
    totals = example.draws.sum(axis=(2, 3))[:, days]
    low, lower, middle, upper, high = np.quantile(totals, QUANTILES, axis=0)
    known = np.where(example.missing, 0, example.truth).sum(axis=(1, 2))
    panel.bar(np.arange(len(known)), known, width=0.75, color=MUTED, alpha=0.45, label="known")
    colour = COLOURS["generated"]
    panel.bar(
        days, high - low, 0.9, low, color=colour, alpha=0.22, linewidth=0, label="90 % of the draws"
    )
    panel.bar(
        days,
        upper - lower,
        0.9,
        lower,
        color=colour,
        alpha=0.45,
        linewidth=0,
        label="50 % of the draws",
    )
    panel.hlines(middle, days - 0.45, days + 0.45, color=colour, linewidth=2, label="median draw")
    truth = example.truth.sum(axis=(1, 2))[days]
    panel.plot(days, truth, "o", color=COLOURS["reference"], markersize=5, label="what was there")
