"""Baselines of missing cells: shapes, independence of hidden values, and slow computations."""

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from dense_profiles import DenseSource, axes_for, normalised
from habitus.evaluation.baselines.completion import COMPLETION_BASELINES, Training
from habitus.evaluation.baselines.completion.base import Task
from habitus.evaluation.baselines.completion.daily_totals import (
    FEWEST_DAYS,
    ArimaTotals,
    SmoothedTotals,
)
from habitus.evaluation.baselines.completion.population import neighbours

SHAPE = (28, 4, 2)


def pictures(users, shape=SHAPE, seed=0, filled=0.3):
    rng = np.random.default_rng(seed)
    values = rng.integers(1, 20, (users, *shape)) * (rng.random((users, *shape)) < filled)
    values[0] = 0
    return values.astype(np.float32)


def masks(kind, users, shape=SHAPE):
    missing = np.zeros((users, *shape), bool)
    if kind == "centre":
        missing[:, 10:18, 1:3] = True
    if kind == "last":
        missing[:, -10:] = True
    if kind == "channel":
        missing[..., 0] = True
    if kind == "cells":
        missing = np.random.default_rng(1).random(missing.shape) < 0.2
    return missing


KINDS = ["centre", "last", "channel", "cells"]
TRAIN = Training.of(DenseSource(pictures(70, seed=9)))


def baseline(name):
    return COMPLETION_BASELINES[name](axes_for(pictures(1)), TRAIN)


def fill(name, x, missing, samples=3, seed=0):
    return baseline(name).fill(x, missing, samples, np.random.default_rng(seed))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", COMPLETION_BASELINES)
def test_shapes_seed_and_blindness(name, kind):
    x = pictures(3)
    missing = masks(kind, 3)
    found = fill(name, x, missing)
    row, cell = np.nonzero(missing.reshape(3, -1))
    np.testing.assert_array_equal(found.row, row)
    np.testing.assert_array_equal(found.cell, cell)
    assert (found.mean.dtype, found.draws.dtype, found.draws.shape) == (
        np.float32,
        np.float32,
        (3, len(row)),
    )
    assert found.mean.min() >= 0
    assert found.draws.min() >= 0
    again = fill(name, np.where(missing, 1e6, x), missing)  # garbage where nobody may look
    np.testing.assert_array_equal(found.mean, again.mean)
    np.testing.assert_array_equal(found.draws, again.draws)


@pytest.mark.parametrize("name", COMPLETION_BASELINES)
def test_values_are_in_the_unit_of_the_pictures(name):
    x = pictures(3)[1:]
    missing = masks("last", 2)
    one = fill(name, x, missing)
    ten = fill(name, 10 * x, missing)
    np.testing.assert_allclose(ten.mean, 10 * one.mean, rtol=1e-4)
    np.testing.assert_allclose(ten.draws, 10 * one.draws, rtol=1e-3, atol=1e-3)


def slow_own(x, missing, user, day, at):
    """The known values of the same weekday, else of all days."""
    known = [d for d in range(len(x[user])) if not missing[user, d][at]]
    same = [d for d in known if d % 7 == day % 7] or known
    return [x[user, d][at] for d in same] or [0.0]


@pytest.mark.parametrize("kind", KINDS)
def test_own_mean_and_draws_against_a_loop(kind):
    x = pictures(4)
    missing = masks(kind, 4)
    found = fill("own_mean", x, missing, samples=40)
    for number, (user, day, *at) in enumerate(zip(*np.nonzero(missing), strict=True)):
        values = slow_own(x, missing, user, day, tuple(at))
        assert found.mean[number] == pytest.approx(np.mean(values), rel=1e-5, abs=1e-6)
        assert set(found.draws[:, number].tolist()) <= {float(value) for value in values}


def test_own_draws_take_a_day_as_one():
    x = pictures(4)
    missing = masks("centre", 4)
    days = fill("own_mean", x, missing, samples=30).draws.reshape(30, 4, 8, 2 * 2)
    region = x[:, :, 1:3].reshape(4, 28, -1)
    for day in range(8):
        sources = [d for d in range((10 + day) % 7, 28, 7) if not 10 <= d < 18]
        chosen = (days[:, 1, day, None] == region[1, sources]).all(axis=-1)
        assert chosen.any(axis=1).all()
        assert chosen.any(axis=0).all(), "every source day is drawn now and then"


