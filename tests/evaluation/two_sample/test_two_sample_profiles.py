"""The two-sample test on populations whose areas are known; who is compared with whom."""

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

from habitus.evaluation.draws import users_of
from habitus.evaluation.sample import contents, folds, halves, whole
from habitus.evaluation.two_sample import two_sample
from habitus.evaluation.two_sample.classify import FeatureTable, classify_features
from habitus.evaluation.two_sample.pictures import Pictures, classify_pictures
from habitus.profiles.sparse import Profiles
from habitus.schema import Axes

AXES = Axes(dt.date(2018, 2, 1), 8, 180, ("web", "phone"))


def population(users, seed, rate=0.15, axes=AXES):
    """Users who are each more or less active, at random times."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(rate * rng.gamma(2, 0.5, (users, 1, 1, 1)), (users, *axes.shape))
    counts[:, 0, 0, 0] += 1
    return Profiles.from_dense(axes, counts)


def one_cell(users, share, seed):
    """Each user has a single cell, which holds 2 with the given probability, and else 1."""
    counts = np.zeros((users, *AXES.shape), np.uint32)
    counts[:, 2, 3, 1] = 1 + (np.random.default_rng(seed).random(users) < share)
    return Profiles.from_dense(AXES, counts)


@pytest.fixture(scope="module")
def alike():
    return two_sample(population(250, 1), population(250, 2), population(300, 3), seed=4)


def test_the_same_population_cannot_be_classified(alike):
    for score in (alike.trees, alike.convolutional):
        assert score.auc.low < 0.5 < score.auc.high
        assert score.floor.low < 0.5 < score.floor.high
    assert alike.profiles == 250
    assert alike.note.endswith("floor: 250 of the training profiles against the reference")


def test_different_populations_are_classified():
    found = two_sample(population(200, 1, rate=3), population(200, 2), seed=0)
    assert found.auc.low > 0.97
    assert found.convolutional is not None
    assert found.convolutional.auc.value > 0.97
    assert found.floor.low < 0.5 < found.floor.high
    first = found.features[0]
    assert first.generated > first.real
    assert first.auc_alone > 0.9
    assert "two parts of the reference" not in str(found.features)
    assert found.note.endswith("floor: 100 of two parts of the reference")


def test_a_known_difference_has_the_area_that_it_should():
    """P(generated > real) + P(equal) / 2 = 0.7 * 0.7 + (0.3 * 0.7 + 0.7 * 0.3) / 2 = 0.7."""
    found = two_sample(one_cell(1500, 0.7, 1), one_cell(1500, 0.3, 2), convolutional=False)
    assert found.auc.low < 0.7 < found.auc.high
    assert found.auc.error < 0.012
    assert found.features[0].auc_alone == pytest.approx(0.7, abs=0.025)
    assert found.convolutional is None
    assert sum(each.importance for each in found.features) == pytest.approx(0.2, abs=0.05)


def test_a_set_against_itself_is_chance():
    same = population(100, 1)
    found = two_sample(same, same)
    assert found.auc.value == pytest.approx(0.5)
    assert found.convolutional.auc.value == pytest.approx(0.5)


def test_pictures_see_what_margins_do_not():
    """Activity on the diagonal of days and slots against the same days and slots shuffled."""
    rng = np.random.default_rng(0)
    days = np.tile(np.arange(8), (300, 1))
    ours = np.zeros((300, *AXES.shape), int)
    theirs = np.zeros((300, *AXES.shape), int)
    ours[np.arange(300)[:, None], days, days, 0] = 1
    theirs[np.arange(300)[:, None], days, rng.permuted(days, axis=1), 0] = 1
    sides = tuple(whole(Profiles.from_dense(AXES, each)) for each in (ours, theirs))
    assert classify_pictures(sides, "count").low > 0.95


def test_json_has_the_keys(alike):
    content = alike.to_json()
    assert {
        "auc",
        "auc_low",
        "auc_high",
        "floor_auc",
        "floor_auc_low",
        "floor_auc_high",
        "features",
    } <= set(content)
    assert {"auc", "auc_low", "auc_high", "floor_auc"} <= set(content["convolutional"])
    assert set(content["features"][0]) == {"name", "importance", "auc_alone", "generated", "real"}
    ranks = [round(each["importance"], 3) for each in content["features"]]
    assert ranks == sorted(ranks, reverse=True)


def test_same_seed_same_result():
    sets = population(60, 1), population(110, 2)
    first, second = (two_sample(*sets, seed=5).to_json() for _ in range(2))
    assert first == second
    assert two_sample(*sets, seed=6, convolutional=False).to_json()["auc"] != first["auc"]


def test_progress_is_reported():
    reported = []
    two_sample(
        population(60, 1), population(110, 2), on_progress=lambda *step: reported.append(step)
    )
    assert {stage for _, _, stage in reported} == {"features", "trees", "network"}
    for stage in ("features", "trees", "network"):
        done = [(step, total) for step, total, name in reported if name == stage]
        assert done[-1][0] == done[-1][1]


def test_peak_and_binary_sets_are_compared_on_their_scale():
    counts = population(100, 1)
    for unit in ("peak", "binary"):
        assert two_sample(
            counts.in_unit(unit), counts, convolutional=False
        ).auc.value == pytest.approx(0.5)


def test_messages():
    with pytest.raises(
        ValueError, match="at least 50 profiles on either side to classify them, got 20"
    ):
        two_sample(population(20, 1), population(100, 2))
    few = of_users(np.arange(100) % 9)
    with pytest.raises(
        ValueError, match="at least 10 users on either side to classify them, got 9"
    ):
        two_sample(few, population(100, 2))
    with pytest.raises(ValueError, match="days differ: 8 against 9"):
        two_sample(
            population(60, 1), population(60, 2, axes=Axes(AXES.start, 9, 180, AXES.channels))
        )


def of_users(names, seed=0):
    counts = population(len(names), seed)
    return Profiles(
        counts.axes, counts.indptr, counts.cells, counts.values, pa.table({"user": names})
    )


def test_users_of_names_numbers_and_of_nobody():
    assert users_of(of_users(["b", "a", "b"])).tolist() == [1, 0, 1]
    assert users_of(of_users([7, 7, 3])).tolist() == [1, 1, 0]

    class Nameless:
        def chunks(self):
            return iter([object(), object()])

        def __len__(self):
            return 5

    assert users_of(Nameless()).tolist() == [0, 1, 2, 3, 4]


def test_halves_and_folds_are_by_user():
    names = np.random.default_rng(0).integers(0, 30, 200)
    everyone = of_users(names)
    one, other = halves(everyone, np.random.default_rng(1))
    assert not set(names[one.rows]) & set(names[other.rows])
    assert (one.rows ^ other.rows).all()
    fold = whole(everyone).folds("count", 5, seed=2)
    assert all(len(set(fold[names == name])) == 1 for name in range(30))
    assert set(fold) == set(range(5))


def test_equal_profiles_are_spread_over_folds_and_none_is_empty():
    same = np.zeros(50, np.uint64)
    assert np.bincount(folds(np.arange(50), same, 5)).tolist() == [10] * 5
    assert set(
        folds(np.arange(5), np.full(5, 5, np.uint64) * np.arange(5, dtype=np.uint64), 5)
    ) == set(range(5))


def test_equal_profiles_are_in_the_same_fold_of_both_sides():
    first = population(100, 1)
    mixed = np.random.default_rng(2).permutation(100)
    ours, theirs = (contents(whole(each), "count", 3) for each in (first, first.take(mixed)))
    assert (ours[mixed] == theirs).all()
    assert (folds(np.arange(100), ours, 5)[mixed] == folds(np.arange(100), theirs, 5)).all()
    assert (contents(whole(first), "count", 4) != ours).all()


def test_users_who_repeat_are_not_recognised():
    """Six windows of each user are nearly equal: trees fitted to some would recognise others."""
    rng = np.random.default_rng(0)
    sides = []
    for _ in range(2):
        users = np.repeat(np.arange(80), 6)
        taste = rng.normal(size=(80, 6))[users] + 0.05 * rng.normal(size=(480, 6))
        keys = rng.integers(0, 2**62, 480).astype(np.uint64)
        sides.append(FeatureTable(taste, users, folds(users, keys, 5)))
    area, _ = classify_features(*sides)
    assert area.low < 0.5 < area.high
    at_random = [FeatureTable(side.features, side.users, rng.integers(0, 5, 480)) for side in sides]
    assert classify_features(*at_random)[0].value > 0.8


def test_pictures_are_what_the_profiles_hold():
    profiles = population(20, 1)
    rows = np.array([3, 0, 19])
    drawn = (
        Pictures.of((whole(profiles), whole(profiles)), "count")
        .draw(np.append(rows, 20 + rows))
        .numpy()
    )
    dense = profiles.dense(rows).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(drawn[:3, :2], np.log1p(dense), rtol=1e-6)
    np.testing.assert_array_equal(drawn[:3, 2:], dense > 0)
    np.testing.assert_array_equal(drawn[3:], drawn[:3])
