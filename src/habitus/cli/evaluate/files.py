"""Files of series that are evaluated, and the real ones beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from habitus.cli._shared.series import read_for
from habitus.schema import FloatArray, SeriesAxes
from habitus.series import Series, read_about, read_series

Json = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """Options of the command, None where they were not given.

    Attributes:
        against: Real series, the clean ones, or those that go on after a forecast's origins.
        train: Real series that baselines, and the floor, are made from.
        train_share: The first share of ``against`` for that instead.
        noisy: File that a cleaned one was made from.
        columns: Options of reading files: ``column``, ``scale``, ``time``, ``series_id``.
        buckets: Number of buckets of Algorithm 1.
        steps: Steps on, or ahead, separated by commas.
        two_sample: True to train networks that separate generated from real.
        json: File of the scores.
        html: File of the page.
        seed: Seed of the baselines.
        command: The command line, for the page.
    """

    against: Path
    train: Path | None
    train_share: float | None
    noisy: Path | None
    columns: Mapping[str, Any]
    buckets: int | None
    steps: str | None
    two_sample: bool
    json: Path | None
    html: Path | None
    seed: int
    command: Mapping[str, str]


def read_real(axes: SeriesAxes, path: Path, asked: Asked) -> Series:
    """Series in the columns and scale of the evaluated ones."""
    named = {name: value for name, value in asked.columns.items() if name in ("time", "series_id")}
    return read_for(axes, path, **named)


def read_train(axes: SeriesAxes, asked: Asked) -> Series | None:
    """Training series of --train, if it was given."""
    return read_real(axes, asked.train, asked) if asked.train else None


def read_evaluated(path: Path, asked: Asked) -> Series:
    """Evaluated series; one that habitus wrote knows its time and series itself."""
    own = read_about(path)
    columns = {**asked.columns, **({"time": None, "series_id": None} if own else {})}
    return read_series(path, columns.pop("column"), **columns)


def panel(series: Series) -> list[FloatArray]:
    """Values of the series that have rows, [T, V] each; NaN is missing."""
    return [each for each in series.arrays() if len(each)]


def check_same_rows(one: Series, other: Series, name: str) -> None:
    """Refuse series of other lengths or times.

    Raises:
        ValueError: saying what differs.
    """
    if one.ids != other.ids:
        raise ValueError(
            f"{name} has other series: {len(other)} against {len(one)}; give all in the same order"
        )
    if (one.lengths != other.lengths).any():
        at = int((one.lengths != other.lengths).argmax())
        of = f" of series {one.ids[at]!r}" if len(one) > 1 else ""
        raise ValueError(f"{name} has {other.lengths[at]:,} rows{of}, the cleaned one "
        f"{one.lengths[at]:,}; "
                         "give the same rows in all of them")  # fmt: skip
    if one.times is not None and other.times is not None and (one.times != other.times).any():
        at = int((one.times != other.times).argmax())
        none = not np.isin(one.times, other.times).any()
        what = "no rows in common" if none else f"other times from row {at + 1} on"
        raise ValueError(
            f"{name} has {what}: {other.times[at]} against {one.times[at]}; give the same rows "
            f"in all"
        )


def check_known(cleaned: Series, clean: Series, name: Path, other: Path) -> None:
    """Refuse a cleaned series that lacks values whose truth is known.

    Raises:
        ValueError: saying how many.
    """
    lacking = int(np.count_nonzero(clean.observed & ~cleaned.observed))
    if not (clean.observed & cleaned.observed).any():
        raise ValueError(
            f"{name} and {other} have no rows in common: nowhere is a value known in both"
        )
    if lacking:
        raise ValueError(
            f"{name} lacks {lacking:,} values that {other} has; a cleaned series has to have "
            f"them all"
        )


def steps_of(text: str | None) -> tuple[int, ...]:
    """Numbers of steps separated by commas.

    Raises:
        ValueError: for what is none.
    """
    if text is None:
        return ()
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) for part in parts) or len(set(map(int, parts))) < len(
        parts
    ):
        raise ValueError(
            f"--steps must be distinct numbers of steps separated by commas, such as 1,6,24; got "
            f"{text!r}"
        )
    return tuple(sorted(map(int, parts)))


def described(axes: SeriesAxes, seed: int, learnt_from: str) -> Json:
    """Description of the scores: unit, variables, seed, and training data of the baselines."""
    meaning = (
        "values as in the file"
        if axes.scale == 1
        else f"values are those of the file times {axes.scale:g}"
    )
    return {
        "unit": {"scale": axes.scale, "meaning": meaning},
        "variables": list(axes.variables),
        "seed": seed,
        "baselines_learn_from": f"Baselines learn from {learnt_from}.",
    }
