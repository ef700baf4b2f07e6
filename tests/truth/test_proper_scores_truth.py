"""Proper scores against closed forms, brute force and simulation."""

import numpy as np
import pytest
from scipy import integrate, stats

from habitus.evaluation.metrics.proper_scores import crps, pit


def brute_force(draws, y):
    k = len(draws)
    spread = sum(abs(a - b) for a in draws for b in draws) / (2 * k * (k - 1)) if k > 1 else 0.0
    return sum(abs(a - y) for a in draws) / k - spread


@pytest.mark.parametrize("samples", [1, 2, 3, 7, 20])
def test_crps_against_a_double_loop(samples):
    rng = np.random.default_rng(samples)
    draws = rng.poisson(1.0, (samples, 30)).astype(float)
    truth = rng.poisson(1.0, 30).astype(float)
    expected = [brute_force(draws[:, cell], truth[cell]) for cell in range(30)]
    np.testing.assert_allclose(crps(np.sort(draws, axis=0), truth), expected, atol=1e-12)


def test_crps_of_a_normal_in_closed_form():
    """Gneiting and Raftery 2007, eq. 5: s (z (2 F(z) - 1) + 2 f(z) - 1 / sqrt(pi))."""
    mean = 1.0
    spread = 2.0
    truth = np.array([-2.0, 0.5, 4.0])
    draws = stats.norm(mean, spread).rvs((40_000, 1), random_state=0)
    z = (truth - mean) / spread
    expected = spread * (
        z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - 1 / np.sqrt(np.pi)
    )
    np.testing.assert_allclose(crps(np.sort(draws, axis=0), truth), expected, atol=0.02)


def test_crps_is_fair():
    """Mean over few draws against the integral of the squared difference of the distributions."""
    draws = np.random.default_rng(0).exponential(size=(3, 200_000))
    expected = integrate.quad(lambda x: (stats.expon.cdf(x) - (x >= 1)) ** 2, 0, 30, points=[1])[0]
    assert crps(np.sort(draws, axis=0), np.ones(200_000)).mean() == pytest.approx(
        expected, abs=0.005
    )


def zero_inflated(rng, size):
    return rng.poisson(2.0, size) * (rng.random(size) < 0.4)


@pytest.mark.parametrize("samples", [1, 5, 20, 50])
def test_pit_is_uniform_whatever_the_atoms_and_draws(samples):
    rng = np.random.default_rng(samples)
    ranks = pit(zero_inflated(rng, (samples, 20_000)), zero_inflated(rng, 20_000), rng)
    assert stats.kstest(ranks, "uniform").pvalue > 0.001


def test_pit_of_values_that_differ_by_rounding_alone():
    """Thirds added in another order; were they different, the rank would be 0 or 1 throughout."""
    thirds = np.array([1, 2, 4], np.float32) / np.float32(3)
    draws = np.full((9, 4000), thirds[::-1].sum(dtype=np.float64))
    truth = np.full(4000, thirds.sum(dtype=np.float64))
    ranks = pit(draws + 1e-7, truth, np.random.default_rng(0))
    assert stats.kstest(ranks, "uniform").pvalue > 0.001


def test_pit_by_hand():
    """One draw below, two equal, one above: between 1/5 and 4/5."""
    ranks = pit(
        np.repeat([[0.0], [1.0], [1.0], [3.0]], 5000, axis=1),
        np.ones(5000),
        np.random.default_rng(0),
    )
    assert (ranks.min(), ranks.max()) == pytest.approx((0.2, 0.8), abs=0.001)
