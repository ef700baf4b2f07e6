"""A lab of "Time pictures" from the options of a command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from habitus.papers.time_pictures.lab import Lab
from habitus.papers.time_pictures.settings import LabSettings
from habitus.profiles.store import StoredProfiles

DEFAULT = LabSettings()
OPTIONS = {
    "profiles": "all",
    "epochs": f"{DEFAULT.epochs}",
    "seed": f"{DEFAULT.seed}",
    "prior": DEFAULT.prior,
    "betas": "the paper's twelve",
    "channel": "the busiest",
}


def open_lab(data: Sequence[Path], folder: Path, given: Mapping[str, Any]) -> Lab:
    """Make the lab from the folders of training and test profiles.

    Raises:
        ValueError: for a folder that does not hold profiles, or invalid options.
    """
    train, test = (StoredProfiles.open(path) for path in data)
    settings = {
        name: given[name] for name in (field.name for field in fields(LabSettings)) if name in given
    }
    if "betas" in settings:
        settings["betas"] = betas_of(settings["betas"])
    return Lab(train, test, folder, LabSettings(**settings), given.get("channel"))


def betas_of(text: str) -> tuple[float, ...]:
    """Numbers separated by commas.

    Raises:
        ValueError: if they are not.

    >>> betas_of("0, 0.1,4")
    (0.0, 0.1, 4.0)
    """
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"--betas must be numbers separated by commas, got {text!r}") from None


def origin(lab: Lab) -> dict[str, str]:
    """The settings, and what the floor is."""
    return {
        "Settings": ", ".join(f"{name} {value}" for name, value in lab.settings.fixed().items()),
        "Other real sample": lab.floor.note,
    }
