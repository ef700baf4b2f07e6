r"""habitus beside the tools that a user would pick instead: the same profiles and machine, in one run.

    python benchmarks/peers/compare.py irc-train irc-test --out peers --minutes 18 --python \
        habitus=.venv/bin/python mostly=envs/mostly/bin/python gretel=envs/gretel/bin/python \
        pythae=envs/pythae/bin/python
    python benchmarks/peers/compare.py irc-train irc-test --out peers     # the table of what is in peers/
    python benchmarks/peers/compare.py --quick                            # habitus alone, on a few simulated users

Every tool runs as a script of its own (README.md beside this file), one after another, in the environment whose
interpreter is given, and leaves in ``--out`` the profiles NAME/, what it cost NAME.json, and NAME.log. All learn
from the same 10,000 training profiles, drawn at random, and are judged against all test profiles. Users who are
less active than the least active real ones are drawn again, for every tool. The floor is as many training profiles.
AUC: boosted trees on features of users, against as many test users, and its 95 % interval.
"""

from __future__ import annotations

import argparse
import json
import logging
import runpy
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from habitus.evaluation import evaluate
from habitus.evaluation.metrics.auc import Auc
from habitus.evaluation.two_sample import two_sample
from habitus.files import write_json
from habitus.profiles.store import StoredProfiles, save
from habitus.records import read_json

sys.path.append(str(Path(__file__).parents[1]))  # of modules that benchmarks share
from children import run_child
from fit_throughput import simulated
from machine import describe

SCRIPTS = {
    "habitus": "ours.py",
    "mostly": "mostly.py",
    "gretel": "gretel.py",
    "pythae": "pythae_vae.py",
}
CURVES = ("daily_mean.kld", "daily_mean.mse", "daily_std.kld", "daily_std.mse", "total_cdf.ks")
ACTIVITY = ("dau.relative_error", "wau.relative_error", "mau.relative_error")
AUC = "two-sample AUC"
FLOOR = "floor"
COSTS = {"training seconds": "training_seconds", "peak memory, MiB": "peak_memory_mib",
         "users per second": "users_per_second", "left out and drawn again": "left_out"}  # fmt: skip

Column = dict[str, str]


def run(name: str, python: str, settings: argparse.Namespace) -> None:
    """Let a tool learn and generate.

    Raises:
        ValueError: if it fails, naming its log.
    """
    script = str(Path(__file__).with_name(SCRIPTS[name]))
    arguments = [script, str(settings.train), str(settings.out / name)]
    for option in ("profiles", "users", "minutes", "seed"):
        arguments += [f"--{option}", str(getattr(settings, option))]
    path, cost = (settings.out / f"{name}.{kind}" for kind in ("log", "json"))
    cost.unlink(missing_ok=True)
    with path.open("w") as log:
        forked = partial(run_script, arguments) if settings.quick else None
        code, _ = run_child(forked or [python, *arguments], log.fileno(), errors=True)
    said = [line for line in path.read_text(errors="replace").splitlines() if line.startswith("{")]
    if code or not said:
        raise ValueError(f"{name} ended with {code}; see {path}")
    print(f"{name}: {said[-1]}", flush=True)
    write_json(cost, json.loads(said[-1]))


def run_script(arguments: list[str]) -> None:
    """Run a Python file in this process, as ``python FILE ...`` would."""
    sys.argv = arguments
    runpy.run_path(arguments[0], run_name="__main__")


def judged(name: str, settings: argparse.Namespace) -> tuple[Column, Column]:
    """A tool's column of the table, and the floor's."""
    cost: dict[str, Any] = read_json(settings.out / f"{name}.json")
    made, test, train = (
        StoredProfiles.open(path) for path in (settings.out / name, settings.test, settings.train)
    )
    found = {key: (value, floor) for key, value, floor in evaluate(made, test, train).rows()}
    told = two_sample(made, test, train, convolutional=False)
    sides = []
    for side, area in enumerate((told.auc, told.floor)):
        sides.append(
            {key: figure(found[key][side]) for key in (*CURVES, *ACTIVITY)} | {AUC: interval(area)}
        )
    about = {row: figure(cost[key]) for row, key in COSTS.items()}
    return sides[0] | about | {"version": cost["version"], "values": made.axes.unit}, sides[1]


def figure(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def interval(area: Auc) -> str:
    return f"{area.value:.3f} ({area.low:.3f} to {area.high:.3f})"


def print_table(columns: dict[str, Column]) -> None:
    """Rows are figures, columns tools."""
    print("| figure | " + " | ".join(columns) + " |")
    print("|---|" + "---|" * len(columns))
    for row in next(iter(columns.values())):
        print(f"| {row} | " + " | ".join(column.get(row, "") for column in columns.values()) + " |")


def compare(settings: argparse.Namespace) -> None:
    """Run the tools whose interpreter is given; print the table of all that have run."""
    settings.out.mkdir(parents=True, exist_ok=True)
    print(describe())
    print(
        f"{settings.profiles:,} training profiles, {settings.users:,} generated, seed {settings.seed}",
        flush=True,
    )
    for name, python in settings.python.items():
        run(name, python, settings)
    ready = [name for name in SCRIPTS if (settings.out / f"{name}.json").is_file()]
    if not ready:
        raise ValueError(
            f"expected results in {settings.out}, got none; give a tool with --python NAME=PATH"
        )
    both = {name: judged(name, settings) for name in ready}
    print_table({name: column for name, (column, _) in both.items()} | {FLOOR: both[ready[0]][1]})


def interpreters(given: list[str]) -> dict[str, str]:
    """From NAME=PATH.

    Raises:
        ValueError: for a tool that is not known.
    """
    pairs = dict(each.partition("=")[::2] for each in given)
    if unknown := [name for name, path in pairs.items() if name not in SCRIPTS or not path]:
        raise ValueError(
            f"--python takes NAME=PATH with a NAME of {', '.join(SCRIPTS)}; got {', '.join(unknown)}"
        )
    return pairs


def quick(settings: argparse.Namespace) -> None:
    """Run habitus alone, on a few simulated users."""
    settings.profiles = settings.users = 60
    settings.minutes = 0.05
    settings.python = {"habitus": sys.executable}  # in a fork
    with tempfile.TemporaryDirectory() as folder:
        settings.train, settings.test, settings.out = (
            Path(folder) / name for name in ("train", "test", "out")
        )
        for path, part in zip(
            (settings.train, settings.test), simulated(150).split(0.5, 0), strict=True
        ):
            save(path, part.chunks(), part.axes)
        compare(settings)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("train", nargs="?", type=Path, help="folder of profiles to learn from")
    parser.add_argument("test", nargs="?", type=Path, help="folder of profiles to judge against")
    parser.add_argument(
        "--out", type=Path, default=Path("peers"), help="folder for what the tools make"
    )
    parser.add_argument(
        "--python",
        nargs="*",
        default=[],
        metavar="NAME=PATH",
        help="tools to run, each with its Python",
    )
    parser.add_argument("--profiles", type=int, default=10_000)
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument(
        "--minutes", type=float, default=18, help="the longest that a peer may train"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true")
    settings = parser.parse_args()
    logging.disable(logging.INFO)
    if not settings.quick and not (settings.train and settings.test):
        parser.error("expected folders of training and test profiles, or --quick")
    settings.python = interpreters(settings.python)
    quick(settings) if settings.quick else compare(settings)


if __name__ == "__main__":
    main()
