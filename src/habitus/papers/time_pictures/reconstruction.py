"""Squared error of reconstructed cells ("Time pictures" 5.3.3)."""

from __future__ import annotations

import numpy as np

from habitus.evaluation.baselines.completion import (
    COMPLETION_BASELINES,
    CompletionBaseline,
    Training,
)
from habitus.evaluation.completion.paired import Pair, paired
from habitus.papers.time_pictures.lab import METHODS, Lab
from habitus.schema import Filled

COMPARED_BASELINES = {
    "zeros": "nothing",
    "population_mean": "average user",
    "own_mean": "the user's own average",
}
"""What fills the same cells without a model, and how it is called here."""
TOGETHER = 512  # profiles that baselines fill at once


def squared_errors(lab: Lab, hole: str) -> dict[str, float]:
    """Squared error summed over hidden cells, averaged over profiles, of each method and baseline.

    The baselines know the peak of the known cells; VAE and VCE read profiles divided by their peak
    over all cells.
    """
    ours = {method: _of_method(lab, method, hole) for method in METHODS}
    return ours | _of_baselines(lab, hole)


def _of_method(lab: Lab, method: str, hole: str) -> float:
    return sum(
        _error(piece, piece.filled) for piece in paired(lab.completed(method, hole), lab.test)
    ) / len(lab.test)


def _of_baselines(lab: Lab, hole: str) -> dict[str, float]:
    train = Training.of(lab.train, lab.settings.seed)
    baselines = [COMPLETION_BASELINES[name](lab.axes, train) for name in COMPARED_BASELINES]
    sums = dict.fromkeys(COMPARED_BASELINES, 0.0)
    for whole in paired(lab.completed("VCE", hole), lab.test):
        for piece in whole.split(TOGETHER):
            for baseline in baselines:
                sums[baseline.name] += _error(piece, _filled(baseline, piece))
    return {name: total / len(lab.test) for name, total in sums.items()}


def _filled(baseline: CompletionBaseline, piece: Pair) -> Filled:
    missing = piece.missing
    shape = (-1, *baseline.axes.shape)
    hidden = np.where(missing, 0, piece.pictures)
    return baseline.fill(hidden.reshape(shape), missing.reshape(shape), 1, np.random.default_rng(0))


def _error(piece: Pair, filled: Filled) -> float:
    """Squared error summed over a piece's hidden cells."""
    truth = piece.pictures[filled.row, filled.cell]
    return float(((truth - filled.mean) ** 2).sum(dtype=np.float64))
