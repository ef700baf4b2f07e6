"""Space of a sweep: a grid, every combination of which is a trial, or ranges that are searched."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from optuna.trial import Trial

from habitus.settings import Types, is_number_hint, key_and_text, value_of

Value = bool | int | float | str
Params = dict[str, Value]
"""The settings of one trial that differ from those of others."""

ALTERNATIVES = "|"
LOG = "log"


@dataclass(frozen=True)
class Choice:
    """Any of some values.

    Attributes:
        values: At least one, all different.
    """

    values: tuple[Value, ...]

    def __post_init__(self) -> None:
        if not self.values or len(set(self.values)) < len(self.values):
            raise ValueError(
                f"expected different values, at least one, got {self.text() or 'none'}"
            )

    def text(self) -> str:
        """Text that the command line takes for it."""
        return ALTERNATIVES.join(text_of(value) for value in self.values)

    def ends(self) -> tuple[Value, ...]:
        """Values that a model has to accept."""
        return self.values

    def suggest(self, trial: Trial, key: str) -> Value:
        """Value for a trial, chosen by the study's sampler."""
        value = trial.suggest_categorical(key, self.values)
        assert value is not None, "None is no value of a setting"
        return value


@dataclass(frozen=True)
class Range:
    """Any number in a range, both ends included; a whole one where both ends are.

    Attributes:
        low: The lowest.
        high: The highest.
        log: Whether all orders of magnitude are equally likely.
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        if not -math.inf < self.low < self.high < math.inf:
            raise ValueError(f"expected a range from a lower to a higher number, got {self.text()}")
        if self.log and self.low <= 0:
            raise ValueError(f"expected a range above 0 for {LOG}, got {self.text()}")

    def text(self) -> str:
        """Text that the command line takes for it."""
        return ":".join([text_of(self.low), text_of(self.high), *([LOG] if self.log else [])])

    def ends(self) -> tuple[Value, ...]:
        """Values that a model has to accept."""
        return self.low, self.high

    def suggest(self, trial: Trial, key: str) -> Value:
        """Value for a trial, chosen by the study's sampler."""
        if isinstance(self.low, int) and isinstance(self.high, int):
            return trial.suggest_int(key, self.low, self.high, log=self.log)
        return trial.suggest_float(key, self.low, self.high, log=self.log)


@dataclass(frozen=True)
class Grid:
    """Every combination of some values of some settings.

    Attributes:
        choices: The values of each setting, by its name.
    """

    choices: dict[str, Choice]

    def __post_init__(self) -> None:
        if not self.choices:
            raise ValueError("expected a grid of at least one setting, got none")

    @property
    def trials(self) -> int:
        """Number of trials: of all combinations."""
        return math.prod(len(choice.values) for choice in self.choices.values())

    def slots(self) -> list[Params]:
        """Settings of each trial, all of them fixed beforehand; the last one changes fastest."""
        values = (choice.values for choice in self.choices.values())
        return [dict(zip(self.choices, each, strict=True)) for each in product(*values)]

    def to_json(self) -> dict[str, Any]:
        """Content that is stored, equal for equal spaces."""
        return {"grid": _texts(self.choices)}


@dataclass(frozen=True)
class Search:
    """Ranges and choices in which to look for the best.

    Attributes:
        choices: Where to look, by the setting's name.
        trials: How many trials.
    """

    choices: dict[str, Choice | Range]
    trials: int

    def __post_init__(self) -> None:
        if not self.choices:
            raise ValueError("expected at least one setting to search, got none")
        if self.trials < 1:
            raise ValueError(f"trials must be at least 1, got {self.trials}")

    def slots(self) -> list[Params]:
        """Settings of each trial that are fixed beforehand: none."""
        return [{} for _ in range(self.trials)]

    def to_json(self) -> dict[str, Any]:
        """Content that is stored, equal for equal spaces."""
        return {"search": _texts(self.choices), "trials": self.trials}


