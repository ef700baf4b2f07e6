"""Models of series on real ones: discriminative and predictive scores, and CRPS by horizon, beside the baselines.

    python benchmarks/series.py stocks stock_data.csv --epochs 40 --learning-rate 0.005 --held-out 0
    python benchmarks/series.py energy energy_appliances.parquet --time date --epochs 30 ...
    python benchmarks/series.py etth1 ETTh1.parquet --time date --epochs 30 ...
    python benchmarks/series.py NAME FILE --models tdlgm --set likelihood=mixture --seeds 0
    python benchmarks/series.py --quick

Windows of 24 steps, as in Yoon et al. 2019. Fitted to the first 80 % of the rows; the discriminative and predictive
scores are against windows of those rows, as published ones are, and the forecasts start in the last 20 %. The floor
is other windows of the same rows. CRPS is in standard deviations of each variable over the training rows.
"""

from __future__ import annotations

import argparse
import logging
import math
import tempfile
import time
from dataclasses import fields
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from habitus.evaluation.baselines.series import SERIES_BASELINES
from habitus.evaluation.metrics.horizons import horizons
from habitus.evaluation.panels import complete_windows
from habitus.evaluation.two_sample.series import (
    DISCRIMINATORS,
    Discriminator,
    Predictor,
    discriminate,
    predictive_score,
)
from habitus.models import MODELS
from habitus.models.base import AutoregressiveModel
from habitus.run import Run
from habitus.series import Series, read_series
from habitus.settings import settings_of
from habitus.synthesis import forecast, generate, rolling_rows
from habitus.training.config import FitConfig
from habitus.training.fit import fit
from machine import describe

LENGTH = 24
HORIZONS = (1, 6, 24)
DRAWS = 50
MOST_WINDOWS = 3000
ORIGINS = 60
PUBLISHED = (
    "Published (Diffusion-TS paper): discriminative, stocks / energy: Diffusion-TS .067 / .122, "
    "TimeGAN .102 / .236, TimeVAE .145 / .499; predictive: .036 / .250"
)
Row = dict[str, float]


def config_of(name: str, pairs: list[str]) -> Any:
    """Settings of a model: windows of the length that is judged, and what is given."""
    kind = MODELS[name].Config
    known = {field.name for field in fields(kind)}
    asked = settings_of(kind, [pair for pair in pairs if pair.split("=")[0] in known])
    given = {"window": LENGTH, **asked}
    return kind(**{key: value for key, value in given.items() if key in known})


def forecasts(
    run: Run, series: Series, origins: NDArray[np.int64], truth: NDArray[Any], scale: NDArray[Any]
) -> Row:
    """CRPS at each horizon; empty for a model that reads no past."""
    if not isinstance(run.model, AutoregressiveModel):
        return {}
    made = forecast(run, series, origins=origins, steps=LENGTH, samples=DRAWS, seed=0)
    return crps(made.draws, truth, scale)


def crps(draws: NDArray[Any], truth: NDArray[Any], scale: NDArray[Any]) -> Row:
    """Mean over variables, in standard deviations."""
    found = horizons(draws, truth, HORIZONS, scale=scale)
    return {f"CRPS {step}": found[step]["crps"] for step in HORIZONS}


def two_sample(made: NDArray[Any], real: NDArray[Any], settings: argparse.Namespace) -> Row:
    """Discriminative scores by discriminator, and the predictive score; empty where none is asked for."""
    if not settings.discriminators:
        return {}
    kinds = {name: DISCRIMINATORS[name] for name in settings.discriminators}
    steps = Predictor()
    if settings.quick:
        kinds = {"original": Discriminator(iterations=20)}
        steps = Predictor(iterations=20)
    row = {f"disc. {name}": discriminate(made, real, each).score for name, each in kinds.items()}
    return {**row, "predictive": predictive_score(made, real, steps)}


def told(rows: list[Row]) -> str:
    cells = []
    for name in rows[0]:
        values = [row[name] for row in rows]
        spread = f" +- {stdev(values):.2g}" if len(values) > 1 else ""
        cells.append(f"{name} {mean(values):.3g}{spread}")
    return "; ".join(cells)


