"""History of users, by loops, and of all days at once against one day after another."""

import numpy as np
import pytest
import torch
from rhythm_inputs import NOTHING, counts, noise

from habitus.models.rhythm.history.all_days import history_of_days
from habitus.models.rhythm.history.balance import balanced_pairs
from habitus.models.rhythm.history.features import DayHistory
from habitus.models.rhythm.sampling import RunningHistory


def flat(features: torch.Tensor, past: DayHistory) -> list[torch.Tensor]:
    return [features, *past[:-1], *past.balance]


def test_against_loops():
    x = counts(3, 10, 4, 2)
    history = RunningHistory(3, 4, 2, torch.tensor([[1, 0]]))
    for day in range(10):
        history.add_day(x[:, day])
    active = (x > 0).any(-1)
    arrays = history.arrays
    for user in range(3):
        for slot in range(4):
            assert arrays.slot_days[user, slot] == sum(
                bool(active[user, d, slot]) for d in range(10)
            )
            assert arrays.slot_days_by_weekday[user, 3, slot] == sum(
                bool(active[user, d, slot]) for d in (3,)
            )
            assert arrays.slot_days_by_weekday[user, 1, slot] == sum(
                bool(active[user, d, slot]) for d in (1, 8)
            )
        assert arrays.now[user, 0] == x[user, ..., 1].sum() - x[user, ..., 0].sum()
        walk = (x[user, ..., 1] - x[user, ..., 0]).flatten().cumsum(0)
        assert arrays.lowest[user, 0] == min(0, walk.min())
        assert arrays.highest[user, 0] == max(0, walk.max())
        days = active[user].any(-1).nonzero()[:, 0]
        assert arrays.silence[user] == 9 - (int(days.max()) if len(days) else -1)
        assert arrays.active_by_weekday[user, 1] == sum(bool(active[user, d].any()) for d in (1, 8))
        assert arrays.most_slots[user] == active[user].sum(1).max()
        assert np.array_equal(arrays.largest[user], x[user].amax((0, 1)))
        assert np.array_equal(arrays.ones[user], (x[user] == 1).sum((0, 1)))
        pattern = "".join(str(int(day.any())) for day in active[user])
        assert arrays.run[user] == len(pattern) - len(pattern.rstrip("1"))
        runs = pattern.split("0")
        gaps = pattern.lstrip("0").split("1")
        assert arrays.longest[user].tolist() == [max(map(len, gaps)), max(map(len, runs))]


@pytest.mark.parametrize("days", [1, 6, 7, 8, 40])
@pytest.mark.parametrize("share", [1.0, 0.6])
def test_all_days_at_once_are_those_of_one_after_another(days, share):
    x = counts(5, days, 4, 3, rate=0.15)
    pairs = torch.tensor([[1, 0], [2, 1]])
    observed = torch.rand(5, days, generator=noise()) < share
    history = RunningHistory(5, 4, 3, pairs)
    (features, past) = history_of_days(x, pairs, observed)
    everybody = torch.arange(5)
    for day in range(days):
        torch.testing.assert_close(features[:, day], history.features)
        found = past.of((everybody, torch.full_like(everybody, day)))
        for one, other in zip(
            flat(NOTHING, found), flat(NOTHING, history.of_users(everybody)), strict=True
        ):
            torch.testing.assert_close(one, other)
        history.add_day(x[:, day], observed[:, day])
    torch.testing.assert_close(features[:, days], history.features)


def test_nothing_is_known_of_the_day_itself():
    x = counts(2, 6, 4, 2)
    pairs = torch.tensor([[1, 0]])
    other = x.clone()
    other[:, 3:] = counts(2, 3, 4, 2, seed=5)
    observed = torch.ones(2, 6, dtype=torch.bool)
    found = [flat(*history_of_days(each, pairs, observed)) for each in (x, other)]
    for one, two in zip(*found, strict=True):
        assert torch.equal(one[:, :4], two[:, :4])
        assert not torch.equal(one[:, 4:], two[:, 4:])


def test_repeated_is_the_same_for_every_copy():
    history = RunningHistory(3, 4, 2, torch.tensor([[1, 0]]))
    history.add_day(counts(3, 4, 2))
    again = history.repeated(2)
    assert torch.equal(again.features, torch.cat([history.features] * 2))
    pasts = again.of_users(torch.arange(6)), history.of_users(torch.arange(3))
    for one, two in zip(*(flat(again.features, past) for past in pasts), strict=True):
        assert torch.equal(one, two if len(two) == 6 else torch.cat([two] * 2))


def test_pairs_that_balance_are_found():
    rng = np.random.default_rng(0)
    joins = rng.poisson(6, 500)
    totals = np.stack(
        [rng.poisson(6, 500), joins, joins + rng.integers(-1, 2, 500), rng.poisson(9, 500)], 1
    )
    assert balanced_pairs(torch.from_numpy(totals).float(), 3).tolist() == [
        [2, 1],
        [0, 0],
        [0, 0],
    ]
