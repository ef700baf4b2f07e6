"""Population-level statistics against scipy and hand-computed values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.special import rel_entr
from scipy.stats import ks_2samp

from habitus.evaluation.metrics import distances
from habitus.evaluation.metrics.distances import (
    jensen_shannon,
    kl_divergence,
    kolmogorov_distance,
    mean_squared_error,
)
from habitus.evaluation.metrics.totals import daily_mean, daily_std, total_cdf


def test_kl_by_hand():
    """P = (1/2, 1/4, 1/4), Q = (1/4, 1/4, 1/2): 1/2 ln 2 + 0 - 1/4 ln 2; sums of 4, 8."""
    assert kl_divergence(np.array([2.0, 1.0, 1.0]), np.array([2.0, 2.0, 4.0])) == pytest.approx(
        np.log(2) / 4
    )


def test_kl_is_directed():
    sure = np.array([1.0, 0.0])
    even = np.array([1.0, 1.0])
    assert kl_divergence(sure, even) == pytest.approx(np.log(2))
    assert kl_divergence(even, sure) == float("inf")


def test_kl_of_zeros():
    zeros = np.zeros(3)
    ones = np.ones(3)
    assert kl_divergence(zeros, zeros) == 0
    assert kl_divergence(zeros, ones) == kl_divergence(ones, zeros) == float("inf")


@given(
    st.lists(st.tuples(st.floats(0, 1e6), st.floats(0.001, 1e6)), min_size=1, max_size=40).filter(
        lambda pairs: sum(p for p, _ in pairs) > 1e-3
    )
)
def test_kl_against_scipy(pairs):
    p, q = np.array(pairs).T
    expected = rel_entr(p / p.sum(), q / q.sum()).sum()
    assert kl_divergence(p, q) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_mse_by_hand():
    assert mean_squared_error(
        np.array([1.0, 2.0, 3.0]), np.array([1.0, 4.0, 2.0])
    ) == pytest.approx(5 / 3)


def test_daily_curves_by_hand():
    totals = np.array([[0, 1], [2, 1], [4, 4]], np.float32)
    np.testing.assert_allclose(daily_mean(totals), [2, 2])
    np.testing.assert_allclose(daily_std(totals), [np.sqrt(8 / 3), np.sqrt(2)])


def test_daily_curves_of_many_users_do_not_lose_digits():
    totals = np.full((300_000, 2), 1000.1, np.float32)
    np.testing.assert_allclose(daily_mean(totals), float(np.float32(1000.1)), rtol=1e-12)
    np.testing.assert_allclose(daily_std(totals), 0, atol=1e-9)


values = st.lists(st.integers(0, 6).map(lambda k: k / 3), min_size=1, max_size=60)


@pytest.mark.filterwarnings(
    "ignore:divide by zero"
)  # scipy's p-value of a single value, not used here
@settings(deadline=None)
@given(values, values, st.sampled_from([1, 3, 1 << 20]))
def test_ks_against_scipy(first, second, step):
    first = np.array(first, np.float32)
    second = np.array(second, np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distances, "_STEP", step)
        distance = kolmogorov_distance(first, second)
    assert distance == pytest.approx(ks_2samp(first, second, method="asymp").statistic, abs=1e-15)


def test_ks_of_continuous_values():
    rng = np.random.default_rng(0)
    first = rng.normal(size=(400, 3))
    second = rng.normal(0.2, 1.3, size=(250, 3))
    assert kolmogorov_distance(first, second) == pytest.approx(
        ks_2samp(first.ravel(), second.ravel()).statistic
    )


def test_ks_of_nothing():
    with pytest.raises(ValueError, match="values on both sides"):
        kolmogorov_distance(np.zeros(0), np.zeros(2))


def test_cdf_is_over_user_days():
    totals = np.random.default_rng(0).integers(0, 5, (20, 3)).astype(np.float32)
    points = np.arange(-1, 6)
    np.testing.assert_allclose(
        total_cdf(totals, points), [(totals <= point).mean() for point in points]
    )


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 10)), min_size=2, max_size=20))
def test_jensen_shannon_against_scipy(pairs):
    first, second = (np.array(curve) + np.eye(len(pairs))[0] for curve in zip(*pairs, strict=True))
    assert jensen_shannon(first, second) == pytest.approx(
        jensenshannon(first, second) ** 2, abs=1e-9
    )


def test_jensen_shannon_of_nothing():
    zero = np.zeros(3)
    one = np.ones(3)
    assert jensen_shannon(zero, zero) == 0
    assert jensen_shannon(zero, one) == pytest.approx(np.log(2))
