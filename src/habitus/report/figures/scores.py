"""Figures of completed cells: calibration, and error by size and place of what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes as Panel
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from habitus.evaluation.completion.missing_region import Calibration
from habitus.report.figures.style import (
    BASELINE_COLOURS,
    COLOURS,
    FULL,
    INK,
    MUTED,
    STYLE,
    canvas,
    label_days,
    legend,
    plain_numbers,
    share,
)
from habitus.schema import Axes

DASHES = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (4, 1.2, 1, 1.2)))
MARKERS = ("o", "s", "^", "D")


class SizeError(NamedTuple):
    """Error for a missing region by size, a share of the cells from 0 to 1, and place."""

    share: float
    place: str
    method: str
    error: float


class PlaceError(NamedTuple):
    """Error of a method for a missing region that begins at a given day or slot."""

    start: int
    method: str
    error: float


@mpl.rc_context(STYLE)
def calibration(found: Calibration) -> Figure:
    """Coverage of intervals, and rank of the truth among the draws (PIT histogram).

    Args:
        found: Of a completed set
            (:class:`~habitus.evaluation.completion.missing_region.RegionFigures`).
    """
    figure = canvas(FULL, 4.6)
    coverage, histogram = figure.subplots(1, 2, width_ratios=(1, 1.5))
    _coverage_panel(coverage, found)
    _pit_panel(histogram, found)
    return figure


def _coverage_panel(panel: Panel, found: Calibration) -> None:
    panel.plot(
        [0, 1], [0, 1], color=MUTED, linewidth=1.3, linestyle=(0, (4, 2)), label="as it should be"
    )
    panel.plot(
        found.nominal,
        found.cell,
        color=COLOURS["floor"],
        linewidth=1.8,
        marker="s",
        ms=4,
        label="cells",
    )
    panel.plot(
        found.nominal,
        found.day,
        color=COLOURS["generated"],
        linewidth=2.2,
        marker="o",
        ms=5,
        label="daily totals",
    )
    panel.set(xlabel="width of the interval", ylabel="truths within it", xlim=(0, 1), ylim=(0, 1))
    panel.set_box_aspect(1)
    panel.grid(visible=True, axis="both")
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_major_formatter(share())
    panel.legend(loc="upper left")


def _pit_panel(panel: Panel, found: Calibration) -> None:
    bins = len(found.pit)
    left = np.arange(bins) / bins
    panel.bar(
        left,
        found.pit,
        1 / bins,
        align="edge",
        color=COLOURS["generated"],
        alpha=0.55,
        edgecolor=MUTED,
        linewidth=0.6,
    )
    panel.axhline(
        1 / bins, color=INK, linewidth=1.3, linestyle=(0, (4, 2)), label="as it should be"
    )
    panel.set(
        xlabel="where the true daily total falls among the draws (0: below all, 1: above all)",
        xlim=(0, 1),
    )
    panel.set(
        ylabel="share of daily totals", ylim=(0, 1.15 * max(float(np.max(found.pit)), 1.5 / bins))
    )
    panel.xaxis.set_major_formatter(plain_numbers())
    panel.yaxis.set_major_formatter(share())
    panel.legend(loc="upper right")


@mpl.rc_context(STYLE)
def region_errors(
    axes: Axes,
    sizes: Sequence[SizeError],
    days: Sequence[PlaceError] = (),
    slots: Sequence[PlaceError] = (),
    *,
    label: str = "squared error relative to zeros",
) -> Figure:
    """Error by missing share, a line per place, and by the place where a region begins.

    Args:
        axes: Of the profiles.
        sizes: Colours tell places apart, dashes methods.
        days: By first day of the hole.
        slots: By first slot of the hole.
        label: What the error is.
    """
    figure = canvas(FULL, 4.8)
    widths = [2.0] + [1.0] * (bool(days) + bool(slots))
    panels = list(
        figure.subplots(1, len(widths), squeeze=False, sharey=True, width_ratios=widths)[0]
    )
    methods = list(dict.fromkeys(row.method for row in (*sizes, *days, *slots)))
    _size_panel(panels[0], sizes, methods)
    panels[0].set_ylabel(label)
    rest = iter(panels[1:])
    if days:
        _place_panel(panel := next(rest), days, methods)
        label_days(panel, axes)
        ticks = sorted({row.start for row in days})[:: -(-len({row.start for row in days}) // 6)]
        panel.set_xticks(ticks, [str(tick + 1) for tick in ticks])
        panel.set_xlabel("first missing day of the window")
    if slots:
        _place_panel(panel := next(rest), slots, methods)
        hours = (0, 6, 12, 18)
        panel.set_xticks(
            [60 * hour // axes.slot_minutes for hour in hours], [f"{hour}" for hour in hours]
        )
        panel.set_xlabel(f"first missing hour ({axes.timezone})")
    _key(figure, panels[0], methods)
    return figure


def _size_panel(panel: Panel, rows: Sequence[SizeError], methods: Sequence[str]) -> None:
    places = list(dict.fromkeys(row.place for row in rows))
    colours = (COLOURS["generated"], COLOURS["reference"], *BASELINE_COLOURS)
    for number, place in enumerate(places):
        for method in methods:
            line = sorted(
                (row.share, row.error) for row in rows if (row.place, row.method) == (place, method)
            )
            style: dict[str, Any] = _style(methods, method) | {
                "label": place if method == methods[0] else None
            }
            if line:
                shares, errors = zip(*line, strict=True)
                panel.plot(shares, errors, color=colours[number % len(colours)], **style)
    panel.set_xlabel("share of the cells that is missing")
    panel.xaxis.set_major_formatter(share())
    panel.yaxis.set_major_formatter(plain_numbers())


def _place_panel(panel: Panel, rows: Sequence[PlaceError], methods: Sequence[str]) -> None:
    for method in methods:
        line = sorted((row.start, row.error) for row in rows if row.method == method)
        if line:
            starts, errors = zip(*line, strict=True)
            panel.plot(starts, errors, color=INK, **_style(methods, method))


def _style(methods: Sequence[str], method: str) -> dict[str, Any]:
    number = methods.index(method)
    return {
        "linestyle": DASHES[number % len(DASHES)],
        "marker": MARKERS[number % len(MARKERS)],
        "markersize": 5,
        "linewidth": 2.2 if number == 0 else 1.5,
    }


def _key(figure: Figure, panel: Panel, methods: Sequence[str]) -> None:
    """Places by colour, then methods by dashes, where there are several of them."""
    if len(methods) < 2:
        legend(figure, panel)
        return
    handles, labels = panel.get_legend_handles_labels()
    dashes = [Line2D([], [], color=INK, **_style(methods, method)) for method in methods]
    figure.legend([*handles, *dashes], [*labels, *methods], loc="outside upper left", ncols=6)
