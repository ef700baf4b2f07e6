"""A lab of tDLGM from the options of a command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from habitus.papers.tdlgm.lab import Lab
from habitus.papers.tdlgm.settings import LabSettings
from habitus.series import read_series

OPTIONS = {
    name: f"{getattr(LabSettings(), name)}"
    for name in ("epochs", "seed", "seeds", "column", "scale")
}


def open_lab(data: Sequence[Path], folder: Path, given: Mapping[str, Any]) -> Lab:
    """The lab of one file.

    Raises:
        ValueError: for a file or a column that is not there, or a series that the tables cannot be
            made of.
    """
    settings = LabSettings(**given)
    series = read_series(data[0], [settings.column], scale=settings.scale)
    return Lab(series, folder, settings)
