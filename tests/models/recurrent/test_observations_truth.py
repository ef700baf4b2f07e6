"""Observation models: distributions sum to 1, draws follow them, and known data are found."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Generator

from habitus.models.parts.gaussians import draw_index
from habitus.models.recurrent.observations import (
    OBSERVATIONS,
    BucketObservation,
    CountObservation,
    GaussianObservation,
    MixtureObservation,
)
from habitus.models.recurrent.observations.buckets import find_bucket

MANY = 40_000


def training(kind: str) -> torch.Tensor:
    """Two variables [R, 2]: one of them on another scale."""
    rng = np.random.default_rng(0)
    if kind == "counts":
        return torch.from_numpy(rng.poisson([2.0, 9.0], (500, 2)).astype(np.float32))
    return torch.from_numpy(
        (rng.normal(size=(500, 2)) * [1.0, 5.0] + [0.0, 30.0]).astype(np.float32)
    )


def made(kind: str, **settings) -> torch.nn.Module:
    model = OBSERVATIONS[kind](2, **settings)
    model.start_from(training(kind))
    return model


def features(model, seed: int = 1, size: float = 0.7) -> torch.Tensor:
    return size * torch.randn(model.features, generator=Generator().manual_seed(seed))


def draws(model, given: torch.Tensor, count: int = MANY) -> np.ndarray:
    """[count, 2]."""
    p = model(given.expand(count, -1))
    return model.draw(p, Generator().manual_seed(3)).numpy()


@pytest.mark.parametrize("v", [0, 1])
@pytest.mark.parametrize("kind", ["gaussian", "mixture", "buckets"])
def test_densities_integrate_to_one_and_draws_follow_them(kind, v):
    model = made(kind)
    known = training(kind).numpy()[:, v]
    given = features(model)
    reach = 8 * known.std() * (kind != "buckets")
    edges = np.linspace(known.min() - reach, known.max() + reach, 100_001)
    middles = (edges[1:] + edges[:-1]) / 2
    repeated = model(given.expand(len(middles), -1))
    values = torch.from_numpy(np.repeat(middles[:, None], 2, 1)).float()
    density = repeated.log_prob(values)[:, v].double().exp().numpy()
    mass = density * np.diff(edges)
    assert mass.sum() == pytest.approx(1, abs=2e-3)
    cdf = np.concatenate([[0], np.cumsum(mass)]) / mass.sum()
    drawn = draws(model, given)[:, v]
    assert stats.kstest(drawn, lambda x: np.interp(x, edges, cdf)).pvalue > 1e-3
    assert drawn.mean() == pytest.approx(
        float(model(given).mean[v]), abs=4 * float(drawn.std()) / math.sqrt(MANY)
    )


@pytest.mark.parametrize("v", [0, 1])
@pytest.mark.parametrize("kind", ["gaussian", "mixture", "buckets"])
def test_components_are_the_distribution(kind, v):
    """Their mean and variance are those of the draws; each weight is a share."""
    model = made(kind)
    given = features(model)
    log_weights, mean, scale = (each[v].double().numpy() for each in model.components(model(given)))
    weights = np.exp(log_weights - np.logaddexp.reduce(log_weights))
    drawn = draws(model, given)[:, v]
    expected = (weights * mean).sum()
    spread = math.sqrt((weights * (scale**2 + mean**2)).sum() - expected**2)
    assert drawn.mean() == pytest.approx(expected, abs=5 * spread / math.sqrt(MANY))
    assert drawn.std() == pytest.approx(spread, rel=0.03)


@pytest.mark.parametrize("kind", ["gaussian", "mixture", "buckets"])
def test_a_pool_is_the_even_mixture(kind):
    model = made(kind)
    parts = [model(features(model, seed)) for seed in (1, 2, 3)]
    log_weights, mean, scale = model.pool(parts)
    torch.testing.assert_close(log_weights.logsumexp(-1), torch.zeros(2), rtol=0, atol=1e-5)
    expected = torch.stack([p.mean for p in parts]).mean(0)
    torch.testing.assert_close((log_weights.exp() * mean).sum(-1), expected, rtol=1e-4, atol=1e-4)
    if kind != "buckets":
        at = training(kind)[:50]
        slow = torch.stack([p.log_prob(at) for p in parts]).logsumexp(0) - math.log(3)
        each = torch.distributions.Normal(mean, scale).log_prob(at[..., None])
        torch.testing.assert_close((log_weights + each).logsumexp(-1), slow, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", OBSERVATIONS)
def test_missing_training_values_change_nothing(kind):
    """Start from what was seen alone."""
    known = training(kind)
    holes = torch.full((200, 2), torch.nan)
    one = OBSERVATIONS[kind](2)
    other = OBSERVATIONS[kind](2)
    one.start_from(known)
    other.start_from(torch.cat([holes[:100], known, holes[100:]]))
    for a, b in zip(one.buffers(), other.buffers(), strict=True):
        torch.testing.assert_close(a, b)
    torch.testing.assert_close(one.mean, known.mean(0))
    torch.testing.assert_close(one.scale, known.std(0, correction=0))


def test_a_variable_that_never_changes_keeps_its_scale():
    model = GaussianObservation(1)
    model.start_from(torch.full((20, 1), 3.0))
    assert (model.mean.item(), model.scale.item()) == (3.0, 1.0)


def test_a_gaussian_begins_at_the_training_distribution():
    model = made("gaussian")
    p = model(torch.zeros(model.features))
    torch.testing.assert_close(p.mean, model.mean)
    torch.testing.assert_close(p.stddev, model.scale, rtol=5e-3, atol=0)


def test_a_mixture_begins_spread_over_the_training_values():
    """Nearer to a sample of two far peaks than one Gaussian can be."""
    rng = np.random.default_rng(2)
    peaks = torch.from_numpy(
        rng.normal(np.repeat([-4.0, 4.0], 400), 0.3)[:, None].astype(np.float32)
    )
    found = {}
    for name, model in (("mixture", MixtureObservation(1)), ("gaussian", GaussianObservation(1))):
        model.start_from(peaks)
        found[name] = model(torch.zeros(len(peaks), model.features)).log_prob(peaks).mean().item()
    assert found["mixture"] > found["gaussian"] + 0.3


class TestBuckets:
    def test_few_distinct_values_are_their_own_buckets(self):
        values = torch.tensor([0.0, 0.5, 0.5, 2.0, 2.0, 2.0])[:, None]
        model = BucketObservation(1, 5)
        model.start_from(values)
        logits = torch.tensor([0.1, 0.2, 0.7, 9.0, 9.0]).log()
        p = model(logits.expand(3, -1))
        expected = torch.tensor([0.1, 0.2, 0.7])
        at = torch.tensor([0.0, 0.5, 2.0])[:, None]
        torch.testing.assert_close(p.log_prob(at).exp().flatten(), expected)
        assert p.log_prob(at).exp().sum().item() == pytest.approx(1)
        drawn = draws(model.float(), logits, 20_000)
        found = [(drawn == value).sum() for value in (0.0, 0.5, 2.0)]
        assert (
            stats.chisquare(
                found, 20_000 * expected.double().numpy() / expected.double().sum().item()
            ).pvalue
            > 1e-3
        )

    def test_a_value_that_was_never_seen_goes_to_the_nearest_one(self):
        model = BucketObservation(1, 4)
        model.start_from(torch.tensor([0.0, 1.0, 10.0])[:, None])
        p = model(torch.zeros(1, 4))
        at = torch.tensor([[-3.0], [0.4], [0.6], [5.4], [5.6], [99.0]])
        assert find_bucket(at, p.bounds).flatten().tolist() == [0, 0, 1, 1, 2, 2]

    def test_many_distinct_values_give_quantiles(self):
        """Each holds as many training values, so even weights are the empirical distribution."""
        values = torch.from_numpy(
            np.random.default_rng(0).lognormal(size=(6400, 1)).astype(np.float32)
        )
        model = BucketObservation(1, 64)
        model.start_from(values)
        p = model(torch.zeros(len(values), 64))
        held = torch.bincount(find_bucket(values, p.bounds).flatten(), minlength=64)
        assert held.min() >= 99
        assert held.max() <= 101
        drawn = draws(model, torch.zeros(64))[:, 0]
        assert stats.ks_2samp(drawn, values[:, 0].numpy()).statistic < 0.03
        assert (model.widths > 0).all()

    def test_a_value_that_most_have_leaves_fewer_buckets(self):
        rng = np.random.default_rng(0)
        values = np.where(rng.random(5000) < 0.5, 0.0, rng.random(5000)).astype(np.float32)[:, None]
        model = BucketObservation(1, 16)
        model.start_from(torch.from_numpy(values))
        assert model.unused.any()
        drawn = draws(model, torch.zeros(16))[:, 0]
        assert np.isfinite(drawn).all()
        assert drawn.min() >= 0
        assert drawn.max() <= 1

    def test_inputs_are_the_value_and_its_bucket(self):
        model = BucketObservation(1, 3)
        model.start_from(torch.tensor([0.0, 1.0, 2.0])[:, None])
        seen = torch.tensor([[True], [False]])
        encoded = model.encode(torch.tensor([[2.0], [2.0]]), seen)
        assert encoded.shape == (2, model.inputs)
        assert encoded[0, 1:].tolist() == [0, 0, 1]
        assert encoded[1].tolist() == [0, 0, 0, 0]


class TestCounts:
    GIVEN = torch.tensor([-0.4, math.log(3.0), math.log(0.8), 1.5, math.log(20.0), math.log(5.0)])

    def truth(self, v: int, at: np.ndarray) -> np.ndarray:
        """Zero-inflated negative binomial from scipy: size n, success n / (n + mean)."""
        zero, mean, size = [(-0.4, 3.0, 0.8), (1.5, 20.0, 5.0)][v]
        share = 1 / (1 + math.exp(-zero))
        return share * (at == 0) + (1 - share) * stats.nbinom.pmf(at, size, size / (size + mean))

    @pytest.mark.parametrize("v", [0, 1])
    def test_probabilities_are_scipys_and_sum_to_one(self, v):
        at = np.arange(400)
        p = made("counts")(self.GIVEN.expand(len(at), -1))
        found = (
            p.log_prob(torch.from_numpy(np.repeat(at[:, None], 2, 1)).float())[:, v]
            .double()
            .exp()
            .numpy()
        )
        np.testing.assert_allclose(found, self.truth(v, at), rtol=2e-3, atol=1e-7)
        assert found.sum() == pytest.approx(1, abs=1e-4)
        assert float(p.mean[0, v]) == pytest.approx((self.truth(v, at) * at).sum(), rel=1e-3)

    @pytest.mark.parametrize("v", [0, 1])
    def test_draws_follow_them(self, v):
        drawn = draws(made("counts"), self.GIVEN)[:, v].astype(int)
        top = int(np.quantile(drawn, 0.995))
        found = np.bincount(np.minimum(drawn, top), minlength=top + 1)
        expected = self.truth(v, np.arange(top))
        expected = MANY * np.concatenate([expected, [1 - expected.sum()]])
        assert stats.chisquare(found, expected).pvalue > 1e-3

    @pytest.mark.parametrize("log_size", [-30.0, 0.0, 30.0])
    def test_the_second_feature_is_the_log_of_the_mean_whatever_the_size(self, log_size):
        model = CountObservation(1)
        p = model(torch.tensor([-50.0, math.log(7.0), log_size]))
        assert p.mean.item() == pytest.approx(7.0, rel=1e-4)

    def test_they_are_no_gaussians(self):
        model = made("counts")
        with pytest.raises(ValueError, match="take gaussian, mixture or buckets"):
            model.components(model(self.GIVEN))

    def test_same_seed_same_draws_and_the_global_noise_is_left_alone(self):
        torch.manual_seed(5)
        before = torch.random.get_rng_state()
        first, again = (draws(made("counts"), self.GIVEN, 50) for _ in range(2))
        np.testing.assert_array_equal(first, again)
        assert torch.equal(before, torch.random.get_rng_state())


def test_drawn_indices_have_their_weights():
    weights = torch.tensor([0.05, 0.0, 0.25, 0.7])
    drawn = draw_index(weights.log().clamp_min(-1e9).expand(20_000, -1), Generator().manual_seed(0))
    found = torch.bincount(drawn, minlength=4)
    assert found[1] == 0
    assert stats.chisquare(found[[0, 2, 3]].numpy(), [1000, 5000, 14_000]).pvalue > 1e-3


def test_the_gaussian_density_is_that_of_its_mean_and_spread():
    model = made("gaussian")
    p = model(features(model))
    at = training("gaussian")[:20]
    slow = stats.norm.logpdf(at.numpy(), p.mean.numpy(), p.stddev.numpy())
    np.testing.assert_allclose(p.log_prob(at).numpy(), slow, rtol=1e-4)
