"""Figures of a sweep: scores against what was varied ("Time pictures" Figs 6.14 and 6.15)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from habitus.report.figures import score_curves
from habitus.report.png import save_png
from habitus.schema import FloatArray
from habitus.sweeps.plan import HELD_OUT, Plan
from habitus.sweeps.results import Results, Row, value_or
from habitus.sweeps.space import Search, Value, text_of

SEED = "seed"
CURVES = {"daily_mean": "daily mean", "daily_std": "daily standard deviation"}
SCORES = {"kld": "KL divergence (nats)", "mse": "mean squared error"}
Line = tuple[str, str]
"""A name in the legend, and the figure that is drawn."""


def draw(plan: Plan, results: Results) -> tuple[Path, ...]:
    """Write ``kld.png`` and ``mse.png``, or ``held_out_loss.png`` without generated users.

    One setting goes along the axis, the numeric one with most values; there is a line for each
    combination of the others, and then daily mean and standard deviation have a file each. Seeds
    are averaged over. Where a search varies several settings, the trials go along the axis.
    """
    if not plan.generates:
        return (
            _save(
                plan,
                results,
                "held_out_loss",
                "loss on held-out users",
                {"held-out users": HELD_OUT},
            ),
        )
    paths: list[Path] = []
    for kind, words in SCORES.items():
        if _is_single(plan):
            paths.append(
                _save(plan, results, kind, words, {CURVES[key]: f"{key}.{kind}" for key in CURVES})
            )
            continue
        for key, curve in CURVES.items():
            stem = kind if key == "daily_mean" else f"{kind}_{key}"
            paths.append(_save(plan, results, stem, f"{curve}, {words}", {curve: f"{key}.{kind}"}))
    return tuple(paths)


def _is_single(plan: Plan) -> bool:
    return isinstance(plan.space, Search) or len(_varied(plan)) == 1


def _varied(plan: Plan) -> list[str]:
    """The settings apart from the seed, unless there is nothing else."""
    keys = [key for key in plan.space.choices if key != SEED]
    return keys or [SEED]


def _save(plan: Plan, results: Results, stem: str, label: str, figures: dict[str, str]) -> Path:
    keys = _varied(plan)
    if isinstance(plan.space, Search) and len(keys) > 1:
        axis = "trial"
        groups = {"": list(results.rows)}
        values: list[Value] = sorted(row.slot for row in results.rows)
    else:
        axis = _axis(results, keys)
        groups = _groups(results.rows, [key for key in keys if key != axis])
        values = _values(plan, results, axis)
    lines = {
        ", ".join(filter(None, (group, name if len(figures) > 1 or not group else ""))): _line(
            rows, axis, values, figure
        )
        for group, rows in groups.items()
        for name, figure in figures.items()
    }
    found = {name: results.floor.get(figure) for name, figure in figures.items()}
    floors = {name: value for name, value in found.items() if value is not None}
    names = [
        value if isinstance(value, float | int) and not isinstance(value, bool) else text_of(value)
        for value in values
    ]
    seeds = (
        1 if isinstance(plan.space, Search) else len({row.params.get(SEED) for row in results.rows})
    )
    label += f", mean of {seeds} seeds" if seeds > 1 and axis != SEED else ""
    path = results.out / f"{stem}.png"
    save_png(score_curves(names, lines, label, floors=floors, xlabel=axis.replace("_", " ")), path)
    return path


def _axis(results: Results, keys: Sequence[str]) -> str:
    """The numeric setting with most values, else the first one."""

    def rank(key: str) -> tuple[bool, int]:
        seen = {row.params[key] for row in results.rows if key in row.params}
        return all(
            isinstance(value, float | int) and not isinstance(value, bool) for value in seen
        ), len(seen)

    numeric = [key for key in keys if rank(key)[0]]
    return max(numeric, key=lambda key: rank(key)[1]) if numeric else keys[0]


def _values(plan: Plan, results: Results, axis: str) -> list[Value]:
    """Values along the axis: a grid's in its order, searched numbers sorted."""
    choice = plan.space.choices[axis]
    if not isinstance(plan.space, Search):
        return list(choice.ends())
    return sorted(
        {row.params[axis] for row in results.rows if axis in row.params},
        key=lambda v: (str(type(v)), v),
    )


def _groups(rows: Sequence[Row], keys: Sequence[str]) -> dict[str, list[Row]]:
    """Trials by their other settings, in words."""
    groups: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: row.slot):
        words = ", ".join(_named(key, row.params[key]) for key in keys if key in row.params)
        groups.setdefault(words, []).append(row)
    return groups


def _named(key: str, value: Value) -> str:
    return value if isinstance(value, str) else f"{key.replace('_', ' ')} {text_of(value)}"


def _line(rows: Sequence[Row], axis: str, values: Sequence[Value], figure: str) -> FloatArray:
    """The mean score at each value; infinite where one of them is."""
    means = []
    for value in values:
        found = [
            value_or(row, figure)
            for row in rows
            if (row.slot if axis == "trial" else row.params.get(axis)) == value
        ]
        known = [each for each in found if not np.isnan(each)]
        means.append(np.mean(known) if known else np.nan)
    return np.array(means, float)
