"""Populations as curves over days, hours, weekdays and totals, and how a training went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes as Panel
from matplotlib.figure import Figure
from matplotlib.ticker import Formatter, LogLocator, MaxNLocator

from habitus.report.figures.style import (
    COLOURS,
    FULL,
    HALF,
    MUTED,
    STYLE,
    busiest,
    canvas,
    finish_grid,
    label_days,
    label_slots,
    legend,
    line_styles,
    plain_numbers,
    share,
    short,
)
from habitus.schema import WEEKDAYS, Axes, FloatArray

Curves = Mapping[str, FloatArray]
"""Population ("reference", "generated", "floor", or a baseline's name) -> its numbers."""

Styles = Mapping[str, Mapping[str, Any]]
"""Population -> how its line looks."""

MOST_SMALL_PANELS = 12
POINTS = 300
SMOOTHED_FROM = 60
FALL = 12
"""The first 1 / FALL of the training steps does not set the y range."""


@mpl.rc_context(STYLE)
def day_curves(
    axes: Axes,
    curves: Curves,
    label: str,
    *,
    full_from: int = 0,
    form: Formatter | None = None,
    styles: Styles | None = None,
) -> Figure:
    """One number per day for several populations (Figs 5.3a, 5.3b, 5.6, 6.4, 6.5, 6.7 to 6.9).

    Args:
        axes: What the days are.
        curves: Population -> one number per day, [D].
        label: What the number is, with its unit.
        full_from: Day (from 0) from which on the number looks at a full period; marked where it is
            not 0.
        form: How the numbers are written; None for plain.
        styles: How the lines look; None for those of
            :func:`~habitus.report.figures.style.line_styles`.
    """
    figure = canvas(HALF, 3.6)
    panel = figure.subplots()
    styles = styles or line_styles(curves)
    for name, values in curves.items():
        panel.plot(values, marker="o" if len(values) == 1 else None, **styles[name])
    label_days(panel, axes)
    panel.set_ylabel(label)
    panel.yaxis.set_major_formatter(form or plain_numbers())
    _from_zero(panel, curves)
    if full_from:
        panel.axvline(full_from, color=MUTED, linewidth=1, linestyle=(0, (1, 2)))
    legend(figure, panel)
    return figure


def share_curves(
    axes: Axes, curves: Curves, label: str, *, full_from: int = 0, styles: Styles | None = None
) -> Figure:
    """Daily, weekly or monthly active users as a share of all users (Figs 5.6, 6.7 to 6.9)."""
    return day_curves(axes, curves, label, full_from=full_from, form=share(), styles=styles)


def _from_zero(panel: Panel, curves: Curves) -> None:
    """Start at zero, unless that would flatten curves that differ little from each other."""
    values = np.concatenate([np.ravel(curve) for curve in curves.values()])
    low = float(np.nanmin(values))
    high = float(np.nanmax(values))
    if low >= 0 and low < 0.6 * high:
        panel.set_ylim(0, high * 1.06)


@mpl.rc_context(STYLE)
def total_cdf(totals: Curves, label: str, *, styles: Styles | None = None) -> Figure:
    """Cumulative distribution of total interaction counts (Figs 5.3c and 6.6).

    Args:
        totals: Population -> its totals, in any shape and order.
        label: What is counted, with its unit.
        styles: As for :func:`day_curves`.
    """
    figure = canvas(HALF, 3.6)
    panel = figure.subplots()
    points = _cdf_points(max(float(values.max(initial=0)) for values in totals.values()))
    lowest = 1.0
    styles = styles or line_styles(totals)
    for name, values in totals.items():
        curve = np.searchsorted(np.sort(values, axis=None), points, side="right") / max(
            values.size, 1
        )
        panel.step(points, curve, where="post", **styles[name])
        lowest = min(lowest, float(curve[0]))
    panel.set(xlabel=label, ylabel="share with at most this")
    panel.set_ylim(max(0.0, 1 - 1.15 * (1 - lowest)), 1 + 0.03 * (1 - lowest) + 1e-9)
    _spread_totals(panel, points[-1])
    panel.yaxis.set_major_formatter(share())
    legend(figure, panel)
    return figure


def _cdf_points(top: float) -> FloatArray:
    """Points to evaluate at: zero, and dense among both small and large totals."""
    top = top or 1.0
    return np.unique(
        np.concatenate([np.linspace(0, top, POINTS), np.geomspace(top / 1000, top, POINTS)])
    )


def _spread_totals(panel: Panel, top: float) -> None:
    """Scale the axis of totals linearly up to 1, so as to include 0, and logarithmically beyond."""
    if top > 1.5:
        panel.set_xscale("symlog", linthresh=1, linscale=0.7)
    ticks = [
        tick
        for tick in (0, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 1e4, 1e5, 1e6)
        if tick <= top
    ]
    panel.set_xticks(ticks, [f"{tick:,g}" for tick in ticks])
    panel.minorticks_off()
    panel.set_xlim(0, top)


@mpl.rc_context(STYLE)
def slot_shapes(axes: Axes, shapes: Curves) -> Figure:
    """Hour-of-day shape of each channel.

    Args:
        axes: What slots and channels are.
        shapes: Population -> [S, C], activity by slot; each channel is shown as shares that sum to
            one.
    """
    figure, panels = _per_channel(axes, shapes)
    label_slots(panels[0], axes, (0, 6, 12, 18))
    panels[0].set_xlim(-0.5, axes.slots - 0.5)
    figure.supxlabel(f"hour of the day ({axes.timezone})", fontsize=12)
    return figure


@mpl.rc_context(STYLE)
def weekday_shapes(axes: Axes, shapes: Curves) -> Figure:
    """Weekday shape of each channel.

    Args:
        axes: What the channels are.
        shapes: Population -> [7, C], activity by weekday, NaN where no day falls on one; each
            channel is shown as shares that sum to one.
    """
    figure, panels = _per_channel(axes, shapes, marker="o")
    panels[0].set_xticks(range(7), [name[:2] for name in WEEKDAYS])
    panels[0].set_xlim(-0.4, 6.4)
    figure.supxlabel("weekday", fontsize=12)
    return figure


def _per_channel(
    axes: Axes, shapes: Curves, marker: str | None = None
) -> tuple[Figure, list[Panel]]:
    """A panel per channel, with every population's shares in it."""
    first = next(iter(shapes.values()))
    styles = line_styles(shapes)
    channels = busiest(np.nansum(first, axis=0), MOST_SMALL_PANELS)
    columns = len(channels) if len(channels) <= 5 else 3 if len(channels) in (6, 9) else 4
    rows = -(-len(channels) // columns)
    figure = canvas(FULL, 1.1 + 2.1 * rows)
    panels = list(figure.subplots(rows, columns, squeeze=False, sharex=True).flat)
    for panel, channel in zip(panels, channels, strict=False):
        for name, shape in shapes.items():
            panel.plot(_shares(shape[:, channel]), marker=marker, markersize=4, **styles[name])
        panel.set(title=short(axes.channels[channel], 30), ylim=(0, None))
        panel.yaxis.set_major_formatter(share())
        panel.yaxis.set_major_locator(MaxNLocator(4))
    finish_grid(panels, len(channels), columns)
    legend(figure, panels[0])
    figure.supylabel("share of activity", fontsize=12)
    return figure, panels


def _shares(values: FloatArray) -> FloatArray:
    return values / max(float(np.nansum(values)), np.finfo(float).tiny)


@mpl.rc_context(STYLE)
def loss_curves(history: Mapping[str, Sequence[float]]) -> Figure:
    """Loss, reconstruction and KL over the steps of a fit (Figs 6.1 and 6.2).

    Args:
        history: ``step, loss, reconstruction, kl`` of the training batches, and ``held_out_step,
            held_out_loss, ...`` of the held-out profiles; a part that is absent or empty is not
            drawn.
    """
    terms = [
        term
        for term in TERMS
        if len(history.get(term, ())) or len(history.get(f"held_out_{term}", ()))
    ]
    figure = canvas(FULL, 3.8)
    panels = figure.subplots(1, max(len(terms), 1), squeeze=False)[0]
    for panel, term in zip(panels, terms, strict=False):
        train = _train_curve(panel, history, term)
        held_out = _held_out_curve(panel, history, term)
        _skip_first_fall(panel, train, held_out)
        panel.set(xlabel="training step", title=TERMS[term])
        panel.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        panel.xaxis.set_major_formatter(plain_numbers())
        panel.yaxis.set_major_formatter(plain_numbers())
    if terms:
        legend(figure, panels[0])
    return figure


TERMS = {
    "loss": "loss, per profile",
    "reconstruction": "reconstruction, per profile",
    "kl": "KL, nats per profile",
}


def _train_curve(panel: Panel, history: Mapping[str, Sequence[float]], term: str) -> FloatArray:
    """Draw the training batches, smoothed where they are many, and return what was drawn."""
    values = np.asarray(history.get(term, ()), float)
    if not len(values):
        return values
    steps = np.asarray(history["step"], float)
    width = max(1, len(values) // SMOOTHED_FROM)
    if width > 1:
        panel.plot(steps, values, color=COLOURS["generated"], linewidth=0.7, alpha=0.3)
    label = "training" if width == 1 else f"training (mean of the last {width} recorded steps)"
    curve = _running_mean(values, width)
    panel.plot(steps, curve, color=COLOURS["generated"], linewidth=2, label=label)
    return curve


def _held_out_curve(panel: Panel, history: Mapping[str, Sequence[float]], term: str) -> FloatArray:
    """Draw the held-out profiles as they are, and return them."""
    values = np.asarray(history.get(f"held_out_{term}", ()), float)
    if len(values):
        steps = np.asarray(history["held_out_step"], float)
        marker = "o" if len(values) <= 40 else None
        colour = COLOURS["reference"]
        panel.plot(
            steps, values, color=colour, linewidth=2, marker=marker, markersize=4, label="held out"
        )
    return values


def _running_mean(values: FloatArray, width: int) -> FloatArray:
    """Mean of the last ``width`` values, of fewer at the start."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - width, 0)
    return (sums[ends] - sums[starts]) / (ends - starts)


def _skip_first_fall(panel: Panel, train: FloatArray, held_out: FloatArray) -> None:
    """Set the y range without the first steps, whose steep fall would flatten the rest."""
    if (
        len(train) < SMOOTHED_FROM
        or not np.isfinite(train).all()
        or not np.isfinite(held_out).all()
    ):
        return
    low = float(min(train.min(), held_out.min(initial=np.inf)))
    high = float(max(train[len(train) // FALL :].max(), held_out[1:].max(initial=-np.inf)))
    if high > low:
        panel.set_ylim(low - 0.08 * (high - low), high + 0.08 * (high - low))


@mpl.rc_context(STYLE)
def ratio_dots(names: Sequence[str], ratios: Curves) -> Figure:
    """Each figure as a multiple of its floor: one row per figure, one dot per population.

    Args:
        names: What the rows are.
        ratios: Population -> multiple of the floor per row; rows that are not positive numbers get
            no dot.
    """
    figure = canvas(FULL, 1.3 + 0.36 * len(names))
    panel = figure.subplots()
    styles = line_styles(ratios)
    for name, values in ratios.items():
        rows = np.flatnonzero(np.isfinite(values) & (values > 0))
        style = styles[name]
        size, shape = (90, "o") if name == "generated" else (42, "D")
        dots = {"color": style["color"], "label": style["label"], "zorder": style["zorder"]}
        panel.scatter(np.asarray(values)[rows], rows, s=size, marker=shape, linewidths=0, **dots)
    panel.axvline(
        1, color=MUTED, linewidth=1.3, linestyle=(0, (4, 2)), label="another real sample (1)"
    )
    panel.set(
        xscale="log",
        xlabel="multiple of what another real sample scores (logarithmic; left is better)",
    )
    panel.set_yticks(range(len(names)), list(names))
    panel.set_ylim(len(names) - 0.5, -0.5)
    panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    panel.xaxis.set_major_formatter(plain_numbers())
    panel.minorticks_off()
    panel.grid(visible=True, axis="both")
    legend(figure, panel)
    return figure
