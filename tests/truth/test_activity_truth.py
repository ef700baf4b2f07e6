"""DAU, WAU, MAU against a brute-force loop; the zero threshold against exhaustive search."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from habitus.evaluation.metrics.active_users import ACTIVITIES, active_users, relative_error
from habitus.synthesis.zero_threshold import (
    fit_zero_threshold,
    fit_zero_threshold_of_active,
)


def brute_force(profiles, window):
    """Count user by user and day by day, from whole profiles."""
    users, days = profiles.shape[:2]
    shares = []
    for day in range(days):
        count = 0
        for user in range(users):
            if any(profiles[user, d].any() for d in range(max(0, day - window + 1), day + 1)):
                count += 1
        shares.append(count / users)
    return shares


profiles = st.tuples(st.integers(1, 6), st.integers(1, 40), st.just(3)).flatmap(
    lambda shape: arrays(np.int8, shape, elements=st.sampled_from([0, 0, 0, 0, 0, 0, 0, 0, 0, 1]))
)


@settings(deadline=None)
@given(profiles, st.sampled_from([1, 2, 7, 30]))
def test_active_users_against_brute_force(profiles, window):
    np.testing.assert_allclose(
        active_users(profiles.any(axis=2), window), brute_force(profiles, window)
    )


def test_first_values_equal_dau():
    active = np.random.default_rng(0).random((50, 32)) < 0.1
    daily, weekly, monthly = (active_users(active, activity.window) for activity in ACTIVITIES)
    assert daily[0] == weekly[0] == monthly[0] == active[:, 0].mean()
    assert weekly[6] == active[:, :7].any(axis=1).mean()
    assert monthly[29] == active[:, :30].any(axis=1).mean()
    assert [activity.first_day for activity in ACTIVITIES] == [0, 6, 29]


def test_window_of_no_day():
    with pytest.raises(ValueError, match="at least 1 day"):
        active_users(np.ones((1, 1), bool), 0)


def test_relative_error_by_hand():
    generated = np.array([9.0, 0.2, 0.5])
    reference = np.array([0.0, 0.4, 0.4])
    assert relative_error(generated, reference, first_day=1) == pytest.approx(0.15 / 0.4)
    assert relative_error(generated, reference, first_day=3) is None
    assert relative_error(np.zeros(2), np.zeros(2)) == 0
    assert relative_error(np.ones(2), np.zeros(2)) == float("inf")


def objective(threshold, reference, maxima):
    return float(np.sum(((maxima > threshold).mean(axis=0) - reference) ** 2))


cases = st.tuples(st.integers(1, 12), st.integers(1, 5)).flatmap(
    lambda shape: st.tuples(
        arrays(np.float64, shape[1], elements=st.floats(0, 1)),
        arrays(
            np.float32, shape, elements=st.integers(0, 7).map(lambda k: k / 10), fill=st.nothing()
        ),
    )
)


@settings(deadline=None)
@given(cases)
def test_threshold_against_exhaustive_search(case):
    """With few distinct values there are many ties, within a day and between days."""
    reference, maxima = case
    candidates = np.append(np.float32(0), np.unique(maxima))
    best = min(objective(candidate, reference, maxima) for candidate in candidates)
    found = fit_zero_threshold(reference, maxima)
    assert found in candidates
    assert objective(found, reference, maxima) == pytest.approx(best, abs=1e-12)


def test_threshold_against_a_fine_grid():
    rng = np.random.default_rng(0)
    maxima = rng.beta(0.5, 2, (2000, 6)).astype(np.float32)
    reference = rng.uniform(0.2, 0.4, 6)
    found = objective(fit_zero_threshold(reference, maxima), reference, maxima)
    grid = min(objective(np.float32(t), reference, maxima) for t in np.linspace(0, 1, 2001))
    assert 0 <= grid - found < 1e-4


def test_threshold_recovers_the_one_that_made_the_reference():
    maxima = np.random.default_rng(0).random((500, 4), np.float32)
    threshold = float(maxima[7, 2])
    reference = (maxima > threshold).mean(axis=0)
    assert fit_zero_threshold(reference, maxima) == threshold


@pytest.mark.parametrize(("share", "threshold"), [(1.0, 0.0), (0.0, 0.5)])
def test_threshold_at_the_ends(share, threshold):
    """Exact zeros need no threshold; a reference without active users needs the largest value."""
    maxima = np.array([[0.0], [0.25], [0.5]], np.float32)
    assert fit_zero_threshold(np.array([share]), maxima) == threshold


def objective_of_active(threshold, reference, maxima):
    members = maxima[(maxima > threshold).any(axis=1)]
    return objective(threshold, reference, members) if len(members) else float("inf")


@settings(deadline=None)
@given(cases)
def test_threshold_of_active_users_against_exhaustive_search(case):
    reference, maxima = case
    candidates = np.append(np.float32(0), np.unique(maxima))
    best = min(objective_of_active(candidate, reference, maxima) for candidate in candidates)
    found = fit_zero_threshold_of_active(reference, maxima)
    assert found in candidates
    if np.isfinite(best):
        assert objective_of_active(found, reference, maxima) == pytest.approx(best, abs=1e-9)


def test_threshold_of_unlike_days():
    with pytest.raises(ValueError, match="2 days, got 3 users and 1 days"):
        fit_zero_threshold(np.zeros(2), np.zeros((3, 1), np.float32))
