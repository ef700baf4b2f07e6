"""Users in numbered chunks, each of which is drawn as a whole.

Where a chunk begins depends on no user after it, so that the first users are the same however many
there are. The first chunks are small, lest a small population waits for a large chunk of which few
are wanted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

SMALLEST = 512  # size of the first chunks, unless the largest allowed one is smaller


@dataclass(frozen=True)
class Chunks:
    """Users in numbered chunks; each chunk is as large as all before it together, up to a most.

    Attributes:
        users: Number of users.
        most: Users of a chunk.

    >>> [(begin, size) for begin, size in map(Chunks(5000, 2048).__getitem__, range(5))]
    [(0, 512), (512, 512), (1024, 1024), (2048, 2048), (4096, 2048)]
    """

    users: int
    most: int

    def __len__(self) -> int:
        return len(self._begins) - 1

    def __getitem__(self, number: int) -> tuple[int, int]:
        """First user of a chunk, and its size; the last one may hold more than there are."""
        return self._begins[number], self._begins[number + 1] - self._begins[number]

    @cached_property
    def _begins(self) -> Sequence[int]:
        begins = [0]
        while begins[-1] < self.users:
            begins.append(begins[-1] + min(max(begins[-1], SMALLEST), self.most))
        return begins
