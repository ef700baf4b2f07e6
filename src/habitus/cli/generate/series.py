"""Work of ``habitus generate`` for series."""

from __future__ import annotations

from pathlib import Path

from habitus import synthesis
from habitus.cli._console import bar, out
from habitus.cli._shared.series import about, window_steps
from habitus.run import Run
from habitus.series import write_series


def generate(run: Run, path: Path, series: int, steps: int | None, seed: int) -> None:
    """Draw series into a file."""
    length = window_steps(run) if steps is None else steps
    with bar("Generating", "series") as advance:
        made = synthesis.generate(run, series=series, steps=length, seed=seed, on_progress=advance)
    write_series(path, made, about(run, "generated", seed=seed, steps=length))
    out(f"{path}: {series:,} series of {length:,} steps; {', '.join(run.model.axes.variables)}")
