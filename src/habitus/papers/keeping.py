"""Files that a reproduction keeps in its folder: marker, fitted runs, and costly scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from habitus.files import MARKER, check_outputs
from habitus.records import Header, read_header, write_header
from habitus.run import CHECKPOINT, Run, is_complete, load
from habitus.training.config import SINCE, FitConfig

KIND = "reproduction"
VERSION = 1
T = TypeVar("T")


class Once:
    """Cache in memory of values that are made when they are first asked for."""

    def __init__(self) -> None:
        self._kept: dict[tuple[Any, ...], Any] = {}

    def __call__(self, key: tuple[Any, ...], make: Callable[[], T]) -> T:
        """Return the value of a key, made now where it was not before."""
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]


class PaperHeader(Header):
    """The ``habitus.json`` of a folder of a paper's tables and figures."""

    paper: str
    made_with: dict[str, Any]


def begin(folder: Path, paper: str, made_with: Mapping[str, Any]) -> None:
    """Mark a folder as the reproduction of a paper, or see that it is.

    Args:
        folder: The folder; made where there is none.
        paper: The paper's name.
        made_with: Settings and fingerprints of the data, which have to stay the same, as JSON can
            hold them.

    Raises:
        ValueError: if the folder is not a reproduction, is one of another paper, or was begun with
            other settings or data.
    """
    now = {"paper": paper, **made_with}
    check_outputs("reproduce", {KIND: folder}, continued=True)
    if not (folder / MARKER).is_file():
        folder.mkdir(parents=True, exist_ok=True)
        write_header(folder, KIND, VERSION, paper=paper, made_with=dict(made_with))
    header = read_header(folder, KIND, VERSION, PaperHeader)
    begun = {"paper": header.paper, **header.made_with}
    for name, value in now.items():
        if begun.get(name) != value:
            raise ValueError(
                f"{folder} was begun with {name}={begun.get(name)}, got {value}; keep to that, or "
                "choose another --out"
            )


def kept_run(path: Path, config: Any, how: FitConfig, make: Callable[[bool], Run]) -> Run:
    """A finished run that is there already, or else a fitted one.

    Args:
        path: Folder of the run.
        config: Settings of the model.
        how: Settings of the fit.
        make: Function that fits the run; its argument is True to resume a stopped fit.

    Raises:
        ValueError: if the run that is there has other settings.
    """
    if is_complete(path):
        return _checked(load(path), config, how)
    return make((path / CHECKPOINT).is_file())


def _checked(run: Run, config: Any, how: FitConfig) -> Run:
    """A finished run, which has to be of these settings."""
    begun = {**asdict(run.model.config), **SINCE, **run.fit}
    for name, value in {**asdict(config), **asdict(how)}.items():
        if begun.get(name) != value:
            raise ValueError(
                f"the run in {run.path} has {name}={begun.get(name)}, expected {value}; remove it, "
                "or choose another --out"
            )
    return run
