"""A few random profiles of a population, as dense pictures."""

from __future__ import annotations

import numpy as np

from habitus.schema import FloatArray, ProfileSource, SparseProfiles

PICTURES = 5
SEED = 0


def random_pictures(
    source: ProfileSource, *, count: int = PICTURES, seed: int = SEED
) -> FloatArray:
    """Draw profiles at random from the whole population; counts are divided by their peak.

    Returns:
        Pictures [N, D, S, C], N at most ``count``; the same for the same seed.
    """
    drawn = np.random.default_rng(seed).permutation(len(source))[:count]
    found: dict[int, FloatArray] = {}
    before = 0
    for chunk in source.chunks():
        inside = drawn[(drawn >= before) & (drawn < before + len(chunk))]
        found.update({int(user): _picture(chunk, int(user) - before) for user in inside})
        before += len(chunk)
        if len(found) == len(drawn):
            break
    pictures = [found[user] for user in drawn.tolist()]
    return np.stack(pictures) if pictures else np.zeros((0, *source.axes.shape), np.float32)


def _picture(chunk: SparseProfiles, row: int) -> FloatArray:
    """One profile, dense [D, S, C]."""
    cells = slice(int(chunk.indptr[row]), int(chunk.indptr[row + 1]))
    values = np.asarray(chunk.values[cells], np.float32)
    if chunk.axes.unit == "count":
        values = values / values.max(initial=1)
    picture = np.zeros(chunk.axes.cells, np.float32)
    picture[chunk.cells[cells]] = values
    return picture.reshape(chunk.axes.shape)
