"""Factors read from tables, seeds, subsamples, and what is refused."""

import json
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from habitus.evaluation.latents import Factor, disentanglement, factors_from_columns

USERS = 200


@pytest.fixture
def codes():
    return np.random.default_rng(0).normal(size=(USERS, 3))


@pytest.fixture
def factors(codes):
    return [
        Factor("level", codes[:, 0]),
        Factor("plan", (codes[:, 1] > 0).astype(int), categorical=True),
        Factor("hour", (3 * codes[:, 2]) % 24, period=24.0),
    ]


def found_in(column, periods=None):
    return factors_from_columns({"column": column, "other": np.arange(USERS)}, periods)


def test_numbers_are_continuous():
    found = factors_from_columns(
        {"rate": np.arange(USERS, dtype=np.float32), "age": list(range(USERS))}
    )
    assert [(each.name, each.categorical, each.period) for each in found.factors] == [
        ("rate", False, None),
        ("age", False, None),
    ]
    np.testing.assert_array_equal(found.factors[1].values, np.arange(USERS))
    assert found.users.all()
    assert found.left_out == {}


@pytest.mark.parametrize(
    "column",
    [
        np.arange(USERS) % 2 == 0,
        [user % 2 == 0 for user in range(USERS)],
        np.where(np.arange(USERS) % 2 == 0, "web", "phone"),
        ["b" if user % 2 == 0 else "a" for user in range(USERS)],
        np.array(["b", "a"] * (USERS // 2), object),
    ],
)
def test_strings_and_true_or_false_are_classes(column):
    factor = found_in(column).factors[0]
    assert factor.categorical
    np.testing.assert_array_equal(factor.values, (np.arange(USERS) + 1) % 2)


def test_decimals_are_numbers():
    factor = found_in([Decimal(user) / 4 for user in range(USERS)]).factors[0]
    np.testing.assert_array_equal(factor.values, np.arange(USERS) / 4)


def test_periods_are_passed_on():
    assert found_in(np.arange(USERS) % 24, {"column": 24.0}).factors[0].period == 24.0


@pytest.mark.parametrize(
    ("column", "why"),
    [
        (["Lund"] * USERS, "a single value"),
        (np.full(USERS, 3.0), "a single value"),
        ([f"user {user}" for user in range(USERS)], "200 different values"),
        ([f"town {user % 45}" for user in range(USERS)], "45 different values"),
        ([None] * 50 + [1.5, 2.5] * 75, "missing for 25 % of the users"),
        ([None, "a"] * 100, "missing for 50 % of the users"),
        ([None] * USERS, "missing for all users"),
        ([None, float("nan")] * 100, "missing for all users"),
        (["a", 1.5] * 100, "neither numbers nor strings"),
        (np.arange(USERS).astype("datetime64[D]"), "neither numbers nor strings"),
        ([[1, 2], [3]] * 100, "neither numbers nor strings"),
    ],
)
def test_columns_that_are_no_factor_are_named(column, why):
    found = found_in(column)
    assert [factor.name for factor in found.factors] == ["other"]
    assert found.left_out == {"column": why}
    assert found.users.all()


def test_users_who_lack_a_kept_column_are_dropped():
    rate = np.arange(USERS, dtype=float)
    rate[[3, 5]] = np.nan, np.inf
    plan = ["free", "paid"] * (USERS // 2)
    plan[8] = None
    plan[9] = float("nan")
    found = factors_from_columns({"rate": rate, "plan": plan, "note": [None] * USERS})
    assert np.flatnonzero(~found.users).tolist() == [3, 5, 8, 9]
    assert [len(factor) for factor in found.factors] == [USERS - 4] * 2
    np.testing.assert_array_equal(found.factors[0].values, rate[found.users])
    np.testing.assert_array_equal(found.factors[1].values, (np.arange(USERS) % 2)[found.users])


def test_a_column_that_varies_only_among_dropped_users_is_left_out():
    rare = np.zeros(USERS)
    rare[3] = 1
    plan = ["free", "paid"] * (USERS // 2)
    plan[3] = None
    found = factors_from_columns({"rare": rare, "plan": plan})
    assert found.left_out == {"rare": "a single value"}
    assert [factor.name for factor in found.factors] == ["plan"]


@pytest.mark.parametrize(
    ("columns", "periods", "message"),
    [
        ({}, {}, "columns of one length"),
        ({"a": [1, 2], "b": [1]}, {}, r"got lengths \[1, 2\]"),
        ({"a": [1, 2]}, {"hour": 24.0}, "got one of 'hour'"),
        ({"a": [1, 2]}, {"a": -1.0}, "period above 0"),
    ],
)
def test_tables_that_cannot_be_read(columns, periods, message):
    with pytest.raises(ValueError, match=message):
        factors_from_columns(columns, periods)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"values": np.zeros((3, 2))}, "a finite number per user"),
        ({"values": np.array([1.0, np.nan])}, "a finite number per user"),
        ({"values": np.array(["a", "b"])}, "a finite number per user"),
        ({"values": np.array([0.0, 1.0]), "categorical": True}, "classes as integers"),
        ({"values": np.array([-1, 1]), "categorical": True}, "classes as integers"),
        ({"values": np.array([0, 1]), "categorical": True, "period": 24.0}, "period above 0"),
        ({"values": np.array([0, 1]), "period": 0.0}, "period above 0"),
    ],
)
def test_impossible_factors(fields, message):
    with pytest.raises(ValueError, match=message):
        Factor("name", **fields)


