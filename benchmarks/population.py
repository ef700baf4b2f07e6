r"""How good a generated population is: both precisions and both priors, over seeds, beside the floor.

    habitus profile irc_w3c.parquet --user user_id --time timestamp --channel event --start 2006-12-04 --days 32 \
        --window-every 35 --min-events 10 --min-days 3 --out irc
    python benchmarks/population.py irc                     # three seeds, ten epochs
    python benchmarks/population.py irc --seeds 0 --epochs 100 --precisions bfloat16
    python benchmarks/population.py --quick                 # a small simulated population, one epoch

Split by user, 26 % for testing. The generated set is as large as the test set. The floor is a sample of training
users of that size against the same test set; the baseline draws cells independently of each other.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
from pathlib import Path
from statistics import mean

from fit_throughput import simulated
from habitus.evaluation import Evaluation, evaluate
from habitus.models.pictures.beta_vae import BetaVAE, BetaVAEConfig
from habitus.profiles.sparse import Profiles
from habitus.profiles.store import StoredProfiles
from habitus.run import Run
from habitus.synthesis import generate
from habitus.training.config import FitConfig
from habitus.training.fit import fit
from kept_rows import over_seeds
from machine import describe

# "Time pictures" Table 6.1, beta 0.1, on its private data of 3.85 million users.
PAPER = {
    "daily_mean.kld": 1.215e-3,
    "daily_std.kld": 1.295e-3,
    "daily_mean.mse": 5.97e-4,
    "daily_std.mse": 0.1847,
}
ACTIVITY = ("dau.relative_error", "wau.relative_error", "mau.relative_error")
FIGURES = (*PAPER, "total_cdf.ks", *ACTIVITY, "empty_cells.generated")
PRIORS = ("normal", "mixture")

Settings = argparse.Namespace
Judged = dict[str, Evaluation]


def judged(
    train: Profiles, test: Profiles, precision: str, seed: int, settings: argparse.Namespace
) -> dict[str, Evaluation]:
    """One fit, evaluated with each prior."""
    how = FitConfig(
        epochs=settings.epochs,
        batch=settings.batch,
        seed=seed,
        precision=precision,
        accelerator="cpu",
    )
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        run = fit(
            BetaVAE, train, BetaVAEConfig(beta=settings.beta), fit=how, out=Path(folder) / "run"
        )
        seconds = time.perf_counter() - start
        last = run.history["held_out_loss"][-1]
        print(f"{precision} seed {seed}: fit {seconds:.0f} s, held-out loss {last:.2f}", flush=True)
        return {
            p: evaluate(drawn(run, len(test), seed, p, settings), test, train, seed=seed)
            for p in PRIORS
        }


def drawn(run: Run, users: int, seed: int, prior: str, settings: Settings) -> Profiles:
    """The generated population."""
    return generate(run, users, seed + 100, prior=prior, inactive=settings.inactive)


def column(evaluations: list[Evaluation], name: str) -> str:
    """Mean and standard deviation over seeds."""
    values = [next(value for key, value, _ in e.rows() if key == name) or 0.0 for e in evaluations]
    return over_seeds(values, ".3g", ".1g")


def floor(evaluations: list[Evaluation], name: str) -> str:
    """Mean of the floor over seeds: another sample of training users each time."""
    return f"{mean([next(floor for key, _, floor in e.rows() if key == name) or 0.0 for e in evaluations]):.3g}"


def baseline(evaluation: Evaluation, name: str) -> str:
    """The figure of the population whose cells are independent."""
    figures = next(iter(evaluation.to_json()["baselines"].values()))
    for key in name.split("."):
        figures = figures.get(key) if isinstance(figures, dict) else None
    return "" if figures is None else f"{figures:.3g}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("profiles", nargs="?", help="folder of profiles")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument(
        "--batch", type=int, default=None, help="the default of a fit where not given"
    )
    parser.add_argument("--inactive", default="redraw", help="redraw or keep")
    parser.add_argument("--beta", type=float, default=0.1)
    parser.add_argument("--precisions", nargs="*", default=["float32", "bfloat16"])
    parser.add_argument("--quick", action="store_true")
    settings = parser.parse_args()
    logging.disable(logging.INFO)
    if settings.quick:
        settings.seeds = [0]
        settings.epochs = 1
        settings.batch = 200
        settings.precisions = ["float32"]
    population = simulated(200) if settings.quick else StoredProfiles.open(settings.profiles).load()
    train, test = population.split(0.26, 0)
    print(describe())
    print(f"{len(train):,} training profiles, {len(test):,} test profiles")
    print(f"{settings.epochs} epochs, batch {settings.batch}, beta {settings.beta}")
    by_fit = {
        p: [judged(train, test, p, seed, settings) for seed in settings.seeds]
        for p in settings.precisions
    }
    columns = {
        (p, prior): [e[prior] for e in by_fit[p]] for p in settings.precisions for prior in PRIORS
    }
    any_fit = next(iter(columns.values()))
    print(
        "| figure | "
        + " | ".join(f"{p}, {prior}" for p, prior in columns)
        + " | floor | independent cells | paper |"
    )
    print("|---|" + "---|" * (len(columns) + 3))
    for name in FIGURES:
        cells = [column(evaluations, name) for evaluations in columns.values()]
        cells += [floor(any_fit, name), baseline(any_fit[0], name), str(PAPER.get(name, ""))]
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
