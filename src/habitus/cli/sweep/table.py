"""Table of a sweep's results."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rich.table import Table

from habitus.cli._console import plain
from habitus.report.wording import number
from habitus.sweeps import Results
from habitus.sweeps.space import text_of

SHOWN = (
    "daily_mean.kld", "daily_mean.mse", "daily_std.kld", "daily_std.mse", "held_out_loss",
    "seconds",
)  # fmt: skip
LONGEST_ERROR = 60


def table_of(results: Results) -> Table:
    """Table of trials, the best first, and the floor."""
    known = {results.metric}.union(*(row.figures for row in results.rows))
    shown = [name for name in dict.fromkeys((results.metric, *SHOWN)) if name in known]
    floor = [results.floor.get(name) for name in shown]
    has_floor = any(value is not None for value in floor)
    title = f"By {results.metric}, lower is better"
    if has_floor:
        title += "; the floor is what another real sample scores"
    elif results.floor:
        title += "; trials differ in unit, and each one's metrics.json has a floor of its own"
    table = Table(title=title, title_justify="left")
    table.add_column("trial", justify="right")
    for name in (*results.keys, *shown):
        # Broken names keep the table narrow enough for a terminal.
        table.add_column(re.sub(r"([_.])", r"\1\n", name), justify="right")
    failed = any(row.error for row in results.rows)
    if failed:
        table.add_column("failed")
    for row in results.rows:
        values = [row.params.get(key, "–") for key in results.keys]
        settings = [f"{x:.4g}" if isinstance(x, float) else text_of(x) for x in values]
        error = [(row.error or "")[:LONGEST_ERROR]] if failed else []
        figures = _texts(row.figures.get(name) for name in shown)
        table.add_row(*map(plain, (str(row.slot), *settings, *figures, *error)))
    if has_floor:
        cells = ("floor", *("" for _ in results.keys), *_texts(floor))
        table.add_row(*map(plain, cells), end_section=True)
    return table


def _texts(values: Iterable[float | None]) -> list[str]:
    return ["–" if value is None else number(value) for value in values]
