"""The area under the curve and its interval against pairs, scikit-learn, and repeated draws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from habitus.evaluation.metrics.auc import Auc, auc, mean_auc

scores = st.lists(st.integers(0, 5).map(float), min_size=1, max_size=12).map(np.array)


@settings(deadline=None)
@given(scores, scores)
def test_value_and_error_against_pairs(high, low):
    """DeLong's variance is that of the shares of pairs won, over each side."""
    wins = (high[:, None] > low) + 0.5 * (high[:, None] == low)
    found = auc(high, low)
    assert found.value == pytest.approx(wins.mean())
    parts = [wins.mean(1), wins.mean(0)]
    variance = sum(part.var(ddof=1) / len(part) if len(part) > 1 else 0 for part in parts)
    assert found.error == pytest.approx(np.sqrt(variance), abs=1e-9)


def test_value_against_scikit_learn():
    rng = np.random.default_rng(0)
    high = rng.normal(1, 1, 300).round(1)
    low = rng.normal(0, 1, 200).round(1)
    truth = roc_auc_score([1] * 300 + [0] * 200, [*high, *low])
    assert auc(high, low).value == pytest.approx(truth)


def test_error_is_the_spread_of_repeated_draws():
    rng = np.random.default_rng(1)
    found = [auc(rng.normal(1, 1, 80), rng.normal(0, 2, 60)) for _ in range(400)]
    assert np.std([each.value for each in found]) == pytest.approx(
        np.mean([each.error for each in found]), rel=0.08
    )


def test_error_with_users_is_the_spread_of_repeated_draws_of_users():
    """Each user has from 1 to 6 profiles that are alike."""
    rng = np.random.default_rng(2)

    def draw(shift, users=40):
        code = np.repeat(np.arange(users), rng.integers(1, 7, users))
        return rng.normal(shift, 1, users)[code] + rng.normal(0, 0.3, len(code)), code

    found = []
    for _ in range(400):
        (high, one) = draw(0.5)
        (low, other) = draw(0)
        found.append((auc(high, low, one, other), auc(high, low)))
    spread = np.std([each.value for each, _ in found])
    assert np.mean([each.error for each, _ in found]) == pytest.approx(spread, rel=0.1)
    assert np.mean([each.error for _, each in found]) < 0.7 * spread, (
        "as if all profiles were of different users"
    )


def test_repeating_every_profile_of_a_user_changes_nothing():
    rng = np.random.default_rng(3)
    high = rng.normal(1, 1, 20)
    low = rng.normal(0, 1, 30)
    users = [np.repeat(np.arange(size), 3) for size in (20, 30)]
    once = auc(high, low)
    thrice = auc(high.repeat(3), low.repeat(3), *users)
    assert (once.value, once.error) == pytest.approx((thrice.value, thrice.error))


def test_intervals_stay_within_0_and_1():
    found = Auc(0.98, 0.02)
    assert found.high == 1
    assert found.to_json("x") == {
        "x": 0.98,
        "x_low": pytest.approx(0.98 - 1.96 * 0.02, abs=1e-5),
        "x_high": 1,
    }
    assert Auc(0.5, 0.1).low == pytest.approx(0.5 - 0.196, abs=1e-4)


def test_mean_of_folds():
    found = mean_auc([Auc(0.4, 0.03), Auc(0.6, 0.04)])
    assert (found.value, found.error) == pytest.approx((0.5, 0.025))
