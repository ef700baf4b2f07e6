"""How a fit went: losses on training and held-out users, a row per recorded step."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from habitus.output import replacing

HISTORY = "history.parquet"

History = dict[str, list[float | None]]


def write_history(path: Path, history: History) -> None:
    """Write the history of a run into its folder."""
    with replacing(path / HISTORY) as part:
        pq.write_table(pa.table(history), part)


def read_history(path: Path) -> History:
    """The history of a finished run.

    Raises:
        ValueError: if it is missing or damaged.
    """
    try:
        return pq.read_table(path / HISTORY).to_pydict()
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path / HISTORY} is missing or damaged: {error}") from None


def curves(history: History) -> dict[str, list[float]]:
    """A history as a report draws it: held-out losses without their gaps, beside their own ``held_out_step``."""
    judged = [loss is not None for loss in history.get("held_out_loss", [])]
    columns = history | ({"held_out_step": history["step"]} if any(judged) else {})
    kept = {
        name: [value for value, at in zip(column, judged, strict=True) if at] if "held_out" in name else column
        for name, column in columns.items()
    }
    return {name: [float("nan") if v is None else v for v in column] for name, column in kept.items()}
