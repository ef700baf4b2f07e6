"""Settings of a fit."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal

from habitus.settings import AboveZero, Positive, Rate, Seed, Share, Whole, configuration

Optimiser = Literal["adam", "rmsprop", "adagrad"]
Schedule = Literal["constant", "one-cycle"]
Precision = Literal["auto", "float32", "bfloat16"]

WARM_UP = 0.1  # share of a one-cycle fit


def one_cycle(done: float) -> float:
    """Learning rate after a share of the steps, as a share of the largest.

    >>> [round(one_cycle(done), 3) for done in (0.0, 0.05, 0.1, 0.55, 1.0)]
    [0.04, 0.52, 1.0, 0.5, 0.0]
    """
    if done < WARM_UP:
        return 0.04 + 0.96 * done / WARM_UP
    return (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP))) / 2


SCHEDULES: dict[Schedule, Callable[[float], float]] = {
    "constant": lambda done: 1.0,
    "one-cycle": one_cycle,
}
PAPER_BATCH = 500
SMALLEST_BATCH = 32
FEWEST_STEPS = 1000
MOST_REPEATED = 5  # largest factor by which epochs grow on small sets


@configuration
class FitConfig:
    """Settings of a fit; the defaults are those of "Time pictures" 5.2.3.

    Attributes:
        epochs: Times that each profile is seen; the paper's 57,000 steps were 10.
        least_seen: Least number of profiles (held-out ones included) times epochs: on small sets
            epochs are raised to reach it, at most fivefold.
        batch: Profiles per step of the optimiser. None takes ``largest_batch``, or fewer, down to
            32, to get about 1,000 steps: on 14,000 profiles the divergence of the daily means is a
            third of that with the paper's 500.
        chunk: Profiles whose gradients are computed together, where a whole batch would take too
            much memory.
        optimiser: adam, rmsprop or adagrad.
        largest_batch: Limit of batch where that is None.
        learning_rate: Step size; the largest one where it has a schedule.
        schedule: constant, or one-cycle: up over the first tenth of the steps, then down to zero as
            a half cosine.
        seed: Decides weights, order and noise; results are the same, digit by digit, on the same
            machine with as many threads.
        held_out: Share of the users, or of the steps of a series, that the model is not fitted to
            but evaluated on as it learns.
        keep: Weights that are kept: those of the last step, or the best on held-out examples.
        clip: Largest norm of a step's gradient; None for any.
        precision: float32, bfloat16, or auto: bfloat16 where the processor computes in it.
        accelerator: cpu, cuda, or auto.
        devices: Processes, each on its own device.
    """

    epochs: Positive = 10
    least_seen: Whole = 0
    batch: Positive | None = None
    largest_batch: Positive = PAPER_BATCH
    chunk: Positive = 500
    optimiser: Optimiser = "adam"
    learning_rate: Rate = 1e-3
    schedule: Schedule = "constant"
    seed: Seed = 0
    held_out: Share = 0.05
    keep: Literal["last", "best"] = "last"
    clip: AboveZero | None = None
    precision: Precision = "auto"
    accelerator: Literal["auto", "cpu", "cuda"] = "auto"
    devices: Positive = 1


SINCE = {"keep": "last", "clip": None, "least_seen": 0}
"""Values of later settings for runs that were fitted before these existed."""


def as_asked(given: Mapping[str, Any]) -> dict[str, Any]:
    """Complete given settings of a fit, so that given epochs are not raised on small sets.

    >>> as_asked({"epochs": 3, "seed": 1}), as_asked({"seed": 1})
    ({'least_seen': 0, 'epochs': 3, 'seed': 1}, {'seed': 1})
    """
    return {"least_seen": 0, **given} if "epochs" in given else dict(given)


def for_profiles(settings: FitConfig, profiles: int) -> FitConfig:
    """Resolve ``epochs``, ``least_seen`` and ``batch`` for a number of profiles.

    >>> [for_profiles(FitConfig(epochs=10), count).batch for count in (14_800, 1_000_000)]
    [140, 500]
    >>> settings = FitConfig(epochs=12, least_seen=140_000)
    >>> [for_profiles(settings, count).epochs for count in (1_668, 5_732, 44_038)]
    [60, 25, 12]
    """
    enough = math.ceil(settings.least_seen / max(1, profiles))
    epochs = max(settings.epochs, min(MOST_REPEATED * settings.epochs, enough))
    # Resolved settings: applying the rule again changes nothing.
    settings = replace(settings, epochs=epochs, least_seen=0)
    if settings.batch is not None:
        return settings
    wanted = int(settings.epochs * profiles * (1 - settings.held_out)) // FEWEST_STEPS
    return replace(settings, batch=min(settings.largest_batch, max(SMALLEST_BATCH, wanted)))
