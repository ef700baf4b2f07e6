"""Habits of profiles against a loop over users, days, slots and channels."""

import datetime as dt
import math

import numpy as np
import pytest

from habitus.evaluation.habits import Margins, difference, habits, habits_of, middle, spread
from habitus.profiles.sparse import Profiles
from habitus.schema import Axes

AXES = Axes(dt.date(2018, 2, 1), 10, 30, ("web", "phone", "tv"))


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(0)
    x = rng.poisson(0.02 * rng.gamma(1, 1, (40, 1, 1, 1)) * 3, (40, *AXES.shape))
    x[0] = 0
    x[1] = 0
    x[1, 9, 47, 2] = 7
    return x


def slow(x):
    """The definitions, spelled out for one profile."""
    total = float(x.sum())
    days = [day for day in range(10) if x[day].sum() > 0]
    nan = math.nan
    out = {
        "total activity": total,
        "active days": float(len(days)),
        "first active day": days[0] + 1 if days else nan,
        "last active day": days[-1] + 1 if days else nan,
        "weekend share": sum(float(x[d].sum()) for d in range(10) if (3 + d) % 7 >= 5) / total
        if total
        else nan,
        "night share": float(x[:, :12].sum()) / total if total else nan,
    }
    for at, name in enumerate(AXES.channels):
        out[f"share of {name}"] = float(x[:, :, at].sum()) / total if total else nan
    daily = [float(x[d].sum()) for d in range(10)]
    mean = sum(daily) / 10
    deviation = math.sqrt(sum((each - mean) ** 2 for each in daily) / 10)
    out["burstiness"] = (deviation - mean) / (deviation + mean) if total else nan
    hours = [sum(float(x[:, (s + k) % 48].sum()) for k in range(-3, 4)) for s in range(48)]
    best = [s for s in range(48) if hours[s] == max(hours)]
    out["peak hour"] = (
        max(best, key=lambda s: (float(x[:, s].sum()), -s)) / 2 + 0.25 if total else nan
    )
    return out


@pytest.mark.parametrize("source", ["dense", "sparse"])
def test_all_habits(pictures, source):
    profiles = Profiles.from_dense(AXES, pictures)
    found = (
        habits(Margins.of_dense(pictures.astype(float), AXES))
        if source == "dense"
        else habits_of(profiles)
    )
    for user, x in enumerate(pictures):
        expected = slow(x)
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            assert found[name][user] == pytest.approx(value, nan_ok=True), (user, name)


def test_shares_of_the_peak_and_ones(pictures):
    profiles = Profiles.from_dense(AXES, pictures)
    peaks = np.maximum(pictures.max((1, 2, 3)), 1)
    for unit, scaled in (("peak", pictures / peaks[:, None, None, None]), ("binary", pictures > 0)):
        found = habits_of(profiles, unit)
        expected = habits(Margins.of_dense(scaled.astype(float), AXES))
        for name in expected:
            np.testing.assert_allclose(found[name], expected[name], err_msg=name)


def test_a_threshold_says_which_days_are_active(pictures):
    x = pictures / 10
    found = habits(Margins.of_dense(x, AXES, threshold=0.15))
    assert found["active days"].tolist() == (x.max((2, 3)) > 0.15).sum(1).tolist()


def test_weekends_need_a_calendar(pictures):
    tiled = Axes(dt.date(2018, 2, 1), 10, 30, AXES.channels, every=10)
    assert "weekend share" not in habits(Margins.of_dense(pictures.astype(float), tiled))


@pytest.mark.parametrize(("high", "low", "gap"), [(1, 23, 2), (23, 1, -2), (12, 0, -12), (5, 3, 2)])
def test_hours_go_the_shorter_way(high, low, gap):
    assert difference("peak hour", np.array(high), np.array(low)) == gap


def test_middle_and_spread():
    values = np.array([1.0, 2.0, 6.0, np.nan])
    assert middle("active days", values) == 2
    assert spread("active days", values) == pytest.approx(np.std([1, 2, 6]))
    around = np.array([22.0, 23.0, 0.0, 1.0, 2.0])
    assert middle("peak hour", around) % 24 == pytest.approx(0, abs=1e-9)
    assert spread("peak hour", around) == pytest.approx(np.std([-2, -1, 0, 1, 2]))
    assert np.isnan(middle("active days", np.array([np.nan])))
    assert np.isnan(spread("peak hour", np.array([])))
