r"""How well missing cells are filled: every model and every baseline, on several holes, over seeds.

    habitus profile mail_eu.parquet --user user_id --time timestamp --channel channel --start 2001-01-01 --days 32 \
        --window-every 35 --min-events 10 --min-days 3 --out mail
    python benchmarks/completion.py mail --mixture-epochs 15 --rows mail.jsonl
    python benchmarks/completion.py --table irc.jsonl mail.jsonl retail.jsonl      # what is in RESULTS.md
    python benchmarks/completion.py --quick

Split by user, 26 % for testing; models see training users only. Each seed draws other test profiles where there are
more than ``--most``, other weights, other noise. Every figure is on the scale of shares of the true profile's peak:
the squared error is summed over the hole and averaged over profiles ("Time pictures" 5.3.3, Table 6.2), CRPS
likewise, coverage is of daily totals.

The beta-VAE and the context VAE read profiles divided by their peak over all cells, hidden ones included, as the
paper does: it tells them the scale of what is hidden. The baselines and the context mixture know the peak of the known
cells.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kept_rows
from fit_throughput import simulated
from habitus.evaluation.evaluate_completion import evaluate_completion
from habitus.models.base import Model
from habitus.models.context_mixture.model import ContextMixture, ContextMixtureConfig
from habitus.models.pictures.beta_vae import BetaVAE, BetaVAEConfig
from habitus.models.pictures.context_vae import ContextVAE, ContextVAEConfig
from habitus.profiles.sparse import Profiles
from habitus.profiles.store import StoredProfiles
from habitus.run import Run
from habitus.synthesis import complete
from habitus.training.config import FitConfig
from habitus.training.fit import fit
from kept_rows import Row, over_seeds
from machine import describe

HOLES = ("centre", "bottom", "last:7")
COLUMNS = {
    "squared_error": "squared error",
    "crps": "CRPS",
    "day": "CRPS of daily totals",
    "coverage_90": "coverage 90 %",
}
TIMES = {
    "squared_error": "squared error",
    "crps": "CRPS",
}  # over the first method's on the same profiles
ADVERSARIAL = 1.0
PLACES = ".4f", ".4f"  # of means and spreads
Settings = argparse.Namespace


def fitted(kind: type[Model], config: Any, train: Profiles, seed: int, epochs: int) -> Run:
    """A fit with what suits the model."""
    return fit(
        kind, train, config, fit=FitConfig(**{**kind.fit_defaults, "epochs": epochs, "seed": seed})
    )


def models(
    train: Profiles, seed: int, settings: Settings
) -> Iterator[tuple[str, Run, tuple[str, ...]]]:
    """Each model with its run and the holes it is judged on; one at a time, as they take memory."""
    yield (
        "context mixture, any mask",
        fitted(ContextMixture, ContextMixtureConfig(), train, seed, settings.mixture_epochs),
        HOLES,
    )
    yield "beta-VAE", fitted(BetaVAE, BetaVAEConfig(), train, seed, settings.epochs), HOLES
    yield (
        "context VAE, any mask",
        fitted(ContextVAE, ContextVAEConfig(mask="any"), train, seed, settings.epochs),
        HOLES,
    )
    for hole in HOLES:
        for name, weight in (("context VAE", 0.0), ("context VAE, adversarial", ADVERSARIAL)):
            if weight == 0 or seed in settings.adversarial_seeds:
                config = ContextVAEConfig(mask=hole, adversarial=weight)
                yield name, fitted(ContextVAE, config, train, seed, settings.epochs), (hole,)


def rows(
    name: str, train: Profiles, test: Profiles, seed: int, settings: Settings
) -> Iterator[Row]:
    """A row per method and hole; the baselines run beside the first model."""
    first = True
    for method, run, holes in models(train, seed, settings):
        for hole in holes:
            start = time.perf_counter()
            filled = complete(run, test, hole, samples=settings.samples, seed=seed)
            seconds = time.perf_counter() - start
            found = evaluate_completion(
                filled, test, train, seed=seed, most=settings.baselines if first else 1
            )
            told = {"data": name, "hole": hole, "seed": seed}
            yield {**told, "method": method, **brief(found.figures), "seconds": seconds}
            if first:
                yield from (
                    {**told, "method": baseline, **brief(figures)}
                    for baseline, figures in found.baselines.items()
                )
        first = False


def brief(figures: dict[str, Any]) -> Row:
    """The figures of a row, without what is nested in them."""
    levels = figures["levels"]
    return {
        **{name: value for name, value in figures.items() if not isinstance(value, dict)},
        "day": levels["day"]["crps"],
        "profile": levels["profile"]["crps"],
        "profile_coverage_90": levels["profile"]["coverage_90"],
        "completed": figures.get("completed"),
    }


def table(found: list[Row]) -> None:
    """Mean +- standard deviation over seeds, a table for each data set and hole."""
    for data, hole in dict.fromkeys((row["data"], row["hole"]) for row in found):
        mine = [row for row in found if (row["data"], row["hole"]) == (data, hole)]
        heads = [*COLUMNS.values(), *(f"{name}, times" for name in TIMES.values()), "profiles"]
        print(
            f"\n**{data}, {hole}**\n\n| method | {' | '.join(heads)} |\n|---|{'---|' * len(heads)}"
        )
        for method in dict.fromkeys(row["method"] for row in mine):
            same = [row for row in mine if row["method"] == method]
            cells = [over_seeds([row[column] for row in same], *PLACES) for column in COLUMNS]
            cells += [
                over_seeds([row[c] / judged(row, mine)[c] for row in same], *PLACES) for c in TIMES
            ]
            print(f"| {method} | {' | '.join(cells)} | {same[0]['profiles']:,} |")


def judged(row: Row, rows: list[Row]) -> dict[str, float]:
    """The first method's figures on the profiles that a row's method ran on."""
    return row["completed"] or next(each for each in rows if each["seed"] == row["seed"])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("profiles", nargs="?", type=Path, help="folder of profiles")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--adversarial-seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument(
        "--epochs",
        type=int,
        default=10,
        help="of the beta-VAE and the context VAE; 10 is the paper's",
    )
    parser.add_argument("--mixture-epochs", type=int, default=10)
    parser.add_argument("--samples", type=int, default=20)
    parser.add_argument("--most", type=int, default=5000, help="test profiles")
    parser.add_argument(
        "--baselines", type=int, default=4000, help="test profiles that the baselines run on"
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
        settings.mixture_epochs = 1
        settings.samples = 3
        settings.most = 20
        settings.baselines = 3
    measure(settings)


def measure(settings: Settings) -> None:
    """Measure, print and keep every row as it comes."""
    population = simulated(100) if settings.quick else StoredProfiles.open(settings.profiles).load()
    name = "simulated" if settings.quick else settings.profiles.name
    train, test = population.split(0.26, 0)
    print(describe())
    print(
        f"{name}: {len(train):,} training profiles, {len(test):,} test profiles, at most {settings.most:,} per seed"
    )
    found = []
    for seed in settings.seeds:
        judged = test.sample(min(settings.most, len(test)), seed)
        for row in rows(name, train, judged, seed, settings):
            found.append(row)
            kept_rows.keep(row, settings.rows)
    table(found)


if __name__ == "__main__":
    main()
