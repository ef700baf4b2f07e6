"""A memory that takes in one day after another: what days are drawn with. It is kept on the processor.

Letters: B users, S slots, C channels, P pairs of channels, F features.
"""

from __future__ import annotations

from copy import copy

import numpy as np
import torch
from torch import Tensor

from habitus.models.rhythm.history.balance import Balance, told_of_differences
from habitus.models.rhythm.history.features import OF_CHANNEL, RECALLED, Past, memory_features
from habitus.models.rhythm.sampling.kernels import history as kernels
from habitus.models.rhythm.sampling.kernels.history import Store
from habitus.schema import DAYS_PER_WEEK, FloatArray, IntArray


class Memory:
    """What B users did before a day; at first nothing. Weekdays are those from the first day on, whichever it is.

    Args:
        users: B.
        slots: S.
        channels: C.
        pairs: Pairs of channels whose totals are compared, [P, 2].

    Attributes:
        days: Days taken in.
        store: What is known of them.
    """

    def __init__(self, users: int, slots: int, channels: int, pairs: Tensor) -> None:
        self.device = pairs.device
        self.pairs = pairs.numpy(force=True)
        self.days = 0
        self.store = kernels.nothing(users, slots, channels, len(pairs))

    @property
    def _weekday(self) -> int:
        return self.days % DAYS_PER_WEEK

    def take_in(
        self, x: Tensor, observed: Tensor | None = None, users: Tensor | None = None
    ) -> None:
        """A day of counts.

        Args:
            x: Of some users, [n, S, C].
            observed: Of whom it was observed, bool [B]; nothing is learnt of the others. All of them by default.
            users: Their numbers, [n], where others were silent; by default all users.
        """
        known = np.ones(len(self), np.bool_) if observed is None else observed.numpy(force=True)
        which = np.arange(len(self)) if users is None else users.numpy(force=True)
        kernels.take_in(self.store, x.numpy(force=True), which, known, self._weekday, self.pairs)
        self.days += 1

    def __len__(self) -> int:
        return len(self.store.seen)

    def repeated(self, times: int) -> Memory:
        """The same of every user again and again, [times B]."""
        again = copy(self)
        again.store = Store(*(np.concatenate([each] * times) for each in self.store))
        return again

    @property
    def features(self) -> Tensor:
        """All of it, [B, F]: see :class:`habitus.models.rhythm.history.features.Before`."""
        told = np.empty((len(self), self.numbers), np.float32)
        self.tell(told)
        return self._tensor(told)

    @property
    def numbers(self) -> int:
        """F."""
        slots, channels = self.store.days_of_cell.shape[1:]
        return memory_features(slots, channels, len(self.pairs))

    def tell(self, told: FloatArray) -> None:
        """Write the features to the first numbers of rows [B, ...]."""
        differences = told_of_differences(torch.device("cpu")).numpy()
        kernels.tell_features(
            self.store, self._weekday, self.days // DAYS_PER_WEEK, differences, told
        )

    def past(self, rows: Tensor) -> Past:
        """What the days of some users are drawn from."""
        users = rows.numpy(force=True)
        m = self.store
        slots, channels = m.days_of_cell.shape[1:]
        told = np.empty((len(users), RECALLED + channels, slots), np.float32)
        of_channels = np.empty((len(users), OF_CHANNEL * channels), np.float32)
        kernels.recall(m, users, self._weekday, told, of_channels)
        largest, most = (self._tensor(each[users]) for each in (m.largest, m.most))
        return Past(
            self._tensor(told).mT, self._tensor(of_channels), largest, most, self._balance(users)
        )

    @property
    def size(self) -> Tensor:
        """What is told of the largest count of any channel, [B]."""
        return self._tensor(np.float32(0.3) * np.log1p(self.store.largest.max(1)))

    @property
    def gap(self) -> Tensor:
        """Days observed from the last active one to the one to come, 0 where there is none, [B]."""
        return self._tensor(
            np.where(self.store.active_days > 0, self.store.silence + 1, np.float32(0))
        )

    def _balance(self, users: IntArray | slice) -> Balance:
        m = self.store
        return Balance(*(self._tensor(each[users]) for each in (m.now, m.lowest, m.highest)))

    def _tensor(self, numbers: FloatArray) -> Tensor:
        return torch.from_numpy(numbers).to(self.device)
