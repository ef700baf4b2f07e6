"""Files of series that are evaluated, the real ones beside them, and what both are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from habitus.cli._shared.series import read_for
from habitus.schema import SeriesAxes
from habitus.series import Series, read_about, read_series


@dataclass(frozen=True)
class SeriesFiles:
    """Files that an evaluation of series reads; None for what was not given.

    Attributes:
        path: Evaluated series, or a forecast.
        against: Real series, the clean ones, or those that go on after a forecast's origins.
        train: Real series that baselines, and the floor, are made from.
        train_share: The first share of ``against`` for that instead.
        noisy: File that a cleaned one was made from.
        columns: Options of reading files: ``column``, ``scale``, ``time``, ``series_id``.
    """

    path: Path
    against: Path
    train: Path | None
    train_share: float | None
    noisy: Path | None
    columns: Mapping[str, Any]

    def read_evaluated(self) -> Series:
        """Evaluated series; one that habitus wrote knows its time and series itself."""
        columns = {**self.columns}
        if read_about(self.path):
            columns |= {"time": None, "series_id": None}
        return read_series(self.path, columns.pop("column"), **columns)

    def read_real(self, axes: SeriesAxes, path: Path) -> Series:
        """Series in the columns and scale of the evaluated ones."""
        return read_for(axes, path, time=self.columns["time"], series_id=self.columns["series_id"])

    def read_train(self, axes: SeriesAxes) -> Series | None:
        """Training series of --train, if it was given."""
        return self.read_real(axes, self.train) if self.train else None


def check_same_rows(one: Series, other: Series, name: str) -> None:
    """Refuse series of other lengths or times than the cleaned one.

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
        raise ValueError(
            f"{name} has {other.lengths[at]:,} rows{of}, the cleaned one {one.lengths[at]:,}; "
            "give the same rows in all of them"
        )
    if one.times is not None and other.times is not None and (one.times != other.times).any():
        at = int((one.times != other.times).argmax())
        none = not np.isin(one.times, other.times).any()
        what = "no rows in common" if none else f"other times from row {at + 1} on"
        raise ValueError(
            f"{name} has {what}: {other.times[at]} against {one.times[at]}; give the same rows "
            "in all"
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
            "them all"
        )


def steps_of(text: str | None) -> tuple[int, ...]:
    """Numbers of steps separated by commas; none where there is no text.

    Raises:
        ValueError: for text that is not distinct whole numbers above 0.

    >>> steps_of("6, 1"), steps_of(None)
    ((1, 6), ())
    """
    if text is None:
        return ()
    parts = [part.strip() for part in text.split(",")]
    steps = {int(part) for part in parts if part.isdecimal()}
    if len(steps) < len(parts) or 0 in steps:
        raise ValueError(
            "--steps must be distinct numbers of steps separated by commas, such as 1,6,24; got "
            f"{text!r}"
        )
    return tuple(sorted(steps))


def described(axes: SeriesAxes, seed: int, learnt_from: str) -> dict[str, Any]:
    """Description of the scores: unit, variables, seed, and training data of the baselines."""
    meaning = f"values are those of the file times {axes.scale:g}"
    return {
        "unit": {
            "scale": axes.scale,
            "meaning": "values as in the file" if axes.scale == 1 else meaning,
        },
        "variables": list(axes.variables),
        "seed": seed,
        "baselines_learn_from": f"Baselines learn from {learnt_from}.",
    }
