"""The two-sample scores of TimeGAN on windows whose difference is known."""

import numpy as np
import pytest
import torch
from scipy import signal

from habitus.evaluation.two_sample.series import (
    DISCRIMINATORS,
    Discriminator,
    Predictor,
    discriminate,
    discriminative_score,
    predictive_score,
)

QUICK = Discriminator(hidden=8, iterations=150, batch=64, learning_rate=1e-2)


def windows(phi, count, seed, variables=1):
    """Windows of 12 steps of autoregressions with variance 1."""
    shocks = np.random.default_rng(seed).normal(size=(count, 60, variables)) * np.sqrt(1 - phi**2)
    return signal.lfilter([1], [1, -phi], shocks, axis=1)[:, -12:]


def test_real_against_real_is_near_zero():
    assert discriminative_score(windows(0.5, 2_000, 0), windows(0.5, 2_000, 1), QUICK) < 0.06


def test_plainly_different_windows_are_near_a_half():
    found = discriminate(windows(0.5, 500, 0) + 3, windows(0.5, 500, 1), QUICK)
    assert found.score > 0.45
    assert found.auc > 0.99
    assert found.accuracy == found.score + 0.5


def test_windows_that_differ_in_their_order_alone_are_classified():
    """The same marginal distribution; only neighbours differ."""
    settings = Discriminator(hidden=16, iterations=250, batch=64, learning_rate=2e-2)
    assert discriminate(windows(0.0, 1_000, 0), windows(0.95, 1_000, 1), settings).score > 0.35


def test_a_larger_discriminator_sees_more_and_stops_early():
    one = windows(0.3, 1500, 0)
    other = windows(0.7, 1500, 1)
    weak = discriminate(one, other, Discriminator(iterations=150))
    strong = discriminate(
        one,
        other,
        Discriminator(hidden=16, iterations=800, batch=64, learning_rate=2e-2, patience=1),
    )
    assert strong.score > weak.score + 0.05
    assert strong.iterations < 800
    assert strong.iterations % 100 == 0


def test_the_larger_set_is_cut_to_the_smaller():
    found = discriminate(windows(0.5, 2_000, 0), windows(0.5, 100, 1), QUICK)
    assert found.accuracy * 40 == pytest.approx(round(found.accuracy * 40))


def test_predictive_score_of_a_process_with_known_best_error():
    """The next value of a sine follows from the last two without error; shuffled, from nothing."""
    rng = np.random.default_rng(0)
    phases = rng.random((400, 1)) * 2 * np.pi
    real = np.sin(phases + 0.6 * np.arange(8))[..., None]
    settings = Predictor(hidden=12, iterations=200, batch=48, learning_rate=2e-2)
    assert predictive_score(real, real, settings) < 0.05
    shuffled = rng.permuted(real, axis=1)
    # the best constant for values spread as a sine in [0, 1] is wrong by 1 / pi
    assert predictive_score(shuffled, real, settings) > 0.9 / np.pi


def test_predictive_score_reads_the_last_variable_from_the_others():
    """The last variable is the first one a step before, so the first one's value predicts it."""
    rng = np.random.default_rng(1)
    first = rng.random((600, 7))
    real = np.stack([first[:, 1:], rng.random((600, 6)), first[:, :-1]], axis=2)
    settings = Predictor(hidden=8, iterations=150, batch=48, learning_rate=3e-2)
    assert predictive_score(real, real, settings) < 0.06
    assert (
        predictive_score(rng.permutation(real.reshape(-1, 3)).reshape(real.shape), real, settings)
        > 0.2
    )


def test_the_same_seed_gives_the_same_score_and_leaves_torch_alone():
    one = windows(0.3, 100, 0, 2)
    other = windows(0.7, 100, 1, 2)
    state = torch.random.get_rng_state()
    short = Discriminator(iterations=20), Predictor(iterations=20)
    first, again = (
        (discriminate(one, other, short[0], seed=3), predictive_score(one, other, short[1], seed=3))
        for _ in range(2)
    )
    assert first == again
    assert torch.equal(torch.random.get_rng_state(), state)


def test_the_defaults_are_the_original_settings():
    assert DISCRIMINATORS["original"] == Discriminator(None, 1, 2_000, 128, 1e-3, None)
    assert Predictor() == Predictor(None, 5_000, 128, 1e-3)


@pytest.mark.parametrize(
    ("generated", "message"),
    [
        (np.zeros((20, 5, 2)), "of one shape"),
        (np.zeros((5, 6, 2)), "at least 10 windows"),
        (np.full((20, 6, 2), np.nan), "without missing"),
    ],
)
def test_bad_windows(generated, message):
    for score in (discriminative_score, predictive_score):
        with pytest.raises(ValueError, match=message):
            score(generated, np.zeros((20, 6, 2)))
