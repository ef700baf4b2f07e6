"""Small convolutional network that classifies profiles as generated or real, by their pictures.

Each cell has two inputs, log(1 + value) and whether it is active. The network may find differences
that no feature measures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from habitus.evaluation.blocks import collected
from habitus.evaluation.metrics.auc import Auc, auc
from habitus.evaluation.sample import Side
from habitus.evaluation.two_sample.early_stopping import EarlyStopping
from habitus.schema import Axes, BoolArray, FloatArray, IntArray, Progress, no_progress

_FOLDS = 5  # one to test on, one to stop by, three to learn from
_WIDTH = 32
_BATCH = 128
_CHUNK = 1024  # pictures at a time when nothing is learnt
_LEARNING_RATE = 2e-3
_DECAY = 1e-3
_EPOCHS = 10
_PATIENCE = 2


@dataclass(frozen=True)
class Pictures:
    """Profiles in sparse form, made dense batch by batch since all at once would be large.

    Attributes:
        axes: Axes of the cells.
        starts: First cell of each profile, [n + 1].
        cells: Cell numbers, [N].
        values: log(1 + value), [N].
    """

    axes: Axes
    starts: NDArray[np.int64]
    cells: NDArray[np.int64]
    values: NDArray[np.float32]

    @classmethod
    def of(cls, sides: tuple[Side, Side], unit: str) -> Pictures:
        """Collect the profiles of both sides, one after the other."""
        parts = [collected(side.source, side.rows) for side in sides]
        values = [
            np.log1p(part.in_unit(side.source.axes, unit)).astype(np.float32)
            for part, side in zip(parts, sides, strict=True)
        ]
        lengths = np.concatenate([part.lengths for part in parts])
        cells = np.concatenate([part.cells for part in parts]).astype(np.int64)
        return cls(
            sides[0].source.axes, np.append(0, np.cumsum(lengths)), cells, np.concatenate(values)
        )

    def draw(self, which: IntArray) -> Tensor:
        """Dense pictures of some profiles, [B, 2 C, D, S]."""
        days, slots, channels = self.axes.shape
        lengths = self.starts[which + 1] - self.starts[which]
        ends = np.cumsum(lengths)
        at = np.arange(lengths.sum()) + np.repeat(self.starts[which] - ends + lengths, lengths)
        out = np.zeros((2, len(which) * self.axes.cells), np.float32)
        place = np.repeat(np.arange(len(which)), lengths) * self.axes.cells + self.cells[at]
        out[0, place] = self.values[at]
        out[1, place] = 1
        x = torch.from_numpy(out).view(2, len(which), days, slots, channels)
        return x.permute(1, 0, 4, 2, 3).flatten(1, 2)


class Network(nn.Module):
    """Three strided convolutions over days and slots, and a linear layer on mean and peak."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(2 * channels, _WIDTH // 2, (3, 5), stride=(1, 2), padding=(1, 2)),
            nn.ReLU(),
            nn.Conv2d(_WIDTH // 2, _WIDTH, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(_WIDTH, _WIDTH, 3, stride=2, padding=1),
            nn.ReLU(),
        )
        self.out = nn.Linear(2 * _WIDTH, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logit of a picture [B, 2 C, D, S] being generated, [B]."""
        h = self.layers(x)
        return self.out(torch.cat([h.mean((2, 3)), h.amax((2, 3))], 1))[:, 0]


def classify_pictures(
    sides: tuple[Side, Side],
    unit: str,
    seed: int = 0,
    *,
    on_progress: Progress = no_progress,
) -> Auc:
    """Train on three fifths of the users, stop by one, test on the last.

    Args:
        sides: Generated and real profiles, the same number of each.
        unit: Unit of the cells: count, peak or binary.
        seed: Seed of the split, the weights and the batches.
        on_progress: Called with epochs done, the most there can be, and ``network``.
    """
    rng = np.random.default_rng(seed)
    pictures = Pictures.of(sides, unit)
    made = np.arange(len(pictures.starts) - 1) < len(sides[0])
    fold = np.concatenate([side.folds(unit, _FOLDS, seed) for side in sides])
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = Network(len(pictures.axes.channels))
        _learn(network, pictures, made, fold, rng, on_progress)
    tested = np.flatnonzero(fold == 0)
    scores = _scores(network, pictures, tested)
    users = np.concatenate([side.users for side in sides])[tested]
    true = made[tested]
    return auc(scores[true], scores[~true], users[true], users[~true])


def _learn(
    network: Network,
    pictures: Pictures,
    made: BoolArray,
    fold: IntArray,
    rng: np.random.Generator,
    on_progress: Progress,
) -> None:
    """Train until the loss on the second fold stops falling, and keep the best weights."""
    optimiser = torch.optim.AdamW(network.parameters(), _LEARNING_RATE, weight_decay=_DECAY)
    learnt = np.flatnonzero(fold > 1)
    checked = np.flatnonzero(fold == 1)
    stopping = EarlyStopping(network, _PATIENCE)
    for epoch in range(1, _EPOCHS + 1):
        for batch in np.array_split(rng.permutation(learnt), -(-len(learnt) // _BATCH)):
            optimiser.zero_grad()
            _loss(network(pictures.draw(batch)), made[batch]).backward()
            optimiser.step()
        loss = float(_loss(torch.from_numpy(_scores(network, pictures, checked)), made[checked]))
        stop = stopping.should_stop(epoch, loss)
        on_progress(_EPOCHS if stop else epoch, _EPOCHS, "network")
        if stop:
            break
    stopping.restore()


def _loss(logits: Tensor, made: BoolArray) -> Tensor:
    return nn.functional.binary_cross_entropy_with_logits(
        logits, torch.from_numpy(made.astype(np.float32))
    )


def _scores(network: Network, pictures: Pictures, which: IntArray) -> FloatArray:
    parts = np.array_split(which, max(1, -(-len(which) // _CHUNK)))
    with torch.no_grad():
        return np.concatenate([network(pictures.draw(part)).numpy() for part in parts])
