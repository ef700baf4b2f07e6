"""Baseline of generation: a population whose cells are drawn independently of each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from habitus.evaluation.blocks import CompressedRows, blocks, is_count
from habitus.evaluation.draws import random_rows
from habitus.schema import Axes, FloatArray, IntArray, ProfileSource

MOST_USERS = 20_000  # drawn, and looked at: enough for every curve, cheap
_CHUNK = 4096
_MOST_SURE = 1 - 1e-9  # a cell that is never empty would need an infinite rate


@dataclass(frozen=True)
class IndependentCells:
    """Population whose cells are independent, each with its own marginal distribution.

    Cell k is non-empty with the probability of real profiles, and then holds a value drawn from
    the normalised values of cell k in real profiles. K = D x S x C cells.

    Attributes:
        axes: Axes of the population; its unit is ``peak`` where the real one holds counts.
        users: Profiles in it.
        rate: -log(1 - probability of being non-empty), [K].
        starts: Where each cell's values begin in the pool, [K].
        sizes: How many there are, [K].
        pool: Values of real profiles, cell after cell, [N].
        seed: Same seed, same population.
    """

    axes: Axes
    users: int
    rate: FloatArray
    starts: IntArray
    sizes: IntArray
    pool: NDArray[np.float32]
    seed: int

    def __len__(self) -> int:
        return self.users

    def chunks(self) -> Iterator[CompressedRows]:
        """Yield the profiles in chunks of a few thousand, the same ones each time.

        Poisson points are scattered over users: having at least one is the cell's Bernoulli draw,
        exactly. The work is in proportion to the non-empty cells and not to U x K.
        """
        rng = np.random.default_rng(self.seed)
        for begin, end in pairwise([*range(0, self.users, _CHUNK), self.users]):
            points = rng.poisson(self.rate * (end - begin))
            cell = np.repeat(np.arange(len(points)), points)
            keys = np.unique(rng.integers(end - begin, size=len(cell)) * len(points) + cell)
            user, cell = np.divmod(keys, len(points))
            pick = self.starts[cell] + (rng.random(len(cell)) * self.sizes[cell]).astype(np.int64)
            indptr = np.append(0, np.cumsum(np.bincount(user, minlength=end - begin)))
            yield CompressedRows(self.axes, indptr, cell.astype(np.int32), self.pool[pick])


def independent_cells(source: ProfileSource, users: int, seed: int = 0) -> IndependentCells:
    """Draw every cell from its own marginal over real profiles, independently of the others.

    Args:
        source: Real profiles, at least one; a random 20,000 of them where there are more.
        users: Profiles wanted; at most 20,000 are drawn.
        seed: Same seed, same population.

    Returns:
        The population, which draws itself as it is read.
    """
    rows = random_rows(len(source), MOST_USERS, np.random.default_rng(seed))
    pieces = [
        (block.cells, block.peak_values(source.axes).astype(np.float32))
        for block in blocks(source, rows)
    ]
    cells, values = (np.concatenate(column) for column in zip(*pieces, strict=True))
    sizes = np.bincount(cells, minlength=source.axes.cells)
    return IndependentCells(
        axes=source.axes.with_unit("peak") if is_count(source.axes) else source.axes,
        users=min(users, MOST_USERS),
        rate=-np.log1p(-np.minimum(sizes / np.count_nonzero(rows), _MOST_SURE)),
        starts=np.cumsum(sizes) - sizes,
        sizes=sizes,
        pool=values[np.argsort(cells, kind="stable")],
        seed=seed,
    )
