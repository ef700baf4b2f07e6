"""Figures of the papers alone: settings of one model compared, and reconstructions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from habitus.report.figures.pictures import sample_pictures
from habitus.report.figures.regions import OUTLINE, outline
from habitus.report.figures.style import (
    BASELINE_COLOURS,
    COLOURS,
    FADING,
    HALF,
    INK,
    STYLE,
    canvas,
    legend,
    line_styles,
    plain_numbers,
)
from habitus.schema import Axes, BoolArray, FloatArray

DASHES = ("-", (0, (6, 1.5)), (0, (4, 1.2, 1, 1.2)), (0, (2, 1)))
SHOWN_STEPS = 12
"""The first 1 / SHOWN_STEPS of the steps, where losses fall steeply, does not set the y range."""


class Losses(NamedTuple):
    """Losses of one run: at which steps [N], and what they were [N]."""

    steps: FloatArray
    values: FloatArray


def setting_styles(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Line styles of a model under several settings, by colour and dashes, beside real data."""
    styles = line_styles(names)
    settings = [name for name in styles if name not in COLOURS]
    for index, name in enumerate(settings):
        at = index % len(BASELINE_COLOURS)
        styles[name] |= {
            "color": BASELINE_COLOURS[at],
            "linestyle": DASHES[at],
            "linewidth": 1.8,
            "zorder": 3.5,
        }
    return styles


@mpl.rc_context(STYLE)
def losses_by_setting(
    losses: Mapping[str, Losses], label: str, *, smoothing: float = 0.0
) -> Figure:
    """Smoothed losses of several runs (Figs 6.1 and 6.2).

    Args:
        losses: Name of a run -> its losses.
        label: What the loss is.
        smoothing: Share of the last smoothed value in the next one; 0 for none.
    """
    figure = canvas(HALF, 3.6)
    panel = figure.subplots()
    styles = setting_styles(losses)
    curves = {name: smoothed(each.values, smoothing) for name, each in losses.items()}
    for name, each in losses.items():
        panel.plot(each.steps, curves[name], **styles[name])
    later = np.concatenate([curve[len(curve) // SHOWN_STEPS :] for curve in curves.values()])
    low = float(later.min())
    high = float(later.max())
    if high > low:
        panel.set_ylim(low - 0.06 * (high - low), high + 0.06 * (high - low))
    panel.set(xlabel="training step", ylabel=label)
    panel.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    panel.xaxis.set_major_formatter(plain_numbers())
    panel.yaxis.set_major_formatter(plain_numbers())
    legend(figure, panel)
    return figure


def smoothed(values: FloatArray, factor: float) -> FloatArray:
    """Exponential moving average, without the pull of its start.

    >>> smoothed(np.array([1.0, 1.0, 4.0]), 0.5).round(3).tolist()
    [1.0, 1.0, 2.714]
    """
    out = np.zeros(len(values))
    last = 0.0
    for index, value in enumerate(np.asarray(values, float)):
        last = factor * last + (1 - factor) * value
        out[index] = last / (1 - factor ** (index + 1))
    return out


@mpl.rc_context(STYLE)
def reconstructions(
    axes: Axes,
    pictures: Mapping[str, FloatArray],
    hole: BoolArray,
    *,
    channels: Sequence[int] | None = None,
) -> Figure:
    """One profile in several versions, the missing region outlined (Figs 6.16, 6.17).

    Args:
        axes: What the axes of the pictures mean.
        pictures: Name of a version -> its values [D, S, C].
        hole: Hidden cells, [D, S].
        channels: Which channels to show; None for the busiest six.
    """
    figure = sample_pictures(axes, np.stack(list(pictures.values())), channels=channels)
    count = len(figure.axes) // len(
        pictures
    )  # a panel for each channel; the rows' colour bars come after all panels
    panels = figure.axes[: len(pictures) * (count - 1)]
    for row, name in enumerate(pictures):
        panels[row * (count - 1)].set_ylabel(name, color=INK)
    for panel in panels:
        _fade(panel.images[0])
        edges = LineCollection(
            outline(hole), colors=OUTLINE, linewidths=1.2, linestyles=(0, (3, 1.5))
        )
        panel.add_collection(edges, autolim=False)
    return figure


def _fade(image: AxesImage) -> None:
    """Colour map of expected values, which come arbitrarily near to zero."""
    image.set_cmap(FADING)
    if image.colorbar is not None:
        low, high = image.get_clim()
        image.colorbar.set_ticks([low, high], labels=["0", f"{high:.2g}"])
