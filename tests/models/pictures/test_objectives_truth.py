"""KL against Eq 3.6 and Monte Carlo, likelihoods against scipy, nets against slow versions."""

import datetime as dt

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Generator, nn
from torch.distributions import Independent, Normal
from torch.nn import functional

from habitus.models.parts.gaussians import (
    diagonal_normal,
    kl_from_standard_normal,
    reparameterise,
)
from habitus.models.parts.mixtures import fit_mixture
from habitus.models.parts.priors import Mixture, StandardNormal
from habitus.models.pictures.beta_vae import BetaVAE, BetaVAEConfig
from habitus.models.pictures.likelihoods import Counts, CrossEntropy, SquaredError
from habitus.models.pictures.nets import ARCHITECTURES, ConvDecoder, ConvEncoder, UpConv2d
from habitus.schema import Axes


@pytest.fixture
def q() -> Independent:
    return diagonal_normal(
        torch.tensor([[0.3, -1.2, 0.0, -1.0, 0.5, 0.0], [2.0, 0.1, -0.4, 0.2, -3.0, 1.0]])
    )


def test_kl_is_equation_3_6(q):
    mean = q.mean
    variance = q.variance
    by_hand = 0.5 * (variance + mean**2 - 1 - variance.log())
    torch.testing.assert_close(kl_from_standard_normal(q), by_hand)


def test_kl_against_monte_carlo(q):
    generator = Generator().manual_seed(0)
    draws = torch.stack([reparameterise(q, generator) for _ in range(40_000)])
    inside = q.base_dist.log_prob(draws) - Normal(0, 1).log_prob(draws)
    error = inside.std(0) / len(draws) ** 0.5
    assert ((inside.mean(0) - kl_from_standard_normal(q)).abs() <= 5 * error).all()


def test_kl_of_the_prior_is_zero():
    assert kl_from_standard_normal(diagonal_normal(torch.zeros(2, 8))).abs().max() == 0


def test_draws_have_the_moments_of_q(q):
    generator = Generator().manual_seed(1)
    draws = torch.stack([reparameterise(q, generator) for _ in range(40_000)])
    torch.testing.assert_close(draws.mean(0), q.mean, atol=0.06, rtol=0)
    torch.testing.assert_close(draws.std(0), q.stddev, atol=0.05, rtol=0)


def test_cross_entropy_on_binary_values_is_bernoulli():
    logits = torch.randn(50)
    x = (torch.rand(50) < 0.5).float()
    expected = stats.bernoulli.logpmf(x.numpy(), torch.sigmoid(logits).numpy())
    np.testing.assert_allclose(CrossEntropy()(logits).log_prob(x).numpy(), expected, rtol=1e-5)


def test_cross_entropy_between_zero_and_one_is_the_cross_entropy():
    logits = torch.randn(50).double()
    x = torch.rand(50).double()
    p = torch.sigmoid(logits)
    expected = x * p.log() + (1 - x) * (1 - p).log()
    torch.testing.assert_close(CrossEntropy()(logits).log_prob(x), expected)


def test_cross_entropy_has_the_gradient_that_numbers_show():
    logits = torch.linspace(-15, 15, 25).double().requires_grad_()
    x = torch.rand(25).double()
    assert torch.autograd.gradcheck(lambda features: CrossEntropy()(features).log_prob(x), logits)
    reference = torch.distributions.Bernoulli(logits=logits, validate_args=False).log_prob(x)
    torch.testing.assert_close(CrossEntropy()(logits).log_prob(x), reference)


def test_squared_error_is_a_gaussian_and_a_squared_error():
    features = torch.randn(50)
    x = torch.rand(50)
    p = SquaredError()(features)
    mean = torch.sigmoid(features)
    np.testing.assert_allclose(
        p.log_prob(x).numpy(),
        stats.norm.logpdf(x.numpy(), mean.numpy(), 0.5**0.5),
        rtol=1e-5,
        atol=1e-6,
    )
    shifted = -p.log_prob(x) - (x - mean) ** 2
    torch.testing.assert_close(
        shifted, torch.full_like(shifted, 0.5 * np.log(np.pi)), atol=1e-5, rtol=0
    )


def test_counts_are_poisson_and_draws_have_its_moments():
    features = torch.linspace(-3, 3, 20)
    x = torch.arange(20).float() % 5
    p = Counts()(features)
    rate = functional.softplus(features) + 1e-6
    np.testing.assert_allclose(
        p.log_prob(x).numpy(), stats.poisson.logpmf(x.numpy(), rate.numpy()), rtol=1e-4
    )
    draws = Counts().draw(Counts()(features.expand(20_000, 20)), Generator().manual_seed(0))
    assert (draws == draws.round()).all()
    torch.testing.assert_close(draws.mean(0), rate, atol=0.08, rtol=0)
    torch.testing.assert_close(draws.var(0), rate, atol=0.2, rtol=0)


def test_reconstruction_sums_over_cells():
    axes = Axes(dt.date(2018, 2, 1), 3, 12 * 60, ("a", "b"))
    model = BetaVAE(axes, BetaVAEConfig(latents=2)).eval()
    x = torch.rand(4, *axes.shape)
    p = model.decode(reparameterise(model.encode(x), Generator().manual_seed(0)))
    expected = torch.stack([-p.log_prob(x)[user].sum() for user in range(4)])
    found = model.loss(x, Generator().manual_seed(0)).terms["reconstruction"]
    torch.testing.assert_close(found, expected.mean())


