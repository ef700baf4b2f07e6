"""The factors written beside a simulated log are those that the log follows.

Most tests form per user z = (observed - expected) / standard error, the error from theory, and ask
that the mean of z over users be near 0 and its variance near 1. A session's events go together, so
shares and means over events have a variance greater than over independent ones by the design effect
E[n^2] / E[n] = 2 m - 1 for geometric sizes n of mean m.
"""

import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from habitus.simulate import CHANNELS, simulate
from habitus.simulate.events import day_probabilities

USERS = 30_000
DAYS = 28
START = dt.date(2018, 2, 1)
WEEKEND = np.array([(START + dt.timedelta(days=d)).weekday() >= 5 for d in range(DAYS)])


class Population:
    """Events and factors of a simulated population as arrays."""

    def __init__(self, users, days, seed):
        blocks = list(simulate(users, days, seed, start=START))
        events = [b.events for b in blocks]
        self.user = np.concatenate([e["user_id"].to_numpy() for e in events])
        stamp = np.concatenate([e["timestamp"].to_numpy() for e in events]).astype("datetime64[s]")
        second = (stamp - np.datetime64(START)).astype(np.int64)
        self.day = second // 86400
        self.hour = second % 86400 / 3600
        self.channel = np.concatenate(
            [e["platform"].combine_chunks().indices.to_numpy() for e in events]
        )
        self.factor = {
            name: np.concatenate([b.factors[name].to_numpy(zero_copy_only=False) for b in blocks])
            for name in blocks[0].factors.column_names
        }
        self.count = np.bincount(self.user, minlength=users)
        self.active = np.zeros((users, days), dtype=bool)
        self.active[self.user, self.day] = True

    def __getattr__(self, name):
        return self.factor[name]

    @property
    def events_per_session(self):
        return np.where(self.one_off, self.rate, self.rate**0.2)

    @property
    def whole_window(self):
        """Users whose days are all random: neither joined nor left, some with none."""
        return (self.first_day == 0) & (self.last_day == DAYS - 1) & (self.regularity > 0.3)


@pytest.fixture(scope="module")
def people():
    return Population(USERS, DAYS, seed=11)


def check_standard(z, tolerance=0.15):
    """Mean 0 within five standard errors, variance 1 within the tolerance."""
    assert len(z) > 500
    assert abs(z.mean()) < 5 / np.sqrt(len(z))
    assert abs(z.var() - 1) < tolerance


def test_events_lie_between_first_and_last_day(people):
    assert (people.first_day[people.user] <= people.day).all()
    assert (people.day <= people.last_day[people.user]).all()
    joined = people.first_day > 0
    left = people.last_day < DAYS - 1
    assert people.active[joined, people.first_day[joined]].all()
    assert people.active[left, people.last_day[left]].all()


def test_one_off_users_come_once(people):
    assert (people.active[people.one_off].sum(axis=1) == 1).all()
    assert 0.13 < people.one_off.mean() < 0.17
    hour = people.hour[people.one_off[people.user]]
    user = people.user[people.one_off[people.user]]
    longest = np.zeros(USERS)
    np.maximum.at(longest, user, hour)
    shortest = np.full(USERS, 24.0)
    np.minimum.at(shortest, user, hour)
    assert (longest - shortest)[people.one_off].max() <= 3


def test_channel_shares(people):
    heavy = people.count > 100
    for index, name in enumerate(CHANNELS):
        share = people.factor[f"p_{name}"]
        users = heavy & (np.abs(share - 0.5) < 0.4)
        observed = np.bincount(people.user, people.channel == index, USERS) / people.count
        error = np.sqrt(share * (1 - share) * (2 * people.events_per_session - 1) / people.count)
        check_standard((observed - share)[users] / error[users], tolerance=0.2)


def test_most_users_have_one_or_two_channels(people):
    shares = np.stack([people.factor[f"p_{name}"] for name in CHANNELS], axis=1)
    assert (np.sort(shares, axis=1)[:, -2:].sum(axis=1) > 0.8).mean() > 0.8


def test_preferred_hour_is_the_circular_mean_and_hour_width_its_deviation(people):
    turn = np.exp(2j * np.pi * people.hour / 24)
    resultant = np.bincount(people.user, turn.real, USERS) + 1j * np.bincount(
        people.user, turn.imag, USERS
    )
    # Of a wrapped normal: resultant length rho; variance of sin(angle - mean) is (1 - rho^4) / 2.
    rho = np.exp(-((2 * np.pi * people.hour_width / 24) ** 2) / 2)
    heavy = (people.count > 100) & (people.hour_width < 4)
    off = np.angle(resultant * np.exp(-2j * np.pi * people.preferred_hour / 24))
    error = np.sqrt((1 - rho**4) / 2 * (2 * people.events_per_session - 1) / people.count) / rho
    check_standard(off[heavy] / error[heavy])
    length = np.abs(resultant[heavy]) / people.count[heavy]
    width = np.sqrt(-2 * np.log(length)) * 24 / (2 * np.pi)
    assert abs(np.median(width / people.hour_width[heavy]) - 1) < 0.05


