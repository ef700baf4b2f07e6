"""Scores of a file of forecasts of series."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from habitus.cli._console import spinner
from habitus.cli.evaluate.files import SeriesFiles, described
from habitus.evaluation.evaluate import panel_of
from habitus.evaluation.evaluate_series import HORIZONS, evaluate_forecast
from habitus.evaluation.metrics.marginals import spreads
from habitus.report.series import Forecasted, write_forecasted
from habitus.schema import FloatArray
from habitus.series import ForecastTable, Series, read_forecast

Json = dict[str, Any]

CURVE = 24  # steps ahead that the report's curves show at most
FEWEST = 100  # rows before the first origins that baselines can learn from


class Pieces(NamedTuple):
    """Draws, truth and past of every origin after which something is known, and where it is."""

    draws: FloatArray  # [O, K, H, V]
    truth: FloatArray  # NaN where it is not known, [O, H, V]
    pasts: list[FloatArray]  # [T_n, V] each
    names: list[str]


def evaluate_forecasts(
    files: SeriesFiles, steps: tuple[int, ...], *, buckets: int, seed: int
) -> tuple[Json, Callable[[Path, Mapping[str, str], bool], None]]:
    """Score a forecast at some steps ahead, and give the writer of its page.

    Raises:
        ValueError: for series that do not hold what was known, or nothing after it, or steps
            beyond the forecast.
    """
    if any(value is not None for value in files.columns.values()):
        raise ValueError(
            "a forecast knows its columns; leave --column, --scale, --time and --series-id out"
        )
    axes, made = read_forecast(files.path)
    real = files.read_real(axes, files.against)
    made.on(real)
    pieces = _pieces(made, real, files.against)
    _, samples, ahead, _ = pieces.draws.shape
    steps = steps or tuple(step for step in HORIZONS if step <= ahead)
    if max(steps) > ahead:
        raise ValueError(f"--steps {max(steps)} is beyond the {ahead} steps that were forecast")
    train, learnt_from = _learnt(made, real, files.read_train(axes), files.train_share)
    scale = spreads(panel_of(real)) if len(axes.variables) > 1 else None
    given = {"buckets": buckets, "scale": scale, "seed": seed}
    with spinner("Evaluating forecasts and baselines"):
        metrics = evaluate_forecast(*pieces[:3], train, steps=steps, **given)
    metrics |= described(axes, seed, learnt_from)
    metrics |= {
        "origins": len(pieces.draws),
        "samples": samples,
        "steps": ahead,
        "buckets": buckets,
    }
    metrics["unit"]["crps"] = "in standard deviations" if scale is not None else ""

    def page(path: Path, about: Mapping[str, str], overwrite: bool) -> None:
        many = sorted({*map(round, np.linspace(1, ahead, min(ahead, CURVE))), *steps})
        by_step = evaluate_forecast(*pieces[:3], train, steps=many, **given)
        # Chance settles the coverage of repeated values; curves show the table's scores.
        by_step["horizon"] |= metrics["horizon"]
        for name, baseline in metrics["baselines"].items():
            by_step["baselines"][name]["horizon"] |= baseline["horizon"]
        forecasted = Forecasted(*pieces, by_step)
        write_forecasted(path, metrics, forecasted, about, overwrite=overwrite)

    return metrics, page


def _pieces(made: ForecastTable, real: Series, path: Path) -> Pieces:
    """Select the origins followed by an observed value, with their draws, truth and past.

    Raises:
        ValueError: if no origin is followed by an observed value.
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
    pasts: list[FloatArray] = []
    names = list[str]()
    for number in kept:
        series = made.series[number]
        origin = made.origin[number]
        pasts.append(arrays[series][:origin])
        of = f"series {series}, " if len(real) > 1 else ""
        names.append(f"{of}after step {origin:,}")
    return Pieces(made.draws[kept], truth[kept], pasts, names)


def _learnt(
    made: ForecastTable, real: Series, train: Series | None, share: float | None
) -> tuple[list[FloatArray] | None, str]:
    """Training data of the baselines: as given, or what precedes each series' first origin."""
    if train is not None:
        return panel_of(train), "the training series"
    if share is not None:
        return panel_of(real.split(share)[0]), f"the first {share:.0%} of every series"
    first: dict[str, int] = {}
    for name, origin in zip(made.series, made.origin.tolist(), strict=True):
        first[name] = min(origin, first.get(name, origin))
    pairs = zip(real.ids, real.arrays(), strict=True)
    early: list[FloatArray] = [each[: first[name]] for name, each in pairs if name in first]
    if sum(map(len, early)) < FEWEST:
        return None, "the longest past of all, since the first origins have hardly any"
    return early, "what came before the first origin"
