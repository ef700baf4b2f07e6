"""Retention, stickiness, silences, autocorrelation, tails, correlations against loops and scipy."""

import datetime as dt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose
from scipy.stats import ks_2samp

from habitus.evaluation import summarise
from habitus.evaluation.metrics.active_users import retention, stickiness
from habitus.evaluation.metrics.compare import compare, silent_days
from habitus.evaluation.metrics.correlations import daily_autocorrelation
from habitus.evaluation.metrics.distances import step_distance
from habitus.evaluation.metrics.silences import silences
from habitus.evaluation.metrics.totals import (
    channel_correlation,
    log_error,
    tail_index,
    user_quantiles,
)
from habitus.profiles.sparse import Profiles
from habitus.schema import Axes

activities = st.tuples(st.integers(1, 6), st.integers(1, 12)).flatmap(
    lambda shape: arrays(bool, shape, elements=st.sampled_from([True, False, False]))
)


@settings(deadline=None)
@given(activities)
def test_retention_user_by_user(active):
    users, days = active.shape
    for after, share in enumerate(retention(active)):
        seen = []
        for user in range(users):
            on = np.flatnonzero(active[user])
            if len(on) and on[0] + after < days:
                seen.append(active[user, on[0] + after])
        assert share == pytest.approx(np.mean(seen)) if seen else np.isnan(share)


@settings(deadline=None)
@given(activities)
def test_silences_user_by_user(active):
    counts = np.zeros(active.shape[1], int)
    for user in active:
        on = np.flatnonzero(user)
        for gap in np.diff(on):
            if gap > 1:
                counts[gap - 1] += 1
    keys = np.repeat(np.flatnonzero(active), 2)
    assert silences(keys, active.shape[1]).tolist() == counts.tolist()


def test_stickiness_by_hand():
    active = np.array([[True, False, True], [False, False, True]])
    assert stickiness(active, 2) == pytest.approx(np.mean([0 / 1, 2 / 2]))
    assert stickiness(active, 4) is None
    assert stickiness(np.zeros((2, 3), bool), 1) is None


def test_step_distance_against_scipy():
    rng = np.random.default_rng(0)
    first = rng.integers(0, 20, 9)
    second = rng.integers(0, 20, 9)
    values = [np.repeat(np.arange(9), counts) for counts in (first, second)]
    assert step_distance(first, second) == pytest.approx(ks_2samp(*values).statistic)
    nothing = np.zeros(9, int)
    assert (step_distance(first, nothing), step_distance(nothing, nothing)) == (1, 0)


def test_autocorrelation_against_numpy():
    """Of a series less its mean, numpy's full correlation holds every lag."""
    totals = np.random.default_rng(0).poisson(2, (30, 25)).astype(np.float32)
    totals[3] = 5
    centred = np.delete(totals, 3, 0) - np.delete(totals, 3, 0).mean(1, keepdims=True, dtype=float)
    full = np.array([np.correlate(user, user, "full")[24:] for user in centred])
    truth = (full[:, 1:15] / full[:, :1]).mean(0)
    assert_allclose(daily_autocorrelation(totals), truth, atol=1e-9)
    assert len(daily_autocorrelation(totals[:, :4])) == 3
    assert np.isnan(daily_autocorrelation(np.ones((2, 5)))).all()


def test_tail_index_of_a_pareto_distribution():
    totals = 3 * (1 + np.random.default_rng(0).pareto(1.7, 40_000))
    assert tail_index(totals) == pytest.approx(1.7, rel=0.05)
    assert tail_index(totals[:199]) is None
    assert tail_index(np.ones(500)) is None
    assert tail_index(np.append(np.zeros(490), np.ones(10))) is None


def test_quantiles_and_their_errors():
    assert user_quantiles(np.arange(1001)).tolist() == [500, 900, 990, 999]
    found = log_error(np.array([0.0, 2, 0, 5]), np.array([0.0, 1, 3, 5]))
    assert found.tolist() == [0, pytest.approx(np.log(2)), np.inf, 0]


def test_channel_correlation_against_numpy():
    totals = np.random.default_rng(0).poisson(3, (50, 3))
    totals[:, 1] += totals[:, 0]
    assert_allclose(channel_correlation(totals), np.corrcoef(np.log1p(totals).T), atol=1e-12)
    totals[:, 2] = 4
    found = channel_correlation(totals)
    assert np.isnan(found[2]).all()
    assert np.isfinite(found[:2, :2]).all()


