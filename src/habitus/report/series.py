"""Page on evaluated series: generated, cleaned or forecast ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from habitus.evaluation.baselines.series import SERIES_BASELINES
from habitus.evaluation.metrics.correlations import autocorrelation
from habitus.evaluation.panels import Panel
from habitus.report import figures
from habitus.report.figures import MOST_VARIABLES, Fan, Stretch
from habitus.report.page import REPORT, Article, Easel, Plate, Section, Table, write_article
from habitus.report.series_wording import (
    against_baselines,
    against_floor,
    on_cleaned,
    on_forecast,
    series_rows,
)
from habitus.schema import FloatArray, IntArray

Metrics = Mapping[str, Any]
DRAWN = 200  # series that a baseline generates for the figures
LAGS = 24
LONGEST = 120  # steps of a stretch that is drawn
STRETCHES = 3
FANS = 4
PAST = 2  # lengths of the forecast that are drawn before it


@dataclass(frozen=True)
class Forecasted:
    """Forecasts from O origins, K draws of H steps each, with the observed values.

    Attributes:
        draws: Draws of the forecast, [O, K, H, V].
        truth: Observed values, NaN where unknown, [O, H, V].
        pasts: Values up to each origin, O arrays [T_n, V].
        names: Description of each origin, [O].
        by_step: Scores at many steps ahead, as ``evaluate_forecast`` returns them.
    """

    draws: FloatArray
    truth: FloatArray
    pasts: Sequence[FloatArray]
    names: Sequence[str]
    by_step: Metrics


def write_generated(
    path: Path | str,
    metrics: Metrics,
    ours: Panel,
    real: Panel,
    learnt: Panel,
    about: Mapping[str, str],
    *,
    overwrite: bool = False,
) -> None:
    """Write the page about generated series; the file appears whole or not at all.

    Args:
        path: The HTML file.
        metrics: The content of ``metrics.json``.
        ours: Series that are evaluated.
        real: Series that they are compared with.
        learnt: What the baselines learn from.
        about: Where the numbers come from, by name.
        overwrite: Replace whatever file stands there, not only an earlier report.

    Raises:
        ValueError: if something else stands at ``path`` and ``overwrite`` is not given.
    """
    easel = Easel()
    shape = min(len(ours), DRAWN), max(map(len, ours))
    baselines = {
        name: SERIES_BASELINES[name](learnt, metrics["seed"]).generate(*shape)
        for name in metrics["baselines"]
    }
    panels = {"reference": real, "generated": ours, **baselines}
    sections = [
        _scores(metrics, "generated"),
        Section(
            "Values and memory",
            _shown(metrics),
            [_values(easel, metrics, panels), _memory(easel, metrics, panels)],
        ),
        Section("Stretches", _stretched(metrics), [_stretches(easel, metrics, ours, real)]),
    ]
    rows = series_rows(metrics)
    verdict = [*against_floor(rows), *against_baselines(rows)]
    size = f"{metrics['series']:,} series of {metrics['steps']:,} steps"
    lead = f"{size}, evaluated against {_evaluated_against(metrics)}."
    write_article(
        path,
        Article(
            "Generated series against real ones", lead, _tiles(metrics), verdict, sections, about
        ),
        REPORT,
        overwrite=overwrite,
    )


def write_cleaned(
    path: Path | str,
    metrics: Metrics,
    cleaned: Panel,
    clean: Panel,
    noisy: Panel,
    about: Mapping[str, str],
    *,
    overwrite: bool = False,
) -> None:
    """Write the page about cleaned or filled series, as :func:`write_generated`."""
    easel = Easel()
    rows = series_rows(metrics)
    plates = [_cleaned(easel, metrics, cleaned, clean, noisy)]
    sections = [
        _scores(metrics, "cleaned", [_errors(easel, metrics)]),
        Section("What was given, what was made of it, and the truth", _shown(metrics), plates),
    ]
    lead = f"{_evaluated_against(metrics)}, cleaned or filled, against the truth."
    verdict = [*on_cleaned(metrics), *against_baselines(rows)]
    write_article(
        path,
        Article(
            "Cleaned series against the truth", lead, _tiles(metrics), verdict, sections, about
        ),
        REPORT,
        overwrite=overwrite,
    )


def write_forecasted(
    path: Path | str,
    metrics: Metrics,
    made: Forecasted,
    about: Mapping[str, str],
    *,
    overwrite: bool = False,
) -> None:
    """Write the page about forecasts, as :func:`write_generated`."""
    easel = Easel()
    sections = [
        _scores(metrics, "forecast", [_by_step(easel, metrics, made)]),
        Section("Forecasts and what came", _shown(metrics), [_fans(easel, metrics, made)]),
    ]
    lead = (
        f"{metrics['origins']:,} origins, {metrics['steps']:,} steps ahead, {metrics['samples']:,} "
        "draws each, evaluated against what came."
    )
    verdict = [*on_forecast(metrics), *against_baselines(series_rows(metrics))]
    write_article(
        path,
        Article("Forecasts against what came", lead, _tiles(metrics), verdict, sections, about),
        REPORT,
        overwrite=overwrite,
    )


def _evaluated_against(metrics: Metrics) -> str:
    real = metrics["real"]
    return f"{real['series']:,} series of {real['rows']:,} steps in all"


def _tiles(metrics: Metrics) -> list[tuple[str, str]]:
    first = (
        ("Origins", f"{metrics['origins']:,}")
        if "origins" in metrics
        else ("Series", f"{metrics['series']:,}")
    )
    names = metrics["variables"]
    last = names[0] if len(names) == 1 else f"{len(names)}"
    return [
        first,
        ("Steps", f"{metrics['steps']:,}"),
        ("Variable" if len(names) == 1 else "Variables", last),
    ]


def _scores(metrics: Metrics, ours: str, plates: Sequence[Plate] = ()) -> Section:
    """The table of all scores."""
    rows = series_rows(metrics)
    baselines = list(metrics["baselines"])
    floor = ["another real sample"] if "floor" in metrics else []
    columns = ["Score", "What it is", ours, *floor, *map(figures.baseline_label, baselines)]
    lines = []
    for number, row in enumerate(rows):
        again = number and row.score.meaning == rows[number - 1].score.meaning
        values = (row.ours, *([row.floor] if floor else []), *map(row.baselines.get, baselines))
        meaning = "" if again else row.score.meaning
        lines.append([_capital(row.score.name), meaning, *map(row.score.text, values)])
    note = f"{_capital(metrics['unit']['meaning'])}. {metrics['baselines_learn_from']}"
    return Section(
        "Scores", note, plates, [Table(f"{direction(metrics)}.", columns, lines, words=2)]
    )


def direction(metrics: Metrics) -> str:
    """Sentence on which way scores are better."""
    but = []
    if "transitions" in metrics:
        but.append("transitions: higher (they grow with the number of steps)")
    if "horizon" in metrics:
        but.append("within the interval: 90 %")
    return "; ".join(["Lower is better", *but])


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _labels(metrics: Metrics) -> list[str]:
    """The variables that are drawn, with the scale they are in."""
    scale = metrics["unit"]["scale"]
    unit = "" if scale == 1 else f" × {scale:g}"
    return [f"{name}{unit}" for name in metrics["variables"][:MOST_VARIABLES]]


def _shown(metrics: Metrics) -> str:
    count = len(metrics["variables"])
    return (
        f"The first {MOST_VARIABLES} of {count} variables are drawn."
        if count > MOST_VARIABLES
        else ""
    )


def _values(easel: Easel, metrics: Metrics, panels: Mapping[str, Panel]) -> Plate:
    labels = _labels(metrics)
    values = {
        name: [_column(panel, number) for number in range(len(labels))]
        for name, panel in panels.items()
    }
    figure = figures.value_distributions(values, labels)
    caption = "Share of values up to each one. Steps are values that come often."
    return easel.plate("Distribution of values", caption, figure, wide=len(labels) > 1)


def _column(panel: Panel, variable: int) -> FloatArray:
    """All known values of a variable."""
    values = np.concatenate([each[:, variable] for each in panel])
    return values[~np.isnan(values)]


def _memory(easel: Easel, metrics: Metrics, panels: Mapping[str, Panel]) -> Plate:
    labels = _labels(metrics)
    lags = min(LAGS, metrics["steps"] - 1)
    curves = {name: autocorrelation(panel, lags) for name, panel in panels.items()}
    caption = "How alike values so many steps apart are: 1 the same, 0 unrelated."
    return easel.plate(
        "Autocorrelation", caption, figures.autocorrelations(curves, labels), wide=len(labels) > 1
    )


def _stretched(metrics: Metrics) -> str:
    what = (
        "Whole series, or parts of long ones, spread evenly over the file: "
        "not chosen for their looks."
    )
    return f"{what} {_shown(metrics)}".strip()


def _stretches(easel: Easel, metrics: Metrics, ours: Panel, real: Panel) -> Plate:
    """A row for each variable, or three for a single one."""
    labels = _labels(metrics)
    rows = (
        [(0, number) for number in range(STRETCHES)]
        if len(labels) == 1
        else [(v, v) for v in range(len(labels))]
    )
    length = min(LONGEST, metrics["steps"], max(map(len, real)))
    spread = [
        _spread(panel, max(number for _, number in rows) + 1, length) for panel in (real, ours)
    ]
    if len(labels) == 1:
        rows = rows[: min(len({id(part) for part in each}) for each in spread)]
    pairs = []
    for variable, number in rows:
        parts = [each[number][:, variable] for each in spread]
        pairs.append(
            tuple(
                Stretch(f"{what}: {labels[variable]}", {"": part})
                for what, part in zip(("real", "generated"), parts, strict=True)
            )
        )
    caption = (
        f"Left real ones, right generated ones, {length} steps each, on one scale in every row."
    )
    return easel.plate("Real and generated stretches", caption, figures.stretches(pairs), wide=True)


def _spread(panel: Panel, count: int, length: int) -> list[FloatArray]:
    """Stretches of a number of steps, spread evenly over all that the panel has."""
    parts = [
        each[at : at + length]
        for each in panel
        for at in range(0, max(len(each) - length, 0) + 1, length)
    ]
    longest = max(map(len, parts))
    whole = [part for part in parts if len(part) == longest]
    return [whole[number * len(whole) // count] for number in range(count)]


def _by_step(easel: Easel, metrics: Metrics, made: Forecasted) -> Plate:
    steps = [int(step) for step in made.by_step["horizon"]]
    parts = {"generated": made.by_step, **made.by_step["baselines"]}
    crps, coverage = (
        {
            name: np.array([_known(part["horizon"][str(step)][key]) for step in steps])
            for name, part in parts.items()
        }
        for key in ("crps", "coverage_90")
    )
    unit = metrics["unit"]["crps"]
    figure = figures.forecast_scores(crps, coverage, steps, f", {unit}" if unit else "")
    few = metrics["origins"] < 100
    noise = (
        f" With {metrics['origins']:,} origins single points of the curves are noisy."
        if few
        else ""
    )
    caption = (
        f"Means over origins{' and variables' if len(metrics['variables']) > 1 else ''}.{noise}"
    )
    return easel.plate("Scores by steps ahead", caption, figure, wide=True)


def _known(value: float | None) -> float:
    return np.nan if value is None else value


def _fans(easel: Easel, metrics: Metrics, made: Forecasted) -> Plate:
    """A row for each variable, a column for each of some origins that have most truth."""
    labels = _labels(metrics)
    origins = _origins(made.truth)
    ahead = made.draws.shape[2]
    fans = [
        Fan(
            f"{made.names[origin]}{'' if len(labels) == 1 else ': ' + label}",
            made.pasts[origin][-max(PAST * ahead, LAGS) :, variable],
            made.draws[origin, :, :, variable],
            made.truth[origin, :, variable],
        )
        for variable, label in enumerate(labels)
        for origin in origins
    ]
    figure = figures.fan_charts(fans, len(origins) if len(labels) > 1 else min(2, len(origins)))
    caption = (
        "What was known before each origin, and the steps after it; origins are spread evenly over "
        f"the file.{' The variable is ' + labels[0] + '.' if len(labels) == 1 else ''}"
    )
    return easel.plate("Fan charts", caption, figure, wide=True)


def _origins(truth: FloatArray) -> IntArray:
    """Up to four origins, evenly spread over those whose truth is known best."""
    known = np.count_nonzero(~np.isnan(truth), axis=(1, 2))
    whole = np.flatnonzero(known == known.max())
    count = min(FANS, len(whole))
    return whole[np.arange(count) * len(whole) // count]


def _cleaned(easel: Easel, metrics: Metrics, cleaned: Panel, clean: Panel, noisy: Panel) -> Plate:
    """Stretches around gaps, if any: one for each variable, or three of a single one."""
    labels = _labels(metrics)
    drawn = (
        [(0, STRETCHES)] if len(labels) == 1 else [(variable, 1) for variable in range(len(labels))]
    )
    places = [
        (variable, *place) for variable, count in drawn for place in _gapped(noisy, variable, count)
    ]
    each = []
    for variable, series, first in places:
        part = slice(first, first + LONGEST)
        panels = {"noisy": noisy, "generated": cleaned, "reference": clean}
        lines = {name: panel[series][part, variable] for name, panel in panels.items()}
        of = f", series {metrics['names'][series]}" if len(noisy) > 1 else ""
        each.append(Stretch(f"{labels[variable]}{of}", lines, first + 1))
    caption = (
        f"Up to {LONGEST} steps each: where most was missing, else spread evenly. "
        "Diamonds are filled gaps."
    )
    return easel.plate("Stretches", caption, figures.cleaned_stretches(each), wide=True)


def _gapped(noisy: Panel, variable: int, count: int) -> list[tuple[int, int]]:
    """Stretches (series, first row) that do not overlap: with most gaps, and some spread evenly."""
    places = [
        (series, at) for series, each in enumerate(noisy) for at in range(0, len(each), LONGEST)
    ]
    gaps = [
        int(np.isnan(noisy[series][at : at + LONGEST, variable]).sum()) for series, at in places
    ]
    with_gaps = [places[at] for at in np.argsort(gaps, kind="stable")[::-1] if gaps[at]]
    spread = [places[number * len(places) // count] for number in range(count)]
    chosen = list(dict.fromkeys([*with_gaps[: max(count - 1, 1)], *spread, *places]))[:count]
    return [
        (series, max(0, min(at, len(noisy[series]) - LONGEST))) for series, at in sorted(chosen)
    ]


def _errors(easel: Easel, metrics: Metrics) -> Plate:
    methods = {
        "cleaned": metrics["reconstruction"],
        "identity: as given": metrics["baselines"]["identity"]["reconstruction"],
    }
    methods["posterior mean of each value alone"] = metrics["baselines"]["posterior_mean"][
        "reconstruction"
    ]
    errors = {name: part["mse"] for name, part in methods.items() if part["mse"] is not None}
    caption = (
        "The series as it was given, and the best guess for each value on its own, made with the "
        "truth's own histogram and noise: what a model that sees the neighbours has to beat."
    )
    return easel.plate(
        "Errors", caption, figures.error_bars(errors, "mean squared error"), wide=True
    )