@pytest.mark.parametrize("size", [(4, 3), (1, 1), (5, 7)])
def test_up_convolution_is_up_sampling_then_convolution(size):
    layer = UpConv2d(6, 4).double()
    x = torch.randn(3, 6, *size).double().requires_grad_()
    slow = functional.conv2d(
        functional.interpolate(x, scale_factor=2), layer.weight, layer.bias, padding=1
    )
    torch.testing.assert_close(layer(x), slow)
    weights = torch.randn_like(slow)
    parameters = [x, layer.weight, layer.bias]
    fast_gradients = torch.autograd.grad((layer(x) * weights).sum(), parameters)
    slow_gradients = torch.autograd.grad((slow * weights).sum(), parameters)
    torch.testing.assert_close(fast_gradients, slow_gradients)


@pytest.mark.parametrize("slots", [2, 6, 12])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_networks_in_bfloat16_have_nearly_the_gradients_of_float32(architecture, slots):
    """Of narrow pictures too; what memory held before is large."""
    torch.manual_seed(0)
    size = (32, slots, 2)
    kind = ARCHITECTURES[architecture]
    nets = nn.Sequential(
        ConvEncoder(kind, size, 6, False, 0.0), ConvDecoder(kind, size, 6, False, 0.0)
    )
    x = torch.rand(20, 2, 32, slots)
    found = list[torch.Tensor]()
    for enabled in (False, True):
        held = [torch.full((2**power,), 1e37) for power in range(8, 18)]
        del held
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            made = nets(x).float().square().mean()
        gradients = torch.autograd.grad(made, list(nets.parameters()))
        found.append(torch.cat([each.flatten() for each in gradients]))
    torch.testing.assert_close(found[1], found[0], rtol=0, atol=0.1 * found[0].abs().max().item())


@pytest.mark.parametrize(
    "size", [(4, 3), (1, 2), (5, 7)]
)  # to a width of 1 networks compute in float32
def test_up_convolution_in_bfloat16(size):
    layer = UpConv2d(6, 4)
    x = torch.randn(3, 6, *size).bfloat16().requires_grad_()
    reference = [t.detach().double().requires_grad_() for t in (x, layer.weight, layer.bias)]
    slow = functional.conv2d(
        functional.interpolate(reference[0], scale_factor=2), *reference[1:], padding=1
    )
    fast = layer(x)
    assert fast.dtype == torch.bfloat16
    weights = torch.randn_like(fast)
    gradients = torch.autograd.grad((fast * weights).sum(), [x, layer.weight, layer.bias])
    expected = torch.autograd.grad((slow * weights.double()).sum(), reference)
    assert [g.dtype for g in gradients] == [torch.bfloat16, torch.float32, torch.float32]
    for mine, theirs in zip((fast, *gradients), (slow, *expected), strict=True):
        scale = theirs.abs().max()
        torch.testing.assert_close(mine.double(), theirs, atol=0.02 * scale.item(), rtol=0.02)


def test_standard_normal_prior():
    prior = StandardNormal(3)
    z = prior.sample(50_000, Generator().manual_seed(0))
    torch.testing.assert_close(torch.cov(z.T), torch.eye(3), atol=0.03, rtol=0)
    expected = stats.multivariate_normal(np.zeros(3)).logpdf(z[:5].numpy())
    np.testing.assert_allclose(prior.distribution().log_prob(z[:5]).numpy(), expected, rtol=1e-4)


def test_mixture_prior_recovers_a_mixture():
    rng = np.random.default_rng(0)
    centres = np.array([[-4.0, 0.0], [4.0, 2.0]])
    z = centres[rng.integers(0, 2, 4000)] + rng.normal(size=(4000, 2)) * [0.5, 1.5]
    prior = fit_mixture(torch.from_numpy(z), seed=0)
    drawn = prior.sample(4000, Generator().manual_seed(0)).numpy()
    for axis in range(2):
        assert stats.ks_2samp(z[:, axis], drawn[:, axis]).statistic < 0.05
    truth = np.logaddexp(
        *(stats.multivariate_normal(c, np.diag([0.25, 2.25])).logpdf(z) for c in centres)
    ) - np.log(2)
    mine = prior.distribution().log_prob(torch.from_numpy(z).float()).numpy()
    assert abs((truth - mine).mean()) < 0.03


def test_mixture_of_normals_is_their_average():
    rng = np.random.default_rng(0)
    mean = rng.normal(size=(5, 3))
    stddev = rng.uniform(0.1, 2, (5, 3))
    prior = Mixture.of_normals(torch.from_numpy(mean), torch.from_numpy(stddev))
    z = rng.normal(size=(20, 3))
    each = [
        stats.multivariate_normal(m, np.diag(s**2)).logpdf(z)
        for m, s in zip(mean, stddev, strict=True)
    ]
    expected = np.logaddexp.reduce(each) - np.log(5)
    np.testing.assert_allclose(
        prior.distribution().log_prob(torch.from_numpy(z).float()), expected, rtol=1e-4
    )
    drawn = prior.sample(100_000, Generator().manual_seed(0)).numpy()
    np.testing.assert_allclose(drawn.mean(0), mean.mean(0), atol=0.03)
    np.testing.assert_allclose(drawn.var(0), mean.var(0) + (stddev**2).mean(0), rtol=0.03)


def test_mixture_needs_users():
    with pytest.raises(ValueError, match="at least 10"):
        fit_mixture(torch.zeros(3, 2), seed=0)
