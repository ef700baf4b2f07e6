"""A DLGM of linear maps has a Gaussian marginal, and a posterior that can be recognised exactly."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Generator

from habitus.models.base import Windows
from habitus.models.recurrent.dlgm import DLGM, DLGMConfig
from habitus.schema import SeriesAxes
from linear_models import ONE, make_linear, spread_feature

TWO = SeriesAxes(("a", "b"))


def noise(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def linear_dlgm(axes: SeriesAxes, config: DLGMConfig, sigma: float) -> tuple[DLGM, np.ndarray]:
    """A DLGM with linear maps, and the covariance of its values."""
    torch.manual_seed(0)
    model = DLGM(axes, config).eval()
    v = len(axes.variables)
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
        decoder = torch.zeros(2 * v, config.hidden)
        decoder[:v] = 0.5 * torch.randn(v, config.hidden)
        make_linear(model.T_0, decoder, torch.tensor([0.0] * v + [spread_feature(sigma)] * v))
        loading = []
        path = decoder[:v]
        for at in range(config.layers):
            model.G[at].weight.copy_(0.5 * torch.randn(config.hidden, config.latents))
            loading.append(path @ model.G[at].weight)
            if at < config.layers - 1:
                between = 0.3 * torch.randn(config.hidden, config.hidden)
                make_linear(model.T[at], between, torch.zeros(config.hidden))
                path = path @ between
    g = torch.cat(loading, 1).double().numpy()
    return model, g @ g.T + sigma**2 * np.eye(v)


class TestLinearDLGM:
    """p(v) is N(0, G G^T + sigma^2)."""

    @pytest.mark.parametrize(("layers", "axes"), [(1, ONE), (3, ONE), (1, TWO), (2, TWO)])
    @torch.no_grad()
    def test_the_bound_approaches_the_exact_likelihood(self, layers, axes):
        """Latents recognised as their prior."""
        model, covariance = linear_dlgm(
            axes, DLGMConfig(hidden=6, latents=2, layers=layers, history=0), 0.5
        )
        p = stats.multivariate_normal(np.zeros(len(covariance)), covariance)
        v = p.rvs((300, 2), random_state=0).reshape(300, 2, -1).astype(np.float32)
        x = Windows(torch.from_numpy(v), torch.ones(v.shape, dtype=torch.bool), torch.zeros(300, 2))
        exact = p.logpdf(v).sum(1)
        gaps = [exact - model.log_likelihood(x, samples, noise()).numpy() for samples in (1, 1000)]
        assert gaps[0].mean() > 0.3
        assert -4 * gaps[1].std() / math.sqrt(300) < gaps[1].mean() < 0.03

    @pytest.mark.parametrize(("covariance", "latents"), [("diagonal", 1), ("low-rank", 3)])
    @torch.no_grad()
    def test_recognised_exactly_one_sample_is_enough(self, covariance, latents):
        """The posterior's precision is I + g g^T / sigma^2: diagonal plus rank one."""
        config = DLGMConfig(hidden=9, latents=latents, layers=1, covariance=covariance, history=0)
        model, variance = linear_dlgm(ONE, config, 0.5)
        g = model.T_0[0].weight[0] @ model.G[0].weight
        weight = torch.zeros(latents * model.per_latent, 2)
        bias = torch.zeros(latents * model.per_latent)
        weight[:latents, 0] = g / float(variance[0, 0])
        if covariance == "diagonal":
            bias[1] = math.log(0.25 / float(variance[0, 0]))
        else:
            bias[2 * latents :] = g / 0.5
        make_linear(model.q_xi, weight, bias)
        p = stats.norm(0, math.sqrt(variance[0, 0]))
        v = p.rvs((50, 3), random_state=1)
        x = Windows.unpack(torch.from_numpy(np.stack([v, 0 * v], -1).astype(np.float32)))
        found = model.log_likelihood(x, 1, noise()).numpy()
        np.testing.assert_allclose(found, p.logpdf(v).sum(1), atol=1e-3)

    @torch.no_grad()
    def test_generated_steps_are_independent_draws_of_the_marginal(self):
        model, covariance = linear_dlgm(ONE, DLGMConfig(hidden=6, latents=2, layers=2), 0.5)
        drawn = model.generate(5000, 4, noise())[..., 0].numpy()
        assert (
            stats.kstest(drawn.flatten(), stats.norm(0, math.sqrt(covariance[0, 0])).cdf).pvalue
            > 1e-3
        )
        correlation = np.corrcoef(drawn.T)[~np.eye(4, dtype=bool)]
        assert np.abs(correlation).max() < 4 / math.sqrt(5000)
