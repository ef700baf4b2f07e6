"""Planted leaks, and whether `habitus evaluate --privacy` finds them; tables of real runs.

    python benchmarks/privacy.py                              # leaks planted in simulated populations
    python benchmarks/privacy.py --tables irc=irc.json ...    # what evaluate --privacy --json wrote, as a table
    python benchmarks/privacy.py --quick

What the tables are made from, for mail; for irc `irc_w3c.parquet --channel event --start 2010-03-01 --min-events 10
--min-days 3`, for retail `retail_uk.parquet --start 2010-11-01 --attribute country`, and `--model beta-vae` alike:

    habitus profile mail_eu.parquet --user user_id --time timestamp --channel channel --start 2001-01-01 --days 32 --out mail
    habitus split mail --test 0.4 --seed 0 --out train test
    habitus fit train --model rhythm --seed 0 --out run
    habitus generate run --users 1000 --seed 1 --out made
    habitus evaluate made --against test --train train --privacy --json mail.json

A simulated population is split by user into training, held-out and fresh users. Generated are the training users
themselves, 5 % of them among fresh ones, all of them moved by one hour, each of their events kept with probability 1/2;
and fresh users, who are no leak. A leak has to be warned of, fresh users in at most one of 20 seeds.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from habitus.evaluation.privacy import Privacy, privacy
from habitus.events import EventLog
from habitus.profiles.build import ProfileConfig, profile
from habitus.profiles.sparse import Profiles, concat, numbered, offsets
from habitus.simulate import write_log
from machine import describe

FEW = 0.05


def population(users: int, days: int, seed: int) -> Profiles:
    """Users of the simulator."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "events.parquet"
        write_log(log, users=users, days=days, seed=seed)
        events = EventLog.open(log, user="user_id", time="timestamp", channel="platform")
        return profile(events, ProfileConfig(days=days))


def parts(whole: Profiles, seed: int) -> tuple[Profiles, Profiles, Profiles]:
    """Training, held-out and fresh users, a third each."""
    train, rest = whole.split(2 / 3, seed)
    return train, *rest.split(1 / 2, seed)


def renamed(profiles: Profiles) -> Profiles:
    """Generated users have numbers of their own."""
    return replace(profiles, users=numbered(len(profiles), first=10**9))


def copied(train: Profiles, fresh: Profiles, seed: int) -> Profiles:
    """The training users themselves."""
    return renamed(train)


def few_copied(train: Profiles, fresh: Profiles, seed: int) -> Profiles:
    """Fresh users, but 5 % of the training users among them."""
    count = round(FEW * len(train))
    chosen = train.sample(count, seed)
    return renamed(concat([renamed(fresh.slice(0, len(fresh) - count)), renamed(chosen)]))


def moved(train: Profiles, fresh: Profiles, seed: int) -> Profiles:
    """Training users whose events all are an hour later."""
    later = train.cells + 60 // train.axes.slot_minutes * len(train.axes.channels)
    kept = train.with_cells(later < train.axes.cells)
    return renamed(replace(kept, cells=later[later < train.axes.cells]))


def thinned(train: Profiles, fresh: Profiles, seed: int) -> Profiles:
    """Training users of whose events a random half is left; users without any are left out."""
    values = np.random.default_rng(seed).binomial(train.values, 0.5)
    left = replace(train, values=values.astype(np.uint32)).with_cells(values > 0)
    return renamed(left.take(np.diff(left.indptr) > 0))


def nothing(train: Profiles, fresh: Profiles, seed: int) -> Profiles:
    """Fresh users, as a perfect generator draws them."""
    return renamed(fresh)


LEAKS: dict[str, Callable[[Profiles, Profiles, int], Profiles]] = {
    "training users themselves": copied,
    "5 % of them": few_copied,
    "all moved by one hour": moved,
    "thinned by half": thinned,
    "fresh draw": nothing,
}


