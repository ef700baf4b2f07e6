"""What made a result: versions, for the JSON of a run and the foot of a report."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import Any


def versions() -> dict[str, Any]:
    """Versions of habitus and of what the numbers depend on."""
    return {
        "versions": {"python": platform.python_version(), **{n: version(n) for n in ("habitus", "torch", "numpy")}}
    }