AXES = Axes(dt.date(2018, 2, 5), 14, 360, ("web", "phone"))


def of(dense, axes=AXES):
    return summarise(Profiles.from_dense(axes, dense))


@pytest.fixture(scope="module")
def dense():
    return np.random.default_rng(0).poisson(0.2, (40, *AXES.shape))


def test_a_summary_holds_totals_and_silences(dense):
    summary = of(dense)
    assert summary.raw_channel_totals is not None
    assert_allclose(summary.raw_channel_totals, dense.sum((1, 2)))
    peaks = np.maximum(dense.max((1, 2, 3)), 1)
    assert_allclose(summary.channel_totals, dense.sum((1, 2)) / peaks[:, None], rtol=1e-6)
    slots = (dense.sum(3) > 0).reshape(40, -1)
    days = dense.sum((2, 3)) > 0
    assert summary.silent_slots.tolist() == silences(np.flatnonzero(slots), 56).tolist()
    assert silent_days(summary).tolist() == silences(np.flatnonzero(days), 14).tolist()


NEW = {
    "user_totals": {
        "ks",
        "log_quantile_error",
        "tail_index_error",
        "levels",
        "generated",
        "reference",
    },
    "silences": {"days_ks", "slots_ks"},
    "retention": {"relative_error"},
    "stickiness": {"dau_mau", "dau_wau"},
    "autocorrelation": {"mean_absolute_difference"},
    "channel_correlation": {"mean_absolute_difference", "generated", "reference"},
    "hour_of_week": {"jsd"},
}


def test_a_set_against_itself_and_twice_itself(dense):
    same = compare(of(dense), of(dense))
    twice = compare(of(2 * dense), of(dense))
    assert {name: set(same[name]) for name in NEW} == NEW
    for name in ("silences", "retention", "autocorrelation"):
        assert all(value == 0 for value in same[name].values())
        assert same[name] == twice[name], "counts make no difference to it"
    assert (same["stickiness"], same["hour_of_week"]["jsd"]) == ({"dau_mau": None, "dau_wau": 0}, 0)
    assert (same["user_totals"]["ks"], same["user_totals"]["log_quantile_error"]) == (0, 0)
    assert twice["user_totals"]["log_quantile_error"] == pytest.approx(np.log(2))
    assert twice["user_totals"]["tail_index_error"] is None


def test_hour_of_week_sees_hours_that_move_between_weekdays():
    """Web in the first slot on Mondays and the second on Tuesdays, against the other way round."""
    ours = np.zeros((1, *AXES.shape), int)
    theirs = np.zeros((1, *AXES.shape), int)
    ours[0, 0, 0, 0] = ours[0, 1, 1, 0] = theirs[0, 0, 1, 0] = theirs[0, 1, 0, 0] = 1
    found = compare(of(ours), of(theirs))
    assert found["hour_of_week"]["jsd"] == pytest.approx(np.log(2))
    assert found["hour_of_day"]["jsd"]["web"] == found["weekday"]["jsd"]["web"] == 0


def test_correlation_of_channels_by_hand():
    """Users of web use the phone, against users of either."""
    ours = np.zeros((20, *AXES.shape), int)
    theirs = np.zeros((20, *AXES.shape), int)
    ours[:10, 0, 0] = 1
    theirs[:10, 0, 0, 0] = 1
    theirs[10:, 0, 0, 1] = 1
    assert compare(of(ours), of(theirs))["channel_correlation"][
        "mean_absolute_difference"
    ] == pytest.approx(2)


def test_what_is_too_short_has_no_figure():
    axes = Axes(dt.date(2018, 2, 5), 1, 720, ("web",), every=10)
    one = of(np.ones((3, 1, 2, 1), int), axes)
    found = compare(one, one)
    assert found["retention"]["relative_error"] is None
    assert found["autocorrelation"]["mean_absolute_difference"] is None
    assert found["channel_correlation"]["mean_absolute_difference"] is None
    assert found["hour_of_week"]["jsd"] is None
    assert found["stickiness"] == {"dau_mau": None, "dau_wau": None}
    assert found["silences"] == {"days_ks": 0, "slots_ks": 0}
