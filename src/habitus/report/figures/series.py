"""Slices of a series, and what a model makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes as Panel
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from habitus.report.figures.style import (
    BASELINE_COLOURS,
    COLOURS,
    FULL,
    MUTED,
    STYLE,
    canvas,
    legend,
    short,
)
from habitus.schema import FloatArray

LONGEST_LABEL = 24


class Slice(NamedTuple):
    """Some steps of a series.

    Attributes:
        title: Description of the noise added to the steps; empty for none.
        truth: True values, [T].
        made: Method -> its estimate of the true values, [T]; the first one is drawn in front.
        given: Input of the methods, [T]; None where it equals the truth.
    """

    title: str
    truth: FloatArray
    made: Mapping[str, FloatArray]
    given: FloatArray | None = None


@mpl.rc_context(STYLE)
def series_slices(slices: Sequence[Slice], first: int, label: str) -> Figure:
    """A panel for each slice, one above the other, with the same axes.

    Args:
        slices: Of the same methods.
        first: Number of their first step.
        label: What the values are.
    """
    figure = canvas(FULL, 0.9 + 2.4 * len(slices))
    panels = np.atleast_1d(figure.subplots(len(slices), 1, sharex=True, sharey=True))
    for panel, each in zip(panels, slices, strict=True):
        _draw(panel, each, first)
        panel.set_ylabel(short(label, LONGEST_LABEL))
    panels[-1].set_xlabel("step of the test part")
    panels[-1].xaxis.set_major_locator(MaxNLocator(8, integer=True))
    legend(figure, panels[0])
    return figure


def _draw(panel: Panel, each: Slice, first: int) -> None:
    steps = first + np.arange(len(each.truth))
    panel.plot(steps, each.truth, color=COLOURS["reference"], linewidth=3.6, label="real", zorder=2)
    if each.given is not None:
        panel.plot(steps, each.given, "o", color=MUTED, markersize=3.2, label="given", zorder=2.5)
    colours = (COLOURS["generated"], *BASELINE_COLOURS)
    for number, (name, values) in enumerate(each.made.items()):
        style = "-" if number == 0 else (0, (3, 1.2))
        panel.plot(
            steps,
            values,
            color=colours[number % len(colours)],
            linewidth=1.2,
            linestyle=style,
            label=name,
            zorder=4 - 0.5 * number,
        )
    panel.set_xlim(steps[0] - 0.5, steps[-1] + 0.5)
    panel.set_title(each.title)
