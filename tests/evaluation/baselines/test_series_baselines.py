"""Baselines of time series: common properties, and treatment of gaps and odd panels."""

import warnings

import numpy as np
import pytest

from habitus.evaluation.baselines.series import (
    SERIES_BASELINES,
    MarkovChain,
    SeasonalNaive,
    SeriesBaseline,
)
from habitus.evaluation.baselines.series.seasonal import period_of
from habitus.evaluation.panels import Stack

PANELS = {
    "one long series": lambda rng: [rng.normal(size=(300, 1)).cumsum(axis=0)],
    "few values": lambda rng: [rng.choice([0.0, 0.5, 1.0], (250, 2))],
    "windows": lambda rng: rng.normal(size=(40, 12, 3)),
    "of several lengths, with gaps": lambda rng: [gappy(rng, length) for length in (1, 40, 90)],
    "constant": lambda rng: [np.full((50, 2), 3.0)],
    "a variable in no row with the other": lambda rng: [
        np.where(np.eye(2, dtype=bool)[rng.integers(2, size=60)], rng.normal(size=(60, 2)), np.nan)
    ],
    "one row": lambda rng: [rng.normal(size=(1, 2))],
}  # fmt: skip


def gappy(rng, length):
    values = rng.normal(size=(length, 2))
    return np.where(rng.random(values.shape) < 0.2, np.nan, values)


@pytest.fixture(params=SERIES_BASELINES)
def baseline_type(request) -> type[SeriesBaseline]:
    return SERIES_BASELINES[request.param]


@pytest.mark.parametrize("panel", PANELS)
def test_every_baseline_on_every_panel(baseline_type, panel):
    train = PANELS[panel](np.random.default_rng(0))
    baseline = baseline_type(train, seed=1)
    variables = train[0].shape[1]
    generated = baseline.generate(6, 15)
    assert generated.shape == (6, 15, variables)
    pasts = [train[-1], train[0][:1], np.full((3, variables), np.nan)]
    ahead = baseline.forecast(pasts, 4, 5)
    assert ahead.shape == (3, 5, 4, variables)
    assert generated.dtype == ahead.dtype == np.float32
    assert np.isfinite(generated).all()
    assert np.isfinite(ahead).all()


def test_the_same_seed_gives_the_same_draws_in_every_call(baseline_type):
    train = [np.random.default_rng(0).normal(size=(120, 2))]
    one = baseline_type(train, seed=1)
    other = baseline_type(train, seed=1)
    np.testing.assert_array_equal(one.generate(3, 8), other.generate(3, 8))
    np.testing.assert_array_equal(one.forecast(train, 3, 4), one.forecast(train, 3, 4))
    assert not np.array_equal(one.generate(3, 8), baseline_type(train, seed=2).generate(3, 8))


def test_only_the_memory_of_a_past_is_read(baseline_type):
    train = [np.random.default_rng(0).normal(size=(120, 1))]
    baseline = baseline_type(train)
    long = np.concatenate([np.full((500, 1), 1e9), train[0]])[-baseline.memory - 50 :]
    np.testing.assert_array_equal(
        baseline.forecast([long], 3, 4), baseline.forecast([long[-baseline.memory :]], 3, 4)
    )  # fmt: skip


@pytest.mark.parametrize("pasts", [[np.zeros((0, 2))], [np.zeros((4, 1))]])
def test_impossible_pasts(baseline_type, pasts):
    with pytest.raises(ValueError, match="expected pasts"):
        baseline_type([np.random.default_rng(0).normal(size=(30, 2))]).forecast(pasts, 2, 2)


def test_a_series_ends_where_the_next_begins():
    """No step leads from one series into the next."""
    train = [np.zeros((50, 1)), np.ones((50, 1))]
    for name in ("markov_chain", "block_bootstrap"):
        ahead = SERIES_BASELINES[name](train).forecast(train, 3, 50)
        if name == "markov_chain":
            np.testing.assert_array_equal(ahead, np.broadcast_to([[[[0]]], [[[1]]]], ahead.shape))
        else:
            assert 0 < ahead[0].mean() < 1


def test_a_chain_of_several_variables_moves_in_all_of_them_at_once():
    """A point on a circle goes on in the direction that both coordinates give."""
    angle = np.arange(6_000) * 0.1
    baseline = MarkovChain([np.stack([np.cos(angle), np.sin(angle)], axis=1)], seed=0)
    ahead = baseline.forecast([np.array([[1.0, 0.0]])], 5, 200)[0]
    turned = np.arctan2(ahead[..., 1], ahead[..., 0]).mean(axis=0)
    np.testing.assert_allclose(turned, 0.1 * np.arange(1, 6), atol=0.08)


def test_the_period_of_a_season_and_of_none():
    rng = np.random.default_rng(0)
    season = np.resize(rng.normal(size=24), 24 * 60)[:, None] + 0.3 * rng.normal(size=(24 * 60, 1))
    assert period_of(Stack.of([season])) % 24 == 0
    assert period_of(Stack.of([rng.normal(size=(1_000, 1))])) == 1
    assert SeasonalNaive([np.zeros((4, 1))]).memory == 1


def test_arima_says_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SERIES_BASELINES["arima"]([np.arange(60.0)[:, None] ** 2])
