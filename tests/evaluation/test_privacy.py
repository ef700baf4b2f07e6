"""Generators that copy training users are found, others are not; distances by brute force."""

import datetime as dt
import json
import math
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose
from scipy.stats import norm

from habitus.evaluation.draws import random_users
from habitus.evaluation.neighbours import Cloud, nearest
from habitus.evaluation.privacy import RunLikelihoods, attacks, privacy
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
    assert found.copies.near < 0.03
    assert found.copies.near_floor < 0.03
    for each in found.attacks:
        assert each.area.low < 0.5 < each.area.high
        assert each.found.low <= each.found.value < 0.05
    (inference,) = found.inferences
    assert abs(inference.guessed.value - inference.held_out.value) < 0.1
    assert "found nothing" in found.guarantee


def test_copies_are_found():
    found = privacy(TRAIN, TEST, TRAIN)
    assert found.copies.near == found.copies.exact == 1
    assert found.copies.exact_floor < 0.05
    for each in found.attacks:
        assert each.area.value > 0.98, "a training user's own profile is the nearest"
        assert each.found.value > 0.7
        assert each.floor_area.low < 0.5 < each.floor_area.high
        assert each.unusual.area.value > 0.98
        assert each.unusual.users == 10
    (inference,) = found.inferences
    assert inference.guessed.low > inference.floor.high
    assert inference.guessed.low > inference.held_out.high
    assert "found what chance does not explain" in found.guarantee
    assert found.warning.startswith(
        "training users are memorised: 100.0% of generated profiles are near copies"
    )
    assert "\n" not in found.warning


def test_a_few_copies_among_others_are_found():
    """Every eighth profile is a copy, too few to identify most training users."""
    mixed = concat([population(350, 3), TRAIN.sample(50, seed=4)])
    found = privacy(mixed, TEST, TRAIN)
    assert 0.12 < found.copies.near < 0.16
    assert found.attacks[0].area.value < 0.6
    assert found.warning


def test_copies_with_noise_are_found():
    rng = np.random.default_rng(0)
    dense = TRAIN.dense()
    noisy = np.where(rng.random(dense.shape) < 0.05, rng.poisson(dense + 0.2), dense)
    found = privacy(Profiles.from_dense(AXES, noisy), TEST, TRAIN)
    assert found.copies.exact < 0.5
    assert found.copies.near > 0.8
    assert found.attacks[0].area.low > 0.9
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
    assert found.copies.exact == 1
    assert found.warning


def test_json_has_the_keys():
    content = privacy(TRAIN, TEST, TRAIN).to_json()
    json.dumps(content, allow_nan=False)
    member = {"membership_auc", "membership_auc_low", "membership_auc_high", "found_at_1_percent"}
    copies = {"near_copies", "near_copies_floor", "exact_copies", "exact_copies_floor"}
    said = {"warning", "note", "guarantee", "likelihood", "rare_values"}
    assert set(content) == member | copies | said | {"distance", "attacks", "inferences"}
    assert content["distance"]["generated"] == [0] * len(content["distance"]["levels"])
    assert content["note"] == (
        "profiles compared: 600 generated of 600 users, 500 held out of 500 users, "
        "600 train of 600 users"
    )
    for each in content["attacks"].values():
        assert {"auc", "floor_auc", "found_at_1_percent", "floor_found_at_1_percent", "unusual"} < (
            set(each)
        )
        assert each["auc_low"] <= each["auc"] <= each["auc_high"]


def test_same_seed_same_result():
    sets = population(200, 3), TEST, TRAIN
    assert privacy(*sets, seed=1).to_json() == privacy(*sets, seed=1).to_json()


def test_too_few():
    with pytest.raises(
        ValueError, match="at least 50 profiles in each set to look for copies, got 20"
    ):
        privacy(population(20, 1), TEST, TRAIN)
    with pytest.raises(ValueError, match=r"profiles of at least 20 users in each set.*got 10"):
        privacy(population(10, 1, windows=40), TEST, TRAIN)


def leaked(rng, name):
    """The training users with a planted leak, or fresh ones."""
    dense = TRAIN.dense()
    if name == "moved":
        dense = np.roll(dense, 1, axis=2)
    if name == "thinned":
        dense = rng.binomial(dense.astype(int), 0.5)
    return Profiles.from_dense(AXES, dense)


@pytest.mark.parametrize("name", ["moved", "thinned"])
def test_users_who_were_moved_or_thinned_are_found(name):
    """Few of them are near copies, so the distances alone would say that all is well."""
    found = privacy(leaked(np.random.default_rng(0), name), TEST, TRAIN)
    assert found.copies.exact < 0.1
    assert found.warning