def same_value(factors):
    return [replace(factors[0], values=np.full(USERS, 2.5))]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda codes, factors: (
                codes[:49],
                [each.of(np.arange(USERS) < 49) for each in factors],
            ),
            "50 users, got 49",
        ),
        (lambda codes, factors: (codes, []), "at least one factor"),
        (lambda codes, factors: (codes[:-1], factors), "the 199 users, got 200 values of 'level'"),
        (lambda codes, factors: (np.where(codes > 2, np.nan, codes), factors), "finite latents"),
        (lambda codes, factors: (codes[:, 0], factors), "finite latents"),
        (lambda codes, factors: (codes[:, :0], factors), "finite latents"),
        (lambda codes, factors: (codes, [factors[0], factors[0]]), "distinct names"),
        (
            lambda codes, factors: (codes, same_value(factors)),
            "that vary, got one value of 'level'",
        ),
        (
            lambda codes, factors: (codes, [Factor("day", np.arange(USERS) * 24.0, period=24.0)]),
            "that vary",
        ),
        (
            lambda codes, factors: (codes, [Factor("id", np.arange(USERS), True)]),
            "5 users to a class of 'id'",
        ),
    ],
)
def test_what_cannot_be_scored(codes, factors, change, message):
    with pytest.raises(ValueError, match=message) as error:
        disentanglement(*change(codes, factors))
    assert "\n" not in str(error.value)


def test_too_small_a_subsample(codes, factors):
    with pytest.raises(ValueError, match="at least 50 users, got 20"):
        disentanglement(codes, factors, most=20)


def test_a_seed_gives_the_same_numbers(codes, factors):
    first, again, other = (
        disentanglement(codes, factors, seed=seed, most=150).to_json() for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other
    assert first["users"] == 150


def test_scale_of_latents_does_not_matter(codes, factors):
    first = disentanglement(codes, factors).to_json()
    second = disentanglement(codes * [4.0, 2.0**-20, 1.0], factors).to_json()
    assert first == second


@pytest.mark.parametrize("power", [1020, -1020])
def test_unit_of_a_factor_does_not_matter(codes, factors, power):
    """Their squares would overflow, or vanish."""
    plain = [each for each in factors if not each.categorical and each.period is None]
    scaled = [replace(each, values=np.ldexp(each.values.astype(float), power)) for each in plain]
    assert plain
    assert disentanglement(codes, scaled).to_json() == disentanglement(codes, plain).to_json()


def test_json(codes, factors):
    scores = disentanglement(codes, factors)
    written = json.loads(json.dumps(scores.to_json(), allow_nan=False))
    assert list(written["prediction"]) == list(written["correlation"]) == ["level", "plan", "hour"]
    assert written["correlation"]["plan"] == scores.correlation[:, 1].tolist()
    assert written["dci_informativeness"] == pytest.approx(
        np.mean(list(written["prediction"].values()))
    )


def test_one_factor_and_one_latent(codes, factors):
    scores = disentanglement(codes[:, :1], factors[:1])
    assert (scores.dci_disentanglement, scores.dci_completeness) == (1, 1)
    assert scores.beta_metric == scores.beta_chance == 1
    assert scores.mig == pytest.approx(1)
    assert scores.sap == pytest.approx(1)


def test_as_few_users_and_as_many_classes_as_there_may_be(codes):
    classes = Factor(
        "class", np.random.default_rng(1).permutation(np.arange(50) % 10), categorical=True
    )
    rare = Factor("rare", (np.arange(50) == 7).astype(int), categorical=True)
    for seed in range(5):
        scores = disentanglement(codes[:50], [classes, rare], seed=seed)
        assert json.dumps(scores.to_json(), allow_nan=False)
