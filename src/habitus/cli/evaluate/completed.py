"""Scores of filled cells, where the profiles that are evaluated were completed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.table import Table

from habitus.cli._console import bar, plain
from habitus.evaluation.evaluate_completion import CompletionEvaluation, evaluate_completion
from habitus.models.parts.masks import parse_mask
from habitus.profiles.completed import StoredCompleted
from habitus.profiles.store import StoredProfiles
from habitus.report.filled import methods, multiple
from habitus.report.meaning import REGION
from habitus.schema import Axes, BoolArray


def score_filled(
    completed: StoredProfiles,
    reference: StoredProfiles,
    train: StoredProfiles | None,
    region: str | None,
    seed: int,
    most: int,
) -> CompletionEvaluation | None:
    """Score what was filled in, with a bar; None where nothing was.

    Raises:
        ValueError: for a region of a set that was not completed, and as ``evaluate_completion``.
    """
    if not isinstance(completed, StoredCompleted):
        if region is not None:
            raise ValueError(
                f"--region says which filled cells to score, but {completed.path} was not "
                f"completed; leave it out, or "
                "give what habitus complete or forecast wrote"
            )
        return None
    cells = None if region is None else _cells(region, completed.axes)
    with bar("Evaluating filled cells", "profiles") as advance:
        return evaluate_completion(
            completed,
            reference,
            train,
            region=cells,
            seed=seed,
            most=most,
            on_progress=advance,
        )


def _cells(region: str, axes: Axes) -> BoolArray:
    """Cells [D, S, C] of a region that is the same for every profile."""
    fixed = parse_mask(region, axes).fixed
    if fixed is None:
        raise ValueError(
            f"--region {region} differs from profile to profile; give one such as centre, last:7 "
            f"or "
            "rectangle:A-B,E-F, or leave it out to score all missing cells"
        )
    return fixed


def with_filled(
    metrics: dict[str, Any],
    found: CompletionEvaluation | None,
    completed: StoredProfiles,
    region: str | None,
) -> dict[str, Any]:
    """Content of ``metrics.json``: a completed set adds ``region`` and more ``baselines``."""
    if found is None:
        return metrics
    parts = found.to_json_parts()
    about = {"mask": completed.about["completed"]["mask"], "judged": region or "all missing cells"}
    return {
        **metrics,
        "region": {**parts["region"], **about},
        "baselines": {**metrics["baselines"], **parts["baselines"]},
    }


def filled_table(found: CompletionEvaluation) -> Table:
    """Table of the completed set and its baselines."""
    title = (
        "Filled cells, means over profiles; smaller is better, but for coverage and log-likelihood"
    )
    table = Table(title=title, title_justify="left")
    table.add_column("method")
    for name in (
        *(column.name.lower() for column in REGION.values()),
        "CRPS, multiple",
        "profiles",
    ):
        table.add_column(name.replace("crps", "CRPS"), justify="right")
    for method in methods(found):
        table.add_row(
            *map(plain, (method.name, *method.texts, multiple(method.over), f"{method.profiles:,}"))
        )
    return table


def filled_provenance(
    found: CompletionEvaluation | None, completed: StoredProfiles, region: str | None
) -> dict[str, str]:
    """Provenance of the scores of filled cells, for the report."""
    if found is None:
        return {}
    how = completed.about["completed"]
    made = f"{how['mask']}; evaluated: {region or 'all missing cells'}"
    run = Path(completed.about.get("run", "")).name or "not known"
    return {"What was missing": made, "Baselines": found.note, "Run that completed it": run}
