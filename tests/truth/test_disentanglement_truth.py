"""Scores of latents against known factors: known answers, closed forms, other implementations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy as entropy_of_shares
from scipy.stats import multivariate_normal, norm, spearmanr
from sklearn.metrics import balanced_accuracy_score, mutual_info_score, r2_score
from sklearn.neighbors import NearestCentroid

from habitus.evaluation.latents import Factor, disentanglement
from habitus.evaluation.latents.association import association
from habitus.evaluation.latents.forests import concentration, forests, share_explained
from habitus.evaluation.latents.information import (
    bins_for,
    entropy,
    equal_frequency,
    mutual_information,
    shared_information,
)
from habitus.evaluation.latents.pairs import beta_metric, pairs
from habitus.evaluation.latents.separability import linear_scores, nearest_mean_accuracy

USERS = 2000
HADAMARD = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]) / 2


def continuous(values):
    return [Factor(f"factor {column}", values[:, column]) for column in range(values.shape[1])]


def two_thirds(users, seed=1000):
    """A split by a seed that no test draws values with: these would decide who is on which side."""
    return np.random.default_rng(seed).random(users) < 2 / 3


@pytest.fixture(scope="module")
def truth():
    """Four independent factors of U users."""
    return np.random.default_rng(1).normal(size=(USERS, 4))


@pytest.fixture(scope="module")
def perfect(truth):
    return disentanglement(truth, continuous(truth))


class TestKnownAnswers:
    def test_latents_that_are_the_factors(self, perfect):
        assert min(perfect.prediction.values()) > 0.97
        assert perfect.mig > 0.9
        assert perfect.sap > 0.97
        assert perfect.dci_disentanglement > 0.97
        assert perfect.dci_completeness > 0.97
        assert perfect.dci_informativeness > 0.97
        assert perfect.beta_metric > 0.99
        assert perfect.beta_chance == 0.25
        np.testing.assert_allclose(np.diag(perfect.correlation), 1)
        assert (perfect.correlation - np.eye(4)).max() < 0.1

    def test_a_rotation_of_the_factors(self, truth):
        """Every latent is half of every factor: nothing is lost, and nothing is disentangled.

        Sharing a factor brings all latents equally closer, so even the classifier of pairs has to
        guess.
        """
        rotated = disentanglement(truth @ HADAMARD, continuous(truth))
        assert rotated.dci_informativeness > 0.8
        assert rotated.dci_disentanglement < 0.05
        assert rotated.dci_completeness < 0.05
        assert rotated.mig < 0.05
        assert rotated.sap < 0.05
        assert rotated.beta_metric < 0.35
        np.testing.assert_allclose(rotated.correlation, 0.5, atol=0.07)

    def test_latents_that_know_nothing(self, truth):
        unrelated = np.random.default_rng(2).normal(size=(USERS, 6))
        scores = disentanglement(unrelated, continuous(truth))
        assert max(scores.prediction.values()) < 0.02
        assert scores.mig < 0.03
        assert scores.sap < 0.01
        assert scores.dci_disentanglement < 0.02
        assert scores.dci_completeness < 0.02
        assert scores.beta_metric == pytest.approx(0.25, abs=0.04)
        assert scores.correlation.max() < 0.1

    def test_latents_in_duplicate(self, truth, perfect):
        """The best two latents of a factor are equal: no gap. A factor needs two latents.

        Completeness is 1 - log 2 / log 8 where trees choose between equal latents by chance.
        """
        twice = disentanglement(np.hstack([truth, -2 * truth]), continuous(truth))
        assert max(twice.mig_by_factor.values()) == pytest.approx(0, abs=1e-12)
        assert max(twice.sap_by_factor.values()) == pytest.approx(0, abs=1e-12)
        assert twice.dci_disentanglement > 0.95
        assert twice.dci_completeness == pytest.approx(2 / 3, abs=0.03)
        assert twice.dci_informativeness == pytest.approx(perfect.dci_informativeness, abs=0.01)

    def test_one_latent_in_duplicate_costs_its_factor_alone(self, truth, perfect):
        scores = disentanglement(np.hstack([truth, truth[:, :1]]), continuous(truth))
        assert scores.mig_by_factor["factor 0"] == pytest.approx(0, abs=1e-12)
        assert scores.sap_by_factor["factor 0"] == pytest.approx(0, abs=1e-12)
        for name in ("factor 1", "factor 2", "factor 3"):
            assert scores.mig_by_factor[name] == pytest.approx(
                perfect.mig_by_factor[name], abs=0.02
            )
        assert scores.mig == pytest.approx(np.mean(list(scores.mig_by_factor.values())))

    def test_factors_of_every_kind(self):
        rng = np.random.default_rng(3)
        plan = rng.integers(3, size=USERS)
        hour = rng.uniform(0, 24, USERS)
        rate = rng.exponential(size=USERS)
        factors = [
            Factor("plan", plan, categorical=True),
            Factor("hour", hour, period=24.0),
            Factor("rate", rate),
        ]
        scores = disentanglement(np.column_stack([plan, hour, rate]), factors)
        assert min(scores.prediction.values()) > 0.97
        assert scores.mig > 0.9
        assert scores.dci_disentanglement > 0.95
        assert scores.beta_metric > 0.95
        assert scores.sap_by_factor["plan"] > 0.9

    def test_a_constant_latent_scores_nothing(self, truth):
        codes = np.column_stack([truth[:, 0], np.full(USERS, 0.1)])
        scores = disentanglement(codes, continuous(truth[:, :2]))
        assert scores.correlation[1].tolist() == [0, 0]
        assert scores.prediction["factor 1"] < 0.02
        alone = disentanglement(codes[:, 1:], continuous(truth[:, :2]))
        assert (alone.mig, alone.sap, alone.dci_disentanglement, alone.dci_informativeness) == (
            0,
            0,
            0,
            0,
        )


class TestInformation:
    @given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=60))
    def test_mutual_information_against_sklearn(self, rows):
        first, second = np.array(rows).T
        assert mutual_information(first, second) == pytest.approx(
            max(mutual_info_score(first, second), 0), abs=1e-12
        )

    def test_mutual_information_by_hand(self):
        """Table ((2, 0), (1, 1)): I = 1/2 ln(4/3) + 1/4 ln(2/3) + 1/4 ln 2."""
        information = mutual_information(np.array([0, 0, 1, 1]), np.array([0, 0, 0, 1]))
        assert information == pytest.approx(np.log(4 / 3) / 2 + np.log(2 / 3) / 4 + np.log(2) / 4)

    def test_information_of_a_correlated_pair(self):
        """Information of a binned normal pair from cell probabilities; limit -1/2 ln(1 - rho²)."""
        rho = 0.8
        bins = 20
        edges = norm.ppf(np.arange(bins + 1) / bins).clip(-8, 8)
        corners = np.stack(np.meshgrid(edges, edges, indexing="ij"), axis=-1)
        cdf = multivariate_normal([0, 0], [[1, rho], [rho, 1]]).cdf(corners)
        cells = np.diff(np.diff(cdf, axis=0), axis=1).clip(min=0)
        expected = 2 * np.log(bins) - entropy_of_shares(cells.ravel())
        assert expected == pytest.approx(-np.log(1 - rho**2) / 2, rel=0.1)
        pair = np.random.default_rng(0).multivariate_normal([0, 0], [[1, rho], [rho, 1]], 100_000)
        found = shared_information(pair[:, :1], [Factor("other", pair[:, 1])])[0, 0]
        bias = (bins - 1) ** 2 / (2 * len(pair))
        assert found == pytest.approx((expected + bias) / np.log(bins), abs=0.003)

    def test_entropy_of_a_uniform_grouping(self):
        assert entropy(np.repeat(np.arange(7), 3)) == pytest.approx(np.log(7))
        assert entropy(np.zeros(5, np.int64)) == 0

    @given(st.integers(1, 300), st.integers(2, 20))
    def test_bins_without_ties_are_of_equal_frequency(self, users, bins):
        found = equal_frequency(np.random.default_rng(users).permutation(users) / 7, bins)
        sizes = np.bincount(found, minlength=bins)
        assert len(sizes) == bins
        assert sizes.max() - sizes.min() <= 1

    @given(
        st.lists(st.integers(0, 3), min_size=2, max_size=60).filter(
            lambda values: len(set(values)) > 1
        )
    )
    def test_ties_share_a_bin_and_what_varies_has_two(self, values):
        values = np.array(values)
        found = equal_frequency(values, 3)
        assert 0 <= found.min() < found.max() < 3
        assert all(len(set(found[values == value])) == 1 for value in values)

    def test_increasing_transforms_and_the_order_of_latents_change_nothing(self, truth):
        mixed = truth @ np.array([[1, 0.2, 0, 0], [0, 1, 0.5, 0], [0.1, 0, 1, 0], [0, 0, 0.3, 1]])
        factors = continuous(truth)
        plain = shared_information(mixed, factors)
        curved = np.column_stack(
            [np.exp(mixed[:, 0]), mixed[:, 1] ** 3, 5 * mixed[:, 2] - 9, np.tanh(mixed[:, 3])]
        )
        np.testing.assert_array_equal(shared_information(curved, factors), plain)
        order = [2, 0, 3, 1]
        np.testing.assert_array_equal(shared_information(mixed[:, order], factors), plain[order])
        turned = [Factor(factor.name, np.exp(factor.values)) for factor in factors]
        np.testing.assert_array_equal(shared_information(mixed, turned), plain)

    def test_few_users_have_few_bins(self):
        assert bins_for(2000) == bins_for(10**6) == 20
        assert [bins_for(users) ** 2 * 5 <= users for users in range(50, 2000)] == [True] * 1950


class TestPrediction:
    def test_a_noisy_latent(self):
        """Factor = latent + noise of the same variance: no method explains more than half."""
        rng = np.random.default_rng(0)
        latent = rng.normal(size=(6000, 1))
        factor = Factor("noisy", latent[:, 0] + rng.normal(size=6000))
        explained, _ = forests(latent, [factor], two_thirds(6000), rng)
        assert 0.4 < explained[0] < 0.53

    def test_a_noisy_class(self):
        """One class in five is wrong: the best forecast has Brier skill 1 - 0.16 / 0.25 = 0.36."""
        rng = np.random.default_rng(0)
        latent = rng.normal(size=(6000, 1))
        classes = (latent[:, 0] > 0) ^ (rng.random(6000) < 0.2)
        explained, _ = forests(
            latent, [Factor("noisy", classes.astype(int), True)], two_thirds(6000), rng
        )
        assert 0.25 < explained[0] < 0.4

    def test_the_shares_of_the_classes_explain_nothing(self):
        """A majority of 95 in 100 gains nothing: guessing it or its share scores 0."""
        indicators = np.eye(2)[(np.arange(2000) % 20 == 0).astype(int)]
        shares = indicators.mean(axis=0)
        assert share_explained(indicators, np.tile(shares, (2000, 1)), shares) == 0
        assert share_explained(indicators, np.tile([1.0, 0.0], (2000, 1)), shares) == 0
        assert share_explained(indicators, indicators, shares) == 1
        rng = np.random.default_rng(0)
        rare = Factor("rare", (np.arange(2000) % 20 == 0).astype(int), True)
        explained, _ = forests(rng.normal(size=(2000, 3)), [rare], two_thirds(2000), rng)
        assert explained[0] < 0.02

    def test_share_explained_is_r_squared(self):
        rng = np.random.default_rng(0)
        truth = rng.normal(size=(500, 1))
        predicted = truth + 0.5 * rng.normal(size=(500, 1))
        assert share_explained(truth, predicted, truth.mean(axis=0)) == pytest.approx(
            r2_score(truth, predicted)
        )

    def test_an_hour_around_midnight(self):
        """What is off by half an hour is near on the clock, and often a day off as a number."""
        rng = np.random.default_rng(0)
        offset = rng.normal(0, 3, 4000)
        angle = (offset + rng.normal(0, 0.5, 4000)) * np.pi / 12
        codes = np.column_stack([np.cos(angle), np.sin(angle)])
        hour = offset % 24
        clock = Factor("clock", hour, period=24.0)
        number = Factor("number", hour)
        (circular, plain), _ = forests(codes, [clock, number], two_thirds(4000), rng)
        assert circular > 0.9
        assert plain < circular - 0.15

    def test_midnight_is_anywhere(self):
        rng = np.random.default_rng(0)
        hour = rng.uniform(0, 24, 900)
        train = two_thirds(900)
        codes = np.cos(hour * np.pi / 12)[:, None] + 0.3 * rng.normal(size=(900, 2))
        explained = [
            forests(codes, [Factor("hour", moved, period=24.0)], train, np.random.default_rng(5))[
                0
            ][0]
            for moved in (hour, (hour + 7) % 24, hour - 48)
        ]
        assert explained[0] > 0.2
        np.testing.assert_allclose(explained, explained[0], rtol=0.02)


class TestConcentration:
    def test_by_hand(self):
        """Rows (1, 1)/2 and (3, 0): entropies ln 2 and 0, weights 1 and 3."""
        assert concentration(np.array([[0.5, 0.5], [3.0, 0.0]])) == pytest.approx(3 / 4)

    def test_unused_latents_do_not_count(self):
        importance = np.vstack([np.eye(3), np.zeros((2, 3))])
        assert concentration(importance) == pytest.approx(1)
        assert concentration(importance.T) == pytest.approx(1)

    def test_two_latents_for_each_factor(self):
        importance = np.vstack([np.eye(4), np.eye(4)]) / 2
        assert concentration(importance) == pytest.approx(1)
        assert concentration(importance.T) == pytest.approx(1 - np.log(2) / np.log(8))


class TestAssociation:
    def test_against_spearman(self, truth):
        codes = np.round(truth @ HADAMARD, 1)  # with ties
        expected = np.abs(spearmanr(codes, truth).statistic[:4, 4:])
        np.testing.assert_allclose(association(codes, continuous(truth)), expected, atol=1e-12)

    def test_correlation_ratio_by_hand(self):
        """Ranks 1 2 3 | 4 5 9 | 6 7 8: between-class sum of squares 42 of 60."""
        codes = np.array([1, 2, 3, 4, 5, 9, 6, 7, 8])
        classes = Factor("class", np.repeat(np.arange(3), 3), categorical=True)
        assert association(codes[:, None], [classes])[0, 0] == pytest.approx(np.sqrt(42 / 60))

    def test_circular_against_mardia(self):
        """R² = (rc² + rs² - 2 rc rs r_cs) / (1 - r_cs²) (Mardia 1976), r_cs of cos and sin."""
        rng = np.random.default_rng(0)
        hour = rng.normal(20, 4, 500) % 24
        latent = np.argsort(np.argsort(np.sin(hour / 4) + rng.normal(size=500)))
        angle = hour * np.pi / 12
        (_, rc, rs), (_, _, rcs), _ = np.corrcoef([latent, np.cos(angle), np.sin(angle)])
        expected = np.sqrt((rc**2 + rs**2 - 2 * rc * rs * rcs) / (1 - rcs**2))
        found = association(latent[:, None], [Factor("hour", hour, period=24.0)])[0, 0]
        assert found == pytest.approx(expected)


class TestSeparability:
    def test_squared_correlation(self, truth):
        codes = truth @ HADAMARD + truth
        expected = np.corrcoef(codes.T, truth.T)[:4, 4:] ** 2
        np.testing.assert_allclose(
            linear_scores(codes, continuous(truth), two_thirds(USERS)), expected, atol=1e-12
        )

    def test_circular_share_of_variance(self):
        """Linear regressions of cos and of sin, pooled by their variances."""
        hour = np.random.default_rng(0).uniform(0, 24, 400)
        latent = np.sin(hour / 5)
        angle = hour * np.pi / 12
        parts = [np.cos(angle), np.sin(angle)]
        pooled = (
            sum(np.corrcoef(latent, part)[0, 1] ** 2 * part.var() for part in parts)
            / np.var(parts, axis=1).sum()
        )
        found = linear_scores(latent[:, None], [Factor("hour", hour, period=24.0)], two_thirds(400))
        assert found[0, 0] == pytest.approx(pooled)

    @settings(deadline=None)
    @given(st.integers(0, 100))
    def test_classes_against_sklearn(self, seed):
        rng = np.random.default_rng(seed)
        classes = rng.choice(4, 300, p=[0.6, 0.2, 0.15, 0.05])
        latent = classes % 3 + rng.normal(size=300)
        train = two_thirds(300, seed + 1000)
        centroids = NearestCentroid().fit(latent[train, None], classes[train])
        guess = centroids.predict(latent[~train, None])
        if set(classes[train]) == set(classes[~train]):
            expected = balanced_accuracy_score(classes[~train], guess, adjusted=True)
            assert nearest_mean_accuracy(latent, classes, train) == pytest.approx(max(expected, 0))

    def test_a_majority_is_no_merit(self):
        classes = (np.arange(1000) % 20 == 0).astype(int)
        assert nearest_mean_accuracy(np.zeros(1000), classes, two_thirds(1000)) == 0


class TestPairs:
    def test_pairs_share_a_group_and_are_two_users(self):
        numbers = np.array([5, 0, 2, 5, 2, 7, 5, 2, 2])
        first, second = pairs(numbers, 40_000, np.random.default_rng(0))
        np.testing.assert_array_equal(numbers[first], numbers[second])
        assert (first != second).all()
        table = np.zeros((9, 9))
        np.add.at(table, (first, second), 1 / 40_000)
        same = (numbers[:, None] == numbers) & ~np.eye(9, dtype=bool)
        expected = (
            same / same.sum(axis=1, keepdims=True).clip(min=1) / 7
        )  # two of nine are alone in their group
        np.testing.assert_allclose(table, expected, atol=0.005)

    def test_few_users_do_not_betray_the_factor(self):
        """Uninformative latents score at chance, though few users are paired many times."""
        rng = np.random.default_rng(0)
        scores = [
            beta_metric(
                rng.normal(size=(120, 3)),
                continuous(rng.normal(size=(120, 2))),
                two_thirds(120),
                rng,
            )
            for _ in range(12)
        ]
        assert np.mean(scores) == pytest.approx(0.5, abs=0.15)
