"""What Rhythm is told of days and users beside what they do: the calendar, and attributes.

Letters: B users, D days, N active days, A attributes.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from habitus.models.parts.examples import Days
from habitus.schema import DAYS_PER_WEEK, Axes, Vocabulary

TOLD = 8  # features of the weekday, of the place in the window, and of an attribute
LEAST_SHARE = 1e-4  # of users who are active on a weekday, before any learning
UNTOLD = 0.1  # share of users' places in the window, and of their attributes each, not told while it learns


class Told(nn.Module):
    """Features of days and of attributes.

    Args:
        axes: Of the profiles.
        vocabulary: The attributes and their values.
        holidays: Whether there are any in what is learnt from; else a holiday is a day like others.
    """

    holiday: nn.Parameter | None

    def __init__(self, axes: Axes, vocabulary: Vocabulary, holidays: bool) -> None:
        super().__init__()
        self.axes = axes
        self.weekday = nn.Embedding(DAYS_PER_WEEK, TOLD)
        self.place = nn.Embedding(axes.days + 1, TOLD)  # the last one for not being told
        self.attributes = nn.ModuleList(
            nn.Embedding(len(values) + 1, TOLD) for values in vocabulary.values()
        )
        self.register_parameter("holiday", nn.Parameter(torch.zeros(TOLD)) if holidays else None)

    @property
    def of_attributes(self) -> int:
        """How many features :meth:`about` has."""
        return TOLD * len(self.attributes)

    def days(self, number: int | None = None) -> Days:
        """So many days from the first day of the axes on, or those of the axes, [1, D]."""
        return Days.after(
            self.axes.start.weekday(), number or self.axes.days, self.weekday.weight.device
        )

    def in_week(self, days: Days) -> Tensor:
        """Days from the first weekday of the axes to those of some days [...], from 0 to 6."""
        return (days.weekday - self.axes.start.weekday()) % DAYS_PER_WEEK

    def of_days(self, days: Days) -> Tensor:
        """Features of the weekday of days [...], and of whether they are holidays, [..., TOLD]."""
        found = self.weekday(days.weekday)
        return found if self.holiday is None else found + days.holiday[..., None] * self.holiday

    def calendar(self, days: Days, place: Tensor) -> Tensor:
        """c_d for days and their places in the window [...], [..., 2 TOLD]."""
        return torch.cat([self.of_days(days), self.place(place)], -1)

    def activity(self, active: Tensor, days: Days) -> tuple[Tensor, Tensor]:
        """How often observed days [B, D] are active: logits by :meth:`in_week`, [7], and what holidays add to them.

        A weekday that there is none of is taken to be as active as all days are; where there are no holidays they
        add nothing.
        """
        in_week = self.in_week(days)
        usual = days.observed & ~days.holiday
        overall = _logit_of_share(active[days.observed], torch.zeros((), device=active.device))
        by_weekday = [active[usual & (in_week == day)] for day in range(DAYS_PER_WEEK)]
        often = torch.stack([_logit_of_share(each, overall) for each in by_weekday])
        holidays = days.observed & days.holiday
        usually = often[in_week[holidays]].sum() / holidays.sum().clamp_min(1)
        return often, _logit_of_share(active[holidays], usually) - usually

    def late(self, number: int) -> float:
        """How late a day is in the window: from 0 for the first to 1 for the last of the axes, and any after it."""
        return min(number / max(self.axes.days - 1, 1), 1.0)

    def placed(self, days: Days) -> Tensor:
        """The place of each of the days [B, D] in its window, [B, D].

        It is not told in windows that are longer than those of the axes or, where all of those begin on the same
        weekday, begin on another: place and weekday always went together.
        """
        users, number = days.weekday.shape
        unlike = torch.full((users,), number > self.axes.days, device=days.weekday.device)
        if self.axes.weekday(0) is not None:
            unlike = unlike | (self.in_week(days)[:, 0] > 0)
        return torch.where(
            unlike[:, None], self.axes.days, torch.arange(number, device=unlike.device)
        )

    def places(self, days: Days, generator: Generator) -> Tensor:
        """The same; of some users it is not told while it learns."""
        place = self.placed(days)
        if not self.training:
            return place
        unplaced = torch.rand(len(place), 1, generator=generator, device=place.device) < UNTOLD
        return torch.where(unplaced, self.axes.days, place)

    def days_told(self, users: int, days: int, hidden: float, generator: Generator) -> Tensor:
        """How many days an encoder is told, [B]; of a share of the users, ``hidden``, not all while it learns."""
        device = self.place.weight.device
        everything = torch.full((users,), days, device=device)
        if not self.training:
            return everything
        some = torch.rand(users, generator=generator, device=device) < hidden
        return torch.where(
            some, torch.randint(0, days, (users,), generator=generator, device=device), everything
        )

    def about(self, codes: Tensor, generator: Generator | None = None) -> Tensor:
        """Features of attributes [B, A], [B, TOLD A]; while it learns, some are not told."""
        if self.training and generator is not None:
            told = torch.rand(codes.shape, generator=generator, device=codes.device) >= UNTOLD
            codes = codes * told
        found = [
            embedding(code)
            for embedding, code in zip(self.attributes, codes.unbind(1), strict=True)
        ]
        return torch.cat([codes.new_zeros(len(codes), 0, dtype=torch.float32), *found], 1)


def _logit_of_share(active: Tensor, none: Tensor) -> Tensor:
    """Of days [n] that are active; ``none`` where there are no days."""
    return (
        active.float().mean().clamp(LEAST_SHARE, 1 - LEAST_SHARE).logit() if len(active) else none
    )
