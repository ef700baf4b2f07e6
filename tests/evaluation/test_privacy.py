"""Generators that copy training users are found, others are not; distances by brute force."""

import datetime as dt
import json

import numpy as np
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose

from habitus.evaluation.neighbours import Cloud, nearest
from habitus.evaluation.privacy import privacy
from habitus.evaluation.sample import whole
from habitus.profiles.sparse import Profiles, concat
from habitus.schema import Axes

AXES = Axes(dt.date(2018, 2, 1), 7, 240, ("web", "phone"))


def population(users, seed, windows=1):
    """Users who are each more or less active, at hours of their own, in one window or several."""
    rng = np.random.default_rng(seed)
    rate = rng.gamma(0.5, 0.6, (users, 1, 6, 2)).repeat(windows, axis=0)
    counts = rng.poisson(rate, (users * windows, *AXES.shape))
    counts[:, 0, 0, 0] += 1
    names = pa.table({"user": seed * 10_000 + np.arange(users).repeat(windows)})
    return Profiles.from_dense(AXES, counts, names)


TRAIN = population(600, 1)
TEST = population(500, 2)


def test_an_independent_sample_gives_nobody_away():
    found = privacy(population(500, 3), TEST, TRAIN)
    assert found.warning is None
    assert found.membership.low < 0.5 < found.membership.high
    assert found.near_copies < 0.03
    assert found.near_copies_floor < 0.03
    assert found.found < 0.03


def test_copies_are_found():
    found = privacy(TRAIN, TEST, TRAIN)
    assert found.near_copies == found.exact_copies == 1
    assert found.exact_copies_floor < 0.05
    assert found.membership.value > 0.98, (
        "the nearest generated profile of a training user is the user's own"
    )
    assert found.found > 0.95
    assert found.warning.startswith(
        "training users are memorised: 100.0% of generated profiles are near copies"
    )
    assert "\n" not in found.warning


def test_a_few_copies_among_others_are_found():
    """Every eighth profile is a copy, too few to identify most training users."""
    mixed = concat([population(350, 3), TRAIN.sample(50, seed=4)])
    found = privacy(mixed, TEST, TRAIN)
    assert 0.12 < found.near_copies < 0.16
    assert found.membership.value < 0.6
    assert found.warning


def test_copies_with_noise_are_found():
    rng = np.random.default_rng(0)
    dense = TRAIN.dense()
    noisy = np.where(rng.random(dense.shape) < 0.05, rng.poisson(dense + 0.2), dense)
    found = privacy(Profiles.from_dense(AXES, noisy), TEST, TRAIN)
    assert found.exact_copies < 0.5
    assert found.near_copies > 0.8
    assert found.membership.low > 0.9
    assert found.warning


def test_typical_users_are_no_copies():
    """A generator of users near the average is as near to training users as to others."""
    rng = np.random.default_rng(0)
    mean = TRAIN.dense().mean(0)
    typical = Profiles.from_dense(AXES, rng.poisson(0.3 * mean, (500, *AXES.shape)))
    assert privacy(typical, TEST, TRAIN).warning is None


def test_many_windows_of_few_users_are_few_users():
    """All windows of a user are equal: 30 users are too few, however many windows they have."""
    train = population(30, 5, windows=12)
    test = population(30, 6, windows=12)
    warned = [
        privacy(population(30, seed, windows=12), test, train, seed=seed).warning
        for seed in range(7, 13)
    ]
    assert warned == [None] * 6


def test_peak_populations_are_compared_as_such():
    found = privacy(TRAIN.in_unit("peak"), TEST, TRAIN)
    assert found.exact_copies == 1
    assert found.warning


def test_json_has_the_keys():
    content = privacy(TRAIN, TEST, TRAIN).to_json()
    json.dumps(content, allow_nan=False)
    member = {"membership_auc", "membership_auc_low", "membership_auc_high", "found_at_1_percent"}
    copies = {"near_copies", "near_copies_floor", "exact_copies", "exact_copies_floor"}
    assert set(content) == member | copies | {"distance", "warning", "note"}
    assert content["distance"]["generated"] == [0] * len(content["distance"]["levels"])
    assert content["note"] == "profiles compared: 600 generated, 500 held out, 600 train"


def test_same_seed_same_result():
    sets = population(200, 3), TEST, TRAIN
    assert privacy(*sets, seed=1).to_json() == privacy(*sets, seed=1).to_json()


def test_too_few():
    with pytest.raises(
        ValueError, match="at least 50 profiles in each set to look for copies, got 20"
    ):
        privacy(population(20, 1), TEST, TRAIN)


def distance(a, b):
    a = np.log1p(a.astype(float))
    b = np.log1p(b.astype(float))
    lengths = (a**2).sum() + (b**2).sum()
    return 1 - 2 * (a * b).sum() / lengths if lengths else 0.0


def test_nearest_by_brute_force(monkeypatch):
    monkeypatch.setattr("habitus.evaluation.neighbours._PRODUCTS", 100)
    rng = np.random.default_rng(0)
    ours, theirs = (rng.poisson(0.1, (users, *AXES.shape)) for users in (30, 25))
    ours[3] = 0
    ours[4] = theirs[7]
    clouds = [Cloud.of(whole(Profiles.from_dense(AXES, each)), "count") for each in (ours, theirs)]
    truth = np.array([[distance(a, b) for b in theirs] for a in ours])
    found, which = nearest(*clouds)
    assert_allclose(found, truth.min(1), atol=1e-6)
    assert_allclose(truth[np.arange(30), which], truth.min(1), atol=1e-6)
    assert found[4] == pytest.approx(0, abs=1e-6)
    assert found[3] == 1, "nothing is shared with a profile in which nothing happens"
    theirs[9] = 0
    found, which = nearest(clouds[0], Cloud.of(whole(Profiles.from_dense(AXES, theirs)), "count"))
    assert (found[3], which[3]) == (0, 9), "two such profiles are equal"
