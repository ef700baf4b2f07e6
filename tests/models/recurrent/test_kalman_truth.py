"""Models of series against the Kalman filter, numerical integrals, and each other."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Generator

from habitus.models.base import SeriesModel, Windows
from habitus.models.parts.gaussians import Gaussian
from habitus.models.recurrent.dlgm import DLGM, DLGMConfig
from habitus.models.recurrent.latent_layers import LatentLayers
from habitus.models.recurrent.lstm_gru import GRU, LSTM, RecurrentConfig
from habitus.models.recurrent.tdlgm import TDLGM, TDLGMConfig
from habitus.models.recurrent.vrnn import VRNN, VRNNConfig
from habitus.schema import SeriesAxes
from habitus.series import Series
from habitus.training.config import FitConfig
from habitus.training.fit import fit
from linear_models import (
    ONE,
    OPEN,
    SMALL,
    StateSpace,
    filtering,
    filtering_tdlgm,
    leaky_lstm,
    logit,
    make_linear,
    spread_feature,
)

SPACE = StateSpace()


def noise(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def windows(v: np.ndarray) -> Windows:
    """Series [B, T] as windows."""
    clock = np.broadcast_to(np.arange(v.shape[1]), v.shape)
    return Windows.unpack(torch.from_numpy(np.stack([v, clock], -1).astype(np.float32)))


def test_the_kalman_filter_is_the_density_of_the_whole_series():
    v = SPACE.series(4, 6, 0)
    truth = stats.multivariate_normal(np.zeros(6), SPACE.covariance(6)).logpdf(v)
    np.testing.assert_allclose(SPACE.filtered(v)[0], truth)


@pytest.mark.parametrize(
    "made",
    [lambda s: filtering(LSTM, s), lambda s: filtering(GRU, s), filtering_tdlgm],
    ids=["lstm", "gru", "tdlgm"],
)
class TestFilter:
    """Weights with which a model is the filter: what it says of series is then exact, not near."""

    def test_likelihood(self, made):
        """With exactly recognised latents one sample is enough for the bound."""
        v = SPACE.series(50, 32, 1)
        with torch.no_grad():
            found = made(SPACE).log_likelihood(windows(v), 1, noise()).numpy()
        np.testing.assert_allclose(found, SPACE.filtered(v)[0], atol=5e-3)

    def test_forecasts(self, made):
        v = SPACE.series(3, 32, 2)
        samples = 20_000
        model = made(SPACE)
        with torch.no_grad():
            state = tuple(
                each.repeat_interleave(samples, 0) for each in model.read(windows(v), noise())
            )
            drawn = (
                model.continue_from(state, 5, noise(1)).unflatten(0, (3, samples))[..., 0].numpy()
            )
        for horizon in (1, 2, 5):
            mean, variance = SPACE.ahead(SPACE.filtered(v)[1], horizon)
            at = drawn[:, :, horizon - 1]
            spread = math.sqrt(variance)
            np.testing.assert_allclose(at.mean(1), mean, atol=4.5 * spread / math.sqrt(samples))
            np.testing.assert_allclose(at.std(1), spread, rtol=0.025)

    def test_generated_series(self, made):
        with torch.no_grad():
            drawn = made(SPACE).generate(20_000, 6, noise(3))[..., 0].numpy()
        np.testing.assert_allclose(np.cov(drawn.T), SPACE.covariance(6), atol=0.04)


def test_the_bound_rises_to_the_exact_likelihood_and_stays_below_it():
    """With latents recognised as their prior: loose with one sample, tight with many."""
    v = SPACE.series(200, 32, 4)
    exact = SPACE.filtered(v)[0] / 32
    model = filtering_tdlgm(SPACE, exact=False)
    gaps = []
    with torch.no_grad():
        for samples in (1, 8, 64, 512):
            gap = exact - model.log_likelihood(windows(v), samples, noise(samples)).numpy() / 32
            assert gap.mean() > -4 * gap.std() / math.sqrt(len(gap))
            gaps.append(gap.mean())
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[0] > 0.1
    assert gaps[-1] < 2e-3


def test_the_loss_is_the_bound_of_one_sample_and_the_error_of_states():
    """The terms are E_q log p and KL in closed form, for exactly recognised latents."""
    v = SPACE.series(2000, 8, 5)
    with torch.no_grad():
        terms = filtering_tdlgm(SPACE).terms(windows(v), noise())
    assert float(terms["nll"] + terms["kl"]) == pytest.approx(
        -SPACE.filtered(v)[0].mean() / 8, abs=0.01
    )


def test_generated_states_of_a_tdlgm_are_the_state_space_model_itself():
    """F as the transition of the state, with the top latent as its noise (Eq 12)."""
    model = TDLGM(ONE, TDLGMConfig(hidden=4, latents=1, transition="generated")).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
        leaky_lstm(model.F_hat[0].lstm, 0.5)  # told nothing at first, so from zero; not used after
        model.R[0].of_input.bias[:4] = OPEN
        model.R[0].of_input.bias[4:8] = logit(SPACE.rho)
        model.R[0].of_input.bias[12:] = OPEN
        model.R[0].of_input.weight[8, 0] = SMALL
        model.G[1].weight[0, 0] = math.sqrt(SPACE.q)
        decoder = torch.zeros(2, 4)
        decoder[0, 0] = 1 / SMALL
        make_linear(model.T_0, decoder, torch.tensor([0.0, spread_feature(math.sqrt(SPACE.r))]))
        drawn = model.generate(20_000, 6, noise())[..., 0].numpy()
    powers = SPACE.rho ** np.maximum(np.subtract.outer(np.arange(6), np.arange(6)), -1).clip(0)
    moved = np.tril(powers) * math.sqrt(SPACE.q)
    np.testing.assert_allclose(np.cov(drawn.T), moved @ moved.T + SPACE.r * np.eye(6), atol=0.03)


class TestFitted:
    """A few seconds of fitting on 6,000 steps, judged on others."""

    TOLERANCE = (
        0.02  # nats per step, of a likelihood at about -1.1; a constant Gaussian is off by 0.2
    )

    @pytest.mark.parametrize(
        ("kind", "config"),
        [
            (LSTM, RecurrentConfig(window=32, hidden=12, dropout=0.0, likelihood="gaussian")),
            (TDLGM, TDLGMConfig(window=32, hidden=12, latents=2, likelihood="gaussian")),
        ],
        ids=["lstm", "tdlgm"],
    )
    def test_likelihood_and_forecasts_approach_the_filter(self, kind, config):
        settings = FitConfig(
            **{**kind.fit_defaults, "epochs": 6, "learning_rate": 1e-2, "accelerator": "cpu"}
        )
        data = Series.from_arrays(SPACE.series(3, 2000, 6)[..., None], ["a"])
        model = fit(kind, data, config, fit=settings).model
        v = SPACE.series(400, 32, 7)
        truth, mean, _ = SPACE.filtered(v)
        with torch.no_grad():
            gap = (truth - model.log_likelihood(windows(v), 64, noise()).numpy()) / 32
            state = tuple(each.repeat_interleave(64, 0) for each in model.read(windows(v), noise()))
            drawn = model.continue_from(state, 5, noise()).unflatten(0, (400, 64))[..., 0].numpy()
        assert -4 * gap.std() / 20 < gap.mean() < self.TOLERANCE
        for horizon in (1, 5):
            expected, variance = SPACE.ahead(mean, horizon)
            at = drawn[:, :, horizon - 1]
            spread = math.sqrt(variance)
            away = np.sqrt(np.mean((at.mean(1) - expected) ** 2))
            assert away < 0.25 * spread  # of which 1/8 is from 64 draws
            assert np.sqrt(at.var(1).mean()) == pytest.approx(spread, rel=0.1)

    def test_the_tolerance_tells_the_filter_from_a_model_without_a_past(self):
        v = SPACE.series(400, 32, 7)
        constant = stats.norm(0, v.std()).logpdf(v).sum(1)
        assert ((SPACE.filtered(v)[0] - constant) / 32).mean() > 5 * self.TOLERANCE


def random_weights(model: SeriesModel, seed: int = 0, size: float = 0.4) -> None:
    generator = noise(seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(size * torch.randn(weight.shape, generator=generator))


GRID = torch.linspace(-7, 7, 141)
STEP = math.log(float(GRID[1] - GRID[0]))


def standard(xi: torch.Tensor) -> torch.Tensor:
    return torch.distributions.Normal(0.0, 1.0).log_prob(xi)


class TestBoundAgainstIntegrals:
    """Nonlinear models with so few latents that log p(v) is an integral on a grid."""

    def close(self, model: SeriesModel, x: Windows, exact: torch.Tensor) -> None:
        """The bound is near the truth with many samples, below it with one."""
        many = Windows(*(each.repeat(60, *[1] * (each.ndim - 1)) for each in x))
        for samples, bias in ((1, math.inf), (300, 0.02)):
            with torch.no_grad():
                found = model.log_likelihood(many, samples, noise()).unflatten(0, (60, -1)).double()
            gap = exact - found.mean(0)
            error = found.std(0) / math.sqrt(60)
            assert (gap > -4 * error - 1e-4).all()
            assert (gap < 4 * error + bias).all()
            assert samples > 1 or (gap > 0.02).all()

    @torch.no_grad()
    def test_tdlgm(self):
        model = TDLGM(ONE, TDLGMConfig(hidden=5, latents=1)).eval()
        random_weights(model)
        x = windows(np.random.default_rng(1).normal(size=(3, 4)))
        xi = torch.cartesian_prod(GRID, GRID)[:, None, None, :, None].expand(-1, 3, 4, -1, -1)
        s = model.states(x)[1][:, :-1].expand(len(xi), -1, -1, -1)
        log_p = model.generate_step(xi, s, torch.zeros(1))[0].log_prob(x.values).squeeze(
            -1
        ) + standard(xi).sum((-2, -1))
        self.close(model, x, (log_p.logsumexp(0) + 2 * STEP).sum(-1))

    @torch.no_grad()
    def test_dlgm(self):
        model = DLGM(ONE, DLGMConfig(hidden=5, latents=1, history=1)).eval()
        random_weights(model, size=0.3)
        x = windows(np.random.default_rng(1).normal(size=(3, 4)))
        xi = torch.cartesian_prod(GRID, GRID)[:, None, None, :, None].expand(-1, 3, 4, -1, -1)
        log_p = model.p_v_given_xi(xi, x.clock, torch.zeros(1)).log_prob(x.values).squeeze(
            -1
        ) + standard(xi).sum((-2, -1))
        self.close(model, x, (log_p.logsumexp(0) + 2 * STEP).sum(-1))

    @torch.no_grad()
    def test_vrnn(self):
        """The second step's prior, decoder and posterior know the first latent by the state."""
        model = VRNN(ONE, VRNNConfig(hidden=5, latents=1)).eval()
        random_weights(model)
        x = windows(np.random.default_rng(1).normal(size=(3, 2)))
        exact = []
        for v in x.values[..., 0]:
            told = [model.phi_v(torch.tensor([[each, 1.0]])) for each in v]
            h = torch.zeros(1, 5)
            first = self.joint(model, h, v[0])  # [G]
            after = model.gru(
                torch.cat([told[0].expand(len(GRID), -1), model.phi_z(GRID[:, None])], -1),
                h.expand(len(GRID), -1),
            )
            second = torch.stack(
                [self.joint(model, each[None], v[1]).logsumexp(0) + STEP for each in after]
            )
            exact.append((first + second).logsumexp(0) + STEP)
        self.close(model, x, torch.stack(exact))

    def joint(self, model: VRNN, h: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """Log p(v, z | h) at each z of the grid."""
        mean, log_variance = model.p_z(h).chunk(2, -1)
        log_prior = torch.distributions.Normal(mean, (log_variance / 2).exp()).log_prob(
            GRID[:, None]
        )
        p = model.p_v(
            model.features(torch.cat([model.phi_z(GRID[:, None]), h.expand(len(GRID), -1)], -1))
        )
        return (log_prior + p.log_prob(v.reshape(1, 1))).squeeze(-1)


N = 4
Z = 3
TWO = SeriesAxes(("a", "b"))


@torch.no_grad()
def related() -> tuple[TDLGM, VRNN]:
    """A tDLGM with one layer of states, and a VRNN, that are the same model.

    The tDLGM has no latents on top (G_2 = 0) and constant gates, so that its states are leaky sums
    of the past. The VRNN has a prior N(0, I) whatever the state, a state that does not read its
    latents, and the same leaky sums. Decoder (of latents + state) and recognition (of value and
    state) are the same perceptrons, of random weights.
    """
    generator = noise(3)
    draw = lambda *shape: 0.8 * torch.randn(*shape, generator=generator)  # noqa: E731
    one = TDLGM(TWO, TDLGMConfig(hidden=N, latents=Z, alpha=0.0, weight_decay=0.0)).eval()
    other = VRNN(TWO, VRNNConfig(hidden=N, latents=Z, weight_decay=0.0)).eval()
    for model in (one, other):
        for weight in model.parameters():
            weight.zero_()
    keep = torch.rand(N, generator=generator)
    of_input = draw(N, 4)
    lstm = one.F_hat[0].lstm
    gru = other.gru
    other.phi_v[0].weight.copy_(torch.eye(4))
    other.phi_v[0].bias.fill_(OPEN)
    lstm.bias_ih_l0[:N] = (1 - keep).logit()
    lstm.bias_ih_l0[N : 2 * N] = keep.logit()
    lstm.weight_ih_l0[2 * N : 3 * N] = of_input
    gru.bias_ih[N : 2 * N] = keep.logit()
    gru.weight_ih[2 * N :, :N] = of_input
    gru.bias_ih[2 * N :] = -OPEN * of_input.sum(1)
    of_h = draw(N, N)
    of_z = draw(N, Z)
    bias = draw(N)  # the decoder
    one.R[0].of_input.bias[N : 2 * N] = logit(SMALL)
    one.R[0].of_input.bias[3 * N :] = OPEN
    one.G[0].weight.copy_(SMALL * of_z)
    one.T_0[0].weight.copy_(of_h / SMALL)
    one.T_0[0].bias.copy_(bias)
    other.phi_z[0].weight.copy_(of_z)
    other.phi_z[0].bias.fill_(OPEN)
    other.features[0].weight.copy_(torch.cat([of_h, of_h], 1))
    other.features[0].bias.copy_(bias - OPEN * of_h.sum(1))
    last = 0.2 * draw(4, N)
    one.T_0[2].weight.copy_(last)
    other.features[2].weight.copy_(last)
    from_v = draw(N, 4)
    from_h = draw(N, N)
    bias = draw(N)
    last = 0.2 * draw(2 * Z, N)  # recognition
    one.q_xi[0].weight.copy_(torch.cat([from_v, from_h], 1))
    one.q_xi[0].bias.copy_(bias)
    one.q_xi[2].weight[: 2 * Z] = last
    other.q_z[0].weight.copy_(torch.cat([from_v, from_h], 1))
    other.q_z[0].bias.copy_(bias - OPEN * from_v.sum(1))
    other.q_z[2].weight.copy_(last)
    return one, other


class TestOneLayerTDLGMAndVRNN:
    """A tDLGM and a VRNN that are reduced to one model agree in states, KL, bound and forecasts.

    In general a VRNN's prior depends on the past and its state on its latents, and a tDLGM has a
    second latent above its state.
    """

    @pytest.fixture
    def x(self) -> Windows:
        rng = np.random.default_rng(0)
        values = rng.normal(size=(5, 6, 3))
        values[rng.random(values.shape) < 0.15] = np.nan
        values[1, 2] = np.nan
        values[..., 2] = np.arange(6)
        return Windows.unpack(torch.from_numpy(values.astype(np.float32)))

    @pytest.fixture(params=[0.0, 0.7, -1.2])
    def pinned(self, request, monkeypatch):
        """The same noise in both, which take it in another order."""
        monkeypatch.setattr(
            Gaussian, "draw", lambda q, g: q.transform(torch.full_like(q.mean, request.param))
        )
        monkeypatch.setattr(
            LatentLayers,
            "draw_prior",
            lambda self, shape, g: torch.full((*shape, 2, Z), float(request.param)),
        )

    @torch.no_grad()
    def test_states(self, x):
        one, other = related()
        state = other.begin(5, x.clock[:, 0])
        for t in range(6):
            torch.testing.assert_close(one.states(x)[1][:, t], state[0], rtol=1e-4, atol=2e-5)
            state = other.observe(state, x.values[:, t], x.observed[:, t], noise())

    @torch.no_grad()
    def test_terms_and_bound(self, x, pinned):
        one, other = related()
        mine = one.terms(x, noise())
        theirs = other.terms(x, noise())
        assert mine["state"] == 0
        assert mine["kl"] > 0.1
        for name in ("nll", "kl"):
            torch.testing.assert_close(mine[name], theirs[name], rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(
            one.log_likelihood(x, 1, noise()),
            other.log_likelihood(x, 1, noise()),
            rtol=1e-3,
            atol=5e-3,
        )

    @torch.no_grad()
    def test_predictions_and_reconstruction(self, x, pinned):
        one, other = related()
        for found in ("predictions", "read", "reconstructed"):
            if found == "predictions":
                a, b = (model.predictions(x, noise()).log_prob(x.values) for model in (one, other))
            elif found == "read":
                a, b = (
                    model.predict(model.read(x, noise()), noise()).mean for model in (one, other)
                )
            else:
                a, b = (model.reconstruct(x, 1, noise()) for model in (one, other))
                a, b = (torch.where(x.observed.any(-1, keepdim=True), each, 0.0) for each in (a, b))
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)

    @torch.no_grad()
    def test_bounds_of_many_samples(self, x):
        """With noise of their own, over the first steps: a VRNN weighs whole windows."""
        many = Windows(*(each[:, :3].repeat(20, *[1] * (each.ndim - 1)) for each in x))
        found = []
        for seed, model in enumerate(related()):
            found.append(model.log_likelihood(many, 100, noise(seed)).unflatten(0, (20, 5)))
        error = (found[0].var(0) + found[1].var(0)).sqrt() / math.sqrt(20)
        assert ((found[0].mean(0) - found[1].mean(0)).abs() < 4 * error + 0.05).all()
