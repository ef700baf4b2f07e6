"""Small inputs that the tests of Rhythm share."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Generator

from habitus.models.rhythm.amounts import Amount
from habitus.models.rhythm.sampling.day_sampler import amount_arrays
from habitus.models.rhythm.sampling.kernels.counts import draw_amount

NOTHING = torch.zeros(())


def noise(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def counts(*shape: int, rate: float = 0.4, seed: int = 1) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).poisson(rate, shape).astype(np.float32))


def amounts(amount: Amount, features: torch.Tensor, largest: float, draws: int) -> torch.Tensor:
    """So many counts from the same features."""
    kind = amount_arrays(amount)
    rng = np.random.default_rng(0)
    rows = np.repeat(features.numpy()[None], draws, 0)
    scores = np.zeros(5, np.float32)
    return torch.tensor([draw_amount(row, kind, np.float32(largest), rng, scores) for row in rows])


class Numbers:
    """A source of randomness whose next numbers are known, for loops that are not compiled."""

    def __init__(self, *numbers: float) -> None:
        self.numbers = list(numbers)

    def random(self) -> float:
        return self.numbers.pop(0)


def python(function: Callable[..., Any]) -> Callable[..., Any]:
    """A compiled function as it stands in the source."""
    return getattr(function, "py_func", function)