def test_regularity_is_the_share_of_active_days(people):
    users = people.whole_window & (people.burstiness < 0.9)
    surplus = people.active[users].mean(axis=1) - people.regularity[users]
    assert abs(surplus.mean()) < 5 * surplus.std() / np.sqrt(users.sum())


def test_active_days_persist_as_burstiness_says(people):
    # Both days active: yesterday's draw reused and below both probabilities, or two draws below
    # their own.
    u = people.whole_window
    weekday, weekend = day_probabilities(people.regularity[u], people.weekend_preference[u])
    p = np.where(WEEKEND, weekend[:, None], weekday[:, None])
    before = p[:, :-1]
    after = p[:, 1:]
    b = people.burstiness[u][:, None]
    expected = b * np.minimum(before, after) + (1 - b) * before * after
    both = people.active[u][:, :-1] & people.active[u][:, 1:]
    surplus = (both - expected).mean(axis=1)
    assert abs(surplus.mean()) < 4 * surplus.std() / np.sqrt(u.sum())
    assert (both - before * after).mean() > 20 * surplus.std() / np.sqrt(
        u.sum()
    )  # the test would notice b = 0


def test_weekend_days_follow_weekend_preference(people):
    u = people.whole_window
    _, weekend = day_probabilities(people.regularity[u], people.weekend_preference[u])
    order = np.argsort(people.weekend_preference[u])
    observed = people.active[u][:, WEEKEND].mean(axis=1)
    for tenth in np.array_split(order, 10):
        surplus = observed[tenth] - weekend[tenth]
        assert abs(surplus.mean()) < 5 * surplus.std() / np.sqrt(len(tenth))
    share = people.active[u][:, WEEKEND].sum(axis=1) / people.active[u].sum(axis=1)
    assert (np.diff([share[tenth].mean() for tenth in np.array_split(order, 10)]) > 0).all()


def test_rate_is_events_per_active_day(people):
    regular = ~people.one_off
    days = people.active.sum(axis=1)
    m = people.events_per_session
    sessions = people.rate**0.8
    # Events of a day: a sum over 1 + Poisson(sessions - 1) geometric sizes.
    variance = sessions * m * (m - 1) + (sessions - 1) * m**2
    z = (people.count / days - people.rate) / np.sqrt(variance / days)
    check_standard(z[regular & (days >= 5)])


def test_sessions_have_a_geometric_number_of_events(people):
    once = people.one_off & (people.rate > 1.5)
    m = people.rate[once]
    check_standard((people.count[once] - m) / np.sqrt(m * (m - 1)))


def test_rates_are_heavy_tailed(people):
    rate = people.rate[~people.one_off]
    assert rate.max() > 8 * np.median(rate)
    top = np.sort(people.count)[-USERS // 10 :].sum() / people.count.sum()
    assert 0.3 < top < 0.6


def test_events_come_in_clumps(people):
    # Events of an active day by hour, against the Poisson of the same mean: dispersion above 1.
    users = np.flatnonzero((people.rate > 10) & (people.count > 200))[:300]
    chosen = np.isin(people.user, users)
    row = np.searchsorted(users, people.user[chosen])
    hourly = np.zeros((len(users), DAYS, 24), dtype=np.int32)
    np.add.at(hourly, (row, people.day[chosen], people.hour[chosen].astype(int)), 1)
    ratios = []
    for user, days in zip(users, hourly, strict=True):
        counts = days[people.active[user]]
        busy = counts.mean(axis=0) > 0.3
        ratios.append((counts.var(axis=0, ddof=1)[busy] / counts.mean(axis=0)[busy]).mean())
    assert np.nanmean(ratios) > 1.3


def test_a_demo_window_has_55_cells_and_a_hundred_events_per_user():
    people = Population(10_000, 32, seed=0)
    cells = np.unique(
        ((people.user * 32 + people.day) * 24 + people.hour.astype(int)) * 5 + people.channel
    )
    assert 50 < len(cells) / 10_000 < 60
    assert 80 < people.count.mean() < 130
    assert (people.count <= 3).mean() > 0.05


@given(st.floats(0.0, 1.0), st.floats(-8.0, 8.0))
def test_day_probabilities_have_the_mean_and_the_odds_ratio(regularity, preference):
    weekday, weekend = (
        float(p[0]) for p in day_probabilities(np.array([regularity]), np.array([preference]))
    )
    assert -1e-12 <= min(weekday, weekend) <= max(weekday, weekend) <= 1 + 1e-9
    assert (5 * weekday + 2 * weekend) / 7 == pytest.approx(regularity, abs=1e-7)
    assert weekend * (1 - weekday) == pytest.approx(
        np.exp(preference) * weekday * (1 - weekend), abs=1e-5
    )
