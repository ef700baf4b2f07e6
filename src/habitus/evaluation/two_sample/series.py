"""Discriminative and predictive score of TimeGAN (Yoon, Jarrett, van der Schaar 2019, section 5).

Both train a small recurrent network on windows [N, T, V], scaled to [0, 1] by the real data's
range.

- Discriminative: a GRU classifies windows as generated or real; |accuracy - 1/2| on a fifth held
  out, 0 by chance. A weak network finds few differences: see :data:`DISCRIMINATORS`.
- Predictive: a GRU learns on generated windows to predict the last variable one step ahead from the
  others (the only one from itself), and its absolute error is measured on real windows.

The floor of both is the score of another real sample. Overlapping windows share values: for a floor
that is free of this, split the series by time instead of the windows at random.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from habitus.evaluation.metrics.auc import auc
from habitus.evaluation.two_sample.early_stopping import EarlyStopping
from habitus.schema import FloatArray

_TEST_SHARE = 0.2
_CHECK_EVERY = 100  # iterations, of the loss that stops the training
_CHUNK = 4_096  # windows at a time when nothing is learnt


@dataclass(frozen=True)
class Discriminator:
    """Size and training of the classifier; the defaults are the original's.

    Attributes:
        hidden: Units of each GRU layer; None for V // 2, at least 1.
        layers: GRU layers.
        iterations: Number of training batches.
        batch: Windows of each kind in a batch.
        learning_rate: Learning rate of Adam.
        patience: Number of checks (one per 100 iterations) without a lower loss on a held-out
            quarter of the training windows after which training stops with the best weights; None
            to train for all iterations on all training windows.
    """

    hidden: int | None = None
    layers: int = 1
    iterations: int = 2_000
    batch: int = 128
    learning_rate: float = 1e-3
    patience: int | None = None


DISCRIMINATORS = {
    "original": Discriminator(),
    "wide": Discriminator(hidden=64, layers=2, patience=5),
    "wide, long": Discriminator(hidden=64, layers=2, iterations=10_000, patience=15),
}


@dataclass(frozen=True)
class Predictor:
    """Size and training of the predictor; the defaults are the original's.

    Attributes:
        hidden: Units of the GRU; None for V // 2, at least 1.
        iterations: Number of training batches.
        batch: Windows in a batch.
        learning_rate: Learning rate of Adam.
    """

    hidden: int | None = None
    iterations: int = 5_000
    batch: int = 128
    learning_rate: float = 1e-3


class Discriminated(NamedTuple):
    """Performance of a classifier on the windows held out.

    Attributes:
        score: |accuracy - 1/2|.
        accuracy: Share of windows classified correctly, as many generated as real ones.
        auc: Probability that a real window has the higher logit of being real; 1/2 is chance.
        iterations: Training iterations of the kept weights.
    """

    score: float
    accuracy: float
    auc: float
    iterations: int


class _Recurrent(nn.Module):
    """GRU and a linear layer on its states, [B, T, V] -> [B, T]."""

    def __init__(self, inputs: int, hidden: int, layers: int = 1) -> None:
        super().__init__()
        self.gru = nn.GRU(inputs, hidden, layers, batch_first=True)
        self.out = nn.Linear(hidden, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.gru(x)[0])[..., 0]


def discriminate(
    generated: FloatArray,
    real: FloatArray,
    settings: Discriminator | None = None,
    *,
    seed: int = 0,
    device: str = "cpu",
) -> Discriminated:
    """Train a classifier on four fifths of the windows of each kind and test it on the rest.

    The larger set is cut at random to the size of the smaller one, so that chance is an accuracy of
    1/2.

    Args:
        generated: Windows [N, T, V].
        real: Windows [M, T, V].
        settings: Size and training; the original's by default.
        seed: Seed of the split, the weights and the batches.
        device: Device of the network.

    Raises:
        ValueError: for windows of different shapes, missing values, or fewer than 10 windows.
    """
    settings = settings or Discriminator()
    _check(generated, real)
    rng = np.random.default_rng(seed)
    count = min(len(generated), len(real))
    both = torch.stack(
        [each[rng.permutation(len(each))[:count]] for each in _scaled(generated, real, device)]
    )
    held_out = both[:, : (cut := round(count * _TEST_SHARE))]
    kept = both[:, cut:]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = _Recurrent(
            real.shape[2], settings.hidden or _original_width(real), settings.layers
        ).to(device)
        iterations = _train_discriminator(network, kept, settings)
    fake, true = (_final_logits(network, each) for each in held_out)
    accuracy = float(np.mean([np.mean(fake < 0), np.mean(true >= 0)]))
    return Discriminated(abs(accuracy - 0.5), accuracy, auc(true, fake).value, iterations)


def discriminative_score(
    generated: FloatArray, real: FloatArray, settings: Discriminator | None = None, *, seed: int = 0
) -> float:
    """Score |accuracy - 1/2| of :func:`discriminate`: 0 by chance, 1/2 at perfect accuracy."""
    return discriminate(generated, real, settings, seed=seed).score


def predictive_score(
    generated: FloatArray,
    real: FloatArray,
    settings: Predictor | None = None,
    *,
    seed: int = 0,
    device: str = "cpu",
) -> float:
    """Train a predictor on generated windows and test it on real ones.

    The score is the mean absolute error one step ahead, in shares of the real range.

    Args:
        generated: Windows to learn from, [N, T, V].
        real: Windows to predict, [M, T, V]; the same in both places for the floor.
        settings: Size and training; the original's by default.
        seed: Seed of the weights and the batches.
        device: Device of the network.

    Raises:
        ValueError: for windows of different shapes, missing values, or fewer than 10 windows.
    """
    settings = settings or Predictor()
    _check(generated, real)
    fake, true = _scaled(generated, real, device)
    inputs = max(1, real.shape[2] - 1)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = _Recurrent(inputs, settings.hidden or _original_width(real)).to(device)
        optimiser = torch.optim.Adam(network.parameters(), settings.learning_rate)
        for _ in range(settings.iterations):
            batch = fake[torch.randint(len(fake), (settings.batch,), device=device)]
            _step(optimiser, _absolute_errors(network, batch).mean())
    with torch.no_grad():
        return float(
            torch.cat([_absolute_errors(network, part) for part in true.split(_CHUNK)]).mean()
        )


def _absolute_errors(network: _Recurrent, windows: Tensor) -> Tensor:
    """Errors of the last variable one step ahead, [B, T - 1]."""
    inputs = windows[:, :-1, : max(1, windows.shape[2] - 1)]
    return (torch.sigmoid(network(inputs)) - windows[:, 1:, -1]).abs()


def _train_discriminator(network: _Recurrent, kept: Tensor, settings: Discriminator) -> int:
    """Train on windows [2, N, T, V], generated then real; return the iterations of the weights."""
    learnt = kept
    checked = kept[:, :0]
    stopping = None
    if settings.patience is not None:
        checked, learnt = kept.tensor_split([kept.shape[1] // 4], dim=1)
        stopping = EarlyStopping(network, settings.patience)
    optimiser = torch.optim.Adam(network.parameters(), settings.learning_rate)
    for iteration in range(1, settings.iterations + 1):
        rows = torch.randint(learnt.shape[1], (2, settings.batch), device=learnt.device)
        batch = torch.stack([learnt[0, rows[0]], learnt[1, rows[1]]])
        _step(optimiser, _loss(network, batch))
        if stopping is None or iteration % _CHECK_EVERY:
            continue
        with torch.no_grad():
            loss = float(_loss(network, checked))
        if stopping.should_stop(iteration, loss):
            break
    if stopping is None:
        return settings.iterations
    stopping.restore()
    return stopping.step or settings.iterations


def _loss(network: _Recurrent, windows: Tensor) -> Tensor:
    """Cross-entropy of windows [2, B, T, V], generated then real."""
    logits = network(windows.flatten(0, 1))[:, -1].view(windows.shape[:2])
    return (
        nn.functional.softplus(logits[0]).mean() + nn.functional.softplus(-logits[1]).mean()
    ) / 2


def _step(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


def _final_logits(network: _Recurrent, windows: Tensor) -> NDArray[np.float32]:
    """Logits at the last step of windows [N, T, V], [N]."""
    with torch.no_grad():
        return torch.cat([network(part)[:, -1] for part in windows.split(_CHUNK)]).cpu().numpy()


def _original_width(real: FloatArray) -> int:
    return max(1, real.shape[2] // 2)


def _scaled(generated: FloatArray, real: FloatArray, device: str) -> tuple[Tensor, Tensor]:
    """Scale both sets by the real data's range of each variable."""
    low = real.min(axis=(0, 1))
    width = real.max(axis=(0, 1)) - low
    fake, true = (
        torch.as_tensor(
            ((each - low) / np.where(width > 0, width, 1)).astype(np.float32), device=device
        )
        for each in (generated, real)
    )
    return fake, true


def _check(generated: FloatArray, real: FloatArray) -> None:
    if generated.ndim != 3 or real.ndim != 3 or generated.shape[1:] != real.shape[1:]:
        raise ValueError(
            f"expected windows [N, T, V] of one shape, got {generated.shape} and {real.shape}"
        )
    if min(len(generated), len(real)) < 10:
        raise ValueError(
            f"expected at least 10 windows of each, got {len(generated)} and {len(real)}"
        )
    if real.shape[1] < 2:
        raise ValueError("expected windows of at least 2 steps, got 1")
    if not (np.isfinite(generated).all() and np.isfinite(real).all()):
        raise ValueError("expected windows without missing or infinite values; take complete ones")