def test_fresh_users_are_silent_in_nineteen_of_twenty_seeds():
    warned = [
        privacy(population(300, 100 + seed), TEST, TRAIN, seed=seed).warning is not None
        for seed in range(20)
    ]
    assert sum(warned) <= 1


def test_windows_of_a_user_are_one_person():
    """Forty equal windows of each of 60 users say what one window of each says."""
    sets = [population(60, seed) for seed in (1, 2, 3)]
    for made in (sets[0], sets[2]):
        once = privacy(made, sets[1], sets[0])
        often = privacy(forty_of(made), forty_of(sets[1]), forty_of(sets[0]))
        for one, many in zip(once.attacks, often.attacks, strict=True):
            assert (one.users, one.area, one.found) == (many.users, many.area, many.found)
            assert one.unusual == many.unusual
        assert once.inferences == often.inferences
        assert once.copies.near == often.copies.near
        assert once.copies.exact == often.copies.exact
        assert (once.warning is None) == (often.warning is None)


def forty_of(profiles):
    return profiles.take(np.arange(len(profiles)).repeat(40))


def test_whole_users_are_drawn():
    users = np.array([0, 0, 0, 1, 2, 2, 3, 4, 4, 4])
    for most in range(1, 11):
        for seed in range(10):
            drawn = random_users(users, most, np.random.default_rng(seed))
            assert all(drawn[users == user].all() or not drawn[users == user].any()
                       for user in range(5))  # fmt: skip
            assert 0 < drawn.sum() <= max(most, 3)
            fewer = random_users(users, most - 1, np.random.default_rng(seed))
            assert not (fewer & ~drawn).any()


def test_an_attack_by_likelihood_sees_who_fits_better_than_elsewhere():
    """Training users gain half a standard deviation; who is usual is no hint where it is removed."""
    rng = np.random.default_rng(0)
    usual = [rng.normal(0, 5, len(each)) for each in (TRAIN, TEST)]
    gains = [rng.normal(shift, 1, len(each)) for shift, each in ((0.5, TRAIN), (0, TEST))]
    run = [a + b for a, b in zip(usual, gains, strict=True)]
    fresh = population(500, 3)
    found = privacy(fresh, TEST, TRAIN, likelihoods=RunLikelihoods(*run, *usual, "said"))
    attack = found.attacks[-1]
    assert attack.name == "the likelihood of the run, against reference fits"
    assert attack.area.low < norm.cdf(0.5 / math.sqrt(2)) < attack.area.high
    assert found.likelihood_note == "said"
    assert any("likelihood" in reason for reason in found.reasons)
    bare = privacy(fresh, TEST, TRAIN, likelihoods=RunLikelihoods(*run, None, None, ""))
    assert bare.warning is None


def test_users_without_a_likelihood_are_left_out():
    run = [np.where(np.arange(len(each)) % 2 == 0, np.nan, 0.0) for each in (TRAIN, TEST)]
    found = privacy(
        population(200, 3), TEST, TRAIN, likelihoods=RunLikelihoods(*run, None, None, "")
    )
    members, others = found.attacks[-1].users
    assert others == 250
    assert 200 < members < 300


def test_leaks_of_an_attribute_are_found_beside_what_other_users_give_away():
    """An attribute that is anybody's guess is known of copies only."""
    rng = np.random.default_rng(0)

    def with_plan(profiles):
        plan = rng.choice(["free", "paid", "trial"], len(profiles))
        return replace(profiles, users=profiles.users.append_column("plan", pa.array(plan)))

    train, test, fresh = map(with_plan, (TRAIN, TEST, population(500, 3)))
    (leak,) = privacy(train, test, train).inferences
    assert leak.name == "attribute 'plan'"
    assert leak.guessed.value > 0.95
    assert leak.floor.low < 1 / 3 < leak.floor.high
    assert leak.held_out.low < 1 / 3 < leak.held_out.high
    assert leak.reasons
    (silent,) = privacy(fresh, test, train).inferences
    assert silent.guessed.low < 1 / 3 < silent.guessed.high
    assert not silent.reasons


def test_the_law_of_users_found_by_chance():
    """Shuffled labels find as many users, as often, as the beta binomial says."""
    rng = np.random.default_rng(0)
    chances = []
    for _ in range(2000):
        scores = rng.normal(size=350)
        chances.append(attacks._found_by_chance(scores[:150], scores[150:]))
    for level in (0.5, 0.1, 0.02):
        assert np.mean(np.array(chances) <= level) <= level + 3 * math.sqrt(level / 2000)
    assert np.mean(np.array(chances) <= 0.5) > 0.2


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