def slow_last_week(x, missing, user, day, at):
    weeks = [day - 7 * k for k in range(1, 5)] + [day + 7 * k for k in range(1, 5)]
    return next((x[user, d][at] for d in weeks if 0 <= d < 28 and not missing[user, d][at]), 0.0)


@pytest.mark.parametrize("kind", KINDS)
def test_last_week_against_a_loop(kind):
    x = pictures(4)
    missing = masks(kind, 4)
    places = zip(*np.nonzero(missing), strict=True)
    expected = [slow_last_week(x, missing, user, day, tuple(at)) for user, day, *at in places]
    found = fill("last_week", x, missing)
    np.testing.assert_array_equal(found.mean, expected)
    np.testing.assert_array_equal(found.draws, [expected] * 3)


@pytest.mark.parametrize("kind", KINDS)
def test_interpolation_against_numpy(kind):
    x = pictures(4)
    missing = masks(kind, 4)
    expected = np.zeros_like(x)
    for user, slot, channel in np.ndindex(4, 4, 2):
        known = np.flatnonzero(~missing[user, :, slot, channel])
        if len(known):
            column = np.interp(np.arange(28), known, x[user, known, slot, channel])
            expected[user, :, slot, channel] = column
    np.testing.assert_allclose(
        fill("interpolation", x, missing).mean, expected[missing], rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("kind", KINDS)
def test_neighbours_against_sklearn(kind):
    x = pictures(4)[1:]
    missing = masks(kind, 3)
    nearest = neighbours(Task.of(x, missing), TRAIN.pictures)
    for user in range(3):
        known = ~missing[user].reshape(-1)
        mine = x[user].reshape(1, -1)[:, known]
        index = NearestNeighbors(n_neighbors=50).fit(TRAIN.pictures[:, known])
        assert set(index.kneighbors(mine / mine.max())[1][0]) == set(nearest[user])


@pytest.mark.parametrize("samples", [20, 60])
def test_a_draw_is_the_region_of_one_neighbour(samples):
    x = pictures(4)[1:]
    missing = masks("last", 3)
    found = fill("nearest_neighbours", x, missing, samples)
    task = Task.of(x, missing)
    nearest = neighbours(task, TRAIN.pictures)
    cells = missing[0].reshape(-1)
    for user in range(3):
        regions = TRAIN.pictures[nearest[user]][:, cells] * task.peaks[user]
        mine = found.row == user
        np.testing.assert_allclose(found.mean[mine], regions.mean(axis=0), rtol=1e-4, atol=1e-5)
        taken = [
            int(np.flatnonzero((regions == draw).all(axis=1))[0]) for draw in found.draws[:, mine]
        ]
        assert len(set(taken)) == samples or samples > 50


def test_population_mean_by_hand():
    x = pictures(3)
    missing = masks("last", 3)
    expected = (
        normalised(pictures(70, seed=9)).mean(axis=0)
        * x[:, :-10].max(axis=(1, 2, 3))[:, None, None, None]
    )
    expected[0] = normalised(pictures(70, seed=9)).mean(
        axis=0
    )  # nothing known: as if the peak were 1
    np.testing.assert_allclose(
        fill("population_mean", x, missing).mean, expected[missing], rtol=1e-4, atol=1e-6
    )


def test_training_profiles_are_capped(monkeypatch):
    monkeypatch.setattr("habitus.evaluation.baselines.completion.base.MOST_PROFILES", 5)
    source = DenseSource(pictures(30, seed=9))
    kept = Training.of(source, seed=2)
    every = {
        row.tobytes() for row in normalised(source.pictures).reshape(30, -1).astype(np.float32)
    }
    assert kept.pictures.shape == (5, 28 * 8)
    assert {row.tobytes() for row in kept.pictures} <= every
    np.testing.assert_allclose(kept.mean, kept.pictures.mean(axis=0))


def day_totals(found, users, days):
    """Sums over the missing cells of each missing day, of the mean and of the draws."""
    values = np.vstack([found.mean[None], found.draws])
    return values.reshape(len(values), users, days, -1).sum(axis=-1)


def test_seasonal_naive_totals_against_a_loop():
    x = pictures(4)
    missing = masks("centre", 4)
    totals = day_totals(fill("seasonal_naive", x, missing, samples=30), 4, 8)
    for user, day in np.ndindex(4, 8):
        same = [x[user, d, 1:3].sum() for d in range((10 + day) % 7, 28, 7) if not 10 <= d < 18]
        assert totals[0, user, day] == pytest.approx(np.mean(same), rel=1e-4, abs=1e-6)
        assert all(
            np.isclose(same, total, rtol=1e-4, atol=1e-4).any() for total in totals[1:, user, day]
        )


def test_totals_are_spread_by_the_mean_picture():
    """All known events are in slot 2; other slots and channels get the population's share."""
    x = np.zeros((1, *SHAPE), np.float32)
    x[:, :, 2, 1] = 3
    missing = masks("last", 1)
    found = COMPLETION_BASELINES["seasonal_naive"](axes_for(x)).fill(
        x, missing, 1, np.random.default_rng(0)
    )
    expected = np.zeros(SHAPE)
    expected[:, 2, 1] = 3
    np.testing.assert_allclose(found.mean, expected[missing[0]], atol=1e-3)
    spread = fill("seasonal_naive", x, missing).mean.reshape(10, 4, 2)
    assert spread.sum() == pytest.approx(30, rel=1e-4)
    assert 2.5 < spread[0, 2, 1] < 3
    assert (spread > 0).all()


def weekly_totals(seed):
    """Totals with a strong week and little noise, on one place."""
    rng = np.random.default_rng(seed)
    return np.tile([9.0, 1, 1, 5, 1, 1, 20], 4) + rng.normal(0, 0.3, 28)


def test_arima_is_that_of_statsmodels():
    totals = weekly_totals(0)
    x = np.maximum(totals, 0).astype(np.float32).reshape(1, 28, 1, 1)
    missing = np.zeros(x.shape, bool)
    missing[:, -5:] = True
    found = ArimaTotals(axes_for(x)).fill(x, missing, 400, np.random.default_rng(0))
    from statsmodels.tsa.statespace.sarimax import SARIMAX

    gap = np.where(missing.reshape(-1), np.nan, x.reshape(-1).astype(float) / x[:, :-5].max())
    model = SARIMAX(gap, order=(1, 0, 0), seasonal_order=(1, 0, 0, 7), trend="c").fit(
        disp=False, maxiter=50, cov_type="none"
    )
    prediction = model.get_prediction()
    expected, error = (
        part[-5:] * x[:, :-5].max() for part in (prediction.predicted_mean, prediction.se_mean)
    )
    np.testing.assert_allclose(found.mean, np.maximum(expected, 0), rtol=1e-4)
    np.testing.assert_allclose(found.draws.mean(axis=0), expected, atol=5 * error.max() / 20)
    assert found.draws.std(axis=0).mean() == pytest.approx(error.mean(), rel=0.15)
    assert np.abs(found.mean - totals[-5:]).max() < 2.5, "the week is seen"


def test_exponential_smoothing_sees_the_week_and_the_level():
    totals = weekly_totals(1)
    x = np.maximum(totals, 0).astype(np.float32).reshape(1, 28, 1, 1)
    missing = np.zeros(x.shape, bool)
    missing[:, 22:] = True
    found = SmoothedTotals(axes_for(x)).fill(x, missing, 300, np.random.default_rng(0))
    assert np.abs(found.mean - totals[22:]).max() < 1.5
    assert 0 < found.draws.std(axis=0).mean() < 1.5
    steps = np.array([2.0] * 12 + [8.0, 8.5, 7.5, 8.0, 8.2, 7.8], np.float32).reshape(1, 18, 1, 1)
    missing = np.zeros(steps.shape, bool)
    missing[:, -2:] = True
    level = SmoothedTotals(axes_for(steps)).fill(steps, missing, 5, np.random.default_rng(0)).mean
    assert 7 < level[0] < 9


@pytest.mark.parametrize("kind", [ArimaTotals, SmoothedTotals])
def test_too_few_or_even_days_give_their_mean(kind):
    few = np.arange(1, 5, dtype=np.float32).reshape(1, 4, 1, 1)
    even = np.full((1, FEWEST_DAYS + 6, 1, 1), 3, np.float32)
    for x, expected in ((few, 2.0), (even, 3.0)):
        missing = np.zeros(x.shape, bool)
        missing[:, -1:] = True
        found = kind(axes_for(x)).fill(x, missing, 20, np.random.default_rng(0))
        assert found.mean[0] == pytest.approx(expected, rel=1e-4)
        assert np.isin(np.round(found.draws, 3), np.round(x, 3)).all()


def test_training_is_asked_for():
    with pytest.raises(ValueError, match="population_mean needs training profiles"):
        COMPLETION_BASELINES["population_mean"](axes_for(pictures(1)))
    with pytest.raises(ValueError, match="at least one training profile"):
        Training.of(DenseSource(np.zeros((0, 2, 2, 1))))
