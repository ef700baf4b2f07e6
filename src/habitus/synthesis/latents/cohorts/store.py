"""Cohorts on disk: a folder, and what a run remembers of its latest ones.

===================  ========================================================================================
habitus.json         marks the folder; from which run and profiles
cohorts.parquet      one row per profile: user, window_start where known, cohort, distance to its centre
cohorts.json         how many and why, and of each cohort its number, name, size, share, stability and habits
cohorts.safetensors  dims, centres, pictures, active_share, and the mixture of each cohort
===================  ========================================================================================

A run's folder holds the last two, which is all that drawing users needs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from torch import Tensor

from habitus.files import replacing, write_json
from habitus.models.parts.priors import Mixture
from habitus.profiles.store import read_header
from habitus.records import arrow_errors, open_parquet, read_json, write_header
from habitus.run import Run, load_tensors, save_tensors, versions
from habitus.schema import Axes
from habitus.synthesis.latents.cohorts.cohort import Candidate, Cohort, Cohorts
from habitus.synthesis.latents.cohorts.names import Medians

KIND = "cohorts"
VERSION = 1
TABLE = "cohorts.parquet"
WORDS = "cohorts.json"
NUMBERS = "cohorts.safetensors"
SHORT = ("number", "name", "size", "share", "stability")


def save_cohorts(path: Path | str, cohorts: Cohorts) -> None:
    """Write the folder; it appears whole or not at all.

    Raises:
        ValueError: if ``path`` is a folder that habitus did not write.
    """
    with replacing(path) as part:
        part.mkdir()
        write_cohorts(part, cohorts)


def write_cohorts(folder: Path, cohorts: Cohorts, about: dict[str, Any] | None = None) -> None:
    """Write the files into a folder that is there; ``about`` says where they come from."""
    assert cohorts.members is not None, "what a run remembers is not a clustering of its own"
    write_header(folder, KIND, VERSION, about={**versions(), **(about or {})})
    pq.write_table(cohorts.members, folder / TABLE, compression="zstd")
    _write(folder, cohorts)


def load_cohorts(path: Path | str) -> Cohorts:
    """Read the folder.

    Raises:
        ValueError: if it is not one of cohorts, or is damaged.
    """
    path = Path(path)
    read_header(path, KIND, VERSION)
    with arrow_errors(path / TABLE):
        members = open_parquet(path / TABLE).read()
    return _read(path, members)


def remember(run: Run, cohorts: Cohorts) -> None:
    """Keep in a run's folder what drawing users of these cohorts needs; they replace those that were there."""
    assert run.path is not None, "a run that was never saved has no folder"
    _write(run.path, cohorts)


def remembered(run: Run) -> Cohorts:
    """The latest cohorts of a run, without who their members are.

    Raises:
        ValueError: if there are none, or their files are damaged.
    """
    if run.path is None or not (run.path / WORDS).is_file():
        raise ValueError(f"the run in {run.path} has no cohorts; run habitus cluster first")
    return _read(run.path, None)


def _write(folder: Path, cohorts: Cohorts) -> None:
    save_tensors(folder / NUMBERS, _numbers(cohorts))
    write_json(folder / WORDS, _words(cohorts))


def _words(cohorts: Cohorts) -> dict[str, Any]:
    return {
        "k": len(cohorts.groups),
        "users": cohorts.users,
        "rule": cohorts.rule,
        "reason": cohorts.reason,
        "tried": [asdict(candidate) for candidate in cohorts.tried],
        "usual": _known(cohorts.usual),
        "cohorts": [_said(group) for group in cohorts.groups],
        "seed": cohorts.seed,
        "fingerprint": cohorts.fingerprint,
        "axes": cohorts.axes.to_json(),
    }


def _said(group: Cohort) -> dict[str, Any]:
    return {**{name: getattr(group, name) for name in SHORT}, "habits": _known(group.habits)}


def _numbers(cohorts: Cohorts) -> dict[str, Tensor]:
    tensors = {
        "dims": torch.from_numpy(cohorts.dims),
        "centres": torch.from_numpy(np.stack([group.centre for group in cohorts.groups])),
        "pictures": torch.from_numpy(np.stack([group.picture for group in cohorts.groups])).float(),
        "active_share": torch.from_numpy(
            np.stack([group.active_share for group in cohorts.groups])
        ),
    }
    for group in cohorts.groups:
        tensors |= {
            f"mixture.{group.number}.{name}": each
            for name, each in group.mixture.state_dict().items()
        }
    return tensors


def _read(folder: Path, members: Any) -> Cohorts:
    words = read_json(folder / WORDS)
    numbers = load_tensors(folder / NUMBERS)
    with _damage(folder):
        return Cohorts(
            tuple(_group(said, numbers) for said in words["cohorts"]),
            Axes.from_json(words["axes"]),
            numbers["dims"].numpy(),
            _values(words["usual"]),
            tuple(Candidate(**each) for each in words["tried"]),
            words["rule"],
            words["reason"],
            words["seed"],
            words["fingerprint"],
            members,
        )


def _group(said: dict[str, Any], numbers: dict[str, Tensor]) -> Cohort:
    at = said["number"]
    return Cohort(
        **{name: said[name] for name in SHORT},
        habits=_values(said["habits"]),
        centre=numbers["centres"][at].numpy(),
        picture=numbers["pictures"][at].double().numpy(),
        active_share=numbers["active_share"][at].numpy(),
        mixture=Mixture(
            *(numbers[f"mixture.{at}.{name}"] for name in ("weights", "means", "scales"))
        ),
    )


def _known(habits: Medians) -> dict[str, float | None]:
    """JSON has no NaN."""
    return {name: value if math.isfinite(value) else None for name, value in habits.items()}


def _values(habits: dict[str, float | None]) -> Medians:
    return {name: math.nan if value is None else float(value) for name, value in habits.items()}


@contextmanager
def _damage(folder: Path) -> Iterator[None]:
    """Tell of files that do not belong together in one line.

    Raises:
        ValueError: in place of KeyError, TypeError and IndexError.
    """
    try:
        yield
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        what = f"{type(error).__name__} {error}".splitlines()[0]
        raise ValueError(
            f"the cohorts in {folder} are damaged ({what}); run habitus cluster again"
        ) from None