Space = Grid | Search


def grid_of(values: Mapping[str, Iterable[Value]]) -> Grid:
    """A grid from plain values.

    Raises:
        ValueError: if there are none, or a setting has one twice.

    >>> grid_of({"beta": (0, 0.1), "seed": (0, 1)}).slots()[1:3]
    [{'beta': 0, 'seed': 1}, {'beta': 0.1, 'seed': 0}]
    """
    return Grid({key: Choice(tuple(map(_plain, each))) for key, each in values.items()})


def _plain(value: Value) -> Value:
    """Convert numbers of numpy to Python's, which the database can keep."""
    return value.item() if isinstance(value, np.generic) else value


def read_grid(types: Types, texts: Iterable[str]) -> Grid:
    """Grid from ``key=value,value`` texts; ``|`` stands between values that hold a comma.

    Raises:
        ValueError: for an unknown key, a key given twice, or values that are missing, equal or of
            another type.

    >>> texts = ["mask=centre|rectangle:8-24,6-18", "beta=0,1"]
    >>> read_grid({"mask": str, "beta": float}, texts).slots()[2]
    {'mask': 'rectangle:8-24,6-18', 'beta': 0.0}
    """
    pairs = _pairs(types, texts, "--grid", "value,value")
    return Grid({key: _choice(key, text, types[key], "--grid", ",") for key, text in pairs.items()})


def read_search(types: Types, texts: Iterable[str], trials: int) -> Search:
    """Search from ``key=low:high``, ``key=low:high:log`` or ``key=value|value`` texts.

    Raises:
        ValueError: for an unknown key, a key given twice, or an invalid range.

    >>> texts = ["beta=0.1:10:log", "latents=2:9"]
    >>> read_search({"beta": float, "latents": int}, texts, 20).choices["beta"]
    Range(low=0.1, high=10.0, log=True)
    """
    pairs = _pairs(types, texts, "--search", "low:high")
    return Search({key: _searched(key, text, types[key]) for key, text in pairs.items()}, trials)


def text_of(value: Value) -> str:
    """Text that the command line takes for a value.

    >>> [text_of(value) for value in (0.0, 0.1, 1e-5, 2, True, "conv")]
    ['0', '0.1', '1e-05', '2', 'true', 'conv']
    """
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


def _texts(choices: Mapping[str, Choice | Range]) -> dict[str, str]:
    return {key: choice.text() for key, choice in choices.items()}


def _pairs(types: Types, texts: Iterable[str], option: str, what: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for pair in texts:
        key, text = key_and_text(pair, types, option, what)
        if key in pairs:
            raise ValueError(f"{option} was given {key} twice; give all its values at once")
        pairs[key] = text
    return pairs


def _searched(key: str, text: str, hint: Any) -> Choice | Range:
    ends = text.split(":")
    if ALTERNATIVES in text or not is_number_hint(hint):
        return _choice(key, text, hint, "--search", ALTERNATIVES)
    if len(ends) not in (2, 3) or ends[2:] not in ([], [LOG]):
        raise ValueError(
            f"--search {key} must be low:high, low:high:{LOG} or value|value, got {text!r}"
        )
    low, high = (value_of(key, end, hint) for end in ends[:2])
    return _named(f"--search {key}", Range, low, high, len(ends) == 3)


def _choice(key: str, text: str, hint: Any, option: str, separator: str) -> Choice:
    parts = [
        part.strip() for part in text.split(ALTERNATIVES if ALTERNATIVES in text else separator)
    ]
    if not all(parts):
        raise ValueError(
            f"{option} {key} must be values with {separator} between them, at least one, got "
            f"{text!r}"
        )
    return _named(f"{option} {key}", Choice, tuple(value_of(key, part, hint) for part in parts))


def _named(what: str, kind: type[Any], *arguments: Any) -> Any:
    """Make a choice, and name the option it was for where that fails."""
    try:
        return kind(*arguments)
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from None
