"""Shared style of all figures: palette, text sizes, axes of dates, weekdays and hours."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes as Panel
from matplotlib.colors import Colormap, ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from habitus.schema import DAYS_PER_WEEK, WEEKDAYS, Axes, FloatArray

INK = "#1b1f27"
MUTED = "#5a6270"
GRID = "#d3d8e0"
SHADE = "#eceff4"
"""Text; ticks and frames; grid lines; weekends. A report swaps these for its theme's colours."""

COLOURS = {"reference": "#0072b2", "generated": "#d55e00", "floor": "#7d8590"}
"""Blue and orange, distinct for all kinds of colour blindness (Okabe and Ito), and a muted grey."""

BASELINE_COLOURS = ("#009e73", "#a3569b", "#8a6d00", "#3f8f9b")
LABELS = {"reference": "real", "generated": "generated", "floor": "another real sample"}

HALF = 7.2
FULL = 14.8
"""Widths in inches: half of the report's text width, and all of it."""

STYLE: dict[Any, Any] = {
    "font.size": 12.0,
    "axes.titlesize": 12.0,
    "axes.labelsize": 12.0,
    "xtick.labelsize": 11.0,
    "ytick.labelsize": 11.0,
    "legend.fontsize": 11.0,
    "legend.frameon": False,
    "legend.borderaxespad": 0.2,
    "legend.handlelength": 1.8,
    "legend.columnspacing": 1.4,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.formatter.useoffset": False,
    "axes.formatter.use_mathtext": False,
    "axes.unicode_minus": False,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.pad": 5.0,
    "figure.facecolor": "none",
    "figure.constrained_layout.h_pad": 0.05,
    "figure.constrained_layout.w_pad": 0.05,
    "text.parse_math": False,  # a channel called "$x$" is shown as it is
}

LONGEST_NAME = 16
MOST_DAY_TICKS = 6


def _heat(name: str, begin: float) -> Colormap:
    """Empty cells near black, as in the paper."""
    heat = ListedColormap(colormaps["magma"](np.linspace(begin, 0.98, 256)), name=name)
    return heat.with_extremes(under="#100d1a", bad=(0, 0, 0, 0))


HEAT = _heat("habitus-heat", 0.28)  # the smallest value is already well apart from an empty cell
FADING = _heat(
    "habitus-fading", 0.04
)  # for expected values, which come as near to nothing as one likes


def canvas(width: float, height: float) -> Figure:
    """An empty figure outside pyplot's global list, laid out so that no label overlaps another."""
    return Figure(figsize=(width, height), layout="constrained")


def short(name: str, longest: int = LONGEST_NAME) -> str:
    """A channel's name, cut to fit above a small panel."""
    return name if len(name) <= longest else name[: longest - 1] + "…"


def line_styles(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Colour, dashes and label of each named curve; unknown names are baselines."""
    names = list(names)
    baselines = [name for name in names if name not in COLOURS]
    return {name: _line_style(name, baselines) for name in names}


def _line_style(name: str, baselines: Sequence[str]) -> dict[str, Any]:
    style: dict[str, Any] = {"label": LABELS.get(name, name), "linewidth": 2.2, "zorder": 3}
    if name == "floor":
        return style | {
            "color": COLOURS[name],
            "linewidth": 1.4,
            "linestyle": (0, (4, 2)),
            "zorder": 4,
        }
    if name in COLOURS:
        return style | {"color": COLOURS[name]}
    colour = BASELINE_COLOURS[baselines.index(name) % len(BASELINE_COLOURS)]
    return style | {"color": colour, "linewidth": 1.6, "linestyle": (0, (1, 1.2)), "zorder": 2}


def legend(figure: Figure, panel: Panel) -> None:
    """One legend above all panels, where it can hide no curve."""
    handles, labels = panel.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=min(len(labels), 5))


def finish_grid(panels: Sequence[Panel], used: int, columns: int) -> None:
    """Hide the panels that a grid has too many; the lowest one of each column keeps its labels."""
    for panel in panels[used:]:
        panel.set_visible(False)
    for panel in panels[max(used - columns, 0) : used]:
        panel.tick_params(labelbottom=True)


def busiest(weights: FloatArray, most: int) -> list[int]:
    """The channels with most activity, in their own order, where there are too many to draw."""
    weights = np.asarray(weights)
    return sorted(np.argsort(-weights, kind="stable")[:most].tolist())


def day_ticks(axes: Axes) -> tuple[list[int], list[str]]:
    """A few days of the window and how to call them: dates, else weekdays, else numbers."""
    ticks = _tick_days(axes)
    return ticks, [_day_name(axes, day) for day in ticks]


def _tick_days(axes: Axes) -> list[int]:
    """Every day of a short window; Mondays of a longer one, thinned to a handful."""
    if axes.days <= MOST_DAY_TICKS + 2:
        return list(range(axes.days))
    weekday = axes.weekday(0)
    first = 0 if weekday is None else -weekday % DAYS_PER_WEEK
    weeks = max(1, -(-(axes.days - first) // (DAYS_PER_WEEK * MOST_DAY_TICKS)))
    return list(range(first, axes.days, DAYS_PER_WEEK * weeks))


def _day_name(axes: Axes, day: int) -> str:
    if axes.every is None:
        date = axes.start + dt.timedelta(days=day)
        return f"{date:%a} {date.day} {date:%b}"
    weekday = axes.weekday(day)
    return f"day {day + 1}" if weekday is None else f"{WEEKDAYS[weekday]}, day {day + 1}"


def days_label(axes: Axes) -> str:
    """Label of the axis of days, with its unit."""
    if axes.every is not None:
        return f"day of the window (1 to {axes.days})"
    return f"day, {axes.start} to {axes.start + dt.timedelta(days=axes.days - 1)} ({axes.timezone})"


def label_days(panel: Panel, axes: Axes) -> None:
    """Days along the horizontal axis, weekends shaded where they are known."""
    panel.set_xticks(*day_ticks(axes))
    panel.set_xlim(-0.5, axes.days - 0.5)
    panel.set_xlabel(days_label(axes))
    for day in range(axes.days):
        if axes.weekday(day) in (5, 6):
            panel.axvspan(day - 0.5, day + 0.5, facecolor=SHADE, edgecolor="none", zorder=0)


def label_slots(panel: Panel, axes: Axes, hours: Sequence[int]) -> None:
    """Hours along the horizontal axis, at the edges where slots begin."""
    slots_per_hour = 60 / axes.slot_minutes
    panel.set_xticks([hour * slots_per_hour - 0.5 for hour in hours], [f"{hour}" for hour in hours])


def plain_numbers() -> FuncFormatter:
    """Numbers as a reader writes them, also on a logarithmic axis."""
    return FuncFormatter(lambda value, _: f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}")


def share() -> FuncFormatter:
    """Shares as percentages, with as many decimals as they need."""
    return FuncFormatter(lambda value, _: f"{100 * value:.3g}%")
