"""History of users of whom days are drawn, kept up to date day by day on the processor.

Letters: B users, S slots, C channels, P pairs of channels, F features, n some of the users.
"""

from __future__ import annotations

from copy import copy

import numpy as np
import torch
from torch import Tensor

from habitus.models.rhythm.history.balance import Balance, difference_features
from habitus.models.rhythm.history.features import (
    CHANNEL_FEATURES,
    SLOT_FEATURES,
    DayHistory,
    feature_count,
)
from habitus.models.rhythm.sampling.kernels import history as kernels
from habitus.schema import DAYS_PER_WEEK, FloatArray


class RunningHistory:
    """History of B users before a day, empty at first; weekdays count from the first day.

    Args:
        users: B.
        slots: S.
        channels: C.
        pairs: Pairs of channels, [P, 2].

    Attributes:
        days: Days so far.
        arrays: Statistics of these days.
        feature_count: F.
    """

    def __init__(self, users: int, slots: int, channels: int, pairs: Tensor) -> None:
        self.device = pairs.device
        self.pairs = pairs.numpy(force=True)
        self.days = 0
        self.arrays = kernels.empty_history(users, slots, channels, len(pairs))
        self.feature_count = feature_count(slots, channels, len(pairs))

    def __len__(self) -> int:
        return len(self.arrays.observed)

    def repeated(self, times: int) -> RunningHistory:
        """Repeat all users, [times B]."""
        again = copy(self)
        repeated = (np.concatenate([each] * times) for each in self.arrays)
        again.arrays = kernels.HistoryArrays(*repeated)
        return again

    def add_day(
        self, x: Tensor, observed: Tensor | None = None, users: Tensor | None = None
    ) -> None:
        """Add a day of counts.

        Args:
            x: Counts of some users, [n, S, C].
            observed: Users of whom the day was observed, bool [B]; the others stay as they are. All
                by default.
            users: Numbers of the users in ``x``, [n]; the others were silent. All by default.
        """
        everyone = np.arange(len(self))
        seen = np.ones(len(self), np.bool_) if observed is None else observed.numpy(force=True)
        which = everyone if users is None else users.numpy(force=True)
        weekday = self.days % DAYS_PER_WEEK
        kernels.add_day(self.arrays, x.numpy(force=True), which, seen, weekday, self.pairs)
        self.days += 1

    @property
    def features(self) -> Tensor:
        """Features as :attr:`habitus.models.rhythm.history.History.features` has them, [B, F]."""
        features = np.empty((len(self), self.feature_count), np.float32)
        self.write_features(features)
        return self._tensor(features)

    def write_features(self, rows: FloatArray) -> None:
        """Write the features to the first F numbers of rows [B, ...]."""
        weeks, weekday = divmod(self.days, DAYS_PER_WEEK)
        table = difference_features(torch.device("cpu")).numpy()
        kernels.write_features(self.arrays, weekday, weeks, table, rows)

    def of_users(self, users: Tensor) -> DayHistory:
        """History that the slots and counts of the day to come depend on, of some users [n]."""
        rows = users.numpy(force=True)
        arrays = self.arrays
        slots, channels = arrays.cell_days.shape[1:]
        of_slots = np.empty((len(rows), SLOT_FEATURES + channels, slots), np.float32)
        of_channels = np.empty((len(rows), CHANNEL_FEATURES * channels), np.float32)
        weekday = self.days % DAYS_PER_WEEK
        kernels.write_day_history(arrays, rows, weekday, of_slots, of_channels)
        balance = (self._tensor(each[rows]) for each in (arrays.now, arrays.lowest, arrays.highest))
        return DayHistory(
            self._tensor(of_slots).mT,
            self._tensor(of_channels),
            self._tensor(arrays.largest[rows]),
            self._tensor(arrays.most_slots[rows]),
            Balance(*balance),
        )

    @property
    def log_largest(self) -> Tensor:
        """Feature of the largest count of any channel, [B]."""
        return self._tensor(np.float32(0.3) * np.log1p(self.arrays.largest.max(1)))

    @property
    def gap(self) -> Tensor:
        """Observed days from the last active one to the day to come, 0 where none was, [B]."""
        arrays = self.arrays
        return self._tensor(np.where(arrays.active > 0, arrays.silence + 1, np.float32(0)))

    def _tensor(self, numbers: FloatArray) -> Tensor:
        return torch.from_numpy(numbers).to(self.device)
