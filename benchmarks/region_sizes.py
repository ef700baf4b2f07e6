"""How hard a hole is to fill, by its size and its place: the context mixture against zeros and the user's own mean.

    python benchmarks/region_sizes.py mail --epochs 15 --figure docs/region-sizes.png
    python benchmarks/region_sizes.py --quick

The errors of holes of several sizes in several places, for one run fitted to any mask: squared error, in shares of
the true profile's peak, over that of leaving the hole empty, so that 1 is no better than zeros.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fit_throughput import simulated
from habitus.evaluation.baselines.completion import (
    COMPLETION_BASELINES,
    CompletionBaseline,
    Training,
)
from habitus.models.context_mixture.model import ContextMixture
from habitus.models.parts.masks import parse_mask
from habitus.profiles.sparse import Profiles
from habitus.profiles.store import StoredProfiles
from habitus.report.figures import PlaceError, SizeError, region_errors
from habitus.run import Run
from habitus.synthesis import complete
from habitus.training.config import FitConfig
from habitus.training.fit import fit
from machine import describe

METHOD = "context mixture"
SERIES_BASELINES = {"own_mean": "own mean", "nearest_neighbours": "nearest neighbours"}
WEEK = 7
Errors = dict[str, float]


def errors(run: Run, baselines: dict[str, CompletionBaseline], test: Profiles, mask: str) -> Errors:
    """Squared error over that of zeros, by method."""
    x = test.dense()
    pieces = list(complete(run, test, mask, samples=1).pieces())
    first = np.cumsum([0, *(piece.profiles for piece in pieces)])
    row = np.concatenate([piece.row + start for piece, start in zip(pieces, first, strict=False)])
    cell = np.concatenate([piece.cell for piece in pieces])
    missing = np.zeros((len(test), test.axes.cells), bool)
    missing[row, cell] = True
    missing = missing.reshape(x.shape)
    forecasts = {METHOD: np.concatenate([piece.mean for piece in pieces])}
    forecasts |= {
        name: baseline.fill(x, missing, 2, rng()).mean for name, baseline in baselines.items()
    }
    truth = x[missing]
    peak = test.peaks()[row]
    return {
        name: float((((truth - mean) / peak) ** 2).sum() / ((truth / peak) ** 2).sum())
        for name, mean in forecasts.items()
    }


def sized(days: int, slots: int) -> Iterator[tuple[str, str]]:
    """Places and masks of growing size."""
    for part in (8, 4, 2):
        yield "last days", f"last:{days // part}"
    for part in (8, 4, 2):
        yield "first hours of each day", f"rectangle:0-{days},0-{slots // part}"
    for share in (0.1, 0.25, 0.5):
        yield "single cells", f"cells:{share}"
        yield "blocks", f"blocks:{share}"
    for inset in (3, 2, 1):
        a = inset * days // 8
        b = days - inset * days // 8
        e = inset * slots // 8
        f = slots - inset * slots // 8
        yield "centre", f"rectangle:{a}-{b},{e}-{f}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("profiles", nargs="?", type=Path, help="folder of profiles")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--most", type=int, default=1000, help="test profiles")
    parser.add_argument("--figure", type=Path, help="write the figure here")
    parser.add_argument("--quick", action="store_true")
    settings = parser.parse_args()
    logging.disable(logging.INFO)
    population = simulated(200) if settings.quick else StoredProfiles.open(settings.profiles).load()
    train, test = population.split(0.26, 0)
    test = test.sample(min(len(test), 30 if settings.quick else settings.most), 0)
    epochs = 1 if settings.quick else settings.epochs
    run = fit(
        ContextMixture, train, fit=FitConfig(**{**ContextMixture.fit_defaults, "epochs": epochs})
    )
    print(describe())
    print(f"{len(train):,} training profiles, {len(test):,} test profiles\n\n| place | missing | {METHOD} | "
          + " | ".join(SERIES_BASELINES.values()) + " |\n|---|---|---|" + "---|" * len(SERIES_BASELINES))  # fmt: skip
    training = Training.of(train)
    baselines = {
        label: COMPLETION_BASELINES[name](train.axes, training)
        for name, label in SERIES_BASELINES.items()
    }
    measure(run, baselines, test, settings)


def measure(
    run: Run, baselines: dict[str, CompletionBaseline], test: Profiles, settings: argparse.Namespace
) -> None:
    """Print each hole's errors, then draw them."""
    axes = test.axes
    sizes = list[SizeError]()
    days = list[PlaceError]()
    slots = list[PlaceError]()
    step = axes.days if settings.quick else WEEK
    for place, mask in [("centre", "centre")] if settings.quick else sized(axes.days, axes.slots):
        share = parse_mask(mask, axes).draw(64, rng()).mean()
        found = shown(place, share, errors(run, baselines, test, mask))
        sizes += [SizeError(float(share), place, method, error) for method, error in found.items()]
    for start in range(0, axes.days - WEEK + 1, step):
        found = errors(run, baselines, test, f"rectangle:{start}-{start + WEEK},0-{axes.slots}")
        days += [
            PlaceError(start, method, error)
            for method, error in shown(f"week from day {start}", None, found).items()
        ]
    for start in range(0, axes.slots, axes.slots if settings.quick else axes.slots // 6):
        mask = f"rectangle:0-{axes.days},{start}-{start + max(1, axes.slots // 6)}"
        found = shown(
            f"slots from {axes.slot_label(start)}", None, errors(run, baselines, test, mask)
        )
        slots += [PlaceError(start, method, error) for method, error in found.items()]
    if settings.figure:
        region_errors(axes, sizes, days, slots).savefig(settings.figure, dpi=110, facecolor="white")


def shown(place: str, share: float | None, found: Errors) -> Errors:
    """Print a row."""
    cells = " | ".join(f"{error:.3f}" for error in found.values())
    print(f"| {place} | {'' if share is None else f'{share:.0%}'} | {cells} |", flush=True)
    return found


def rng() -> np.random.Generator:
    """The same draw of random masks each time."""
    return np.random.default_rng(0)


if __name__ == "__main__":
    main()
