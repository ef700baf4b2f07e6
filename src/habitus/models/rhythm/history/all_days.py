"""History before each day of whole profiles at once, which is what a fit reads.

It equals that of
:class:`habitus.models.rhythm.sampling.running_history.RunningHistory`, which takes one day after
another, but comes from sums over the days up to each. A day that was not observed changes nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from habitus.models.rhythm.history.balance import Balance, pair_steps
from habitus.models.rhythm.history.features import (
    DAY_DECAY,
    RECENT_DAYS,
    SLOT_DECAY,
    DayHistory,
    History,
)
from habitus.schema import DAYS_PER_WEEK


def history_of_days(x: Tensor, pairs: Tensor, observed: Tensor) -> tuple[Tensor, DayHistory]:
    """Compute the history before every day of profiles [B, D, S, C].

    Args:
        x: Profiles.
        pairs: Pairs of channels, [P, 2].
        observed: Days that were observed, bool [B, D].

    Returns:
        Features before every day and after the last one, [B, D + 1, F]; the history that the slots
        and counts of each day depend on, [B, D, ...].
    """
    if not observed.all():
        x = x.where(observed[..., None, None], 0.0)
    history = _history(x, pairs, observed)
    return history.features, history.of_days((slice(None), slice(x.shape[1])))


def _history(x: Tensor, pairs: Tensor, observed: Tensor) -> History:
    """Statistics before every day and after the last one, leading axes [B, D + 1].

    Args:
        x: Profiles [B, D, S, C], empty on days that were not observed.
        pairs: Pairs of channels, [P, 2].
        observed: Days that were observed, bool [B, D].
    """
    days = x.shape[1]
    cells = (x > 0).to(x.dtype)
    slots = cells.amax(3)
    active = slots.amax(2)
    one = observed.to(x.dtype)
    observed_days = _sums(one)
    active_days = _sums(active)
    number = torch.arange(1, days + 1, device=x.device) * observed  # from 1 on, 0 if not observed
    silence = observed_days - _number_of_last(active > 0, observed_days)
    run = observed_days - _number_of_last(observed & (active == 0), observed_days)
    weeks = torch.arange(days + 1, device=x.device).div(DAYS_PER_WEEK, rounding_mode="floor")
    activity = torch.stack([active, slots.sum(2).log1p()], 2)
    return History(
        observed=observed_days,
        observed_by_weekday=_by_weekday(one),
        weeks=weeks.to(x.dtype),
        slot_days=_sums(slots),
        slot_days_on_weekday=_join_weeks(_sums(_split_weeks(slots)), days),
        cell_days=_sums(cells),
        week_ago=_on_day(slots, _join_weeks(_largest(_split_weeks(number)), days)),
        yesterday=_on_day(slots, _largest(number)),
        recent_slots=_decayed_means(slots, one, observed_days, SLOT_DECAY),
        balance=_balance(pair_steps(x, pairs)),
        total=_sums(x.sum(2)),
        largest=_largest(x.amax(2)),
        logs=_sums(x.clamp_min(1).log().sum(2)),
        ones=_sums((x == 1).sum(2).to(x.dtype)),
        recent_activity=_decayed_means(activity, one, observed_days, DAY_DECAY),
        active=active_days,
        recent_days=_recent_days(active, observed_days),
        active_by_weekday=_by_weekday(active),
        silence=silence,
        run=run,
        longest=torch.stack([silence * (active_days > 0), run], 2).cummax(1).values,
        most_slots=_largest(slots.sum(2)),
    )


def _after_zero(of_days: Tensor) -> Tensor:
    """Prepend 0 to values after each day [B, D, ...], [B, D + 1, ...]."""
    return torch.cat([torch.zeros_like(of_days[:, :1]), of_days], 1)


def _sums(of_days: Tensor) -> Tensor:
    """Sums over the days before each, [B, D + 1, ...]."""
    return _after_zero(of_days.cumsum(1))


def _largest(of_days: Tensor) -> Tensor:
    """Largest value of the days before each, [B, D + 1, ...]."""
    return _after_zero(of_days.cummax(1).values)


def _on_day(of_days: Tensor, number: Tensor) -> Tensor:
    """Values [B, D, S] on days by number [B, D + 1] from 1 on, 0 for day 0, [B, D + 1, S]."""
    return _after_zero(of_days).gather(1, number[..., None].expand(-1, -1, of_days.shape[2]))


def _number_of_last(which: Tensor, observed_days: Tensor) -> Tensor:
    """Number of the last marked day [B, D] among the observed ones, 0 for none, [B, D + 1]."""
    return _largest(torch.where(which, observed_days[:, :-1] + 1, 0.0))


def _split_weeks(of_days: Tensor) -> Tensor:
    """Split days [B, D, ...] into weeks, the last one padded, [B, W, 7, ...]."""
    missing = -of_days.shape[1] % DAYS_PER_WEEK
    padded = functional.pad(of_days, (0, 0) * (of_days.dim() - 2) + (0, missing))
    return padded.unflatten(1, (-1, DAYS_PER_WEEK))


def _join_weeks(of_weeks: Tensor, days: int) -> Tensor:
    """Join weeks [B, W + 1, 7, ...] to the first D + 1 days, [B, D + 1, ...]."""
    return of_weeks.flatten(1, 2)[:, : days + 1]


def _by_weekday(of_days: Tensor) -> Tensor:
    """Sums over the days [B, D] before each, by weekday from that of the day on, [B, D + 1, 7]."""
    week = torch.arange(DAYS_PER_WEEK, device=of_days.device)
    weekday = torch.arange(of_days.shape[1] + 1, device=of_days.device) % DAYS_PER_WEEK
    sums = _sums(of_days[..., None] * functional.one_hot(weekday[:-1], DAYS_PER_WEEK))
    order = (weekday[:, None] + week) % DAYS_PER_WEEK
    return sums.gather(2, order.expand_as(sums))


def _decayed_means(of_days: Tensor, one: Tensor, observed_days: Tensor, decay: float) -> Tensor:
    """Means over the days [B, D, n] before each, weights decaying by observed days, [B, D + 1, n].

    Args:
        of_days: Values of the days.
        one: Observed days, 0 or 1, [B, D].
        observed_days: Number of observed days before each, [B, D + 1].
        decay: Weight of a day relative to that of the next one.
    """
    since = (observed_days[:, :, None] - observed_days[:, None, 1:]).clamp_min(0)
    weights = (1 - decay) * (decay**since * one[:, None]).tril(-1)
    return weights @ of_days


def _recent_days(active: Tensor, observed_days: Tensor) -> Tensor:
    """Activity of the last observed days before each, the last one first, [B, D + 1, 28]."""
    was_observed = observed_days[:, 1:] > observed_days[:, :-1]
    number = torch.where(was_observed, observed_days[:, 1:], 0).long()
    by_number = torch.zeros_like(observed_days).scatter_(1, number, active)
    back = observed_days.long()[..., None] - torch.arange(RECENT_DAYS, device=active.device)
    by_number = by_number[:, None].expand(-1, observed_days.shape[1], -1)
    return by_number.gather(2, back.clamp_min(0))


def _balance(steps: Tensor) -> Balance:
    """Balance after the changes [B, D, S, P] of the days before each, [B, D + 1, P]."""
    zero = steps.new_zeros(len(steps), steps.shape[3])
    during = Balance(zero, zero, zero).during(steps.flatten(1, 2))
    slots = steps.shape[2]
    return Balance(*(_after_zero(each[:, slots - 1 :: slots]) for each in during))
