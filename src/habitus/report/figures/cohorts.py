"""Cohorts as pictures: what the days and hours of each look like, and how many users each has."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes as Panel
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from habitus.report.figures.style import (
    COLOURS,
    FADING,
    FULL,
    STYLE,
    canvas,
    day_ticks,
    finish_grid,
    label_slots,
    plain_numbers,
    share,
    short,
)
from habitus.schema import Axes, FloatArray

COLUMNS = 4
MOST_PICTURES = 20
LONGEST = 30
LONGEST_BAR = 60  # letters of a line above a picture, of which there are two, and beside a bar


@mpl.rc_context(STYLE)
def cohort_pictures(
    axes: Axes, pictures: Sequence[FloatArray], names: Sequence[str], sizes: Sequence[int]
) -> Figure:
    """Mean profiles of the cohorts, each on its own colour scale; at most MOST_PICTURES.

    Args:
        axes: What the axes of the pictures mean.
        pictures: Values summed over channels, [D, S] each, in the order of the cohorts' numbers.
        names: What the cohorts are called.
        sizes: How many users each has.
    """
    count = min(len(pictures), MOST_PICTURES)
    columns = min(count, COLUMNS)
    rows = -(-count // columns)
    figure = canvas(max(FULL * columns / COLUMNS, 4.6), 0.6 + 2.9 * rows)
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for number, panel in enumerate(panels.flat[:count]):
        _picture(figure, panel, pictures[number])
        part = sizes[number] / sum(sizes)
        name = fill(short(f"{number}: {names[number]}", 2 * LONGEST), LONGEST)
        panel.set_title(f"{name}\n{sizes[number]:,} users, {part:.1%}")
    finish_grid(list(panels.flat), count, columns)
    ticks, days = day_ticks(axes)
    panels[0, 0].set_yticks(ticks, days)
    label_slots(panels[0, 0], axes, hours=(0, 6, 12, 18))
    figure.supxlabel(f"hour of the day ({axes.timezone})", fontsize=12)
    return figure


def _picture(figure: Figure, panel: Panel, picture: FloatArray) -> None:
    top = max(float(np.max(picture)), float(np.finfo(np.float32).tiny))
    panel.grid(visible=False)
    panel.spines[:].set_visible(False)
    image = panel.imshow(
        picture, cmap=FADING, vmin=0, vmax=top, aspect="auto", interpolation="none"
    )
    bar = figure.colorbar(image, ax=panel, aspect=18, pad=0.03, format=plain_numbers())
    bar.locator = MaxNLocator(3)
    bar.outline.set_visible(False)  # type: ignore[operator]
    bar.update_ticks()


@mpl.rc_context(STYLE)
def cohort_sizes(names: Sequence[str], shares: FloatArray, stability: FloatArray) -> Figure:
    """Number of users of each cohort beside its stability.

    Args:
        names: What the cohorts are called, K of them.
        shares: Their shares of all users, [K].
        stability: Their mean best Jaccard similarity with the clusters of random halves, [K].
    """
    figure = canvas(FULL, 1.1 + 0.34 * len(names))
    panels = figure.subplots(1, 2, sharey=True)
    at = np.arange(len(names))
    panels[0].barh(at, shares, color=COLOURS["reference"])
    panels[0].set(xlabel="share of users")
    panels[0].xaxis.set_major_formatter(share())
    panels[1].barh(at, stability, color=COLOURS["floor"])
    panels[1].set(xlabel="stability (1: the same users in any half)", xlim=(0, 1))
    panels[0].set_yticks(
        at, [f"{number}: {short(name, LONGEST_BAR)}" for number, name in enumerate(names)]
    )
    panels[0].invert_yaxis()
    for panel in panels:
        panel.grid(visible=True, axis="x")
        panel.grid(visible=False, axis="y")
    return figure
