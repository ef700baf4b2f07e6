"""Figures of persistence: retention, silences, autocorrelation, the week as a picture."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import Formatter, MaxNLocator

from habitus.report.figures.style import (
    FULL,
    HALF,
    HEAT,
    LABELS,
    MUTED,
    STYLE,
    canvas,
    label_slots,
    legend,
    line_styles,
    plain_numbers,
    share,
)
from habitus.schema import WEEKDAYS, Axes, FloatArray, IntArray

_MARKED = 15  # points up to which a curve has dots


@mpl.rc_context(STYLE)
def retention_curves(curves: Mapping[str, FloatArray]) -> Figure:
    """Share of users active k days after their first active day.

    Args:
        curves: Population -> shares for k from 0, [D]; k = 0, where all are active, is not drawn.
    """
    drawn = {name: (np.arange(1, len(curve)), curve[1:]) for name, curve in curves.items()}
    return _lines(drawn, "days after the first active day", "share of users active", share())


@mpl.rc_context(STYLE)
def autocorrelation_curves(curves: Mapping[str, FloatArray]) -> Figure:
    """Mean autocorrelation of daily totals.

    Args:
        curves: Population -> values for lags from 1, [L].
    """
    drawn = {name: (np.arange(1, len(curve) + 1), curve) for name, curve in curves.items()}
    figure = _lines(drawn, "lag in days", "mean autocorrelation", plain_numbers())
    figure.axes[0].axhline(0, color=MUTED, linewidth=0.8)
    return figure


def _lines(
    drawn: Mapping[str, tuple[IntArray, FloatArray]], x: str, y: str, form: Formatter
) -> Figure:
    figure = canvas(HALF, 3.6)
    panel = figure.subplots()
    styles = line_styles(drawn)
    for name, (at, values) in drawn.items():
        panel.plot(
            at, values, marker="o" if len(at) <= _MARKED else None, markersize=4, **styles[name]
        )
    panel.set(xlabel=x, ylabel=y)
    panel.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    panel.yaxis.set_major_formatter(form)
    legend(figure, panel)
    return figure


@mpl.rc_context(STYLE)
def silence_curves(
    histograms: Mapping[str, IntArray], label: str, minutes: int | None = None
) -> Figure:
    """Draw the share of silences of at least each length, on logarithmic axes.

    Args:
        histograms: Population -> silences by their length, [K].
        label: Unit of the lengths.
        minutes: Length of one in minutes, to draw lengths in hours; None to draw them as they are.
    """
    figure = canvas(HALF, 3.6)
    panel = figure.subplots()
    styles = line_styles(histograms)
    scale = 1 if minutes is None else minutes / 60
    for name, counts in histograms.items():
        longer = np.cumsum(counts[::-1])[::-1] / max(int(counts.sum()), 1)
        known = np.flatnonzero(longer[1:]) + 1
        panel.step(known * scale, longer[known], where="post", **styles[name])
    some = any(counts[1:].any() for counts in histograms.values())
    scale_of_axes = (
        "log" if some else "linear"
    )  # where no user was ever silent there is nothing to take logs of
    panel.set(xscale=scale_of_axes, yscale=scale_of_axes)
    panel.set(xlabel=f"length in {label}", ylabel="share at least so long")
    panel.xaxis.set_major_formatter(plain_numbers())
    panel.yaxis.set_major_formatter(share())
    panel.minorticks_off()
    legend(figure, panel)
    return figure


@mpl.rc_context(STYLE)
def week_pictures(axes: Axes, weeks: Mapping[str, FloatArray]) -> Figure:
    """Activity by weekday and hour as shares of the week, on one colour scale.

    Args:
        axes: What the slots are.
        weeks: Population -> activity, [7, S], NaN for weekdays that the window lacks.
    """
    shares = {
        name: week / max(float(np.nansum(week)), np.finfo(float).tiny)
        for name, week in weeks.items()
    }
    top = max(1e-9, *(float(np.nanmax(each)) for each in shares.values()))
    figure = canvas(FULL, 3.2)
    panels = figure.subplots(1, len(shares), squeeze=False, sharey=True)[0]
    images = []
    for panel, (name, each) in zip(panels, shares.items(), strict=True):
        images.append(
            panel.imshow(each, cmap=HEAT, vmin=0, vmax=top, aspect="auto", interpolation="none")
        )
        panel.set_title(LABELS.get(name, name))
        panel.grid(visible=False)
        panel.spines[:].set_visible(False)
        label_slots(panel, axes, (0, 6, 12, 18))
    panels[0].set_yticks(range(len(WEEKDAYS)), WEEKDAYS)
    bar = figure.colorbar(images[0], ax=list(panels), format=share(), aspect=18, pad=0.01)
    bar.outline.set_visible(False)  # type: ignore[operator]
    figure.supxlabel(f"hour of the day ({axes.timezone})", fontsize=12)
    return figure
