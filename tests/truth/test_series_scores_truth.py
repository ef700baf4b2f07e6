"""Scores and baselines of series against scipy, statsmodels, brute force and known processes."""

import warnings
from itertools import pairwise

import numpy as np
import pytest
from scipy import integrate, signal, stats

from habitus.evaluation.baselines.base import attempt
from habitus.evaluation.baselines.series import SERIES_BASELINES, arima
from habitus.evaluation.completion.denoising import ValueHistogram, noised, posterior_mean
from habitus.evaluation.metrics.correlations import (
    autocorrelation,
    autocorrelation_mse,
    cross_correlation,
    cross_correlation_mse,
)
from habitus.evaluation.metrics.horizons import horizons
from habitus.evaluation.metrics.marginals import kolmogorov_smirnov, wasserstein
from habitus.evaluation.metrics.transitions import forecast_transitions, transitions

with warnings.catch_warnings():  # of what pandas 3 will drop, as statsmodels is imported
    warnings.simplefilter("ignore")
    from statsmodels.tsa.arima.model import ARIMA
    from statsmodels.tsa.stattools import acf


def algorithm_1(generated, true, step, buckets, low, high):
    """Algorithm 1 of the tDLGM paper by loops over single values."""

    def tally(panel):
        table = np.zeros((buckets, buckets))
        for series in panel:
            for now, later in zip(series[:-step], series[step:], strict=True):
                if not np.isnan(now) and not np.isnan(later):
                    i, j = (
                        min(int((value - low) / (high - low) * buckets), buckets - 1)
                        for value in (now, later)
                    )
                    table[i, j] += 1
        return table

    tm = tally(true)
    gm = tally(generated)
    gm *= tm.sum() / gm.sum()
    cells = [(i, j) for i in range(buckets) for j in range(buckets) if tm[i, j]]
    printed = sum(min(gm[cell], tm[cell]) / tm[cell] for cell in cells) / len(cells)
    return 100 * printed, 100 * sum(min(gm[cell], tm[cell]) for cell in cells) / tm.sum()


def random_panel(seed, lengths, missing=0.1):
    rng = np.random.default_rng(seed)
    panel = [rng.random(length) for length in lengths]
    return [np.where(rng.random(len(each)) < missing, np.nan, each) for each in panel]


@pytest.mark.parametrize(("buckets", "step"), [(1, 1), (5, 1), (7, 3), (50, 2)])
def test_algorithm_1_against_loops(buckets, step):
    generated = random_panel(1, [30, 1, 80])
    true = random_panel(2, [40, 3, 25])
    scores = transitions(
        [each[:, None] for each in generated], [each[:, None] for each in true],
        buckets=buckets, steps=[step], limits=(0, 1),
    )  # fmt: skip
    np.testing.assert_allclose(
        scores[step], algorithm_1(generated, true, step, buckets, 0, 1), rtol=1e-12
    )


def test_algorithm_1_over_the_range_of_the_true_data_and_the_mean_over_variables():
    generated, true = [random_panel(seed, [60, 20], missing=0) for seed in (3, 4)]
    shifted = [
        [np.stack([each, 5 - 3 * each**2], axis=1) for each in panel] for panel in (generated, true)
    ]
    expected = []
    for variable in range(2):
        one, other = ([each[:, variable] for each in panel] for panel in shifted)
        low = np.concatenate(other).min()
        high = np.concatenate(other).max()
        expected.append(
            algorithm_1([np.clip(each, low, high) for each in one], other, 1, 6, low, high)
        )
    np.testing.assert_allclose(
        transitions(*shifted, buckets=6)[1], np.mean(expected, axis=0), rtol=1e-12
    )


def test_weighted_algorithm_1_is_one_less_the_total_variation_distance():
    """Two Markov chains whose joint distributions of neighbours are known."""
    matrices = [np.array([[0.9, 0.1], [0.3, 0.7]]), np.array([[0.5, 0.5], [0.5, 0.5]])]
    joint = [
        np.diag(weights) @ matrix
        for weights, matrix in zip([(0.75, 0.25), (0.5, 0.5)], matrices, strict=True)
    ]
    panels = [chain(matrix, 200_000, seed) for seed, matrix in enumerate(matrices)]
    expected = 100 * (1 - np.abs(joint[0] - joint[1]).sum() / 2)
    score = transitions(panels[1:], panels[:1], buckets=2, limits=(0, 1))[1]
    assert score.weighted == pytest.approx(expected, abs=0.5)
    shares = np.minimum(joint[0], joint[1]) / joint[0]
    assert score.printed == pytest.approx(100 * shares.mean(), abs=0.5)


