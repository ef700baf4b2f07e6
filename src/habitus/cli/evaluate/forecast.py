"""Evaluation of forecasts of series by ``habitus evaluate``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from habitus.cli._console import spinner
from habitus.cli.evaluate.files import (
    Asked,
    Json,
    described,
    panel,
    read_real,
    read_train,
    steps_of,
)
from habitus.evaluation.evaluate_series import HORIZONS, evaluate_forecast
from habitus.evaluation.metrics.marginals import spreads
from habitus.evaluation.metrics.transitions import DEFAULT_BUCKETS
from habitus.report.series import Forecasted, write_forecasted
from habitus.schema import FloatArray
from habitus.series import ForecastTable, Series, read_forecast

CURVE = 24  # steps ahead that the report's curves show at most
FEWEST = 100  # rows before the first origins that baselines can learn from


class Pieces(NamedTuple):
    """Draws, truth and past of every origin after which something is known, and where it is."""

    draws: FloatArray  # [O, K, H, V]
    truth: FloatArray  # NaN where it is not known, [O, H, V]
    pasts: list[FloatArray]  # [T_n, V] each
    names: list[str]


def evaluate_forecasts(path: Path, asked: Asked, about: Mapping[str, str]) -> Json:
    """Evaluate a forecast, and write its page.

    Raises:
        ValueError: for series that do not hold what was known, or nothing after it, or steps
            beyond the forecast.
    """
    if any(value is not None for value in asked.columns.values()):
        raise ValueError(
            "a forecast knows its columns; leave --column, --scale, --time and --series-id out"
        )
    axes, made = read_forecast(path)
    real = read_real(axes, asked.against, asked)
    made.on(real)
    pieces = _pieces(made, real, asked.against)
    steps = _horizons(asked, pieces.draws.shape[2])
    train, learnt_from = _learnt(made, real, read_train(axes, asked), asked.train_share)
    scale = spreads(panel(real)) if len(axes.variables) > 1 else None
    given = {"buckets": asked.buckets or DEFAULT_BUCKETS, "scale": scale, "seed": asked.seed}
    _, samples, ahead, _ = pieces.draws.shape
    with spinner("Evaluating forecasts and baselines"):
        metrics = evaluate_forecast(*pieces[:3], train, steps=steps, **given)
    metrics |= described(axes, asked.seed, learnt_from)
    metrics |= {
        "origins": len(pieces.draws),
        "samples": samples,
        "steps": ahead,
        "buckets": given["buckets"],
    }
    metrics["unit"]["crps"] = "in standard deviations" if scale is not None else ""
    if asked.html:
        with spinner("Evaluating every step, and drawing"):
            many = sorted({*map(round, np.linspace(1, ahead, min(ahead, CURVE))), *steps})
            by_step = evaluate_forecast(*pieces[:3], train, steps=many, **given)
            _replace(by_step, metrics, steps)
            write_forecasted(asked.html, metrics, Forecasted(*pieces, by_step), about)
    return metrics


def _replace(by_step: Json, metrics: Json, steps: tuple[int, ...]) -> None:
    """Put the scores of the table into the curves: chance settles coverage of repeated values."""
    pairs = [
        (by_step, metrics),
        *(
            (by_step["baselines"][name], metrics["baselines"][name])
            for name in metrics["baselines"]
        ),
    ]
    for curve, table in pairs:
        curve["horizon"].update({str(step): table["horizon"][str(step)] for step in steps})


def _horizons(asked: Asked, ahead: int) -> tuple[int, ...]:
    """Those that were asked for, or the usual ones within the forecast."""
    steps = steps_of(asked.steps) or tuple(step for step in HORIZONS if step <= ahead)
    if max(steps) > ahead:
        raise ValueError(f"--steps {max(steps)} is beyond the {ahead} steps that were forecast")
    return steps


def _pieces(made: ForecastTable, real: Series, path: Path) -> Pieces:
    """Pair the forecast with the observed values.

    Raises:
        ValueError: if nothing did.
    """
    arrays = dict(zip(real.ids, real.arrays(), strict=True))
    origins, _, ahead, variables = made.draws.shape
    truth = np.full((origins, ahead, variables), np.nan)
    for number, (name, origin) in enumerate(zip(made.series, made.origin, strict=True)):
        came = arrays[name][origin : origin + ahead]
        truth[number, : len(came)] = came
    kept = np.flatnonzero((~np.isnan(truth)).any(axis=(1, 2))).tolist()
    if not kept:
        raise ValueError(
            f"{path} has no value after any of the forecast's {len(truth)} origins; "
            "--against must go on after the forecast's origin"
        )
    pasts: list[FloatArray] = [
        arrays[made.series[number]][: made.origin[number]] for number in kept
    ]
    of = [f"series {made.series[number]}, " if len(real) > 1 else "" for number in kept]
    names = [
        f"{text}after step {made.origin[number]:,}" for text, number in zip(of, kept, strict=True)
    ]
    return Pieces(made.draws[kept], truth[kept], pasts, names)


def _learnt(
    made: ForecastTable, real: Series, train: Series | None, share: float | None
) -> tuple[list[FloatArray] | None, str]:
    """Training data of the baselines: as given, or what precedes each series' first origin."""
    if train is not None:
        return panel(train), "the training series"
    if share is not None:
        return panel(real.split(share)[0]), f"the first {share:.0%} of every series"
    first: dict[str, int] = {}
    for name, origin in zip(made.series, made.origin.tolist(), strict=True):
        first[name] = min(origin, first.get(name, origin))
    pairs = zip(real.ids, real.arrays(), strict=True)
    early: list[FloatArray] = [each[: first[name]] for name, each in pairs if name in first]
    if sum(map(len, early)) < FEWEST:
        return None, "the longest past of all, since the first origins have hardly any"
    return early, "what came before the first origin"
