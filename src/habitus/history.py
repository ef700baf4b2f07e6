"""History and provenance of runs: losses by step, and versions; read without loading torch."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa

from habitus.records import arrow_errors, open_parquet

HISTORY = "history.parquet"

History = dict[str, list[float | None]]


def read_history(path: Path) -> History:
    """Read the history of a finished run.

    Raises:
        ValueError: if it is missing or damaged.
    """
    file = open_parquet(path / HISTORY)
    # A column without any number has the type null: a model may hold no users out.
    odd = [
        field.name
        for field in file.schema_arrow
        if not pa.types.is_floating(field.type) and not pa.types.is_null(field.type)
    ]
    if odd or "step" not in file.schema_arrow.names:
        raise ValueError(
            f"{path / HISTORY} is damaged or foreign: expected a column step and numbers only, "
            f"got {odd[0] if odd else 'no step'}"
        )
    with arrow_errors(path / HISTORY):
        return file.read().to_pydict()


def curves(history: History) -> dict[str, list[float]]:
    """Arrange a history for a chart: held-out losses without gaps, by their ``held_out_step``."""
    evaluated = [loss is not None for loss in history.get("held_out_loss", [])]
    columns = history | ({"held_out_step": history["step"]} if any(evaluated) else {})
    kept = {
        name: [value for value, at in zip(column, evaluated, strict=True) if at]
        if "held_out" in name
        else column
        for name, column in columns.items()
    }
    return {
        name: [float("nan") if v is None else v for v in column] for name, column in kept.items()
    }


def versions() -> dict[str, Any]:
    """Versions of habitus and of what the numbers depend on."""
    return {
        "versions": {
            "python": platform.python_version(),
            **{n: version(n) for n in ("habitus", "torch", "numpy")},
        }
    }
