"""Batches of profiles, from memory or disk, in order or shuffled by a seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from habitus.profiles.sparse import CHUNK, Profiles, concat
from habitus.schema import Axes, BoolArray, IntArray

BUFFER = 262_144  # profiles shuffled together: about 15 million cells, 115 MB


class Population(Protocol):
    """Profiles that are read group by group, in memory (Profiles) or on disk (StoredProfiles)."""

    @property
    def axes(self) -> Axes: ...
    @property
    def about(self) -> dict[str, Any]: ...
    @property
    def users(self) -> pa.Table: ...
    @property
    def groups(self) -> int: ...
    def __len__(self) -> int: ...
    def load(self) -> Profiles: ...
    def take(self, rows: IntArray | BoolArray | Sequence[int], /) -> Profiles: ...
    def chunks(self) -> Iterator[Profiles]: ...
    def read_group(self, group: int) -> Profiles: ...


def pieces(data: Population, unit: str, size: int) -> Iterator[Profiles]:
    """Profiles in their order, at most so many at a time, with values in a unit.

    Raises:
        ValueError: for profiles that cannot be brought into the unit.
    """
    for chunk in data.chunks():
        chunk = chunk.in_unit(unit)
        for start in range(0, len(chunk), size):
            yield chunk.slice(start, min(start + size, len(chunk)))


@dataclass(frozen=True)
class Batches:
    """The chosen profiles of a population, batch by batch.

    A set of at most ``buffer`` profiles is read once and shuffled whole. A larger one is read again
    each epoch, group by group in random order, and shuffled ``buffer`` profiles at a time, so it
    need not fit into memory.

    Attributes:
        source: The population.
        chosen: Which of its profiles to use, bool [U].
        unit: The unit that values are wanted in.
        size: Profiles in a batch; the last one of an epoch may be smaller.
        seed: Decides the order, together with the epoch.
        buffer: Profiles shuffled together.
    """

    source: Population
    chosen: BoolArray
    unit: str
    size: int
    seed: int
    buffer: int = BUFFER

    @cached_property
    def count(self) -> int:
        """Profiles in an epoch."""
        return int(self.chosen.sum())

    @property
    def per_epoch(self) -> int:
        """Batches in an epoch."""
        return -(-self.count // self.size)

    def epoch(self, epoch: int) -> Iterator[Profiles]:
        """The batches of one epoch."""
        rng = np.random.default_rng([self.seed, epoch])
        rest: list[Profiles] = []
        for part in self._parts(rng):
            pool = concat([*rest, part])
            order = rng.permutation(len(pool))
            full = len(pool) - len(pool) % self.size
            for start in range(0, full, self.size):
                yield pool.take(order[start : start + self.size])
            rest = [pool.take(order[full:])]
        if rest and len(rest[0]):
            yield rest[0]

    def sample(self, most: int) -> Profiles:
        """A random ``most`` of the chosen profiles, or all of them where there are fewer."""
        chosen = np.flatnonzero(self.chosen)
        rng = np.random.default_rng(self.seed)
        drawn = np.zeros(len(self.chosen), bool)
        drawn[rng.choice(chosen, min(most, len(chosen)), replace=False)] = True
        part = replace(self, chosen=drawn)
        groups = np.unique(np.flatnonzero(drawn) // CHUNK)
        found = concat([part._read(int(group)) for group in groups] or [part._read(0)])
        return replace(found, about=self.source.about)

    @cached_property
    def _whole(self) -> Profiles | None:
        if self.count > self.buffer:
            return None
        return concat([self._read(group) for group in range(self.source.groups)])

    def _parts(self, rng: np.random.Generator) -> Iterator[Profiles]:
        """Random groups, put together until the buffer is full."""
        if self._whole is not None:
            yield self._whole
            return
        held: list[Profiles] = []
        for group in rng.permutation(self.source.groups):
            held.append(self._read(int(group)))
            if sum(map(len, held)) >= self.buffer:
                yield concat(held)
                held = []
        if held:
            yield concat(held)

    def _read(self, group: int) -> Profiles:
        profiles = self.source.read_group(group)
        start = group * CHUNK
        return profiles.take(self.chosen[start : start + len(profiles)]).in_unit(self.unit)
