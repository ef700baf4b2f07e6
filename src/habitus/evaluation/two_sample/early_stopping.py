"""Early stopping of the small networks that classify generated and real data."""

from __future__ import annotations

import math

from torch import Tensor, nn


class EarlyStopping:
    """Weights of a network with the lowest loss on examples that it is not trained on.

    Attributes:
        step: Step of the kept weights; the last one while no loss was finite.
        misses: Checks since the loss last fell.
    """

    def __init__(self, network: nn.Module, patience: int) -> None:
        self.network = network
        self.patience = patience
        self.step = 0
        self.misses = 0
        self._loss = math.inf
        self._weights: dict[str, Tensor] = {}

    def should_stop(self, step: int, loss: float) -> bool:
        """Record the loss at a step; True when it has not fallen for ``patience`` checks."""
        self.misses += 1
        if loss < self._loss:
            self._loss = loss
            self.misses = 0
            self._weights = {name: each.clone() for name, each in self.network.state_dict().items()}
        if not self.misses or not self._weights:
            self.step = step
        return self.misses >= self.patience

    def restore(self) -> None:
        """Give the network the kept weights; it stays as it is where there are none."""
        if self._weights:
            self.network.load_state_dict(self._weights)
