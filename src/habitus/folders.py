"""Open whatever folder habitus wrote."""

from __future__ import annotations

from pathlib import Path

from habitus import run
from habitus.output import MARKER, read_json
from habitus.profiles import completed, store


def load(path: Path | str) -> run.Run | store.StoredProfiles:
    """Open a run or a set of profiles, whichever the folder holds.

    Raises:
        ValueError: if it holds neither, or is damaged.
    """
    marker = Path(path) / MARKER
    header = read_json(marker) if marker.is_file() else {}
    kind = header.get("kind") if isinstance(header, dict) else None
    return run.load(path) if kind == run.KIND else completed.open_profiles(path)
