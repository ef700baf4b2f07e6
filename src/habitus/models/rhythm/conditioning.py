"""Features that Rhythm is conditioned on beside the history: calendar, and attributes of users.

Letters: B users, D days, N active days, A attributes, E features of each embedding.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from habitus.models.parts.examples import Days
from habitus.schema import DAYS_PER_WEEK, Axes, Vocabulary

EMBEDDING = 8  # E
LEAST_SHARE = 1e-4  # least initial probability of an active day
DROPPED = 0.1  # dropout probability in a fit of a user's window position and of each attribute


class Conditioning(nn.Module):
    """Features of days and of attributes.

    Args:
        axes: Axes of the profiles.
        vocabulary: Attributes and their values.
        holidays: Whether there are holidays in the training data; else a holiday is a day like
            others.

    Attributes:
        attribute_features: Number of features of all attributes, E A.
    """

    holiday: nn.Parameter | None

    def __init__(self, axes: Axes, vocabulary: Vocabulary, holidays: bool) -> None:
        super().__init__()
        self.axes = axes
        self.weekday = nn.Embedding(DAYS_PER_WEEK, EMBEDDING)
        self.position = nn.Embedding(axes.days + 1, EMBEDDING)  # the last one for no position
        self.attributes = nn.ModuleList(
            nn.Embedding(len(values) + 1, EMBEDDING) for values in vocabulary.values()
        )
        self.register_parameter(
            "holiday", nn.Parameter(torch.zeros(EMBEDDING)) if holidays else None
        )
        self.attribute_features = EMBEDDING * len(self.attributes)

    def days(self, number: int | None = None) -> Days:
        """Days from the first day of the axes on, as many as the axes have by default, [1, D]."""
        first = self.axes.start.weekday()
        return Days.after(first, number or self.axes.days, self.weekday.weight.device)

    def weekdays(self, days: Days) -> Tensor:
        """Weekday of days [...], from 0 for that of the first day of the axes to 6, [...]."""
        return (days.weekday - self.axes.start.weekday()) % DAYS_PER_WEEK

    def day_features(self, days: Days) -> Tensor:
        """Features of the weekday of days [...], and of holidays, [..., E]."""
        features = self.weekday(days.weekday)
        if self.holiday is None:
            return features
        return features + days.holiday[..., None] * self.holiday

    def calendar(self, days: Days, position: Tensor) -> Tensor:
        """Calendar features c_d of days [...] at positions [...] in their window, [..., 2 E]."""
        return torch.cat([self.day_features(days), self.position(position)], -1)

    def activity(self, active: Tensor, days: Days) -> tuple[Tensor, Tensor]:
        """Logits of the frequency of active days among observed ones.

        A weekday without any day is taken to be as active as all days are.

        Args:
            active: Active days, bool [B, D].
            days: Calendar, [B, D].

        Returns:
            Logits by :meth:`weekdays`, [7]; what holidays add to them, 0 where there are none, [].
        """
        weekdays = self.weekdays(days)
        usual = days.observed & ~days.holiday
        zero = torch.zeros((), device=active.device)
        overall = _logit_of_share(active[days.observed], zero)
        by_weekday = torch.stack(
            [
                _logit_of_share(active[usual & (weekdays == day)], overall)
                for day in range(DAYS_PER_WEEK)
            ]
        )
        holidays = days.observed & days.holiday
        usually = by_weekday[weekdays[holidays]].sum() / holidays.sum().clamp_min(1)
        return by_weekday, _logit_of_share(active[holidays], usually) - usually

    def progress(self, number: int) -> float:
        """Position of a day from 0 for the first day of the axes to 1 for the last one or later."""
        return min(number / max(self.axes.days - 1, 1), 1.0)

    def positions(self, days: Days, generator: Generator | None = None) -> Tensor:
        """Position of each day [B, D] in its window, or ``axes.days`` for no position, [B, D].

        Windows longer than those of the axes have no positions. Nor have windows that begin on
        another weekday than those of the fit, if these all begin on the same one: the model has
        seen no other combination of position and weekday. During a fit the positions of random
        users are dropped.
        """
        users, number = days.weekday.shape
        device = days.weekday.device
        none = torch.full((users,), number > self.axes.days, device=device)
        if self.axes.weekday(0) is not None:
            none = none | (self.weekdays(days)[:, 0] > 0)
        positions = torch.arange(number, device=device)
        positions = torch.where(none[:, None], self.axes.days, positions)
        if not self.training or generator is None:
            return positions
        dropped = torch.rand(users, 1, generator=generator, device=device) < DROPPED
        return torch.where(dropped, self.axes.days, positions)

    def encoder_days(self, users: int, days: int, hidden: float, generator: Generator) -> Tensor:
        """Number of first days that the encoder reads of each user, [B].

        During a fit it is a random one for a share ``hidden`` of the users; else it is all days.
        """
        device = self.position.weight.device
        everything = torch.full((users,), days, device=device)
        if not self.training:
            return everything
        some = torch.rand(users, generator=generator, device=device) < hidden
        fewer = torch.randint(0, days, (users,), generator=generator, device=device)
        return torch.where(some, fewer, everything)

    def attributes_of(self, codes: Tensor, generator: Generator | None = None) -> Tensor:
        """Features of attributes from their codes [B, A], some dropped during a fit, [B, E A]."""
        if self.training and generator is not None:
            kept = torch.rand(codes.shape, generator=generator, device=codes.device) >= DROPPED
            codes = codes * kept
        features = [
            embedding(code)
            for embedding, code in zip(self.attributes, codes.unbind(1), strict=True)
        ]
        nothing = codes.new_zeros(len(codes), 0, dtype=torch.float32)
        return torch.cat([nothing, *features], 1)


def _logit_of_share(active: Tensor, default: Tensor) -> Tensor:
    """Logit of the share of days [n] that are active, the default where there are no days."""
    if not len(active):
        return default
    return active.float().mean().clamp(LEAST_SHARE, 1 - LEAST_SHARE).logit()
