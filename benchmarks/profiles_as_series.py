"""Recurrent models on users' hours, in the same evaluation table as the beta-VAE.

    python benchmarks/profiles_as_series.py irc-train irc-test           # 4,000 profiles of each, two seeds
    python benchmarks/profiles_as_series.py --quick

Each profile is a series of days x slots steps, a variable per channel, in counts; the models know the phases of a
day and a week. What they draw becomes profiles again, in shares of each user's peak as the beta-VAE's are.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Callable

import numpy as np

from fit_throughput import simulated
from habitus.evaluation import Evaluation, evaluate
from habitus.models.pictures.beta_vae import BetaVAE
from habitus.models.recurrent.lstm_gru import LSTM, RecurrentConfig
from habitus.models.recurrent.tdlgm import TDLGM, TDLGMConfig
from habitus.profiles.sparse import Profiles
from habitus.profiles.store import StoredProfiles
from habitus.series import from_profiles, to_profiles
from habitus.synthesis import generate
from habitus.training.config import FitConfig
from habitus.training.fit import fit
from machine import describe
from population import FIGURES, baseline, column, floor

SERIES = {"lstm": (LSTM, RecurrentConfig), "tdlgm": (TDLGM, TDLGMConfig)}
WEEK = 7
FEW = 100  # users: small batches are then quick


def of_pictures(train: Profiles, users: int, seed: int, epochs: int) -> Profiles:
    """The beta-VAE's population."""
    return generate(fit(BetaVAE, train, fit=FitConfig(epochs=epochs, seed=seed)), users, seed + 100)


def of_series(name: str, epochs: int | None) -> Callable[[Profiles, int, int], Profiles]:
    """A recurrent model's population; users without any event are left out, as those of the beta-VAE are."""

    def made(train: Profiles, users: int, seed: int) -> Profiles:
        kind, config = SERIES[name]
        slots = train.axes.slots
        settings = config(
            window=WEEK * slots, likelihood="counts", periods=f"{slots},{WEEK * slots}"
        )
        given = {"epochs": epochs} if epochs else {}
        given |= {"batch": 2} if users < FEW else {}
        run = fit(
            kind,
            from_profiles(train),
            settings,
            fit=FitConfig(**{**kind.fit_defaults, **given, "seed": seed}),
        )
        drawn = generate(run, series=users, steps=train.axes.days * slots, seed=seed + 100)
        profiles = to_profiles(drawn, train.axes.with_unit("count"))
        return profiles.take(np.flatnonzero(np.diff(profiles.indptr) > 0)).in_unit("peak")

    return made


def judged(
    name: str,
    make: Callable[[Profiles, int, int], Profiles],
    train: Profiles,
    test: Profiles,
    seeds: list[int],
) -> list[Evaluation]:
    """An evaluation per seed."""
    found = []
    for seed in seeds:
        start = time.perf_counter()
        drawn = make(train, len(test), seed)
        print(
            f"{name} seed {seed}: {len(drawn):,} users in {time.perf_counter() - start:.0f} s",
            flush=True,
        )
        found.append(evaluate(drawn, test, train, seed=seed))
    return found


def data(settings: argparse.Namespace) -> tuple[Profiles, Profiles]:
    if settings.quick:
        return simulated(40, days=14).split(0.3, 0)
    train, test = (
        some(StoredProfiles.open(path).load(), settings.most) for path in settings.profiles
    )
    return train, test


def some(profiles: Profiles, most: int) -> Profiles:
    """A random part of them."""
    return profiles.take(np.sort(np.random.default_rng(0).permutation(len(profiles))[:most]))


def table(columns: dict[str, list[Evaluation]]) -> None:
    """Every figure: mean and spread over seeds, floor, independent cells."""
    first = next(iter(columns.values()))
    print(f"| figure | {' | '.join(columns)} | floor | independent cells |")
    print("|---|" + "---|" * (len(columns) + 2))
    for name in FIGURES:
        cells = [column(each, name) for each in columns.values()]
        print(
            f"| {name} | {' | '.join(cells)} | {floor(first, name)} | {baseline(first[0], name)} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("profiles", nargs="*", help="folders of training and of test profiles")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1])
    parser.add_argument("--most", type=int, default=4000)
    parser.add_argument("--epochs", type=int, help="of the recurrent models")
    parser.add_argument("--quick", action="store_true")
    settings = parser.parse_args()
    logging.disable(logging.INFO)
    epochs, seeds = (1, [0]) if settings.quick else (settings.epochs, settings.seeds)
    train, test = data(settings)
    print(describe())
    print(f"{len(train):,} training profiles, {len(test):,} test profiles")
    makers = {name: of_series(name, epochs) for name in SERIES}
    pictures = 1 if settings.quick else 30
    columns = {
        "beta-vae": judged(
            "beta-vae", lambda a, n, s: of_pictures(a, n, s, pictures), train, test, seeds
        ),
        **{name: judged(name, make, train, test, seeds) for name, make in makers.items()},
    }
    table(columns)


if __name__ == "__main__":
    main()
