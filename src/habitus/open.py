"""Open whatever folder habitus wrote."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from habitus import run
from habitus.files import MARKER
from habitus.profiles import completed, store
from habitus.records import read_json
from habitus.synthesis.latents.cohorts import Cohorts, load_cohorts
from habitus.synthesis.latents.cohorts.store import KIND as COHORTS

Opener = Callable[[Path | str], run.Run | store.StoredProfiles | Cohorts]
OPENERS: dict[str, Opener] = {run.KIND: run.load, COHORTS: load_cohorts}


def load(path: Path | str) -> run.Run | store.StoredProfiles | Cohorts:
    """Open a run, cohorts, or a set of profiles, whichever the folder holds.

    Raises:
        ValueError: if it holds none of these, or is damaged.
    """
    marker = Path(path) / MARKER
    header = read_json(marker) if marker.is_file() else {}
    kind = header.get("kind") if isinstance(header, dict) else None
    return OPENERS.get(str(kind), completed.open_profiles)(path)
