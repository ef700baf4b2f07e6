"""Settings of a fit, and which precision this machine is fast in."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch

from habitus.training.precision import processor_has_bfloat16

OPTIMISERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": partial(torch.optim.Adam, fused=True),
    "rmsprop": torch.optim.RMSprop,
    "adagrad": partial(torch.optim.Adagrad, fused=True),
}
WARM_UP = 0.1  # share of a one-cycle fit


def one_cycle(done: float) -> float:
    """The share of the largest learning rate once a share of the steps is done.

    >>> [round(one_cycle(done), 3) for done in (0.0, 0.05, 0.1, 0.55, 1.0)]
    [0.04, 0.52, 1.0, 0.5, 0.0]
    """
    if done < WARM_UP:
        return 0.04 + 0.96 * done / WARM_UP
    return (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP))) / 2


SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda done: 1.0,
    "one-cycle": one_cycle,
}
PAPER_BATCH = 500
SMALLEST_BATCH = 32
FEWEST_STEPS = 1000
MOST_REPEATED = 5  # times as many epochs, on small sets
KEEP = ("last", "best")
MOST_SEED = 2**32 - 1  # that the mixture can be fitted with, which comes last
PRECISIONS = {"float32": "32-true", "bfloat16": "bf16-mixed"}


@dataclass(frozen=True)
class FitConfig:
    """Settings of a fit; the defaults are those of "Time pictures" 5.2.3.

    Attributes:
        epochs: Times that each profile is seen; the paper's 57,000 steps were 10.
        least_seen: Profiles, held-out ones counted, times epochs at least; where there are few, up to five times as
            many epochs.
        batch: Profiles per step of the optimiser; None is the paper's 500, fewer (but 32) where that would leave
            less than about 1,000 steps: on 14,000 profiles the daily mean's divergence is then a third.
        chunk: Profiles whose gradients are computed together, where a whole batch would take too much memory.
        optimiser: adam, rmsprop or adagrad.
        largest_batch: What batch is at most where it is None.
        learning_rate: Step size; the largest one where it has a schedule.
        schedule: constant, or one-cycle: up over the first tenth of the steps, then down to zero as a half cosine.
        seed: Decides weights, order and noise.
        held_out: Share of the users, or of the steps of a series, that the model is not fitted to but judged on
            as it learns.
        keep: Which weights are kept: those of the last step, or the best on held-out examples.
        clip: Largest norm of a step's gradient; None for any.
        precision: float32, bfloat16, or auto: bfloat16 where the processor computes in it.
        accelerator: cpu, cuda, or auto.
        devices: Processes, each on its own device.
    """

    epochs: int = 10
    least_seen: int = 0
    batch: int | None = None
    largest_batch: int = PAPER_BATCH
    chunk: int = 500
    optimiser: str = "adam"
    learning_rate: float = 1e-3
    schedule: str = "constant"
    seed: int = 0
    held_out: float = 0.05
    keep: str = "last"
    clip: float | None = None
    precision: str = "auto"
    accelerator: str = "auto"
    devices: int = 1

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "largest_batch", "chunk", "devices"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if self.optimiser not in OPTIMISERS:
            raise ValueError(
                f"optimiser must be one of {', '.join(OPTIMISERS)}; got {self.optimiser!r}"
            )
        if self.schedule not in SCHEDULES:
            raise ValueError(
                f"schedule must be one of {', '.join(SCHEDULES)}; got {self.schedule!r}"
            )
        if self.precision not in ("auto", *PRECISIONS):
            raise ValueError(
                f"precision must be auto, {' or '.join(PRECISIONS)}; got {self.precision!r}"
            )
        if not 0 <= self.seed <= MOST_SEED:
            raise ValueError(f"seed must be from 0 to {MOST_SEED}, got {self.seed}")
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate must be above 0, got {self.learning_rate}")
        if self.keep not in KEEP:
            raise ValueError(f"keep must be one of {', '.join(KEEP)}; got {self.keep!r}")
        if self.clip is not None and not 0 < self.clip < math.inf:
            raise ValueError(f"clip must be above 0, got {self.clip}")
        if not 0 <= self.held_out < 1:
            raise ValueError(f"held_out must be at least 0 and below 1, got {self.held_out}")


SINCE = {"keep": "last", "clip": None, "least_seen": 0}
"""What runs had before these settings were there, and do not say."""


def as_asked(given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a fit that somebody gave: epochs are what was asked, however few profiles there are.

    >>> as_asked({"epochs": 3, "seed": 1}), as_asked({"seed": 1})
    ({'least_seen': 0, 'epochs': 3, 'seed': 1}, {'seed': 1})
    """
    return {"least_seen": 0, **given} if "epochs" in given else dict(given)


def for_profiles(settings: FitConfig, profiles: int) -> FitConfig:
    """The settings with the epochs and the batch that they mean for so many profiles.

    >>> for_profiles(FitConfig(epochs=10), 14_800).batch, for_profiles(FitConfig(epochs=10), 1_000_000).batch
    (140, 500)
    >>> [for_profiles(FitConfig(epochs=12, least_seen=140_000), count).epochs for count in (1_668, 5_732, 44_038)]
    [60, 25, 12]
    """
    enough = math.ceil(settings.least_seen / max(1, profiles))
    epochs = max(settings.epochs, min(MOST_REPEATED * settings.epochs, enough))
    settings = replace(
        settings, epochs=epochs, least_seen=0
    )  # what they mean by now, whoever asks again
    if settings.batch is not None:
        return settings
    wanted = int(settings.epochs * profiles * (1 - settings.held_out)) // FEWEST_STEPS
    return replace(settings, batch=min(settings.largest_batch, max(SMALLEST_BATCH, wanted)))


def chosen_precision(settings: FitConfig) -> str:
    """The precision that auto stands for on this machine: bfloat16 only where the hardware computes in it."""
    if settings.precision != "auto":
        return settings.precision
    if settings.accelerator != "cpu" and torch.cuda.is_available():
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    return "bfloat16" if processor_has_bfloat16() else "float32"
