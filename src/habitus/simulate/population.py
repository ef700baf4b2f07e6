"""Factors of users, and their distribution over a population."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from habitus.schema import DAYS_PER_WEEK, BoolArray, FloatArray, IntArray

WEEKEND_DAYS = 2

# A block holds about half a million events: arrays of a few MB each, and a Parquet row group of a
# good size.
BLOCK_USERS = 5000
BLOCK_USER_DAYS = BLOCK_USERS * 32

# With these and the lengths of sessions in events.py, a user has on average 55 non-empty (day,
# hour, channel)
# cells in 32 days.
DAY_TYPES = ("morning", "day", "evening", "night")
DAY_TYPE_SHARES = (0.2, 0.35, 0.33, 0.12)
DAY_TYPE_HOURS = (8.0, 13.0, 20.0, 1.0)
DAY_TYPE_SPREAD = 1.5  # hours, between the preferred hours of users of a type
LIFETIMES = ("whole window", "joins", "leaves", "joins and leaves")
LIFETIME_SHARES = (0.55, 0.2, 0.17, 0.08)
ONE_OFF_SHARE = 0.15
CHANNEL_CONCENTRATION = 0.9  # of the Dirichlet: below 1, most users have one or two channels
MEDIAN_EXTRA_RATE = 7.0
RATE_SPREAD = 0.8  # of the log rate: a heavy tail
MAX_RATE = 500.0
SESSION_EXPONENT = (
    0.8  # share of log(rate) that goes into more sessions; the rest goes into longer ones
)


@dataclass(frozen=True)
class Factors:
    """Factors of U users; every array has shape [U] but ``channel_mix``.

    Attributes:
        day_type: Index into ``DAY_TYPES``.
        preferred_hour: Circular mean of the hours of activity, in [0, 24).
        hour_width: Standard deviation of the hours of activity around it, in hours.
        weekend_preference: Log of the odds of activity on a weekend day over the odds on a weekday;
            0 is none.
        rate: Expected number of events on an active day.
        first_day: Day of the window, from 0, before which there is nothing; active where the user
            joined (> 0).
        last_day: Day of the window after which there is nothing; active where the user left (< days
            - 1).
        regularity: Expected share of the other days between the two that are active, over whole
            weeks.
        burstiness: Persistence of activity from a day to the next, in [0, 1); 0 is independent
            days.
        one_off: Whether the user comes once, for one session (then ``regularity`` is 1 of 1 day).
        channel_mix: Share of the user's sessions on each channel, [U, C].
    """

    day_type: IntArray
    preferred_hour: FloatArray
    hour_width: FloatArray
    weekend_preference: FloatArray
    rate: FloatArray
    first_day: IntArray
    last_day: IntArray
    regularity: FloatArray
    burstiness: FloatArray
    one_off: BoolArray
    channel_mix: FloatArray

    @property
    def sessions_per_day(self) -> FloatArray:
        """Expected sessions on an active day, [U]."""
        return np.where(self.one_off, 1.0, self.rate**SESSION_EXPONENT)

    @property
    def events_per_session(self) -> FloatArray:
        """Expected events in a session, [U]."""
        return self.rate / self.sessions_per_day


@dataclass(frozen=True)
class Window:
    """The days and channels that are simulated."""

    start: dt.date
    days: int
    channels: tuple[str, ...]

    @property
    def weekend(self) -> BoolArray:
        """Mask of Saturdays and Sundays, bool [D]."""
        weekday = (self.start.weekday() + np.arange(self.days)) % DAYS_PER_WEEK
        return weekday >= DAYS_PER_WEEK - WEEKEND_DAYS

    @property
    def block_users(self) -> int:
        """Users in a block, fewer in a long window, so that the memory stays the same."""
        return max(1, min(BLOCK_USERS, BLOCK_USER_DAYS // self.days))


def draw_factors(rng: Generator, users: int, window: Window) -> Factors:
    """Draw the factors of as many users as asked for."""
    one_off = rng.random(users) < ONE_OFF_SHARE
    weekend_preference = rng.normal(-0.3, 1.0, users)
    first, last = _lifetimes(rng, users, window.days)
    only = _one_day(rng, weekend_preference, window)
    day_type = rng.choice(len(DAY_TYPES), users, p=DAY_TYPE_SHARES)
    hour = rng.normal(np.array(DAY_TYPE_HOURS)[day_type], DAY_TYPE_SPREAD) % 24
    extra_rate = MEDIAN_EXTRA_RATE * np.exp(RATE_SPREAD * rng.normal(size=users))
    return Factors(
        day_type=day_type,
        preferred_hour=hour,
        hour_width=np.clip(2.6 * np.exp(0.4 * rng.normal(size=users)), 0.7, 6.0),
        weekend_preference=weekend_preference,
        # Who comes once does less in that one session than a regular does in a day.
        rate=np.minimum(1 + np.where(one_off, 0.3, 1.0) * extra_rate, MAX_RATE),
        first_day=np.where(one_off, only, first),
        last_day=np.where(one_off, only, last),
        regularity=np.where(one_off, 1.0, rng.beta(1.5, 1.5, users)),
        burstiness=np.where(one_off, 0.0, rng.beta(2.0, 3.0, users)),
        one_off=one_off,
        channel_mix=_channel_mix(rng, users, len(window.channels)),
    )


def _lifetimes(rng: Generator, users: int, days: int) -> tuple[IntArray, IntArray]:
    """First and last day of each user, [U] each."""
    kind = rng.choice(len(LIFETIMES), users, p=LIFETIME_SHARES)
    joins = (kind == 1) | (kind == 3)
    leaves = (kind == 2) | (kind == 3)
    ends = np.sort(rng.integers(days, size=(users, 2)), axis=1)
    # Who does both takes the two ordered days; who does one takes either, at random.
    either = ends[np.arange(users), rng.integers(2, size=users)]
    first = np.where(joins, np.where(leaves, ends[:, 0], either), 0)
    last = np.where(leaves, np.where(joins, ends[:, 1], either), days - 1)
    return first, last


def _one_day(rng: Generator, weekend_preference: FloatArray, window: Window) -> IntArray:
    """A day for each user, drawn in proportion to its odds of activity, [U]."""
    log_odds = weekend_preference[:, None] * window.weekend
    return np.argmax(log_odds + rng.gumbel(size=log_odds.shape), axis=1)


def _channel_mix(rng: Generator, users: int, channels: int) -> FloatArray:
    """Share of each channel per user, [U, C]: sparse, the first channels the most popular."""
    popularity = 1 / np.arange(2, channels + 2)
    return rng.dirichlet(CHANNEL_CONCENTRATION * popularity / popularity.sum(), users)
