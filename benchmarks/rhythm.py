r"""How near a generated population is to the real one: Rhythm beside the paper's models and the floor, over seeds.

    habitus profile irc_w3c.parquet --user user_id --time timestamp --channel event --start 2006-12-04 --days 32 \
        --window-every 35 --min-events 10 --min-days 3 --out irc
    python benchmarks/rhythm.py irc --rows irc.jsonl --runs runs              # Rhythm, three seeds, each fit kept
    python benchmarks/rhythm.py irc --models beta-vae lstm tdlgm --rows irc.jsonl
    python benchmarks/rhythm.py irc --models --floors 40 --rows irc.jsonl     # the floor from more samples
    python benchmarks/rhythm.py --table irc.jsonl mail.jsonl                  # what is in RESULTS.md
    python benchmarks/rhythm.py --quick

Split by user, 26 % for testing. The generated set is as large as the test set; the floor is the median of ten
samples of training users of that size, or of as many as ``--floors`` says. AUC: boosted trees on features of users,
against the test users; its floor is training users against test users. Forecasts: CRPS of the last seven days on
test users, over the best baseline's that learns nothing.
"""

from __future__ import annotations

import argparse
import logging
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import mean, median

import numpy as np

import kept_rows
from fit_throughput import simulated
from habitus.evaluation import evaluate
from habitus.evaluation.evaluate_completion import evaluate_completion
from habitus.evaluation.floor import random_rows
from habitus.evaluation.metrics.compare import compare
from habitus.evaluation.metrics.summary import Summary, summarise
from habitus.evaluation.two_sample import two_sample
from habitus.models import MODELS
from habitus.profiles.sparse import Profiles
from habitus.profiles.store import StoredProfiles
from habitus.run import Run, load
from habitus.settings import settings_of
from habitus.synthesis import complete, generate
from habitus.training.config import FitConfig, as_asked
from habitus.training.fit import fit
from kept_rows import Row, over_seeds
from machine import describe
from profiles_as_series import SERIES, of_series

FIGURES = (
    "daily_mean.kld", "daily_std.kld", "daily_mean.mse", "daily_std.mse", "total_cdf.ks", "dau.relative_error",
    "wau.relative_error", "mau.relative_error",
)  # fmt: skip
PRIORS = {False: ("normal", "mixture"), True: ("",)}  # those that do not have one of their own
AHEAD = "last:7"
SAMPLES = 20
DIGITS = ".3g", ".1g"  # of means and spreads
Settings = argparse.Namespace


def fitted(name: str, train: Profiles, seed: int, settings: Settings) -> Run:
    """A fit with what suits the model, or the one that is kept."""
    kind = MODELS[name]
    given = as_asked({"epochs": settings.epochs} if settings.epochs else {})
    config = kind.Config(**settings_of(kind.Config, settings.pairs))
    out = settings.runs / f"{settings.name}-{name}-{seed}" if settings.runs else None
    if out and out.exists():
        return load(out)
    return fit(
        kind, train, config, fit=FitConfig(**{**kind.fit_defaults, **given, "seed": seed}), out=out
    )


def rows(
    name: str, train: Profiles, test: Profiles, seed: int, settings: Settings
) -> Iterator[Row]:
    """A row for each population of a model, and one of how well Rhythm looks ahead."""
    start = time.perf_counter()
    if name in SERIES:
        made = of_series(name, settings.epochs)(train, len(test), seed)
        told = {"method": name, "fit and draw": time.perf_counter() - start}
        yield told | judged(made, train, test, seed, settings)
        return
    run = fitted(name, train, seed, settings)
    took = time.perf_counter() - start
    for prior in PRIORS[run.model.learns_prior]:
        start = time.perf_counter()
        made = generate(run, len(test), seed + 100, prior=prior or "mixture")
        told = {"fit": took, "users/s": len(test) / (time.perf_counter() - start), **held_out(run)}
        method = {"method": f"{name}, {prior}" if prior else name}
        yield method | told | judged(made, train, test, seed, settings)
        for number in range(settings.populations):
            yield {"method": f"{method['method']}, again"} | figures(
                summarise(generate(run, len(test), 1000 + number)), summarise(test)
            )
    if name == "rhythm" and settings.forecasts:
        yield {"method": "rhythm, ahead"} | ahead(run, train, test, seed, settings)


def held_out(run: Run) -> Row:
    """The best held-out loss."""
    losses = [loss for loss in run.history.get("held_out_loss", []) if loss is not None]
    return {"held-out loss": min(losses)} if losses else {}


def judged(made: Profiles, train: Profiles, test: Profiles, seed: int, settings: Settings) -> Row:
    """Every figure, its floor, and the two-sample test."""
    found = evaluate(made, test, train, seed=seed)
    rows = {name: (figure, floor) for name, figure, floor in found.rows()}
    row = {name: rows[name][0] for name in FIGURES} | {
        f"floor {name}": rows[name][1] for name in FIGURES
    }
    told = two_sample(
        made, test, train, most=settings.most, convolutional=settings.convolutional, seed=seed
    )
    row |= {"auc": told.auc.value, "auc error": told.auc.error, "floor auc": told.floor.value}
    if told.convolutional is not None:
        row |= {
            "auc of pictures": told.convolutional.auc.value,
            "floor auc of pictures": told.convolutional.floor.value,
        }
    return row | {"told by": [each.name for each in told.features[:8]]}


