"""Definition of a sweep: its data, its settings, what varies, and how two sweeps differ."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from typing import Any

from habitus.evaluation import compare, summarise
from habitus.memory import check_memory
from habitus.models import MODELS
from habitus.models.base import GenerativeModel, Model
from habitus.profiles.batches import Population
from habitus.report.wording import figures_of
from habitus.settings import Types, types_of
from habitus.sweeps.space import Params, Search, Space
from habitus.training.config import FitConfig, as_asked
from habitus.training.data import fingerprint

HELD_OUT = "held_out_loss"
ALWAYS = (HELD_OUT, "seconds", "parameters")
"""What is recorded of every trial, whatever its model."""

FIRST_METRIC = "daily_mean.kld"
SLOT_BYTES = 1000  # that a trial takes, at least
FEW = 16  # profiles, to see which figures there are


@dataclass(frozen=True)
class Plan:
    """Everything that a sweep is made of, checked before anything runs.

    Attributes:
        kind: The class of the model.
        train: The profiles to fit to.
        against: The profiles to evaluate against, best ones that no model has seen.
        space: What varies.
        config: Settings of the model, of which the space replaces some.
        fit: Settings of the fit, of which the space replaces some.
        users: How many to generate; None for as many as there are in ``against``.
        metric: The figure that a search makes small, by its dotted key; None for what suits the
            model.
    """

    kind: type[Model]
    train: Population
    against: Population
    space: Space
    config: Any
    fit: FitConfig
    users: int | None = None
    metric: str | None = None

    def __post_init__(self) -> None:
        for key in self.space.choices:
            if key not in (known := types_of_settings(self.kind)):
                raise ValueError(
                    f"no setting {key!r}; {self.model} and its fit have {', '.join(known)}"
                )
        check_memory(
            SLOT_BYTES * self.space.trials,
            f"a sweep of {self.space.trials:,} trials",
            "the number of values or trials",
        )
        if self.users is not None and self.users < 1:
            raise ValueError(f"users must be at least 1, got {self.users}")
        self._check_values()
        self._check_data()
        if self.metric is not None and self.metric not in self.metrics:
            raise ValueError(
                f"unknown metric {self.metric!r}; --metric must be one of {', '.join(self.metrics)}"
            )
        if (
            self.objective == HELD_OUT
            and not self.fit.held_out
            and "held_out" not in self.space.choices
        ):
            raise ValueError(
                f"no users are held out for {HELD_OUT}; give --held-out above 0, or another "
                "--metric"
            )

    def _check_values(self) -> None:
        """Build the settings of every trial, so that invalid values are rejected early."""
        if isinstance(self.space, Search):
            for key, choice in self.space.choices.items():
                for value in choice.ends():
                    self.settings({key: value})
            return
        for params in self.space.slots():  # together: a value may need another one's
            self.settings(params)

    def _check_data(self) -> None:
        for name, data in (("to learn from", self.train), ("to evaluate against", self.against)):
            if len(data) == 0:
                raise ValueError(f"expected profiles {name}, got none")
        if mismatch := self.train.axes.mismatch(self.against.axes):
            raise ValueError(
                f"the profiles to learn from and to evaluate against must have the same axes, "
                f"but {mismatch}"
            )

    def settings(self, params: Params) -> tuple[Any, FitConfig]:
        """The model's settings and the fit's, of a trial.

        Raises:
            ValueError: if the model or the fit refuse a value.
        """
        own = {field.name for field in fields(self.config)}
        ours = {key: value for key, value in params.items() if key in own}
        rest = {key: value for key, value in params.items() if key not in own}
        return replace(self.config, **ours), replace(self.fit, **as_asked(rest))

    @property
    def model(self) -> str:
        """Name of the model in the registry."""
        return MODELS.name_of(self.kind)

    @property
    def generates(self) -> bool:
        """True where the model draws whole users, so that populations can be compared."""
        return issubclass(self.kind, GenerativeModel)

    @property
    def population(self) -> int:
        """Number of users that each trial generates."""
        return len(self.against) if self.users is None else self.users

    @property
    def objective(self) -> str:
        """Dotted key of the figure that trials are compared by."""
        return self.metric or (FIRST_METRIC if self.generates else HELD_OUT)

    @cached_property
    def metrics(self) -> tuple[str, ...]:
        """Dotted keys of the figures there are; lower is better for each of them."""
        if not self.generates:
            return ALWAYS
        first = self.against.read_group(0)
        few = summarise(first.take(range(min(FEW, len(first)))))
        return (*figures_of(compare(few, few)), *ALWAYS)

    def definition(self) -> dict[str, Any]:
        """Definition that is stored: two sweeps are the same where it is equal.

        The place where a sweep is kept and the order of a grid's results are not part of it.
        """
        fixed = {**asdict(self.config), **asdict(self.fit)}
        definition = {
            "model": self.model,
            **self.space.to_json(),
            "settings": {
                key: value for key, value in fixed.items() if key not in self.space.choices
            },
            "train": fingerprint(self.train),
            "against": fingerprint(self.against),
            "users": self.population if self.generates else None,
            **({"metric": self.objective} if isinstance(self.space, Search) else {}),
        }
        return json.loads(json.dumps(definition))  # as it will be read back


def types_of_settings(kind: type[Model]) -> Types:
    """Settings that a sweep over a model can vary, with types: the model's and those of its fit."""
    own = types_of(kind.Config)
    return {**own, **types_of(FitConfig), **own}


def another(found: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    """Describe another sweep in a few words; empty where it is the same as ours."""
    what = first_difference(found, ours)
    how = "grid" if "grid" in found else "search"
    space = " ".join(f"{key}={text}" for key, text in found.get(how, {}).items())
    shown = found.get("model") != ours["model"] or found.get(how) != ours.get(how)
    return what and f"{found.get('model')}, {how} {space}{'' if shown else f'; {what}'}"


def first_difference(found: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    """First difference of two definitions, in words; empty where they are the same."""
    for key in {**ours, **found}:
        theirs = found.get(key)
        own = ours.get(key)
        if theirs == own:
            continue
        if isinstance(theirs, dict) and isinstance(own, dict):
            return f"{key}: {first_difference(theirs, own)}"
        return f"{key}={_short(theirs)}, not {_short(own)}"
    return ""


def _short(value: Any) -> str:
    return "none" if value is None else str(value)


def score(figures: Mapping[str, float | None], metric: str) -> float:
    """Value to minimise of a figure; infinite where it is undefined or was too large to be written.

    >>> score({"daily_mean.kld": None}, "daily_mean.kld")
    inf
    """
    value = figures.get(metric)
    return math.inf if value is None or math.isnan(value) else value
