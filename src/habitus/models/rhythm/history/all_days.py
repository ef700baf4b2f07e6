"""What is known before each of many days at once: what a fit reads.

The same as a :class:`~habitus.models.rhythm.history.day_by_day.Memory` that takes in one day after another, by sums over all
days up to each. A day that was not observed is as if it had not been.

Letters: B users, D days, S slots, C channels, P pairs of channels, W weeks, F features.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from habitus.models.rhythm.history.balance import Balance, pair_steps
from habitus.models.rhythm.history.features import FADING, HISTORY, LASTING, Before, Past
from habitus.schema import DAYS_PER_WEEK


def memories(x: Tensor, pairs: Tensor, observed: Tensor | None = None) -> tuple[Tensor, Past]:
    """What is known before every day of profiles [B, D, S, C].

    Args:
        x: The profiles.
        pairs: Of channels, [P, 2].
        observed: Which days are known, bool [B, D]; all of them by default.

    Returns:
        Features [B, D + 1, F], those after the last day too; what days are drawn from, each [B, D, ...].
    """
    known = (
        torch.ones(x.shape[:2], dtype=torch.bool, device=x.device) if observed is None else observed
    )
    before = before_days(x if known.all() else x.where(known[..., None, None], 0.0), pairs, known)
    return before.features, before.past((slice(None), slice(x.shape[1])))


def before_days(x: Tensor, pairs: Tensor, observed: Tensor) -> Before:
    """What is known before every day and after the last one, leading axes [B, D + 1].

    Args:
        x: Profiles [B, D, S, C], empty on days that were not observed.
        pairs: Of channels, [P, 2].
        observed: Which days were, bool [B, D].
    """
    cells = (x > 0).to(x.dtype)
    slots = cells.amax(3)
    active = slots.amax(2)
    one = observed.to(x.dtype)
    seen = _sums(one)
    active_days = _sums(active)
    number = _numbered(observed)
    silence = seen - _latest(active > 0, seen)
    run = seen - _latest(observed & (active == 0), seen)
    longest = torch.stack([silence * (active_days > 0), run], 2).cummax(1).values
    return Before(
        seen=seen,
        seen_of_weekday=_by_weekday(one),
        weeks=torch.arange(x.shape[1] + 1, device=x.device)
        .div(DAYS_PER_WEEK, rounding_mode="floor")
        .to(x.dtype),
        days_of_slot=_sums(slots),
        on_weekday=_weeks_joined(_sums(_in_weeks(slots)), x.shape[1]),
        days_of_cell=_sums(cells),
        week_ago=_on_last(slots, _weeks_joined(_last(_in_weeks(number)), x.shape[1])),
        yesterday=_on_last(slots, _last(number)),
        lately=_fading(slots, one, seen, LASTING),
        balance=_balance(pair_steps(x, pairs)),
        total=_sums(x.sum(2)),
        largest=_last(x.amax(2)),
        logs=_sums(x.clamp_min(1).log().sum(2)),
        ones=_sums((x == 1).sum(2).to(x.dtype)),
        recent=_fading(torch.stack([active, slots.sum(2).log1p()], 2), one, seen, FADING),
        active_days=active_days,
        history=_history(active, seen),
        days_of_weekday=_by_weekday(active),
        silence=silence,
        run=run,
        longest=longest,
        most=_last(slots.sum(2)),
    )


def _after_nothing(of_days: Tensor) -> Tensor:
    """What holds after each day [B, D, ...], and 0 before the first, [B, D + 1, ...]."""
    return torch.cat([torch.zeros_like(of_days[:, :1]), of_days], 1)


def _sums(of_days: Tensor) -> Tensor:
    """Over the days before each, [B, D + 1, ...]."""
    return _after_nothing(of_days.cumsum(1))


def _last(of_days: Tensor) -> Tensor:
    """The largest number of the days before each, [B, D + 1, ...]: of numbers of days, the last."""
    return _after_nothing(of_days.cummax(1).values)


def _numbered(observed: Tensor) -> Tensor:
    """Days [B, D] from 1 on; 0 for those that were not observed."""
    return torch.arange(1, observed.shape[1] + 1, device=observed.device) * observed


def _on_last(of_days: Tensor, number: Tensor) -> Tensor:
    """Of numbered days [B, D + 1], what held [B, D, S], 0 for none: [B, D + 1, S]."""
    return _after_nothing(of_days).gather(1, number[..., None].expand(-1, -1, of_days.shape[2]))


def _latest(which: Tensor, seen: Tensor) -> Tensor:
    """How many days had been observed once the last one of some kind [B, D] was, [B, D + 1]."""
    return _last(torch.where(which, seen[:, :-1] + 1, 0.0))


def _in_weeks(of_days: Tensor) -> Tensor:
    """Days [B, D, ...] filled up to whole weeks, weekdays last: [B, W, 7, ...]."""
    missing = -of_days.shape[1] % DAYS_PER_WEEK
    filled = functional.pad(of_days, (0, 0) * (of_days.dim() - 2) + (0, missing))
    return filled.unflatten(1, (-1, DAYS_PER_WEEK))


def _weeks_joined(of_weeks: Tensor, days: int) -> Tensor:
    """The inverse, of the first days and one more: [B, D + 1, ...]."""
    return of_weeks.flatten(1, 2)[:, : days + 1]


def _by_weekday(of_days: Tensor) -> Tensor:
    """Sums of the days [B, D] before each, by weekday from its own on, [B, D + 1, 7]."""
    days = of_days.shape[1]
    weekday = torch.arange(days + 1, device=of_days.device) % DAYS_PER_WEEK
    sums = _sums(of_days[..., None] * functional.one_hot(weekday[:-1], DAYS_PER_WEEK))
    order = (weekday[:, None] + torch.arange(DAYS_PER_WEEK, device=of_days.device)) % DAYS_PER_WEEK
    return sums.gather(2, order.expand_as(sums))


def _fading(of_days: Tensor, one: Tensor, seen: Tensor, weight: float) -> Tensor:
    """Means of days [B, D, n] before each, each observed day weighing less than the one after it, [B, D + 1, n]."""
    since = (seen[:, :, None] - seen[:, None, 1:]).clamp_min(0)
    weights = (1 - weight) * (weight**since * one[:, None]).tril(-1)
    return weights @ of_days


def _history(active: Tensor, seen: Tensor) -> Tensor:
    """Whether each of the last days was active, the last one first, [B, D + 1, 28]."""
    number = torch.where(seen[:, 1:] > seen[:, :-1], seen[:, 1:], 0).long()
    observed = torch.zeros_like(seen).scatter_(1, number, active)
    back = seen.long()[..., None] - torch.arange(HISTORY, device=seen.device)
    return observed[:, None].expand(-1, seen.shape[1], -1).gather(2, back.clamp_min(0))


def _balance(steps: Tensor) -> Balance:
    """After the steps [B, D, S, P] of the days before each."""
    nothing = steps.new_zeros(len(steps), steps.shape[3])
    during = Balance(nothing, nothing, nothing).during(steps.flatten(1, 2))
    slots = steps.shape[2]
    return Balance(*(_after_nothing(each[:, slots - 1 :: slots]) for each in during))