def chain(matrix, steps, seed):
    """A path of states 0 and 1 with a given transition matrix, [steps, 1]."""
    rng = np.random.default_rng(seed)
    states = [0]
    chances = rng.random(steps)
    for chance in chances[1:]:
        states.append(int(chance < matrix[states[-1], 1]))
    return np.array(states, float)[:, None]


def test_transitions_of_forecasts_against_loops():
    rng = np.random.default_rng(0)
    last = rng.random((40, 1))
    truth = rng.random((40, 6, 1))
    draws = rng.random((40, 7, 6, 1))
    score = forecast_transitions(draws, last, truth, buckets=4, steps=[3], limits=(0, 1))[3]
    true = [np.array([last[o, 0], truth[o, 2, 0]]) for o in range(40)]
    drawn = [np.array([last[o, 0], draws[o, k, 2, 0]]) for o in range(40) for k in range(7)]
    np.testing.assert_allclose(score, algorithm_1(drawn, true, 1, 4, 0, 1), rtol=1e-12)


def test_marginal_distances_against_scipy():
    rng = np.random.default_rng(0)
    one = rng.normal(size=(200, 2))
    other = rng.exponential(size=(300, 2))
    one[:50, 0] = np.nan
    for variable in range(2):
        columns = [each[~np.isnan(each[:, variable]), variable] for each in (one, other)]
        expected = stats.ks_2samp(*columns, method="asymp").statistic
        assert kolmogorov_smirnov([one], [other])[variable] == pytest.approx(expected, abs=1e-12)
        grid = np.linspace(-5, 12, 400_001)
        shares = [
            np.searchsorted(np.sort(column), grid, side="right") / len(column) for column in columns
        ]
        expected = np.abs(shares[0] - shares[1]).sum() * (grid[1] - grid[0])
        assert wasserstein([one], [other])[variable] == pytest.approx(expected, abs=1e-4)


def test_repeated_values_are_equal_after_rounding_to_single_precision():
    values = np.random.default_rng(0).choice([0.0, 0.46, 0.71, 1.0], (500, 1))
    assert kolmogorov_smirnov([values.astype(np.float32)], [values])[0] == 0
    assert transitions([values.astype(np.float32)], [values], buckets=100)[1] == (100, 100)


def test_autocorrelation_of_one_series_against_statsmodels():

    values = np.random.default_rng(0).normal(size=(400, 2)).cumsum(axis=0)
    expected = np.stack(
        [acf(values[:, each], nlags=30, adjusted=True, fft=False) for each in range(2)], axis=1
    )
    np.testing.assert_allclose(autocorrelation([values], 30), expected, rtol=1e-9)


def test_autocorrelation_with_gaps_against_loops():
    panel = [each[:, None] for each in random_panel(5, [40, 4, 30], missing=0.3)]
    values = np.concatenate(panel)
    mean = np.nanmean(values)
    variance = np.nanvar(values)
    for lag in (1, 3, 10):
        products = [
            (each[t, 0] - mean) * (each[t + lag, 0] - mean)
            for each in panel
            for t in range(len(each) - lag)
        ]
        assert autocorrelation(panel, 10)[lag, 0] == pytest.approx(np.nanmean(products) / variance)


def ar_1(phi, series, steps, seed):
    shocks = np.random.default_rng(seed).normal(size=(series, steps + 100))
    return signal.lfilter([1], [1, -phi], shocks, axis=1)[:, 100:, None]


def test_autocorrelation_of_windows_of_an_autoregression():
    """phi^l, also from windows of 12 steps, since the mean is that of the panel."""
    np.testing.assert_allclose(
        autocorrelation(ar_1(0.8, 20_000, 12, 0), 8)[:, 0], 0.8 ** np.arange(9), atol=0.02
    )
    expected = np.mean((0.8 ** np.arange(1, 9) - 0.5 ** np.arange(1, 9)) ** 2)
    found = autocorrelation_mse(ar_1(0.8, 4_000, 50, 1), ar_1(0.5, 4_000, 50, 2), lags=8)
    assert found == pytest.approx(expected, rel=0.05)


