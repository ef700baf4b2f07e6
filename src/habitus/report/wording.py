"""Figures of an evaluation in words: rows of the table, verdicts, summary."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from habitus.report.meaning import BASELINE_WORDS, MEANING, POINTS, SHARE, Meaning

NOT_FIGURES = (
    "users",
    "reference_users",
    "zero_threshold",
    "empty_cells",
    "floor",
    "baselines",
    "two_sample",
    "privacy",
)
BY_CHANNEL = ("hour_of_day", "weekday")
VERDICTS = ((1.5, "like real"), (3.0, "close"), (10.0, "apart"), (math.inf, "far"))


@dataclass(frozen=True)
class Row:
    """One figure of the table: lower is better for each of them.

    Attributes:
        key: Its place in metrics.json, as ``group.figure``.
        name: What it is called.
        unit: Its unit, empty for a plain number.
        meaning: One line for a reader who has not read the paper.
        generated: Its value for the generated population.
        floor: Its value for another real sample.
        baselines: Its value for each method without learning.
    """

    key: str
    name: str
    unit: str
    meaning: str
    generated: float | None
    floor: float | None
    baselines: dict[str, float | None] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        """Multiple of the floor; None where either is missing or the floor is zero."""
        return ratio(self.generated, self.floor)

    def over_floor(self, baseline: str) -> float | None:
        """Multiple of the floor that a baseline scores."""
        return ratio(self.baselines.get(baseline), self.floor)

    @property
    def best(self) -> str | None:
        """Name of the best: "generated", or a baseline."""
        scores = {"generated": self.generated, **self.baselines}
        known = {name: score for name, score in scores.items() if score is not None}
        return min(known, key=lambda name: known[name]) if len(known) > 1 else None

    @property
    def verdict(self) -> str:
        """The ratio in words."""
        if self.ratio is None:
            return ""
        return next(word for limit, word in VERDICTS if self.ratio <= limit)

    def text(self, value: float | None) -> str:
        """A value as the table writes it."""
        if value is None or not math.isfinite(value):
            return "–"
        return f"{number(100 * value)} %" if self.unit in (SHARE, POINTS) else number(value)


def ratio(value: float | None, floor: float | None) -> float | None:
    """Value / floor where that means something."""
    if value is None or not floor or not math.isfinite(value / floor):
        return None
    return value / floor


def rows_of(metrics: Mapping[str, Any]) -> list[Row]:
    """Rows of the table from the metrics; figures without a text of their own come last."""
    found = figures_of(metrics)
    floor = figures_of(metrics.get("floor") or {})
    baselines = {name: figures_of(part) for name, part in (metrics.get("baselines") or {}).items()}
    keys = [key for key in MEANING if key in found] + [key for key in found if key not in MEANING]
    rows = []
    for key in keys:
        scores = {name: part.get(key) for name, part in baselines.items()}
        row = Row(key, *_meaning(key), found[key], floor.get(key), scores)
        if any(value is not None for value in (row.generated, row.floor, *scores.values())):
            rows.append(row)
    return rows


def _meaning(key: str) -> Meaning:
    return MEANING.get(key) or Meaning(key.replace("_", " ").replace(".", ", "), "", "")


def figures_of(metrics: Mapping[str, Any]) -> dict[str, float | None]:
    """Every single figure by dotted key; those given by channel are averaged."""
    kept = {key: part for key, part in metrics.items() if key not in NOT_FIGURES + BY_CHANNEL}
    averages = {
        f"{key}.jsd": _mean(metrics[key].get("jsd")) for key in BY_CHANNEL if metrics.get(key)
    }
    return dict(_leaves(kept)) | averages


def _mean(by_channel: Mapping[str, float | None] | None) -> float | None:
    """Average over channels; None if one has no finite value, as leaving it out would flatter."""
    values = list((by_channel or {}).values())
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def _leaves(part: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, float | None]]:
    """Numbers of a nested dictionary, by dotted key (what is no number or None is no figure)."""
    for key, value in part.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{before}{key}.")
        elif value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)):
            yield f"{before}{key}", value


def number(value: float) -> str:
    """Three digits, never Python's 1.2e-05."""
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    digits, power = f"{value:.1e}".split("e")
    return f"{digits} × 10{str(int(power)).translate(RAISED)}"


NEAR = 3.0
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def times(value: float | None) -> str:
    """A ratio as the table writes it."""
    if value is None:
        return "–"
    if value < 1:
        return f"{value:.2g} ×"
    return f"{value:.1f} ×" if value < 100 else f"{value:,.0f} ×"


def summary(rows: Sequence[Row]) -> list[str]:
    """Findings in a few sentences: closeness, best, worst, and against baselines."""
    rated = sorted((row for row in rows if row.ratio is not None), key=lambda row: row.ratio or 0)
    if not rated:
        return [
            "There is no second real sample to compare with, so nothing says how good is good "
            "enough."
        ]
    near = sum((row.ratio or 0) <= NEAR for row in rated)
    share = f"{near} of {len(rated)} figures"
    first = f"{share} are within {NEAR:g} times of what another real sample scores."
    return [first, *_extremes(rated), *_against_baselines(rows)]


def _extremes(rated: Sequence[Row]) -> list[str]:
    if len(rated) < 2:
        return []
    best = rated[0]
    worst = rated[-1]
    return [
        f"Closest to real: {best.name.lower()}, {times(best.ratio)} the other real sample. "
        f"Furthest: {worst.name.lower()}, {times(worst.ratio)}."
    ]


def _against_baselines(rows: Sequence[Row]) -> list[str]:
    """On how many figures the generated population beats each method without learning."""
    sentences = []
    for baseline in dict.fromkeys(name for row in rows for name in row.baselines):
        pairs = [(row.generated, row.baselines.get(baseline)) for row in rows]
        known = [
            (mine, theirs) for mine, theirs in pairs if mine is not None and theirs is not None
        ]
        wins = sum(mine < theirs for mine, theirs in known)
        words = f": {BASELINE_WORDS[baseline]}" if baseline in BASELINE_WORDS else ""
        sentences.append(
            f"Better on {wins} of {len(known)} figures than a population made without learning "
            f"(“{baseline_name(baseline)}”{words})."
        )
    return sentences


def baseline_name(baseline: str) -> str:
    """A baseline's key in metrics.json, as words."""
    return baseline.replace("_", " ")
