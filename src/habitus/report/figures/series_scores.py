"""Figures of series: values, autocorrelation, example stretches, fan charts, and errors.

Letters: N series, T steps, V variables, K draws, H steps ahead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes as Panel
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from habitus.report.figures.style import (
    COLOURS,
    FULL,
    HALF,
    INK,
    MUTED,
    STYLE,
    canvas,
    finish_grid,
    legend,
    line_styles,
    plain_numbers,
    share,
    short,
)
from habitus.schema import FloatArray

MOST_VARIABLES = 6
POINTS = 400
DASHES = ((0, (1, 1.2)), (0, (4, 1.5)), (0, (5, 1.5, 1, 1.5)), (0, (2, 2)), "-")
BASELINE_LABELS = {
    "independent": "independent draws",
    "markov_chain": "Markov chain",
    "arima": "ARIMA",
}
FEW = 40  # points that a line has a marker for each
INTERVAL = "#e8915a"  # of a fan; the theme's orange, lighter


class Fan(NamedTuple):
    """One forecast: values up to its origin, draws of the steps ahead, and observed values."""

    title: str
    past: FloatArray  # [T]
    draws: FloatArray  # [K, H]
    truth: FloatArray  # NaN where it is not known, [H]


class Stretch(NamedTuple):
    """Values of one variable by step, by kind ("real", "generated", ...); NaN is a gap."""

    title: str
    lines: Mapping[str, FloatArray]
    first: int = 1  # number of the first step


@mpl.rc_context(STYLE)
def value_distributions(
    values: Mapping[str, Sequence[FloatArray]], labels: Sequence[str]
) -> Figure:
    """Cumulative distribution of the values of each variable.

    Args:
        values: "reference", "generated" or a baseline's name -> observed values of each variable, V
            arrays.
        labels: What each variable is, with its unit.
    """
    figure, panels = _grid(len(labels))
    styles = series_styles(values)
    for number, (panel, label) in enumerate(zip(panels, labels, strict=False)):
        real = values["reference"][number]
        margin = 0.05 * (float(np.ptp(real)) or 1.0)
        points = np.linspace(real.min() - margin, real.max() + margin, POINTS)
        for name, columns in values.items():
            curve = np.searchsorted(np.sort(columns[number]), points, side="right") / max(
                columns[number].size, 1
            )
            panel.step(points, curve, where="post", **styles[name])
        panel.set(xlabel=short(label, 34), xlim=(points[0], points[-1]), ylim=(0, 1.02))
        panel.xaxis.set_major_locator(MaxNLocator(6))
        panel.xaxis.set_major_formatter(plain_numbers())
        panel.yaxis.set_major_formatter(share())
    panels[0].set_ylabel("share with at most this")
    _key(figure, panels)
    return figure


@mpl.rc_context(STYLE)
def autocorrelations(curves: Mapping[str, FloatArray], labels: Sequence[str]) -> Figure:
    """Autocorrelation of each variable by lag.

    Args:
        curves: "reference", "generated", "floor" or a baseline's name -> lags 0 to L, [L + 1, V];
            NaN is not known.
        labels: What each variable is.
    """
    figure, panels = _grid(len(labels))
    styles = series_styles(curves)
    for number, (panel, label) in enumerate(zip(panels, labels, strict=False)):
        panel.axhline(0, color=MUTED, linewidth=0.8)
        for name, curve in curves.items():
            panel.plot(
                np.arange(1, len(curve)), curve[1:, number], **_alone(curve[1:]), **styles[name]
            )
        panel.set(xlabel="lag, steps", title=short(label, 34) if len(labels) > 1 else "")
        panel.xaxis.set_major_locator(MaxNLocator(7, integer=True))
        panel.yaxis.set_major_formatter(plain_numbers())
    panels[0].set_ylabel("autocorrelation")
    _key(figure, panels)
    return figure


@mpl.rc_context(STYLE)
def stretches(pairs: Sequence[tuple[Stretch, Stretch]]) -> Figure:
    """Stretches of real series left and generated ones right, each row on its own scale.

    Args:
        pairs: For each row a real and a generated stretch, of one line each.
    """
    figure = canvas(FULL, 0.5 + 1.75 * len(pairs))
    panels = figure.subplots(len(pairs), 2, squeeze=False, sharey="row", sharex=True)
    for row, pair in zip(panels, pairs, strict=True):
        for panel, stretch, colour in zip(
            row, pair, (COLOURS["reference"], COLOURS["generated"]), strict=True
        ):
            values = next(iter(stretch.lines.values()))
            panel.plot(
                np.arange(1, len(values) + 1), values, color=colour, linewidth=1.3, **_marks(values)
            )
            panel.set_title(stretch.title)
            panel.yaxis.set_major_formatter(plain_numbers())
            panel.yaxis.set_major_locator(MaxNLocator(4))
    for panel in panels[-1]:
        panel.set_xlabel("step")
        panel.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    return figure


@mpl.rc_context(STYLE)
def fan_charts(fans: Sequence[Fan], columns: int) -> Figure:
    """Forecasts as fans: median, central 50 % and 90 % of the draws, and what came.

    Args:
        fans: Row by row.
        columns: Fans in a row, on one scale.
    """
    rows = -(-len(fans) // columns)
    figure = canvas(FULL, 0.9 + 2.5 * rows)
    grid = figure.subplots(rows, columns, squeeze=False, sharey="row", sharex=True)
    panels = list(grid.flat)
    for panel, fan in zip(panels, fans, strict=False):
        _fan(panel, fan)
    finish_grid(panels, len(fans), columns)
    for panel in grid[-1]:
        panel.set_xlabel("steps from the origin")
    legend(figure, panels[0])
    return figure


def _fan(panel: Panel, fan: Fan) -> None:
    """Steps up to 0 are known, from 1 on forecast."""
    low, lower, middle, upper, high = np.quantile(fan.draws, (0.05, 0.25, 0.5, 0.75, 0.95), axis=0)
    ahead = np.arange(1, len(middle) + 1)
    known = np.arange(1 - len(fan.past), 1)
    colour = COLOURS["generated"]
    steps = "mid"
    panel.fill_between(
        ahead, low, high, step=steps, color=INTERVAL, alpha=0.3, linewidth=0, label="90 % of draws"
    )
    panel.fill_between(
        ahead, lower, upper, step=steps, color=INTERVAL, alpha=0.6, linewidth=0, label="50 %"
    )
    panel.step(ahead, middle, where=steps, color=colour, linewidth=2, label="median")
    panel.plot(
        known, fan.past, color=MUTED, linewidth=1.1, label="known before", **_alone(fan.past)
    )
    style: dict[str, Any] = {
        "color": COLOURS["reference"],
        "linewidth": 1.6,
        "marker": "o",
        "markersize": 2.5,
    }
    panel.plot(ahead, fan.truth, label="what came", **style)
    panel.axvline(0.5, color=MUTED, linewidth=1, linestyle=(0, (1, 2)))
    panel.set_title(fan.title)
    panel.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    panel.yaxis.set_major_formatter(plain_numbers())
    panel.yaxis.set_major_locator(MaxNLocator(5))


@mpl.rc_context(STYLE)
def forecast_scores(
    crps: Mapping[str, FloatArray],
    coverage: Mapping[str, FloatArray],
    steps: Sequence[int],
    unit: str,
) -> Figure:
    """CRPS and coverage of the 90 % interval by steps ahead.

    Args:
        crps: "generated" or a baseline's name -> CRPS at each step; NaN is not known.
        coverage: The same, shares of truths.
        steps: Steps ahead.
        unit: Of the CRPS.
    """
    figure = canvas(FULL, 4.2)
    left, right = figure.subplots(1, 2)
    styles = series_styles(crps)
    styles["generated"]["label"] = "forecast"
    for panel, scores in ((left, crps), (right, coverage)):
        for name, values in scores.items():
            panel.plot(steps, values, **_alone(values), **styles[name])
        panel.set_xlabel("steps ahead")
        panel.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    left.set(title=f"CRPS{unit}, lower is better")
    left.yaxis.set_major_formatter(plain_numbers())
    right.axhline(0.9, color=INK, linewidth=1.2, linestyle=(0, (4, 2)), label="as it should be")
    right.set(title="truths within the 90 % interval", ylim=(min(0.5, _least(coverage)), 1.02))
    right.yaxis.set_major_formatter(share())
    handles, labels = right.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=7)
    return figure


def _least(curves: Mapping[str, FloatArray]) -> float:
    values = np.concatenate([np.ravel(curve) for curve in curves.values()])
    return max(0.0, float(np.nanmin(values, initial=1.0)) - 0.05)


@mpl.rc_context(STYLE)
def cleaned_stretches(each: Sequence[Stretch]) -> Figure:
    """Noisy, cleaned and true values of the same stretch, below each other."""
    figure = canvas(FULL, 0.9 + 2.4 * len(each))
    panels = list(figure.subplots(len(each), 1, squeeze=False)[:, 0])
    for panel, stretch in zip(panels, each, strict=True):
        _cleaned(panel, stretch)
    panels[-1].set_xlabel("step")
    legend(figure, panels[0])
    return figure


def _cleaned(panel: Panel, stretch: Stretch) -> None:
    noisy, cleaned, clean = (stretch.lines[name] for name in ("noisy", "generated", "reference"))
    steps = stretch.first + np.arange(len(clean))
    panel.plot(steps, noisy, ".", color=COLOURS["floor"], markersize=6, label="given", zorder=2)
    panel.plot(
        steps, clean, color=COLOURS["reference"], linewidth=2.6, alpha=0.55, label="truth", zorder=3
    )
    panel.plot(steps, cleaned, color=COLOURS["generated"], linewidth=1.3, label="cleaned", zorder=4)
    missing = np.flatnonzero(np.isnan(noisy))
    style: dict[str, Any] = {"color": COLOURS["generated"], "markersize": 6, "zorder": 5}
    if len(missing):
        panel.plot(steps[missing], cleaned[missing], "D", label="filled", **style)
    panel.set_title(stretch.title)
    panel.set_xlim(steps[0] - 0.5, steps[-1] + 0.5)
    panel.yaxis.set_major_formatter(plain_numbers())
    panel.yaxis.set_major_locator(MaxNLocator(5))


@mpl.rc_context(STYLE)
def error_bars(errors: Mapping[str, float], label: str) -> Figure:
    """One error for each method, as bars with their numbers; the first one is ours.

    Args:
        errors: Method -> error.
        label: What the error is.
    """
    figure = canvas(FULL, 0.9 + 0.5 * len(errors))
    panel = figure.subplots()
    colours = [COLOURS["generated"], *[COLOURS["floor"]] * (len(errors) - 1)]
    bars = panel.barh(list(errors), list(errors.values()), color=colours, height=0.62)
    panel.bar_label(bars, [f"{value:.3g}" for value in errors.values()], padding=6)
    panel.invert_yaxis()
    panel.set(xlabel=label, xlim=(0, 1.12 * max(errors.values()) or 1.0))
    panel.xaxis.set_major_formatter(plain_numbers())
    panel.grid(visible=True, axis="x")
    panel.grid(visible=False, axis="y")
    return figure


def baseline_label(baseline: str) -> str:
    """A baseline's key in metrics.json, as words.

    >>> baseline_label("markov_chain"), baseline_label("block_bootstrap")
    ('Markov chain', 'block bootstrap')
    """
    return BASELINE_LABELS.get(baseline, baseline.replace("_", " "))


def series_styles(names: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Line styles of populations, with light, dashed lines for baselines."""
    styles = line_styles(names)
    baselines = [name for name in names if name not in COLOURS]
    for number, name in enumerate(baselines):
        dashes = {"linestyle": DASHES[number % len(DASHES)], "linewidth": 1.4, "alpha": 0.85}
        styles[name] |= dashes | {"label": baseline_label(name)}
    return styles


def _key(figure: Figure, panels: Sequence[Panel]) -> None:
    """A legend with as many names in a row as the figure has room for."""
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=4 if len(panels) == 1 else 7)


def _alone(values: FloatArray) -> dict[str, Any]:
    """Dots where values may stand alone, which no line shows."""
    return {"marker": "o", "markersize": 3} if len(values) == 1 or np.isnan(values).any() else {}


def _marks(values: FloatArray) -> dict[str, Any]:
    """A dot for each value of a short stretch too."""
    return {"marker": "o", "markersize": 3} if len(values) <= FEW else _alone(values)


def _grid(count: int) -> tuple[Figure, list[Panel]]:
    """A panel of half width, or up to three in a row."""
    if count == 1:
        figure = canvas(HALF, 4.2)
        return figure, [figure.subplots()]
    columns = min(count, 3)
    rows = -(-count // columns)
    figure = canvas(FULL, 1.1 + 2.7 * rows)
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    finish_grid(panels, count, columns)
    return figure, panels