def test_cross_correlation_against_numpy():
    values = np.random.default_rng(0).normal(size=(300, 3)) @ [[1, 0.5, 0], [0, 1, 0.3], [0, 0, 1]]
    np.testing.assert_allclose(cross_correlation([values]), np.corrcoef(values.T), atol=1e-12)
    follower = np.concatenate([[0], values[:-1, 0]])
    pair = np.stack([values[:, 0], follower], axis=1)
    assert cross_correlation([pair], lag=1)[0, 1] == pytest.approx(1, abs=0.02)
    assert cross_correlation_mse([values[:, [0, 1]]], [values[:, [0, 2]]]) == pytest.approx(
        (np.corrcoef(values.T)[0, 1] - np.corrcoef(values.T)[0, 2]) ** 2
    )


def test_scores_by_horizon_of_the_true_distribution():
    """Draws of the true normal: coverage 0.9, CRPS s / sqrt(pi), median error s sqrt(2 / pi)."""
    rng = np.random.default_rng(0)
    spread = np.array([1.0, 3.0])[:, None]
    draws = spread * rng.normal(size=(4000, 50, 2, 1))
    truth = spread * rng.normal(size=(4000, 2, 1))
    found = horizons(draws, truth, [1, 2])
    for step, scale in ((1, 1), (2, 3)):
        assert found[step]["crps"] == pytest.approx(scale / np.sqrt(np.pi), rel=0.05)
        assert found[step]["coverage_90"] == pytest.approx(0.9, abs=0.015)
        assert found[step]["mae"] == pytest.approx(scale * np.sqrt(2 / np.pi), rel=0.05)


def test_coverage_of_tied_values_is_that_of_chance():
    rng = np.random.default_rng(1)
    draws = rng.poisson(0.4, (20_000, 9, 1, 1))
    truth = rng.poisson(0.4, (20_000, 1, 1)).astype(float)
    assert horizons(draws.astype(float), truth, [1])[1]["coverage_90"] == pytest.approx(
        0.9, abs=0.01
    )


@pytest.mark.parametrize("probability", [0.3, 1.0])
def test_posterior_mean_of_distinct_values_against_bayes(probability):
    atoms = np.array([0.0, 0.4, 0.5, 1.0])
    weights = np.array([0.2, 0.3, 0.1, 0.4])
    histogram = ValueHistogram(atoms, weights)
    noisy = np.array([0.41, 0.47, 0.9, -0.3])
    likelihood = weights * stats.norm(atoms, 0.1).pdf(noisy[:, None])
    expected = likelihood @ atoms / likelihood.sum(axis=1)
    np.testing.assert_allclose(
        posterior_mean(noisy, histogram, 0.1, probability), expected, rtol=1e-9
    )
    unmodified = posterior_mean(np.array([0.4]), histogram, 0.1, probability)[0]
    if probability < 1:
        assert unmodified == 0.4
    else:
        likelihood = weights * stats.norm(atoms, 0.1).pdf(0.4)
        assert unmodified == pytest.approx(likelihood @ atoms / likelihood.sum())


@pytest.mark.parametrize("limits", [None, (0.0, 1.0)])
def test_posterior_mean_is_the_conditional_mean_of_a_simulation(limits):
    """Mean of the clean values near a noisy value, and at the ends of a clamped range."""
    rng = np.random.default_rng(0)
    clean = rng.choice([0.0, 0.4, 0.5, 1.0], 400_000, p=[0.2, 0.3, 0.1, 0.4])
    noisy = noised(clean, 0.6, 0.3, rng, limits)
    estimate = posterior_mean(noisy, ValueHistogram.of(clean), 0.3, 0.6, limits)
    edges = [-2, 0, 1e-9, 0.3, 0.45, 0.6, 0.8, 1 - 1e-9, 1, 3]
    for low, high in pairwise(edges):
        near = (noisy >= low) & (noisy <= high)
        if near.sum() > 1_000:
            assert estimate[near].mean() == pytest.approx(clean[near].mean(), abs=0.01), (low, high)


@pytest.mark.parametrize("probability", [0.4, 1.0])
def test_posterior_mean_of_a_continuous_value_by_integration(probability):
    """A normal prior with noise of a known size; the histogram sees 200,000 draws of it."""
    values = np.random.default_rng(0).normal(1.0, 2.0, 200_000)
    noisy = np.array([-2.0, 0.5, 3.0])
    sigma = 0.8
    expected = []
    for y in noisy:
        integrand = [
            integrate.quad(
                lambda x, k=k, y=y: x**k * stats.norm(1, 2).pdf(x) * stats.norm(x, sigma).pdf(y),
                -15,
                15,
            )[0]
            for k in (0, 1)
        ]
        kept = (1 - probability) * stats.norm(1, 2).pdf(y)
        expected.append(
            (kept * y + probability * integrand[1]) / (kept + probability * integrand[0])
        )
    found = posterior_mean(noisy, ValueHistogram.of(values), sigma, probability)
    np.testing.assert_allclose(found, expected, atol=0.03)