def with_windows(profiles: Profiles, seed: int) -> Profiles:
    """Cut each profile into weeks: several windows of one user, named so."""
    weeks = profiles.axes.days // 7
    axes = replace(profiles.axes, days=7)
    row = profiles.row_of_cell()
    week = profiles.cells // (axes.cells)
    kept = week < weeks
    new_row = row[kept] * weeks + week[kept]
    table = profiles.users.take(np.repeat(np.arange(len(profiles)), weeks))
    cut = Profiles(
        axes, offsets(new_row, len(profiles) * weeks), profiles.cells[kept] % axes.cells,
        profiles.values[kept], table,
    )  # fmt: skip
    return cut.take(np.diff(cut.indptr) > 0)


def planted(users: int, days: int, seeds: int, windows: bool) -> None:
    """Print how often each leak is warned of, and by what."""
    warned = dict.fromkeys(LEAKS, 0)
    reasons: dict[str, dict[str, int]] = {name: {} for name in LEAKS}
    for seed in range(seeds):
        sets = parts(population(3 * users, days, seed), seed)
        for name, leak in LEAKS.items():
            train, held_out, fresh = sets
            made = leak(train, fresh, seed)
            if windows:
                train, held_out, made = (
                    with_windows(each, seed) for each in (train, held_out, made)
                )
            found = privacy(made, held_out, train, seed=seed)
            warned[name] += found.warning is not None
            for key in because(found):
                reasons[name][key] = reasons[name].get(key, 0) + 1
    print(f"| generated, {users:,} users{' in weeks' if windows else ''} | warned | by |")
    print("|---|---|---|")
    for name, count in warned.items():
        by = ", ".join(f"{key} {times}" for key, times in sorted(reasons[name].items()))
        print(f"| {name} | {count} of {seeds} | {by or 'nothing'} |", flush=True)


def because(found: Privacy) -> list[str]:
    """Short names of the parts that warn."""
    named = {"copies": [found.copies], "inference": found.inferences}
    named |= {
        each.name.removeprefix("the nearest generated profile, "): [each] for each in found.attacks
    }
    return [name for name, each in named.items() if any(part.reasons for part in each)]


def table(pairs: list[str]) -> None:
    """Print what ``habitus evaluate --privacy --json`` wrote, a row for each attack."""
    print("| generated | attack | value | floor | found at 1 % | floor | most unusual | warned |")
    print("|---|---|---|---|---|---|---|---|")
    for pair in pairs:
        name, _, path = pair.partition("=")
        found = json.loads(Path(path).read_text())["privacy"]
        warned = "no" if found["warning"] is None else "yes"
        for attack, each in found["attacks"].items():
            print(
                f"| {name} | {attack} | {span(each, 'auc', '.3f')} | {span(each, 'floor_auc', '.3f')} | "
                f"{span(each, 'found_at_1_percent', '.1%')} | {span(each, 'floor_found_at_1_percent', '.1%')} | "
                f"{span(each['unusual'], 'auc', '.3f')} | {warned} |"
            )
        for each in found["inferences"]:
            print(
                f"| {name} | {each['attribute']} guessed | {span(each, 'guessed', '.1%')} | "
                f"{span(each, 'floor_guessed', '.1%')} | held-out users {span(each, 'held_out_guessed', '.1%')} | | "
                f"{span(each['unusual'], 'guessed', '.1%')} | {warned} |"
            )
        print(
            f"| {name} | near copies | {found['near_copies']:.2%} | {found['near_copies_floor']:.2%} | | | | |"
        )


def span(part: dict[str, float], key: str, form: str) -> str:
    """A value with its interval."""
    low, high = (part[f"{key}_{end}"] for end in ("low", "high"))
    return f"{part[key]:{form}} ({low:{form}} to {high:{form}})"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", nargs="+", metavar="NAME=JSON", default=[])
    parser.add_argument("--users", type=int, default=1000, help="users of each of the three kinds")
    parser.add_argument("--days", type=int, default=28)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--quick", action="store_true")
    settings = parser.parse_args()
    print(describe())
    if settings.tables:
        table(settings.tables)
        return
    if settings.quick:
        planted(100, 14, 1, True)
        return
    for windows in (False, True):
        planted(settings.users, settings.days, settings.seeds, windows)


if __name__ == "__main__":
    main()