def ahead(run: Run, train: Profiles, test: Profiles, seed: int, settings: Settings) -> Row:
    """CRPS of the last days, and over that of the best baseline."""
    some = test.sample(min(settings.forecasts, len(test)), seed)
    filled = complete(run, some, AHEAD, samples=SAMPLES, seed=seed)
    found = evaluate_completion(filled, some, train, seed=seed, most=settings.forecasts)
    baselines = {name: figures["crps"] for name, figures in found.baselines.items()}
    best = min(baselines, key=lambda name: baselines[name])
    ours = found.figures["crps"]
    return {
        "crps": ours,
        "best baseline": best,
        "over best baseline": ours / baselines[best],
        "baselines": baselines,
    }


def floors(train: Profiles, test: Profiles, samples: int) -> Row:
    """Medians of what samples of training users score, as many users as are tested."""
    rng = np.random.default_rng(7)
    reference = summarise(test)
    found = [
        figures(summarise(train, random_rows(len(train), len(test), rng)), reference)
        for _ in range(samples)
    ]
    return {
        "method": "floor",
        "samples": samples,
        **{name: median(each[name] for each in found) for name in FIGURES},
    }


def figures(made: Summary, reference: Summary) -> Row:
    """Every figure of some profiles."""
    found = compare(made, reference)
    by_name = {name: name.split(".") for name in FIGURES}
    return {name: found[part][key] for name, (part, key) in by_name.items()}


def measure(settings: Settings) -> None:
    """Measure, print and keep every row as it comes."""
    population = simulated(200) if settings.quick else StoredProfiles.open(settings.profiles).load()
    train, test = population.split(0.26, 0)
    settings.name = name = "simulated" if settings.quick else settings.profiles.name
    print(describe())
    print(f"{name}: {len(train):,} training profiles, {len(test):,} test profiles", flush=True)
    if settings.floors:
        kept_rows.keep({"data": name, **floors(train, test, settings.floors)}, settings.rows)
    for seed in settings.seeds:
        for model in settings.models:
            for row in rows(model, train, test, seed, settings):
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
                kept_rows.keep({"data": name, "seed": seed, **row, "peak GiB": peak}, settings.rows)


def table(found: list[Row]) -> None:
    """A table for each data set: mean and spread over seeds, and in brackets how many times the floor each is."""
    for data in dict.fromkeys(row["data"] for row in found):
        mine = [
            row
            for row in found
            if row["data"] == data and FIGURES[0] in row and row["method"] != "floor"
        ]
        methods = list(dict.fromkeys(row["method"] for row in mine))
        print(
            f"\n**{data}**\n\n| figure | {' | '.join(methods)} | floor |\n|---|{'---|' * (len(methods) + 1)}"
        )
        for name in (
            *FIGURES,
            "auc",
            "auc of pictures",
            "held-out loss",
            "fit",
            "users/s",
            "peak GiB",
        ):
            floor = floor_of(name, data, found)
            over = mean(floor) if floor and name in FIGURES else 0.0
            by_method = [
                [row[name] for row in mine if row["method"] == m and name in row] for m in methods
            ]
            cells = " | ".join(cell(values, over) for values in by_method)
            print(f"| {name} | {cells} | {over_seeds(floor, *DIGITS)} |")


def floor_of(name: str, data: str, found: list[Row]) -> list[float]:
    """The floor of a figure: from the samples drawn for it, or from those drawn beside each population."""
    mine = [row for row in found if row["data"] == data]
    drawn = [row[name] for row in mine if row["method"] == "floor" and name in row]
    return drawn or list(
        {row["seed"]: row[f"floor {name}"] for row in mine if f"floor {name}" in row}.values()
    )


def cell(values: list[float], floor: float) -> str:
    """Mean and spread over seeds, and how many times the floor each is where that is not 0."""
    times = f" ({', '.join(f'{value / floor:.1f}' for value in values)})" if floor else ""
    return over_seeds(values, *DIGITS) + times


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("profiles", nargs="?", type=Path, help="folder of profiles")
    parser.add_argument("--models", nargs="*", default=["rhythm"])
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, help="what suits the model where not given")
    parser.add_argument("--set", dest="pairs", nargs="*", default=[], metavar="KEY=VALUE")
    parser.add_argument(
        "--most", type=int, default=10_000, help="profiles of a side of the two-sample test"
    )
    parser.add_argument("--convolutional", action="store_true", help="a network on pictures too")
    parser.add_argument(
        "--forecasts", type=int, default=1000, help="test profiles that are looked ahead for"
    )
    parser.add_argument(
        "--floors", type=int, help="draw so many samples of training users for the floor"
    )
    parser.add_argument(
        "--runs", type=Path, help="keep the fits here, as DATA-MODEL-SEED, and take those that are"
    )
    parser.add_argument(
        "--populations",
        type=int,
        default=0,
        help="so many more of each fit, judged by figures only",
    )
    kept_rows.add_options(parser)
    parser.add_argument("--quick", action="store_true")
    settings = parser.parse_args()
    logging.disable(logging.INFO)
    if settings.table:
        table(kept_rows.read(settings.table))
        return
    if settings.quick:
        settings.seeds = [0]
        settings.epochs = 1
        settings.forecasts = 5
        settings.pairs = ["hidden=16"]
    measure(settings)


if __name__ == "__main__":
    main()