def test_markov_chain_recovers_a_known_transition_matrix():
    matrix = np.array([[0.9, 0.1], [0.3, 0.7]])
    baseline = SERIES_BASELINES["markov_chain"]([chain(matrix, 50_000, 0)], seed=0)
    paths = baseline.generate(200, 500)[..., 0].astype(int)
    found = np.zeros((2, 2))
    np.add.at(found, (paths[:, :-1], paths[:, 1:]), 1)
    np.testing.assert_allclose(found / found.sum(axis=1, keepdims=True), matrix, atol=0.01)
    ahead = baseline.forecast([np.array([[1.0]])], 4, 20_000)[0, :, 3, 0]
    assert ahead.mean() == pytest.approx(np.linalg.matrix_power(matrix, 4)[1, 1], abs=0.02)


def test_arima_forecasts_an_autoregression():
    """Mean phi^h x and variance sum of phi^(2 j), from a fit of the right order or a larger one."""
    train = 5 + ar_1(0.8, 1, 2_000, 3)[0]
    baseline = SERIES_BASELINES["arima"]([train], seed=0)
    past = train[:500]
    draws = baseline.forecast([past], 12, 20_000)[0, :, :, 0]
    ahead = np.arange(1, 13)
    np.testing.assert_allclose(draws.mean(axis=0), 5 + 0.8**ahead * (past[-1, 0] - 5), atol=0.35)
    np.testing.assert_allclose(draws.var(axis=0), (1 - 0.64**ahead) / 0.36, rtol=0.15)


def test_arima_simulates_as_statsmodels_forecasts():
    """The same parameters, every order: mean and variance of the forecast from the same past."""
    rng = np.random.default_rng(0)
    values = signal.lfilter([1, 0.5], [1, -0.6], rng.normal(size=600)) + 2
    for order in arima.ORDERS:
        fitted = attempt(lambda order=order: arima._fit(values, order))[1]
        model = ARIMA(values, order=order, trend="n" if order[1] else "c")
        names = {"const": fitted.mean, "sigma2": fitted.sigma**2}
        names |= {f"ar.L{i + 1}": each for i, each in enumerate(fitted.ar)}
        names |= {f"ma.L{i + 1}": each for i, each in enumerate(fitted.ma)}
        expected = model.filter([names[name] for name in model.param_names]).get_forecast(8)
        draws = fitted.simulate(values[None, -200:], 8, 40_000, rng)[0]
        deviation = np.sqrt(expected.var_pred_mean)
        np.testing.assert_allclose(
            (draws.mean(axis=0) - expected.predicted_mean) / deviation, 0, atol=0.03
        )
        np.testing.assert_allclose(draws.std(axis=0), deviation, rtol=0.03)


def test_seasonal_naive_on_a_noisy_season():
    """The residual of season + noise of deviation s has deviation s sqrt(2) at every horizon."""
    rng = np.random.default_rng(0)
    season = 10 * np.sin(np.arange(2400) * 2 * np.pi / 12)
    train = (season + rng.normal(size=2400))[:, None]
    baseline = SERIES_BASELINES["seasonal_naive"]([train], seed=0)
    assert baseline.memory % 12 == 0
    draws = baseline.forecast([train], 30, 4_000)[0, :, :, 0]
    deviation = np.sqrt(2)
    last = train[-baseline.memory :, 0]
    np.testing.assert_allclose(draws.mean(axis=0), np.resize(last, 30), atol=0.25)
    np.testing.assert_allclose(draws.std(axis=0), deviation, rtol=0.1)


def test_block_bootstrap_keeps_neighbours_and_geometric_blocks():
    train = np.arange(8_000.0)[:, None]
    paths = SERIES_BASELINES["block_bootstrap"]([train], seed=0).generate(50, 2_000)[..., 0]
    assert np.mean(np.diff(paths, axis=1) == 1) == pytest.approx(1 - 1 / 20, abs=0.005)


def test_independent_draws_have_the_histogram_and_no_memory():
    train = ar_1(0.9, 1, 5_000, 0)[0]
    paths = SERIES_BASELINES["independent"]([train], seed=0).generate(100, 400)
    assert kolmogorov_smirnov(paths, [train])[0] < 0.01
    np.testing.assert_allclose(autocorrelation(paths, 5)[1:, 0], 0, atol=0.02)
