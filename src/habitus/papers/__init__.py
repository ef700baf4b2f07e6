"""The papers' tables and figures, each as a function, on any data.

data ──Lab──▶ runs, populations or forecasts, scores ──Entry.make──▶ Item ──▶ PNG, CSV, one page
"""

from __future__ import annotations

from typing import Any

from habitus.papers import tdlgm, time_pictures
from habitus.papers.item import Paper

PAPERS: dict[str, Paper[Any]] = {"time-pictures": time_pictures.PAPER, "tdlgm": tdlgm.PAPER}
"""What ``habitus reproduce`` takes."""

__all__ = ["PAPERS"]
