"""A memory that takes in one day after another: what days are drawn with.

Letters: B users, S slots, C channels, P pairs of channels.
"""

from __future__ import annotations

from copy import copy

import torch
from torch import Tensor

from habitus.parts.memory.balance import Balance, pair_steps
from habitus.parts.memory.before import FADING, HISTORY, LASTING, Before, Past
from habitus.parts.rows import rows_of
from habitus.parts.shapes import DAYS_PER_WEEK

BY_WEEKDAY = ("weekly", "last_week", "days_of_weekday", "seen_of_weekday")  # of a memory: [7, B, ...]


class Memory:
    """What B users did before a day; at first nothing. Weekdays are those from the first day on, whichever it is.

    Args:
        users: B.
        slots: S.
        channels: C.
        pairs: Pairs of channels whose totals are compared, [P, 2].

    Attributes:
        days: Days taken in.
        seen: Of these, observed, [B].
        balance: Of the pairs.
    """

    def __init__(self, users: int, slots: int, channels: int, pairs: Tensor) -> None:
        def nothing(*shape: int) -> Tensor:
            return torch.zeros(shape, device=pairs.device)

        self.pairs, self.days = pairs, 0
        self.seen = nothing(users)
        self.seen_of_weekday = nothing(DAYS_PER_WEEK, users)
        self.days_of_slot = nothing(users, slots)  # days on which a slot was active
        self.weekly = nothing(DAYS_PER_WEEK, users, slots)  # the same by weekday
        self.days_of_cell = nothing(users, slots, channels)
        self.last_week = nothing(DAYS_PER_WEEK, users, slots)  # the last day of each weekday
        self.yesterday = nothing(users, slots)
        self.lately = nothing(users, slots)
        self.balance = Balance(*(nothing(users, len(pairs)) for _ in range(3)))
        self.total = nothing(users, channels)
        self.largest = nothing(users, channels)
        self.logs = nothing(users, channels)  # sum of the logs of counts
        self.ones = nothing(users, channels)  # cells with a count of one
        self.recent = nothing(users, 2)
        self.active_days = nothing(users)
        self.history = nothing(users, HISTORY)  # whether each of the last days was active, yesterday first
        self.days_of_weekday = nothing(DAYS_PER_WEEK, users)  # active ones
        self.silence, self.run = nothing(users), nothing(users)  # days since the last active, or silent, one
        self.longest = nothing(users, 2)  # silence, once active, and run
        self.most = nothing(users)  # active slots of a day

    def take_in(self, x: Tensor, observed: Tensor | None = None) -> None:
        """A day of counts [B, S, C]; nothing is learnt of users of whom it was not observed, bool [B], else all."""
        known = None if observed is None or bool(observed.all()) else observed

        def latest(now: Tensor, before: Tensor) -> Tensor:
            return now if known is None else torch.where(known.view(-1, *[1] * (now.dim() - 1)), now, before)

        weekday, active = self.days % DAYS_PER_WEEK, x.flatten(1).amax(1) > 0
        rows = (active if known is None else active & known).nonzero()[:, 0]  # not many
        slots = torch.zeros_like(self.yesterday)
        slots[rows] = self._take_in_active(rows_of(x, rows), rows, weekday)
        active = slots.amax(1)
        self.last_week[weekday] = latest(slots, self.last_week[weekday])
        self.yesterday = latest(slots, self.yesterday)
        self.lately = latest(LASTING * self.lately + (1 - LASTING) * slots, self.lately)
        recent = FADING * self.recent + (1 - FADING) * torch.stack([active, slots.sum(1).log1p()], 1)
        self.recent = latest(recent, self.recent)
        self.history = latest(torch.cat([active[:, None], self.history[:, :-1]], 1), self.history)
        self.silence = latest(torch.where(active > 0, 0.0, self.silence + 1), self.silence)
        self.run = latest(torch.where(active > 0, self.run + 1, 0.0), self.run)
        begun = self.active_days > 0
        self.longest = torch.maximum(self.longest, torch.stack([self.silence * begun, self.run], 1))
        one = latest(torch.ones_like(active), torch.zeros_like(active))
        self.seen += one
        self.seen_of_weekday[weekday] += one
        self.days += 1

    def _take_in_active(self, x: Tensor, rows: Tensor, weekday: int) -> Tensor:
        """A day of the users of some rows, who are active on it [n, S, C]; which slots are, [n, S]."""
        cells = (x > 0).to(x.dtype)
        slots = cells.amax(2)
        for sums, those in (
            (self.days_of_slot, slots),
            (self.weekly[weekday], slots),
            (self.days_of_cell, cells),
            (self.total, x.sum(1)),
            (self.logs, x.clamp_min(1).log().sum(1)),
            (self.ones, (x == 1).sum(1).to(x.dtype)),
            (self.active_days, slots.amax(1)),
            (self.days_of_weekday[weekday], slots.amax(1)),
        ):
            sums.index_add_(0, rows, those)
        self.largest[rows] = torch.maximum(rows_of(self.largest, rows), x.amax(1))
        self.most[rows] = torch.maximum(rows_of(self.most, rows), slots.sum(1))
        during = self.balance.of(rows).during(pair_steps(x, self.pairs))
        for each, after in zip(self.balance, during, strict=True):
            each[rows] = after[:, -1]
        return slots

    def repeated(self, times: int) -> Memory:
        """The same of every user again and again, [times B]."""
        again = copy(self)
        for name, value in vars(self).items():
            if isinstance(value, Tensor) and name != "pairs":
                axis = 1 if name in BY_WEEKDAY else 0
                setattr(again, name, torch.cat([value] * times, axis))
        again.balance = Balance(*(torch.cat([each] * times) for each in self.balance))
        return again

    @property
    def before(self) -> Before:
        """What is known before the day to come, leading axes [B]; it changes with the memory."""
        weekday = self.days % DAYS_PER_WEEK
        return Before(
            seen=self.seen,
            seen_of_weekday=self.seen_of_weekday.roll(-weekday, 0).T,
            weeks=self.seen.new_full((), self.days // DAYS_PER_WEEK),
            days_of_slot=self.days_of_slot,
            on_weekday=self.weekly[weekday],
            days_of_cell=self.days_of_cell,
            week_ago=self.last_week[weekday],
            yesterday=self.yesterday,
            lately=self.lately,
            balance=self.balance,
            total=self.total,
            largest=self.largest,
            logs=self.logs,
            ones=self.ones,
            recent=self.recent,
            active_days=self.active_days,
            history=self.history,
            days_of_weekday=self.days_of_weekday.roll(-weekday, 0).T,
            silence=self.silence,
            run=self.run,
            longest=self.longest,
            most=self.most,
        )

    @property
    def features(self) -> Tensor:
        """All of it, [B, F]: see :class:`Before`."""
        return self.before.features

    def past(self, rows: Tensor) -> Past:
        """What the days of some users are drawn from."""
        return self.before.past(rows)

    @property
    def gap(self) -> Tensor:
        """Days observed from the last active one to the one to come, 0 where there is none, [B]."""
        return torch.where(self.active_days > 0, self.silence + 1, 0.0)
