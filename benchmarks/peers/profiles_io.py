"""Folders of habitus profiles, read and written with numpy and pyarrow alone: a peer's environment has no habitus.

The format is that of ``src/habitus/profiles/store.py``. Letters: U profiles, D days, S slots, C channels,
N non-empty cells.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

TABLE = "profiles.parquet"
HEADER = "habitus.json"
CHUNK = 8192  # profiles in a row group, which habitus asks for
SAMPLE_SEED = 0  # of the training profiles, the same ones for every tool and seed


@dataclass(frozen=True)
class Population:
    """Profiles in memory.

    Attributes:
        axes: What ``habitus.json`` says of days, slots, channels and the unit.
        indptr: Profile u has the cells ``cells[indptr[u]:indptr[u + 1]]``, [U + 1].
        cells: (day * S + slot) * C + channel, ascending within a profile, [N].
        values: Counts, or shares of the profile's peak, never zero, [N].
    """

    axes: dict[str, Any]
    indptr: NDArray[np.int64]
    cells: NDArray[np.int32]
    values: NDArray[Any]

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @property
    def shape(self) -> tuple[int, int, int]:
        """(D, S, C)."""
        return self.axes["days"], 1440 // self.axes["slot_minutes"], len(self.axes["channels"])

    @property
    def rows(self) -> NDArray[np.int64]:
        """The profile of each cell, [N]."""
        return np.repeat(np.arange(len(self)), np.diff(self.indptr))

    @property
    def totals(self) -> NDArray[np.float64]:
        """Sum of each profile, [U]."""
        return np.bincount(self.rows, self.values, len(self))

    @property
    def active_days(self) -> NDArray[np.int64]:
        """Days with anything of each profile, [U]."""
        days, slots, channels = self.shape
        seen = np.unique(self.rows * days + self.cells // (slots * channels))
        return np.bincount(seen // days, minlength=len(self))

    def take(self, rows: NDArray[np.int64]) -> Population:
        """Some profiles, in the given order."""
        lengths = np.diff(self.indptr)[rows]
        indptr = np.append(0, np.cumsum(lengths))
        source = np.arange(indptr[-1]) + np.repeat(self.indptr[rows] - indptr[:-1], lengths)
        return Population(self.axes, indptr, self.cells[source], self.values[source])

    def dense(self) -> NDArray[np.float32]:
        """All cells, [U, D, S, C]."""
        out = np.zeros((len(self), int(np.prod(self.shape))), np.float32)
        out[self.rows, self.cells] = self.values
        return out.reshape(len(self), *self.shape)


def of_dense(axes: dict[str, Any], values: NDArray[Any]) -> Population:
    """From all cells [U, D, S, C]."""
    flat = values.reshape(len(values), -1)
    rows, cells = np.nonzero(flat)
    return of_cells(axes, len(flat), rows, cells, flat[rows, cells])


def of_cells(
    axes: dict[str, Any],
    profiles: int,
    rows: NDArray[Any],
    cells: NDArray[Any],
    values: NDArray[Any],
) -> Population:
    """From cells in any order, those that are there twice added up."""
    size = axes["days"] * (1440 // axes["slot_minutes"]) * len(axes["channels"])
    keys, place = np.unique(rows.astype(np.int64) * size + cells, return_inverse=True)
    kind = np.uint32 if axes["unit"] == "count" else np.float32
    sums = np.bincount(place.ravel(), values, len(keys)).astype(kind)
    indptr = np.searchsorted(keys, np.arange(profiles + 1) * size)
    return Population(axes, indptr, (keys % size).astype(np.int32), sums)


def concat(parts: Sequence[Population]) -> Population:
    """One after another."""
    lengths = np.concatenate([np.diff(part.indptr) for part in parts])
    cells = np.concatenate([part.cells for part in parts])
    return Population(
        parts[0].axes,
        np.append(0, np.cumsum(lengths)),
        cells,
        np.concatenate([part.values for part in parts]),
    )


def sample_rows(available: int, wanted: int) -> NDArray[np.int64]:
    """Which profiles are trained on: all, or as many as are wanted, at random, in order."""
    chosen = np.random.default_rng(SAMPLE_SEED).permutation(available)[:wanted]
    return np.sort(chosen)


def read(folder: Path, wanted: int) -> Population:
    """The profiles of a folder that are trained on."""
    axes = json.loads((folder / HEADER).read_text())["axes"]
    table = pq.read_table(folder / TABLE, columns=["cells", "values"]).combine_chunks()
    cells, values = (table[name].chunk(0) for name in ("cells", "values"))
    indptr = cells.offsets.to_numpy().astype(np.int64)
    whole = Population(
        axes, indptr - indptr[0], cells.flatten().to_numpy(), values.flatten().to_numpy()
    )
    return whole.take(sample_rows(len(whole), wanted))


def write(folder: Path, population: Population, about: dict[str, Any]) -> None:
    """A folder that habitus reads; an older one there is replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    offsets = pa.array(population.indptr.astype(np.int32))
    lists = [
        pa.ListArray.from_arrays(offsets, pa.array(x))
        for x in (population.cells, population.values)
    ]
    users = pa.array(np.arange(len(population), dtype=np.int64))
    table = pa.table({"user": users, "cells": lists[0], "values": lists[1]})
    pq.write_table(table, folder / TABLE, row_group_size=CHUNK)
    header = {
        "kind": "profiles",
        "version": 1,
        "axes": population.axes,
        "profiles": len(population),
        "about": about,
    }
    (folder / HEADER).write_text(json.dumps(header, indent=2) + "\n")
