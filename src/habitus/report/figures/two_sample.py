"""Figures of the two-sample test and of privacy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from habitus.report.figures.style import (
    COLOURS,
    HALF,
    LABELS,
    MUTED,
    STYLE,
    canvas,
    legend,
    line_styles,
    plain_numbers,
    share,
)
from habitus.schema import FloatArray


class Interval(NamedTuple):
    """A value with its interval."""

    value: float
    low: float
    high: float


@mpl.rc_context(STYLE)
def area_intervals(rows: Sequence[tuple[str, Interval, Interval]]) -> Figure:
    """Areas under the curve with their intervals, from chance to certainty.

    Args:
        rows: Name of a classifier, its area for generated users, and for another real sample.
    """
    figure = canvas(HALF, 1.5 + 0.7 * len(rows))
    panel = figure.subplots()
    for at, (_, *areas) in enumerate(rows):
        for name, each, shift in zip(("generated", "floor"), areas, (-0.14, 0.14), strict=True):
            error = [[each.value - each.low], [each.high - each.value]]
            style = {"color": COLOURS[name], "label": LABELS[name] if not at else None}
            panel.errorbar(
                each.value, at + shift, xerr=error, fmt="o", markersize=8, linewidth=2.2, **style
            )
    panel.axvline(0.5, color=MUTED, linewidth=1.3, linestyle=(0, (4, 2)), label="chance")
    panel.set_yticks(range(len(rows)), [name for name, *_ in rows])
    panel.set_ylim(len(rows) - 0.5, -0.5)
    lows = [each.low for _, *areas in rows for each in areas]
    panel.set_xlim(min(0.47, *(low - 0.02 for low in lows)), 1.02)
    panel.set_xlabel("area under the ROC curve: chance is 0.5, always right is 1")
    panel.xaxis.set_major_formatter(plain_numbers())
    panel.grid(visible=True, axis="x")
    panel.grid(visible=False, axis="y")
    legend(figure, panel)
    return figure


@mpl.rc_context(STYLE)
def distance_curves(distances: Mapping[str, FloatArray], label: str) -> Figure:
    """Cumulative distributions of distances from 0 to 1.

    Args:
        distances: Population -> distances, [n].
        label: What the distance is.
    """
    figure = canvas(HALF, 3.6)
    panel = figure.subplots()
    styles = line_styles(distances)
    for name, each in distances.items():
        panel.step(
            np.sort(each), np.arange(1, len(each) + 1) / len(each), where="post", **styles[name]
        )
    panel.set(xlabel=label, ylabel="share of profiles at most so far")
    panel.set_xlim(0, 1)
    panel.set_ylim(0, 1.02)
    panel.yaxis.set_major_formatter(share())
    panel.xaxis.set_major_formatter(plain_numbers())
    legend(figure, panel)
    return figure
