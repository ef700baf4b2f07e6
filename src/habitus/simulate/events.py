"""Activity of users, given their factors: active days, sessions, events."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from habitus.schema import DAYS_PER_WEEK, BoolArray, FloatArray, IntArray
from habitus.simulate.population import WEEKEND_DAYS, Factors, Window

SECONDS_PER_HOUR = 3600
SECONDS_PER_DAY = 86400
SESSION_MINUTES = 20.0
MAX_SESSION_MINUTES = 180.0


def draw_events(
    rng: Generator, factors: Factors, wanted: int, window: Window
) -> tuple[IntArray, IntArray, IntArray]:
    """Draw the events of a block's users.

    Returns:
        Second of the window, user of the block, and channel of each event of the first ``wanted``
        users, [E] each, in order of time.
    """
    user, day = np.nonzero(_active_days(rng, factors, window))
    sessions = 1 + rng.poisson(factors.sessions_per_day[user] - 1)
    user = np.repeat(user, sessions)
    day = np.repeat(day, sessions)
    channel = _draw_channels(rng, factors.channel_mix, user)
    begin, seconds = _draw_times(rng, factors, user)
    size = rng.geometric(1 / factors.events_per_session[user])
    offset = np.repeat(seconds, size) * rng.random(int(size.sum()))
    second = np.minimum((np.repeat(begin, size) + offset).astype(np.int64), SECONDS_PER_DAY - 1)

    # One number per event, which sorts by time, then user, then channel: much faster than to sort
    # three arrays.
    users = len(factors.rate)
    channels = len(window.channels)
    key = np.repeat((day * SECONDS_PER_DAY * users + user) * channels + channel, size) + second * (
        users * channels
    )
    key = np.sort(key[: int(size[: np.searchsorted(user, wanted)].sum())])
    rest, channel = np.divmod(key, channels)
    second, user = np.divmod(rest, users)
    return second, user, channel


def _active_days(rng: Generator, factors: Factors, window: Window) -> BoolArray:
    """Draw the active days of each user, bool [U, D]; at least one each."""
    users = np.arange(len(factors.rate))
    day = np.arange(window.days)
    draw = _persistent_uniform(rng, factors.burstiness, window.days)
    weekday, weekend = day_probabilities(factors.regularity, factors.weekend_preference)
    # Negative where active: the draw falls below the probability.
    margin = draw - np.where(window.weekend, weekend[:, None], weekday[:, None])
    margin[(day < factors.first_day[:, None]) | (day > factors.last_day[:, None])] = np.inf
    active = margin < 0
    active[users, factors.first_day] |= factors.first_day > 0
    active[users, factors.last_day] |= factors.last_day < window.days - 1
    active[users, np.argmin(margin, axis=1)] |= ~active.any(axis=1)
    return active


def day_probabilities(
    regularity: FloatArray, weekend_preference: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Probability of activity on a weekday and on a weekend day, [U] each.

    They are the two whose mean over a week is ``regularity`` and whose log odds differ by
    ``weekend_preference``: with k the ratio of the odds, the weekday's is the root p of 5(k-1) p^2
    + (5 + 2k - 7 regularity (k-1)) p - 7 regularity = 0.

    >>> weekday, weekend = day_probabilities(np.array([0.3]), np.array([1.0]))
    >>> round(float(5 * weekday[0] + 2 * weekend[0]) / 7, 12)
    0.3
    """
    odds_ratio = np.exp(weekend_preference)
    weekdays = DAYS_PER_WEEK - WEEKEND_DAYS
    active_days = DAYS_PER_WEEK * regularity
    a = weekdays * (odds_ratio - 1)
    b = weekdays + WEEKEND_DAYS * odds_ratio - active_days * (odds_ratio - 1)
    # Never negative but by rounding.
    discriminant = np.maximum(b**2 + 4 * a * active_days, 0)
    weekday = 2 * active_days / (b + np.sqrt(discriminant))
    return weekday, odds_ratio * weekday / (1 - weekday + odds_ratio * weekday)


def _persistent_uniform(rng: Generator, persistence: FloatArray, days: int) -> FloatArray:
    """Uniform draws, [U, D], equal to the day before's with probability ``persistence``, [U]."""
    fresh = rng.random((len(persistence), days)) >= persistence[:, None]
    drawn_on = np.maximum.accumulate(np.where(fresh, np.arange(days), 0), axis=1)
    return np.take_along_axis(rng.random(fresh.shape), drawn_on, axis=1)


def _draw_channels(rng: Generator, channel_mix: FloatArray, user: IntArray) -> IntArray:
    """Channel of each session, [K], for the users of the sessions, [K]."""
    users, channels = channel_mix.shape
    # User u's cumulative shares, plus u: one sorted array for all users.
    cumulative = (np.cumsum(channel_mix, axis=1) + np.arange(users)[:, None]).ravel()
    index = np.searchsorted(cumulative, user + rng.random(len(user)), side="right")
    return np.clip(index - user * channels, 0, channels - 1)


def _draw_times(rng: Generator, factors: Factors, user: IntArray) -> tuple[FloatArray, FloatArray]:
    """Begin (second of the day) and length (seconds) of each session, [K] each.

    A session that would cross midnight is moved to end or begin at it: a day's events stay on that
    day.
    """
    hour = (
        factors.preferred_hour[user] + factors.hour_width[user] * rng.normal(size=len(user))
    ) % 24
    length = 60 * np.minimum(rng.exponential(SESSION_MINUTES, len(user)), MAX_SESSION_MINUTES)
    return np.clip(hour * SECONDS_PER_HOUR - length / 2, 0, SECONDS_PER_DAY - length), length
