"""Cohorts on disk: a folder of their own, and a run's copy of its latest ones.

===================  ===============================================================================
habitus.json         marks the folder; from which run and profiles
cohorts.parquet      one row per profile: user, window_start where known, cohort, distance to its
                     centre
cohorts.json         how many and why, and of each cohort its number, name, size, share, stability
                     and habits
cohorts.safetensors  dims, centres, pictures, active_share, and the mixture of each cohort
===================  ===============================================================================

A run's folder holds the last two, which is all that drawing users needs.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from pydantic import Field
from torch import Tensor

from habitus.files import Mark, replacing, write_json
from habitus.history import versions
from habitus.records import (
    Header,
    Record,
    arrow_errors,
    open_parquet,
    read_header,
    read_record,
    write_header,
)
from habitus.run import Run, check_finite, load_tensors, mixture_of, save_tensors
from habitus.schema import Axes
from habitus.synthesis.latents.cohorts.cohort import Candidate, Cohort, Cohorts
from habitus.synthesis.latents.cohorts.names import Medians

KIND = "cohorts"
VERSION = 1
TABLE = "cohorts.parquet"
WORDS = "cohorts.json"
NUMBERS = "cohorts.safetensors"
SHORT = ("number", "name", "size", "share", "stability")

JsonMedians = dict[str, float | None]


class CohortRecord(Record):
    """Cohort in ``cohorts.json``; see :class:`Cohort`."""

    number: Annotated[int, Field(ge=0)]
    name: str
    size: Annotated[int, Field(ge=0)]
    share: Annotated[float, Field(ge=0, le=1)]
    stability: float
    habits: JsonMedians


class CohortsRecord(Record):
    """Content of a folder's ``cohorts.json``; see :class:`Cohorts`."""

    rule: str
    reason: str
    tried: tuple[Candidate, ...]
    usual: JsonMedians
    cohorts: tuple[CohortRecord, ...]
    seed: int
    fingerprint: str
    axes: Axes


def save_cohorts(path: Path | str, cohorts: Cohorts, *, overwrite: bool = False) -> None:
    """Write cohorts into a folder; it appears whole or not at all.

    Args:
        path: The folder.
        cohorts: The cohorts.
        overwrite: Replace whatever folder stands there, not only earlier ones of this function.

    Raises:
        ValueError: if something else stands at ``path`` and ``overwrite`` is not given.
    """
    with replacing(path, Mark("save_cohorts", KIND), overwrite=overwrite) as part:
        part.mkdir()
        write_cohorts(part, cohorts)


def write_cohorts(folder: Path, cohorts: Cohorts, about: dict[str, Any] | None = None) -> None:
    """Write the files into a folder that is there; ``about`` says where they come from."""
    assert cohorts.members is not None, "what a run remembers is not a clustering of its own"
    write_header(folder, KIND, VERSION, about={**versions(), **(about or {})})
    pq.write_table(cohorts.members, folder / TABLE, compression="zstd")
    _write(folder, cohorts)


def load_cohorts(path: Path | str) -> Cohorts:
    """Read cohorts from a folder.

    Raises:
        ValueError: if it is not one of cohorts, or is damaged.
    """
    path = Path(path)
    read_header(path, KIND, VERSION, Header)
    with arrow_errors(path / TABLE):
        members = open_parquet(path / TABLE).read()
    return _read(path, members)


def remember(run: Run, cohorts: Cohorts) -> None:
    """Write what drawing users of cohorts needs into a run's folder, over earlier cohorts."""
    assert run.path is not None, "a run that was never saved has no folder"
    _write(run.path, cohorts)


def remembered(run: Run) -> Cohorts:
    """Read the latest cohorts of a run, without their members.

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
        "usual": _without_nan(cohorts.usual),
        "cohorts": [
            {
                **{name: getattr(group, name) for name in SHORT},
                "habits": _without_nan(group.habits),
            }
            for group in cohorts.groups
        ],
        "seed": cohorts.seed,
        "fingerprint": cohorts.fingerprint,
        "axes": cohorts.axes.to_json(),
    }


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


def _read(folder: Path, members: pa.Table | None) -> Cohorts:
    """Read words and numbers, which have to belong together."""
    words = read_record(folder / WORDS, CohortsRecord)
    path = folder / NUMBERS
    numbers = load_tensors(path)
    k = len(words.cohorts)
    if [record.number for record in words.cohorts] != list(range(k)):
        raise ValueError(f"{folder / WORDS} is damaged: expected cohorts numbered from 0, in order")
    shapes = {
        "dims": (len(numbers.get("dims", ())),),
        "centres": (k, len(numbers.get("dims", ()))),
        "pictures": (k, *words.axes.shape),
        "active_share": (k, words.axes.days),
    }
    for name, shape in shapes.items():
        found = tuple(numbers[name].shape) if name in numbers else "nothing"
        if found != shape:
            raise ValueError(
                f"{path} is damaged: expected {name} of shape {shape}, got {found}; run habitus "
                "cluster again"
            )
    check_finite(numbers, path)
    groups = []
    for at, record in enumerate(words.cohorts):
        prefix = f"mixture.{at}."
        tensors = {
            name.removeprefix(prefix): tensor
            for name, tensor in numbers.items()
            if name.startswith(prefix)
        }
        latents = tensors["means"].shape[-1] if "means" in tensors else 0
        groups.append(
            Cohort(
                **{name: getattr(record, name) for name in SHORT},
                habits=_with_nan(record.habits),
                centre=numbers["centres"][at].numpy(),
                picture=numbers["pictures"][at].double().numpy(),
                active_share=numbers["active_share"][at].numpy(),
                mixture=mixture_of(tensors, latents, path),
            )
        )
    return Cohorts(
        tuple(groups),
        words.axes,
        numbers["dims"].numpy(),
        _with_nan(words.usual),
        words.tried,
        words.rule,
        words.reason,
        words.seed,
        words.fingerprint,
        members,
    )


def _without_nan(habits: Medians) -> JsonMedians:
    """Medians with None in place of NaN, which JSON has not."""
    return {name: value if math.isfinite(value) else None for name, value in habits.items()}


def _with_nan(habits: JsonMedians) -> Medians:
    """Medians with NaN in place of None."""
    return {name: math.nan if value is None else float(value) for name, value in habits.items()}
