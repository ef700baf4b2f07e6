"""Results of a sweep: a row per trial, best first, written as Parquet and CSV."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq

from habitus.files import replacing
from habitus.report.wording import figures_of
from habitus.sweeps.plan import ALWAYS, Plan, score
from habitus.sweeps.shared_study import Slot
from habitus.sweeps.space import Params
from habitus.sweeps.trial import read_metrics, trial_folder

PARQUET = "results.parquet"
CSV = "results.csv"
Figures = dict[str, float | None]


@dataclass(frozen=True)
class Row:
    """Outcome of one trial.

    Attributes:
        slot: Its number.
        params: Its settings.
        state: COMPLETE or FAIL.
        figures: Every figure by dotted key; None where it is undefined or infinite. Empty where the
            trial failed.
        folder: Its run.
        error: Why it failed, or None.
    """

    slot: int
    params: Params
    state: str
    figures: Figures
    folder: Path
    error: str | None = None


@dataclass(frozen=True)
class Results:
    """Outcome of a sweep.

    Attributes:
        rows: A row per planned trial, the best by ``metric`` first, failed ones last.
        keys: The settings that vary.
        metric: The figure that they are sorted by.
        floor: What another real sample scores, by dotted key; None where that is not the same for
            all trials, as their populations differ in unit. Empty where no population was
            generated.
        out: The sweep's folder.
        files: What was written of them: tables and figures.
    """

    rows: tuple[Row, ...]
    keys: tuple[str, ...]
    metric: str
    floor: Figures
    out: Path
    files: tuple[Path, ...] = ()

    def table(self) -> pa.Table:
        """A row per trial: slot, settings, state, every figure by its dotted key, folder, error."""
        names = dict.fromkeys(name for row in self.rows for name in row.figures)
        columns = {
            "slot": [row.slot for row in self.rows],
            **{key: [row.params.get(key) for row in self.rows] for key in self.keys},
            "state": [row.state for row in self.rows],
            **{
                name: pa.array([row.figures.get(name) for row in self.rows], pa.float64())
                for name in names
            },
            "folder": [str(row.folder) for row in self.rows],
            "error": pa.array([row.error for row in self.rows], pa.string()),
        }
        return pa.table(columns)

    def write(self) -> tuple[Path, ...]:
        """Write the table as Parquet and as CSV; the files' paths."""
        table = self.table()
        with replacing(self.out / PARQUET) as part:
            pq.write_table(table, part)
        with replacing(self.out / CSV) as part:
            csv.write_csv(table, part)
        return self.out / PARQUET, self.out / CSV


def results_of(plan: Plan, slots: Iterable[Slot], out: Path) -> Results:
    """Read what came of every trial.

    Raises:
        ValueError: if the metrics of a complete trial are gone or damaged.
    """
    rows: list[Row] = []
    floors: list[Figures] = []
    for slot in slots:
        folder = trial_folder(out, slot.number, slot.params)
        metrics = _metrics(folder) if slot.state == "COMPLETE" else {}
        rows.append(
            Row(slot.number, slot.params, slot.state, _figures(metrics), folder, slot.error)
        )
        floors += [figures_of(metrics["floor"])] if metrics.get("floor") else []
    rows.sort(
        key=lambda row: (row.state != "COMPLETE", score(row.figures, plan.objective), row.slot)
    )
    return Results(tuple(rows), tuple(plan.space.choices), plan.objective, _shared(floors), out)


def _shared(floors: Sequence[Figures]) -> Figures:
    """Merge the floors of the trials by figure; None where they differ, as units of trials may."""
    names = dict.fromkeys(name for floor in floors for name in floor)
    return {name: _same([floor.get(name) for floor in floors]) for name in names}


def _same(values: Sequence[float | None]) -> float | None:
    """Common value of all, up to rounding; None where they differ."""
    first = values[0]
    if first is None or not all(
        value is not None and math.isclose(value, first) for value in values
    ):
        return None
    return first


def _metrics(folder: Path) -> dict[str, Any]:
    metrics = read_metrics(folder)
    if metrics is None:
        raise ValueError(
            f"{folder} has no metrics though its trial is complete; keep --out and --storage "
            "together"
        )
    return metrics


def _figures(metrics: Mapping[str, Any]) -> Figures:
    """Every figure by dotted key, what is recorded of every trial last."""
    found = figures_of(metrics)
    return {name: value for name, value in found.items() if name not in ALWAYS} | {
        name: found[name] for name in ALWAYS if name in found
    }


def value_or(row: Row, name: str) -> float:
    """Figure to draw: infinite where a complete trial has none, NaN where the trial failed."""
    return score(row.figures, name) if row.state == "COMPLETE" else math.nan
