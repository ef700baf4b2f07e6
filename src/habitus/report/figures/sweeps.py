"""Scores of several fits against the setting in which they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes as Panel
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from habitus.report.figures.style import (
    BASELINE_COLOURS,
    COLOURS,
    HALF,
    INK,
    MUTED,
    STYLE,
    canvas,
    plain_numbers,
)
from habitus.schema import FloatArray

PALETTE = (COLOURS["generated"], COLOURS["reference"], *BASELINE_COLOURS)
MARKERS = ("o", "s", "^", "D")
FLOOR_DASHES = (0, (4, 2))
MOST_LEVEL_TICKS = 14
LEGEND_COLUMNS = 3
INCHES_PER_VALUE = 0.42
TALL = 3.6
LEGEND_ROW = 0.22
BEYOND = 0.97
"""Where, as a share of the panel's height, scores without limit are marked."""


@mpl.rc_context(STYLE)
def score_curves(
    values: Sequence[float | str],
    scores: Mapping[str, FloatArray],
    label: str,
    *,
    floors: Mapping[str, float] | None = None,
    xlabel: str,
) -> Figure:
    """Scores against the values of a setting ("Time pictures" Figs 6.14 and 6.15).

    The values stand at equal distances in the order given: a grid may begin with zero and span
    decades. The scores' axis is logarithmic where all of them are above zero. An infinite score is
    marked at the top, one that is not a number is left out.

    Args:
        values: What was set, N of them.
        scores: Name -> score at each value, [N].
        label: What the scores are, with their unit.
        floors: Name -> score of another real sample; a dashed line of the same colour, grey where
            no line has that name.
        xlabel: The setting.
    """
    rows = -(-(len(scores) + bool(floors)) // LEGEND_COLUMNS)
    figure = canvas(max(HALF, INCHES_PER_VALUE * len(values) + 1), TALL + LEGEND_ROW * rows)
    panel = figure.subplots()
    joined = not all(isinstance(value, str) for value in values)
    for number, (name, line) in enumerate(scores.items()):
        _line(panel, np.asarray(line, float), name, number, joined)
    for name, floor in (floors or {}).items():
        colour = _colour(list(scores).index(name)) if name in scores else MUTED
        panel.axhline(floor, color=colour, linewidth=1.4, linestyle=FLOOR_DASHES)
    _logarithmic(panel, [*scores.values(), np.array([*(floors or {}).values()], float)])
    _value_axis(panel, values, xlabel)
    panel.set_ylabel(label)
    if floors:
        panel.plot(
            [], [], color=MUTED, linewidth=1.4, linestyle=FLOOR_DASHES, label="another real sample"
        )
    handles, labels = panel.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=min(len(labels), LEGEND_COLUMNS))
    return figure


def _line(panel: Panel, line: FloatArray, name: str, number: int, joined: bool) -> None:
    """Draw the finite scores as a line, and a sign at the top for each infinite one."""
    colour = _colour(number)
    marker = MARKERS[number % len(MARKERS)]
    finite = np.where(np.isfinite(line), line, np.nan)
    style = {"color": colour, "linewidth": 2.2 if number < 2 else 1.6, "markersize": 6, "zorder": 3}
    style |= {"linestyle": "-" if joined else "none"}
    panel.plot(range(len(line)), finite, marker=marker, label=name, **style)
    for place in np.flatnonzero(np.isposinf(line)):
        panel.annotate(
            "∞",
            (float(place), BEYOND),
            xycoords=("data", "axes fraction"),
            color=colour,
            ha="center",
            va="top",
            xytext=(7 * (number % 3) - 7 * (number > 0), 0),
            textcoords="offset points",
        )


def _colour(number: int) -> str:
    return PALETTE[number % len(PALETTE)]


def _logarithmic(panel: Panel, lines: Sequence[FloatArray]) -> None:
    every = np.concatenate([np.ravel(line) for line in lines])
    drawn = every[np.isfinite(every)]
    if len(drawn) and (drawn > 0).all():
        panel.set_yscale("log")
        low = float(drawn.min())
        high = float(drawn.max())
        panel.set_ylim(low / 1.25, high * (1.6 if np.isposinf(every).any() else 1.25))
        panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 100 * low else (1,)))
        panel.minorticks_off()
    panel.yaxis.set_major_formatter(plain_numbers())


def _value_axis(panel: Panel, values: Sequence[float | str], xlabel: str) -> None:
    names = [f"{value:.3g}" if isinstance(value, float) else str(value) for value in values]
    crowded = (
        len(names) > MOST_LEVEL_TICKS or max(map(len, names)) * len(names) > 6 * MOST_LEVEL_TICKS
    )
    panel.set_xticks(
        range(len(names)), names, rotation=45 if crowded else 0, ha="right" if crowded else "center"
    )
    panel.set_xlim(-0.5, len(names) - 0.5)
    panel.set_xlabel(xlabel, color=INK)
