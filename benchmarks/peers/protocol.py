"""What every tool is asked to do, and how it is timed: read profiles, train, generate users, say what it cost.

A tool is a script that calls :func:`main` with two functions. It runs in an environment of its own with numpy and
pyarrow; the profiles are read before the clock starts and written after it stops.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from profiles_io import Population, concat, of_dense, read, write

MOST_ROUNDS = 20
THRESHOLDS = 500  # that are tried


@dataclass(frozen=True)
class Settings:
    """What a tool is told.

    Attributes:
        train: Folder of profiles to learn from.
        out: Folder for the generated ones.
        profiles: How many of the former.
        users: How many of the latter.
        minutes: Longest that training may take.
        seed: Of training and generating.
    """

    train: Path
    out: Path
    profiles: int
    users: int
    minutes: float
    seed: int


@dataclass(frozen=True)
class Trained:
    """A trained model.

    Attributes:
        draw: Called with how many users to generate.
        details: What else to tell, such as epochs done.
    """

    draw: Callable[[int], Population]
    details: dict[str, Any]


class OutOfTime(Exception):  # noqa: N818
    """Ends the training of a tool that knows no limit of time."""


def main(
    package: str, train: Callable[[Population, Settings], Trained], description: str | None
) -> None:
    """Do what the command line says and print one line of JSON."""
    settings = _settings(description)
    real = read(settings.train, settings.profiles)
    start = time.perf_counter()
    trained = train(real, settings)
    learnt = time.perf_counter()
    made, drawn = _active(trained.draw, settings.users, real)
    seconds = time.perf_counter() - learnt
    done = {
        "version": f"{package} {version(package)}",
        "training_seconds": learnt - start,
        "users_per_second": settings.users / seconds,
        "peak_memory_mib": peak_memory(),
        "left_out": 1 - settings.users / drawn,
        **trained.details,
    }
    asked = asdict(settings) | {"train": settings.train.name, "out": settings.out.name}
    write(settings.out, made, asked | done)
    print(json.dumps(done), flush=True)


def _settings(description: str | None) -> Settings:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("train", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--profiles", type=int, default=10_000)
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--minutes", type=float, default=18)
    parser.add_argument("--seed", type=int, default=0)
    return Settings(**vars(parser.parse_args()))


def _active(
    draw: Callable[[int], Population], users: int, real: Population
) -> tuple[Population, int]:
    """Users until enough are as active as the least active real ones, which ``habitus generate`` asks for as well.

    Returns:
        The users, and how many were drawn until there were so many.

    Raises:
        ValueError: if hardly any is.
    """
    parts = []
    kept = 0
    drawn = 0
    for _ in range(MOST_ROUNDS):
        made = draw(users)
        suited = np.flatnonzero(_suited(made, real))[: users - kept]
        parts.append(made.take(suited))
        kept += len(suited)
        drawn += int(suited[-1]) + 1 if kept == users else users
        if kept == users:
            return concat(parts), drawn
    raise ValueError(
        f"only {kept} of {drawn} generated users are as active as the least active real ones"
    )


def _suited(made: Population, real: Population) -> NDArray[np.bool_]:
    """Who has as many active days, and of counts as many events, as real profiles have at least."""
    suited = made.active_days >= real.active_days.min()
    if made.axes["unit"] == "count":
        suited &= made.totals >= real.totals.min()
    return suited


def peak_memory() -> float:
    """Largest resident memory so far of this process or of any one of those it started and waited for, in MiB."""
    return (
        max(
            resource.getrusage(who).ru_maxrss
            for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        )
        / 1024
    )


def day_threshold(made: NDArray[np.floating], real: Population) -> float:
    """What a cell must exceed to count as active, so that users are active on as many days as real ones.

    A network that draws no exact zeros needs it. As "Time pictures" 5.3.2 and ``habitus generate`` do, it is fitted
    to daily activity: that of the users who are then left, at least half of them.

    Args:
        made: Drawn profiles, [U, D, S, C].
        real: Those that were learnt from.
    """
    largest = made.max((2, 3))
    values = np.quantile(largest, np.linspace(0, 1, THRESHOLDS, endpoint=False))
    fewest = real.active_days.min()
    wanted = real.active_days.mean()
    days = [(largest > value).sum(1) for value in values]
    left = [each[each >= fewest] for each in days]
    errors = [abs(each.mean() - wanted) if 2 * len(each) >= len(made) else np.inf for each in left]
    return float(values[np.argmin(errors)])


def thresholded(
    axes: dict[str, Any], draw: Callable[[int], NDArray[np.floating]], threshold: float
) -> Callable[[int], Population]:
    """Profiles from a function that draws dense ones: zero up to the threshold, counts whole and at least 1."""

    def population(users: int) -> Population:
        made = draw(users)
        values = np.maximum(np.rint(made), 1) if axes["unit"] == "count" else made
        return of_dense(axes, np.where(made > threshold, values, 0))

    return population
