"""Gaussians of latents against torch's dense ones."""

import numpy as np
import pytest
import torch
from torch.distributions import MultivariateNormal, kl_divergence

from habitus.models.parts.gaussians import Diagonal, kl_of_diagonals
from habitus.models.recurrent.covariances import COVARIANCES, RankOne, standard_log_prob

Z = 4
SHAPE = (3, 2)


def features(per_latent: int) -> torch.Tensor:
    """Float64, so that what is compared is the formula and not its rounding."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(*SHAPE, per_latent * Z, generator=generator, dtype=torch.float64)


def dense(q: Diagonal | RankOne) -> MultivariateNormal:
    if isinstance(q, Diagonal):
        return MultivariateNormal(q.mean, torch.diag_embed(q.log_variance.exp()))
    return MultivariateNormal(
        q.mean,
        precision_matrix=torch.diag_embed(q.log_precision.exp())
        + q.u[..., :, None] * q.u[..., None, :],
    )


@pytest.mark.parametrize("name", COVARIANCES)
class TestGaussian:
    def test_divergence_from_the_standard_normal(self, name):
        per_latent, made = COVARIANCES[name]
        q = made(features(per_latent))
        standard = MultivariateNormal(torch.zeros(Z).double(), torch.eye(Z).double())
        torch.testing.assert_close(q.kl(), kl_divergence(dense(q), standard))

    def test_density(self, name):
        per_latent, made = COVARIANCES[name]
        q = made(features(per_latent))
        xi = torch.randn(
            5, *SHAPE, Z, generator=torch.Generator().manual_seed(1), dtype=torch.float64
        )
        torch.testing.assert_close(q.log_prob(xi), dense(q).log_prob(xi))

    def test_draws_are_a_linear_map_of_noise_whose_square_is_the_covariance(self, name):
        """R from the images of unit vectors: R R^T is the covariance exactly, with no draw."""
        per_latent, made = COVARIANCES[name]
        q = made(features(per_latent))
        images = torch.stack(
            [q.transform(unit.expand(*SHAPE, Z)) - q.mean for unit in torch.eye(Z).double()], -1
        )
        torch.testing.assert_close(images @ images.mT, dense(q).covariance_matrix)

    def test_draws_have_that_mean_and_covariance(self, name):
        per_latent, made = COVARIANCES[name]
        flat = features(per_latent)[0, 0].float()
        q = made(flat)
        many = made(flat.expand(200_000, -1))
        drawn = many.draw(torch.Generator().manual_seed(2)).numpy()
        np.testing.assert_allclose(drawn.mean(0), q.mean.numpy(), atol=0.02)
        np.testing.assert_allclose(np.cov(drawn.T), dense(q).covariance_matrix.numpy(), atol=0.03)

    def test_gradients_reach_every_feature(self, name):
        per_latent, made = COVARIANCES[name]
        given = features(per_latent).float().requires_grad_()
        q = made(given)
        (q.draw(torch.Generator().manual_seed(0)).square().sum() + q.kl().sum()).backward()
        assert torch.isfinite(given.grad).all()
        assert (given.grad != 0).all()

    def test_extreme_features_stay_finite(self, name):
        per_latent, made = COVARIANCES[name]
        for size in (-1e3, 1e3):
            given = torch.full((per_latent * Z,), size)
            q = made(given)
            for found in (
                q.kl(),
                q.log_prob(torch.zeros(Z)),
                q.draw(torch.Generator().manual_seed(0)),
            ):
                assert torch.isfinite(found).all()


def test_without_u_a_low_rank_gaussian_is_diagonal():
    mean, log_variance = features(2).chunk(2, -1)
    one = RankOne(mean, -log_variance, torch.zeros_like(mean))
    other = Diagonal(mean, log_variance)
    noise = torch.randn(mean.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    torch.testing.assert_close(one.transform(noise), other.transform(noise))
    torch.testing.assert_close(one.kl(), other.kl())
    torch.testing.assert_close(one.log_prob(noise), other.log_prob(noise))


def test_the_gradient_at_u_of_zero_is_finite():
    mean = torch.zeros(Z)
    u = torch.zeros(Z, requires_grad=True)
    q = RankOne(mean, mean, u)
    (q.transform(torch.ones(Z)).sum() + q.kl()).backward()
    assert torch.isfinite(u.grad).all()


def test_the_standard_normal():
    xi = features(1)
    expected = MultivariateNormal(torch.zeros(Z).double(), torch.eye(Z).double()).log_prob(xi)
    torch.testing.assert_close(standard_log_prob(xi), expected)


def test_divergence_between_diagonals():
    q = Diagonal(*features(2).chunk(2, -1))
    p = Diagonal(*(1 - features(2)).flip(0).chunk(2, -1))
    torch.testing.assert_close(kl_of_diagonals(q, p), kl_divergence(dense(q), dense(p)))
    assert float(kl_of_diagonals(q, q).abs().max()) < 1e-12
