"""How near reconstructed cells are to what was hidden ("Time pictures" 5.3.3)."""

from __future__ import annotations

import numpy as np

from habitus.evaluation.baselines import BASELINES, Baseline, Training
from habitus.evaluation.paired import Pair, paired
from habitus.papers.time_pictures.lab import METHODS, Lab
from habitus.schema import Filled

RIVALS = {
    "zeros": "nothing",
    "population_mean": "average user",
    "own_mean": "the user's own average",
}
"""What fills the same cells without a model, and how it is called here."""
TOGETHER = 512  # profiles that rivals fill at once


def squared_errors(lab: Lab, hole: str) -> dict[str, float]:
    """Squared error summed over hidden cells, averaged over profiles, of each method and rival.

    The rivals know the peak of the known cells; VAE and VCE read profiles divided by their peak over all cells.
    """
    ours = {method: _of_method(lab, method, hole) for method in METHODS}
    return ours | _of_rivals(lab, hole)


def _of_method(lab: Lab, method: str, hole: str) -> float:
    return sum(
        _error(piece, piece.filled) for piece in paired(lab.completed(method, hole), lab.test)
    ) / len(lab.test)


def _of_rivals(lab: Lab, hole: str) -> dict[str, float]:
    train = Training.of(lab.train, lab.settings.seed)
    rivals = [BASELINES[name](lab.axes, train) for name in RIVALS]
    sums = dict.fromkeys(RIVALS, 0.0)
    for whole in paired(lab.completed("VCE", hole), lab.test):
        for piece in whole.split(TOGETHER):
            for rival in rivals:
                sums[rival.name] += _error(piece, _filled(rival, piece))
    return {name: total / len(lab.test) for name, total in sums.items()}


def _filled(rival: Baseline, piece: Pair) -> Filled:
    missing = piece.missing
    shape = (-1, *rival.axes.shape)
    hidden = np.where(missing, 0, piece.pictures)
    return rival.fill(hidden.reshape(shape), missing.reshape(shape), 1, np.random.default_rng(0))


def _error(piece: Pair, filled: Filled) -> float:
    """Squared error summed over a piece's hidden cells."""
    truth = piece.pictures[filled.row, filled.cell]
    return float(((truth - filled.mean) ** 2).sum(dtype=np.float64))
