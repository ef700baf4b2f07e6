"""The calls that score a file of series, and the panels that they stand on."""

import json

import numpy as np
import pytest
from scipy import signal

from habitus.evaluation.completion.denoising import (
    noised,
    reconstruction_error,
    sigma_of,
)
from habitus.evaluation.evaluate_series import (
    evaluate_cleaned,
    evaluate_forecast,
    evaluate_generated,
)
from habitus.evaluation.metrics.horizons import horizons
from habitus.evaluation.metrics.transitions import forecast_transitions, transitions
from habitus.evaluation.panels import Stack, carried_forward, complete_windows

BASELINE_NAMES = {"independent", "markov_chain", "block_bootstrap", "seasonal_naive", "arima"}


def walk(seed, steps=1_000, variables=1, phi=0.9):
    shocks = np.random.default_rng(seed).normal(size=(steps, variables))
    return signal.lfilter([1], [1, -phi], shocks, axis=0)


def test_generated_series_beside_baselines_and_floor():
    found = evaluate_generated([walk(0)], [walk(1)], [walk(2)], buckets=10, steps=[1, 3], seed=0)
    json.dumps(found, allow_nan=False)
    keys = {"transitions", "marginal", "autocorrelation", "cross_correlation"}
    assert set(found) == keys | {"baselines", "floor"}
    assert set(found["baselines"]) == BASELINE_NAMES
    assert all(set(scores) == keys for scores in [found["floor"], *found["baselines"].values()])
    assert set(found["transitions"]["by_step"]) == {"1", "3"}
    score = transitions([walk(2)], [walk(1)], buckets=10, steps=[1, 3])
    assert found["floor"]["transitions"]["weighted"] == pytest.approx(
        np.mean([each[1] for each in score.values()])
    )
    assert (
        found["baselines"]["independent"]["autocorrelation"]["mse"]
        > 5 * found["autocorrelation"]["mse"]
    )
    assert found["cross_correlation"]["mse"] is None


def test_without_training_series_the_floor_is_half_against_half():
    found = evaluate_generated(
        [walk(0, variables=2)], [walk(1, variables=2)], buckets=5, baselines=["independent"]
    )
    assert set(found["baselines"]) == {"independent"}
    assert found["floor"]["transitions"]["weighted"] > 80
    assert found["cross_correlation"]["mse"] < 0.05
    windows = [walk(seed, steps=6) for seed in range(60)]
    floor = evaluate_generated(windows, windows, baselines=())["floor"]
    expected = transitions(windows[::2], windows[1::2])[1]
    assert floor["transitions"]["printed"] == pytest.approx(expected.printed)


def test_cleaned_series_beside_identity_and_the_posterior_mean():
    rng = np.random.default_rng(0)
    clean = rng.choice([0.0, 0.5, 1.0], (2_000, 1))
    noisy = noised(clean, 0.5, 0.2, rng)
    noisy[100:150] = np.nan
    cleaned = np.where(np.isnan(noisy), 0.5, np.round(2 * noisy) / 2)
    found = evaluate_cleaned([cleaned], [clean], [noisy], [rng.choice([0.0, 0.5, 1.0], (5_000, 1))])
    json.dumps(found, allow_nan=False)
    assert found["reconstruction"]["mse"] == pytest.approx(np.square(cleaned - clean).mean())
    assert found["reconstruction"]["mse_gaps"] == pytest.approx(
        np.square(0.5 - clean[100:150]).mean()
    )
    baselines = {name: each["reconstruction"] for name, each in found["baselines"].items()}
    outside = np.r_[0:100, 150:2_000]
    identity = np.concatenate([noisy[outside], np.repeat(noisy[99:100], 50, axis=0)])
    assert baselines["identity"]["mse"] == pytest.approx(
        np.square(identity - np.concatenate([clean[outside], clean[100:150]])).mean()
    )
    assert baselines["posterior_mean"]["mse"] < min(
        baselines["identity"]["mse"], found["reconstruction"]["mse"]
    )
    scores = evaluate_cleaned([cleaned], [clean], [noisy], sigma=0.2, probability=0.5)
    assert scores["baselines"]["posterior_mean"]["reconstruction"]["mse"] == pytest.approx(
        baselines["posterior_mean"]["mse"], rel=0.1
    )


def test_what_is_not_noisy_at_all():
    clean = walk(0, steps=50)
    found = evaluate_cleaned([clean], [clean], [clean])
    assert found["reconstruction"] == {"mse": 0, "mse_gaps": None}
    assert found["baselines"]["posterior_mean"]["reconstruction"] == {"mse": 0, "mse_gaps": None}


