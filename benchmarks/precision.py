"""What the fast path costs in quality: the metrics of float32 and bfloat16 fits, side by side, over seeds.

python benchmarks/precision.py PROFILES [--seeds 0 1 2] [--epochs 10] [--users N]
python benchmarks/precision.py --quick          # on a small simulated population
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
from pathlib import Path
from statistics import mean, stdev

from fit_throughput import simulated
from habitus.evaluation import Evaluation, evaluate
from habitus.models.beta_vae import BetaVAE, BetaVAEConfig
from habitus.profiles.sparse import Profiles
from habitus.profiles.store import StoredProfiles
from habitus.synthesis import generate
from habitus.training import FitConfig, fit
from machine import describe

FIGURES = (
    "daily_mean.kld", "daily_std.kld", "daily_mean.mse", "daily_std.mse", "total_cdf.ks", "dau.relative_error",
    "wau.relative_error", "mau.relative_error",
)  # fmt: skip


def judged(train: Profiles, test: Profiles, precision: str, seed: int, epochs: int) -> tuple[Evaluation, float]:
    settings = FitConfig(epochs=epochs, seed=seed, precision=precision, accelerator="cpu")
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        run = fit(BetaVAE, train, BetaVAEConfig(beta=0.1), fit=settings, out=Path(folder) / "run")
        held_out = run.history["held_out_loss"][-1] or 0.0
        print(
            f"{precision} seed {seed}: {time.perf_counter() - start:.0f} s, held-out loss {held_out:.2f}",
            flush=True,
        )
        return evaluate(generate(run, len(test), seed + 100), test, train), held_out


def figure(evaluation: Evaluation, name: str) -> float:
    return next(value for key, value, _ in evaluation.rows() if key == name)


def spread(values: list[float]) -> str:
    return f"{mean(values):.4g} +- {stdev(values):.2g}" if len(values) > 1 else f"{values[0]:.4g}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("profiles", nargs="?")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    logging.disable(logging.INFO)
    seeds, epochs = ([0], 1) if arguments.quick or not arguments.profiles else (arguments.seeds, arguments.epochs)
    population = simulated(500) if not arguments.profiles else StoredProfiles.open(arguments.profiles).load()
    train, test = population.split(0.26, 0)
    print(describe())
    results = {p: [judged(train, test, p, seed, epochs) for seed in seeds] for p in ("float32", "bfloat16")}
    floor = {name: floor for name, _, floor in results["float32"][0][0].rows()}
    print(f"{'figure':22} {'float32':>22} {'bfloat16':>22} {'floor':>10}")
    print(f"{'held-out loss':22}" + "".join(f"{spread([h for _, h in results[p]]):>23}" for p in results))
    for name in FIGURES:
        columns = [[figure(e, name) for e, _ in results[p]] for p in results]
        print(f"{name:22}" + "".join(f"{spread(column):>23}" for column in columns) + f" {floor[name]:10.3g}")


if __name__ == "__main__":
    main()
