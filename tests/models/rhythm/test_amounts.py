"""Distributions of a count against scipy's, and draws against them."""

import numpy as np
import pytest
import scipy.stats
import torch
from rhythm_inputs import NOTHING, Numbers, amounts, python

from habitus.models.rhythm.amounts import (
    AMOUNTS,
    LEAST_RATE,
    MOST_RATE,
    BinnedAmount,
    NegativeBinomialAmount,
    PoissonAmount,
)
from habitus.models.rhythm.sampling.day_sampler import amount_arrays
from habitus.models.rhythm.sampling.kernels import counts as kernels


def test_poisson_is_scipys_given_that_it_is_not_zero():
    rates = np.array([0.01, 0.5, 3.0, 40.0])
    x = np.array([1.0, 2.0, 7.0, 35.0])
    ours = PoissonAmount().log_prob(torch.tensor(rates).log()[:, None], NOTHING, torch.tensor(x))
    theirs = scipy.stats.poisson.logpmf(x, rates) - np.log(-np.expm1(-rates))
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)


def test_negative_binomial_is_scipys_given_that_it_is_not_zero():
    rates = np.array([0.3, 2.0, 9.0])
    sizes = np.array([0.4, 1.0, 5.0])
    x = np.array([1.0, 4.0, 30.0])
    p = sizes / (sizes + rates)
    ours = NegativeBinomialAmount().log_prob(
        torch.stack([torch.tensor(rates).log(), torch.tensor(sizes).log()], 1),
        NOTHING,
        torch.tensor(x),
    )
    theirs = scipy.stats.nbinom.logpmf(x, sizes, p) - np.log1p(-scipy.stats.nbinom.pmf(0, sizes, p))
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)


@pytest.mark.parametrize("largest", [0.0, 3.0])
@pytest.mark.parametrize("name", AMOUNTS)
def test_draws_have_the_probabilities(name, largest):
    amount = AMOUNTS[name]()
    draws = 40_000
    before = torch.tensor([largest])
    features = amount.start() + 0.3 * torch.arange(float(amount.features)).cos()
    drawn = amounts(amount, features, largest, draws)
    x = torch.arange(1.0, 6.0)
    expected = amount.log_prob(features.expand(5, -1), before.expand(5), x).exp().double().numpy()
    seen = np.array([(drawn == value).double().mean() for value in x])
    np.testing.assert_allclose(seen, expected, atol=4 * np.sqrt(0.25 / draws))
    assert drawn.min() >= 1


@pytest.mark.parametrize(
    ("rate", "size"), [(0.02, 0.3), (50.0, 0.01), (3.0, 0.05), (60.0, 1.5), (900.0, 140.0)]
)
def test_negative_binomial_draws_have_scipys_distribution(rate, size):
    features = torch.tensor([rate, size]).log()
    draws = 20_000
    drawn = amounts(NegativeBinomialAmount(), features, 0.0, draws).numpy()
    counts = scipy.stats.nbinom(size, size / (size + rate))
    x = np.arange(0, counts.ppf(0.9999) + 1)
    expected = (counts.cdf(x) - counts.pmf(0)) / counts.sf(0)
    seen = np.searchsorted(np.sort(drawn), x, "right") / draws
    assert np.abs(seen - expected).max() < 2 / np.sqrt(draws)  # Kolmogorov: one in three thousand


def test_poisson_draws_have_scipys_distribution():
    for rate in (0.01, 4.0, 2000.0):
        drawn = amounts(PoissonAmount(), torch.tensor([rate]).log(), 0.0, 20_000).numpy()
        x = np.arange(0, scipy.stats.poisson.ppf(0.9999, rate) + 1)
        expected = 1 - scipy.stats.poisson.sf(x, rate) / scipy.stats.poisson.sf(0, rate)
        seen = np.searchsorted(np.sort(drawn), x, "right") / 20_000
        assert np.abs(seen - expected).max() < 2 / np.sqrt(20_000)


def test_bins_hold_every_count_once():
    amount = BinnedAmount()
    x = torch.arange(1.0, 40_000.0)
    p = amount.log_prob(torch.zeros(len(x), amount.features), torch.zeros(len(x)), x).exp().double()
    assert float(p.sum()) == pytest.approx(
        float((amount.last < 40_000).sum()) / amount.bins, abs=0.03
    )


def test_a_new_largest_is_a_habit_of_its_own():
    """With all bins alike, one more nat for those above the largest so far."""
    amount = BinnedAmount()
    x = torch.tensor([1.0, 5.0, 6.0])
    features = torch.zeros(3, amount.features)
    features[:, -1] = 1.0
    log_p = amount.log_prob(features, torch.full((3,), 5.0), x)
    assert log_p[1] == log_p[0]
    assert float(log_p[2] - log_p[0]) == pytest.approx(1, abs=1e-5)


def test_bins_begin_where_the_counts_are():
    amount = BinnedAmount()
    x = torch.tensor([1.0] * 70 + [2.0] * 20 + [30.0] * 10)
    features = amount.seen(x)
    p = amount.log_prob(
        features.expand(3, -1), torch.zeros(3), torch.tensor([1.0, 2.0, 30.0])
    ).exp()
    assert p[0] == pytest.approx(0.7, abs=0.05)
    assert p[1] == pytest.approx(0.2, abs=0.02)
    assert amounts(amount, features, 0.0, 20_000).gt(44).double().mean() < 2e-3


@pytest.mark.parametrize("largest", [0.0, 1.0, 20.0, 250_000.0, 400_000.0])
def test_draws_invert_the_distribution_function_of_bins(largest, monkeypatch):
    """Each bin by a number of its part of the unit interval, and counts within it by another number."""
    amount = BinnedAmount()
    features = torch.arange(float(amount.features)).cos()  # no bin is rare
    widths = amount.last - amount.first + 1
    so_far = torch.full((amount.bins,), largest)
    log_p = amount.log_prob(features.expand(amount.bins, -1), so_far, amount.first) + widths.log()
    bounds = np.cumsum(log_p.exp().double().numpy())
    assert bounds[-1] == pytest.approx(1, abs=1e-5)
    monkeypatch.setattr(kernels, "choose", python(kernels.choose))
    for bin, (first, width) in enumerate(zip(amount.first.tolist(), widths.tolist(), strict=True)):
        middle = (bounds[bin] + (bounds[bin - 1] if bin else 0)) / 2
        for within in (0.0, 0.5, 0.999):
            drawn = python(kernels.draw_binned)(
                features.numpy().copy(), amount_arrays(amount), np.float32(largest),
                Numbers(middle, within), np.zeros(5, np.float32),
            )  # fmt: skip
            assert drawn == first + np.floor(within * width)


@pytest.mark.parametrize("value", [-60.0, -2.0, 0.5, 60.0])
def test_rates_and_sizes_are_those_of_the_loss(value):
    """Also where they are kept within bounds."""
    features = np.float32([value, value])
    rate = np.exp(np.clip(value, np.log(LEAST_RATE), np.log(MOST_RATE)))
    assert kernels.rate_of(features) == pytest.approx(rate)
    assert kernels.size_of(features) == pytest.approx(np.exp(np.clip(value, -5, 5)))