def test_forecasts_beside_baselines():
    series = walk(3, steps=1_400)
    rng = np.random.default_rng(0)
    ends = np.arange(1_000, 1_380, 4)
    pasts = [series[:end] for end in ends]
    truth = np.stack([series[end : end + 8] for end in ends])
    draws = np.empty((len(ends), 60, 8, 1))
    value = np.repeat(series[ends - 1][:, None], 60, axis=1)
    for step in range(8):
        value = 0.9 * value + rng.normal(size=value.shape)
        draws[:, :, step] = value
    found = evaluate_forecast(draws, truth, pasts, [series[:1_000]], steps=[1, 6, 24], buckets=8)
    json.dumps(found, allow_nan=False)
    assert set(found["horizon"]) == {"1", "6"}
    assert found["horizon"]["6"] == horizons(draws, truth, [1, 6])[6]
    last = np.stack([past[-1] for past in pasts])
    assert found["transitions"]["by_step"]["6"]["weighted"] == pytest.approx(
        forecast_transitions(draws, last, truth, steps=[6], buckets=8)[6].weighted
    )
    crps = {name: each["horizon"]["1"]["crps"] for name, each in found["baselines"].items()}
    assert set(crps) == BASELINE_NAMES
    ours = found["horizon"]["1"]["crps"]
    assert ours < 0.6 * crps["independent"]
    assert crps["arima"] == pytest.approx(ours, rel=0.1)
    assert crps["markov_chain"] == pytest.approx(ours, rel=0.15)
    assert crps["seasonal_naive"] == pytest.approx(ours, rel=0.25)


def test_the_unit_of_forecasts_can_be_set_for_each_variable():
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(20, 9, 2, 2))
    truth = rng.normal(size=(20, 2, 2))
    unit = np.array([1.0, 1000.0])
    plain = horizons(draws, truth, [2])
    scaled = horizons(draws * unit, truth * unit, [2], scale=unit)
    assert scaled[2] == pytest.approx(plain[2])


def test_unknown_truths_are_left_out():
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(20, 9, 2, 1))
    truth = rng.normal(size=(20, 2, 1))
    truth[5:] = np.nan
    assert horizons(draws, truth, [1])[1]["mae"] == horizons(draws[:5], truth[:5], [1])[1]["mae"]
    assert np.isnan(horizons(draws, np.full_like(truth, np.nan), [2])[2]["crps"])


def test_gaps_are_carried_forward_inside_each_series():
    nan = np.nan
    panel = [np.array([[nan, 1], [2, nan], [nan, nan]]), np.array([[nan, nan], [nan, 5.0]])]
    filled = carried_forward(Stack.of(panel)).values
    np.testing.assert_array_equal(filled, [[2, 1], [2, 1], [2, 1], [2, 5], [2, 5]])


def test_complete_windows_skip_gaps_and_borders():
    panel = [np.arange(5.0)[:, None], 10 + np.arange(6.0)[:, None]]
    panel[1][2] = np.nan
    np.testing.assert_array_equal(
        complete_windows(panel, 3)[..., 0], [[0, 1, 2], [1, 2, 3], [2, 3, 4], [13, 14, 15]]
    )  # fmt: skip
    few = complete_windows(panel, 3, most=2, seed=1)
    assert few.shape == (2, 3, 1)
    with pytest.raises(ValueError, match="shorten the window"):
        complete_windows(panel, 7)


def test_reconstruction_of_a_panel():
    clean = [np.array([[0.0], [1.0], [np.nan]])]
    noisy = [np.array([[0.5], [1.0], [7.0]])]
    cleaned = [np.array([[0.1], [0.8], [3.0]])]
    found = evaluate_cleaned(cleaned, clean, noisy)
    assert found["reconstruction"]["mse"] == pytest.approx(0.025)
    assert found["baselines"]["identity"]["reconstruction"]["mse"] == pytest.approx(0.125)


def test_both_readings_of_a_noise_level():
    assert sigma_of(0.04, "variance") == pytest.approx(0.2)
    assert sigma_of(0.04, "standard deviation") == 0.04
    values = noised(np.zeros(100_000), 0.25, 2.0, np.random.default_rng(0))
    assert np.mean(values != 0) == pytest.approx(0.25, abs=0.01)
    assert values[values != 0].std() == pytest.approx(2, rel=0.02)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: transitions([], [walk(0)]), "expected a panel"),
        (lambda: transitions([walk(0)], [walk(0, variables=2)]), "same variables"),
        (lambda: transitions([walk(0)], [walk(0)], buckets=0), "buckets"),
        (lambda: transitions([walk(0)], [walk(0)], limits=(1, 0)), "limits"),
        (lambda: transitions([walk(0)], [walk(0)], steps=[0]), "steps forward"),
        (lambda: transitions([walk(0)], [np.full((5, 1), np.nan)]), "at least one observed"),
        (lambda: transitions([np.zeros((0, 1))], [walk(0)]), "at least one row"),
        (lambda: horizons(np.zeros((2, 3, 4, 1)), np.zeros((2, 5, 1)), [1]), "expected draws"),
        (lambda: horizons(np.zeros((2, 3, 4, 1)), np.zeros((2, 4, 1)), [5]), "steps forward"),
        (lambda: sigma_of(0.1, "deviation"), "reading must be"),
        (lambda: sigma_of(-0.1, "variance"), "negative"),
        (lambda: reconstruction_error([walk(0)], [walk(0, steps=9)]), "the same series"),
        (
            lambda: reconstruction_error([np.full((3, 1), np.nan)], [np.zeros((3, 1))]),
            "an estimate",
        ),
        (
            lambda: evaluate_forecast(np.zeros((2, 3, 4, 1)), np.zeros((2, 4, 1)), [walk(0)]),
            "2 pasts",
        ),
        (
            lambda: evaluate_generated([walk(0)], [walk(0, steps=1)], baselines=()),
            "training series",
        ),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_true_panel_too_short_for_the_step_has_no_score():
    score = transitions([walk(0)], [walk(1, steps=3)], steps=[1, 5])
    assert np.isnan(score[5].weighted)
    assert not np.isnan(score[1].weighted)
