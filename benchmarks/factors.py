r"""Which known factors of users the latents recover, by beta: prediction, MIG, SAP, DCI and the beta metric.

    habitus simulate --users 20000 --days 32 --seed 0 --out sim.parquet
    habitus profile sim.parquet --user user_id --time timestamp --channel platform \
        --start 2018-02-01 --days 32 --out sim
    habitus split sim --test 0.26 --seed 0 --out sim-train sim-test
    python benchmarks/factors.py sim-train sim-test --factors sim.factors.parquet   # the paper's betas, three seeds
    python benchmarks/factors.py sim-train sim-test --factors sim.factors.parquet --betas 0.1 --set latents=20
    python benchmarks/factors.py retail-train retail-test                             # attributes of the users
    python benchmarks/factors.py --quick                                              # a small simulated population

Fitted to the training users; scored on the test users' posterior means. The last row is the latents replaced by
the users' own habits (total, hours, days, channels: what can be read off a profile without learning), which says
how much of a factor a profile shows at all.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from pathlib import Path
from statistics import mean

import numpy as np

from habitus import EventLog
from habitus.evaluation.habits import HOURS, habits_of
from habitus.evaluation.latents import (
    Disentanglement,
    Factor,
    disentanglement,
    factors_from_columns,
)
from habitus.models.pictures.beta_vae import BetaVAE, BetaVAEConfig
from habitus.papers.time_pictures.paper import BETAS
from habitus.profiles.build import profile
from habitus.profiles.factors import attributes, factors_file
from habitus.profiles.sparse import Profiles
from habitus.profiles.store import StoredProfiles
from habitus.schema import FloatArray
from habitus.settings import settings_of
from habitus.simulate import factors_path, write_log
from habitus.synthesis.capabilities import latent_model
from habitus.training.config import FitConfig
from habitus.training.encoding import IN_USE, encode
from habitus.training.fit import fit
from kept_rows import over_seeds
from machine import describe

LOGARITHMIC = ("rate",)  # heavy-tailed: told as logarithms
CIRCULAR = ("preferred_hour",)
SCORES = (
    "mig",
    "sap",
    "dci_disentanglement",
    "dci_completeness",
    "dci_informativeness",
    "beta_metric",
)


def known(profiles: Profiles, file: Path | None) -> tuple[tuple[Factor, ...], np.ndarray]:
    """The factors of the users, and which users have all of them."""
    columns = attributes(profiles.users) | (factors_file(file, profiles.users) if file else {})
    for name in LOGARITHMIC:
        if name in columns:
            columns[f"log {name}"] = np.log(np.asarray(columns.pop(name), float)).tolist()
    found = factors_from_columns(columns, {name: HOURS for name in CIRCULAR if name in columns})
    return found.factors, found.users


def own_habits(profiles: Profiles) -> FloatArray:
    """The users' habits as if they were latents; hours as the two coordinates of a circle."""
    found = habits_of(profiles, "peak")
    hour = found.pop("peak hour") * 2 * np.pi / HOURS
    events = np.log1p(habits_of(profiles)["total activity"])
    return np.nan_to_num(np.column_stack([*found.values(), np.cos(hour), np.sin(hour), events]))


def scored(
    codes: FloatArray, truth: tuple[tuple[Factor, ...], np.ndarray], seed: int
) -> Disentanglement:
    """Scores of codes of all users against the factors of those who have them."""
    return disentanglement(codes[truth[1]], truth[0], seed=seed)


def one(
    train: Profiles, test: Profiles, config: BetaVAEConfig, epochs: int, seed: int
) -> tuple[FloatArray, int]:
    """Latents of the test users, and how many are in use."""
    run = fit(BetaVAE, train, config, fit=FitConfig(epochs=epochs, seed=seed))
    posterior = encode(latent_model(run.model), test)
    return posterior.mean.numpy(), int((posterior.kl >= IN_USE).sum())


def row(name: str, found: list[Disentanglement], in_use: str) -> str:
    scores = [
        over_seeds([getattr(each, score) for each in found], ".3f", ".3f") for score in SCORES
    ]
    factors = [
        f"{mean([each.prediction[factor] for each in found]):.2f}" for factor in found[0].prediction
    ]
    return f"| {name} | {in_use} | {' | '.join(scores)} | {' | '.join(factors)} |"


def data(settings: argparse.Namespace, folder: Path) -> tuple[Profiles, Profiles, Path | None]:
    if not settings.quick:
        train, test = (StoredProfiles.open(path).load() for path in settings.profiles)
        return train, test, settings.factors
    log = folder / "events.parquet"
    write_log(log, users=200, days=14, seed=0)
    made = profile(EventLog.open(log, user="user_id", time="timestamp", channel="platform"))
    train, test = made.split(0.5, 0)
    return train, test, factors_path(log)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "profiles", nargs="*", type=Path, help="folders of training and test profiles"
    )
    parser.add_argument(
        "--factors", type=Path, help="factors by user, besides attributes of the profiles"
    )
    parser.add_argument("--betas", type=float, nargs="*", default=list(BETAS))
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--set", dest="pairs", nargs="*", default=[], metavar="KEY=VALUE")
    parser.add_argument("--quick", action="store_true")
    settings = parser.parse_args()
    logging.disable(logging.INFO)
    if settings.quick:
        settings.betas = [0.1]
        settings.seeds = [0]
        settings.epochs = 1
    with tempfile.TemporaryDirectory() as folder:
        train, test, file = data(settings, Path(folder))
        truth = known(test, file)
    print(describe())
    print(
        f"{len(train):,} training profiles; scored on {int(truth[1].sum()):,} of {len(test):,} test profiles"
    )
    print(
        f"{settings.epochs} epochs, seeds {settings.seeds}, {' '.join(settings.pairs)}", flush=True
    )
    print(
        f"| beta | in use | {' | '.join(SCORES)} | {' | '.join(factor.name for factor in truth[0])} |"
    )
    print("|---|" + "---|" * (1 + len(SCORES) + len(truth[0])))
    given = settings_of(BetaVAEConfig, settings.pairs)
    for beta in settings.betas:
        made = [
            one(train, test, BetaVAEConfig(**{**given, "beta": beta}), settings.epochs, s)
            for s in settings.seeds
        ]
        found = [
            scored(codes, truth, seed)
            for (codes, _), seed in zip(made, settings.seeds, strict=True)
        ]
        print(row(f"{beta:g}", found, "/".join(str(used) for _, used in made)), flush=True)
    print(row("own habits", [scored(own_habits(test), truth, 0)], ""))


if __name__ == "__main__":
    main()