def fitted(name: str, train: Series, seed: int, settings: argparse.Namespace) -> Run:
    """A run with the settings of a fit that suit the model, but for those that are given."""
    names = ("epochs", "batch", "held_out", "learning_rate")
    asked = {each: getattr(settings, each) for each in names}
    given = {key: value for key, value in asked.items() if value is not None}
    how = FitConfig(**{**MODELS[name].fit_defaults, **given, "seed": seed})
    return fit(MODELS[name], train, config_of(name, settings.pairs), fit=how)


def judge(series: Series, settings: argparse.Namespace) -> None:
    """A line per model and baseline."""
    train, _ = series.split(0.8)
    values = train.arrays()
    scale = np.nanstd(np.concatenate(values), axis=0)
    origins = rolling_rows(series, 0.8, 1, LENGTH)
    origins = origins[
        np.linspace(0, len(origins) - 1, min(settings.origins, len(origins))).astype(int)
    ]
    truth = series.values[origins[:, None] + np.arange(LENGTH)]
    windows = complete_windows(values, LENGTH, 2 * settings.windows, 0)
    order = np.random.default_rng(0).permutation(len(windows))
    real, other = (windows[part] for part in np.array_split(order, 2))
    print(
        f"{len(series.values):,} rows of {len(series.axes.variables)} variables; {len(real):,} windows",
        flush=True,
    )
    if not settings.no_floor:
        print(f"| another real sample | {told([two_sample(other, real, settings)])}", flush=True)
    for name in settings.models:
        rows = []
        for seed in settings.seeds:
            start = time.perf_counter()
            run = fitted(name, train, seed, settings)
            held = [
                x
                for x in run.history.get("held_out_loss", [])
                if x is not None and math.isfinite(x)
            ]
            row = {"held-out loss": min(held)} if held else {}
            row |= {"fit, s": time.perf_counter() - start}
            made = np.stack(generate(run, series=len(real), steps=LENGTH, seed=seed).arrays())
            rows.append(
                two_sample(made, real, settings)
                | forecasts(run, series, origins, truth, scale)
                | row
            )
            print(f"    {name}, seed {seed}: {told(rows[-1:])}", flush=True)
        print(f"| {name} | {told(rows)}", flush=True)
    for name in settings.baselines:
        baseline = SERIES_BASELINES[name](values, 0)
        row = two_sample(baseline.generate(len(real), LENGTH), real, settings)
        pasts = [series.values[:origin] for origin in origins]
        print(
            f"| {name} | {told([row | crps(baseline.forecast(pasts, LENGTH, DRAWS), truth, scale)])}",
            flush=True,
        )


def made_up(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    walk = np.cumsum(rng.normal(size=(150, 2)), axis=0)
    path = folder / "walk.csv"
    np.savetxt(path, walk, delimiter=",", header="a,b", comments="")
    return path


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", nargs="?", default="walk")
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--time")
    parser.add_argument(
        "--models", nargs="*", default=["tdlgm", "lstm", "gru", "vrnn", "dlgm", "timegan"]
    )
    parser.add_argument(
        "--baselines",
        nargs="*",
        default=["independent", "block_bootstrap", "seasonal_naive", "arima"],
    )
    parser.add_argument("--set", dest="pairs", nargs="*", default=[], metavar="KEY=VALUE")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--windows", type=int, default=MOST_WINDOWS)
    parser.add_argument("--no-floor", action="store_true")
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument(
        "--held-out", type=float, help="share of the training rows; 0 fits to all of them"
    )
    parser.add_argument("--origins", type=int, default=ORIGINS, help="that forecasts start from")
    parser.add_argument(
        "--discriminators",
        nargs="*",
        default=["original", "wide"],
        help="none leaves out what needs networks to judge",
    )
    parser.add_argument("--quick", action="store_true")
    settings = parser.parse_args()
    logging.disable(logging.INFO)
    if settings.quick:
        settings.models = ["lstm", "timegan"]
        settings.baselines = ["independent"]
        settings.seeds = [0]
        settings.epochs = 1
        settings.batch = 2
        settings.windows = 100
        settings.pairs = ["hidden=8"]
    print(describe())
    print(f"{settings.name}; seeds {settings.seeds}; {' '.join(settings.pairs)}")
    print(PUBLISHED)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        judge(read_series(settings.file or made_up(Path(folder)), time=settings.time), settings)


if __name__ == "__main__":
    main()
