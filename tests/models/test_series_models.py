"""The table that every model of series goes through: add a line, change nothing else."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from torch import Generator

from habitus.models import MODELS
from habitus.models.base import AutoregressiveModel, SeriesModel, Windows
from habitus.models.parts.gaussians import Gaussian
from habitus.models.recurrent.dlgm import DLGM, DLGMConfig
from habitus.models.recurrent.latent_layers import LatentLayers
from habitus.models.recurrent.lstm_gru import GRU, LSTM, RecurrentConfig
from habitus.models.recurrent.observations import OBSERVATIONS
from habitus.models.recurrent.tdlgm import TDLGM, TDLGMConfig
from habitus.models.recurrent.timegan import TimeGAN, TimeGANConfig
from habitus.models.recurrent.vrnn import VRNN, VRNNConfig
from habitus.run import Run, load
from habitus.schema import SeriesAxes

SIZE = {"window": 7, "hidden": 8}
MODELS_AND_SETTINGS = [
    (LSTM, RecurrentConfig(layers=2, periods="3", **SIZE)),
    (GRU, RecurrentConfig(dropout=0.0, **SIZE)),
    (DLGM, DLGMConfig(latents=3, history=2, periods="3,5", **SIZE)),
    (DLGM, DLGMConfig(layers=1, latents=2, covariance="low-rank", history=0, **SIZE)),
    (TDLGM, TDLGMConfig(latents=3, periods="3", **SIZE)),
    (
        TDLGM,
        TDLGMConfig(
            layers=3,
            latents=2,
            covariance="low-rank",
            state_error="likelihood",
            recognition="value",
            transition="generated",
            **SIZE,
        ),
    ),
    (VRNN, VRNNConfig(latents=3, periods="3", **SIZE)),
]
CASES = [
    (kind, dataclasses.replace(config, likelihood=likelihood))
    for kind, config in MODELS_AND_SETTINGS
    for likelihood in OBSERVATIONS
]
CASES += [
    (kind, dataclasses.replace(config, likelihood=likelihood, relative=True))
    for (kind, config), likelihood in zip(
        MODELS_AND_SETTINGS,
        itertools.cycle(("gaussian", "mixture", "autoregressive", "buckets")),
        strict=False,
    )
]
AUTOREGRESSIVE = [
    f"{kind.__name__}-{number // len(OBSERVATIONS)}-{c.likelihood}{'-relative' * c.relative}"
    for number, (kind, c) in enumerate(CASES)
]
CASES.append((TimeGAN, TimeGANConfig(layers=2, **SIZE)))
IDS = [*AUTOREGRESSIVE, "TimeGAN"]
AXES = [SeriesAxes(("a",)), SeriesAxes(("a", "b", "c"))]
every_model = pytest.mark.parametrize(("kind", "config"), CASES, ids=IDS)
every_autoregressive = pytest.mark.parametrize(("kind", "config"), CASES[:-1], ids=AUTOREGRESSIVE)
every_size = pytest.mark.parametrize("axes", AXES, ids=["1", "3"])
B = 5
T = 7


def noise(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def made(kind: type[SeriesModel], config: object, axes: SeriesAxes) -> SeriesModel:
    """A model whose outputs are of its inputs, not near zero as they begin."""
    torch.manual_seed(0)
    model = kind(axes, config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith("weight") and weight.ndim == 2:
                weight.mul_(1.5)
    relative = getattr(config, "relative", False)
    model.start_from(batch(model, holes=not relative)[..., :-1].nan_to_num(1.0).flatten(0, 1))
    assert not relative or model.wanders.all()
    return model.eval()


def batch(model: SeriesModel, holes: bool = True) -> torch.Tensor:
    """Windows [B, T, V + 1], with a clock from a number other than 0, and with gaps."""
    rng = np.random.default_rng(1)
    shape = (B, T, len(model.axes.variables))
    counts = getattr(model.config, "likelihood", None) == "counts"
    values = rng.poisson(2.0, shape) if counts else np.round(10 + 3 * rng.normal(size=shape), 1)
    if getattr(model.config, "relative", False):  # what wanders
        values = np.round(0.7 * np.arange(B * T).reshape(B, T, 1) + rng.normal(0, 0.5, shape), 1)
    values = values.astype(np.float32)
    if holes and not isinstance(model, TimeGAN):
        values[rng.random(shape) < 0.2] = np.nan
        values[0, 2] = np.nan
        values[1, :, 0] = np.nan
    clock = np.arange(T) + 4.0 * np.arange(B)[:, None]
    return torch.from_numpy(np.concatenate([values, clock[..., None]], -1).astype(np.float32))


def seen(model: SeriesModel, holes: bool = True) -> Windows:
    return Windows.unpack(batch(model, holes))


def part(x: Windows, begin: int, end: int) -> Windows:
    return Windows(*(each[:, begin:end] for each in x))


def scores(model: AutoregressiveModel, x: Windows, at: torch.Tensor | None = None) -> torch.Tensor:
    """Log-densities of the predictions at fixed values, which distinguish them, [B, T, V]."""
    with torch.no_grad():
        return model.predictions(x, noise(5)).log_prob(x.values if at is None else at)


@pytest.fixture
def pinned(monkeypatch):
    """Latents without noise: every draw is the mean."""
    monkeypatch.setattr(Gaussian, "draw", lambda self, generator: self.mean)

    def still(self, shape, generator):
        return torch.zeros(*shape, self.config.layers, self.config.latents)

    monkeypatch.setattr(LatentLayers, "draw_prior", still)


def every_phase(model: SeriesModel) -> list[str]:
    return list(dict.fromkeys(each for at in (0.0, 0.5, 1.0) for each in model.phases(at)))


def idle(model: SeriesModel) -> set[str]:
    """Parameters that have nothing to do under some settings."""
    return {"log_scale"} if getattr(model.config, "state_error", None) == "mse" else set()


def without_decay(config: object) -> object:
    """The same settings without the prior on the weights, which would reach every one of them."""
    return (
        dataclasses.replace(config, weight_decay=0.0) if hasattr(config, "weight_decay") else config
    )


@every_model
class TestSeriesModel:
    @every_size
    def test_the_loss_is_finite_in_every_phase(self, kind, config, axes):
        model = made(kind, config, axes).train()
        for phase in every_phase(model):
            model.phase = phase
            loss = model.loss(batch(model), noise())
            assert loss.total.shape == ()
            assert torch.isfinite(loss.total)
            assert all(torch.isfinite(term) for term in loss.terms.values())

    def test_every_parameter_has_a_finite_gradient_in_a_phase_of_its_own(self, kind, config):
        model = made(kind, without_decay(config), AXES[1]).train()
        names = {id(p): name for name, p in model.named_parameters()}
        reached = set()
        for phase in every_phase(model):
            model.phase = phase
            model.zero_grad()
            model.loss(batch(model), noise()).total.backward()
            for weight in model.phase_parameters(phase):
                assert weight.grad is None or torch.isfinite(weight.grad).all()
                if weight.grad is not None and weight.grad.abs().sum() > 0:
                    reached.add(names[id(weight)])
        assert set(names.values()) - reached == idle(model)

    def test_a_batch_of_one_window_has_a_finite_gradient(self, kind, config):
        """As where an epoch leaves a last batch of one."""
        model = made(kind, config, AXES[1]).train()
        for phase in every_phase(model):
            model.phase = phase
            model.zero_grad()
            model.loss(batch(model)[:1], noise()).total.backward()
            assert all(
                torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None
            )

    def test_the_loss_makes_nothing_on_another_device(self, kind, config):
        """What is made without a device would land on the wrong one of two."""
        model = made(kind, config, AXES[1]).train()
        x = batch(model)
        generator = noise()
        with torch.device("meta"):
            for phase in every_phase(model):
                model.phase = phase
                assert model.loss(x, generator).total.device.type == "cpu"

    def test_same_seed_same_loss_and_series(self, kind, config):
        model = made(kind, config, AXES[1])
        x = batch(model)
        with torch.no_grad():
            assert torch.equal(model.loss(x, noise(3)).total, model.loss(x, noise(3)).total)
            first = model.generate(4, 6, noise(3))
            assert torch.equal(first, model.generate(4, 6, noise(3)))
            assert not torch.equal(first, model.generate(4, 6, noise(4)))

    @every_size
    def test_generated_shapes_and_values(self, kind, config, axes):
        model = made(kind, config, axes)
        with torch.no_grad():
            drawn = model.generate(3, 9, noise())
        assert drawn.shape == (3, 9, len(axes.variables))
        assert torch.isfinite(drawn).all()
        if getattr(config, "likelihood", None) == "counts":
            assert (drawn >= 0).all()
            assert torch.equal(drawn, drawn.round())
        few = getattr(config, "likelihood", None) == "buckets" and not getattr(
            config, "relative", False
        )
        if few:  # distinct values: no other is drawn
            known = batch(model)[..., :-1].nan_to_num(1.0)
            for v in range(len(axes.variables)):
                assert torch.isin(drawn[..., v], known[..., v]).all()

    def test_save_and_load(self, kind, config, tmp_path):
        model = made(kind, config, AXES[1])
        Run(model, None, {"epochs": 1}, {"step": [1.0], "loss": [2.0]}, {}).save(tmp_path / "run")
        again = load(tmp_path / "run").model
        assert again.config == config
        assert again.axes == AXES[1]
        x = batch(model)
        with torch.no_grad():
            assert torch.equal(model.generate(4, 6, noise()), again.generate(4, 6, noise()))
            assert torch.equal(model.loss(x, noise()).total, again.loss(x, noise()).total)

    def test_the_window_is_that_of_the_settings(self, kind, config):
        assert made(kind, config, AXES[0]).window == config.window


@every_autoregressive
class TestAutoregressiveModel:
    @every_size
    def test_shapes(self, kind, config, axes):
        model = made(kind, config, axes)
        v = len(axes.variables)
        x = seen(model)
        with torch.no_grad():
            assert model.predictions(x, noise()).batch_shape == (B, T, v)
            assert model.predictions(x, noise()).mean.shape == (B, T, v)
            assert model.log_prob(model.predictions(x, noise()), x).shape == (B, T)
            assert model.log_likelihood(x, 3, noise()).shape == (B,)
            state = model.read(x, noise())
            assert all(len(each) == B for each in state)
            assert torch.equal(state[-1], x.clock[:, -1] + 1)
            p = model.predict(state, noise())
            assert p.batch_shape == (B, v)
            assert model.draw(p, noise()).shape == (B, v)
            assert model.continue_from(state, 4, noise()).shape == (B, 4, v)
            if hasattr(model, "reconstructed"):
                found = model.reconstruct(x, 2, noise())
                assert found.shape == (B, T, v)
                assert torch.isfinite(found).all()

    def test_a_value_that_was_not_seen_is_never_read(self, kind, config):
        model = made(kind, config, AXES[1])
        x = seen(model)
        assert (x.values[~x.observed] == 0).all()
        rubbish = x._replace(values=torch.where(x.observed, x.values, 7.0))
        with torch.no_grad():
            for a, b in zip(model.read(x, noise()), model.read(rubbish, noise()), strict=True):
                assert torch.equal(a.nan_to_num(), b.nan_to_num())
            assert torch.equal(scores(model, x), scores(model, rubbish, x.values))
            assert torch.equal(
                model.log_likelihood(x, 2, noise()), model.log_likelihood(rubbish, 2, noise())
            )

    def test_that_a_value_was_not_seen_is_told(self, kind, config):
        """The mean of a variable and its absence are not the same."""
        model = made(kind, config, AXES[1])
        x = seen(model, holes=False)
        hidden = x.observed.clone()
        hidden[:, 3] = False
        other = x._replace(observed=hidden)
        moved = (scores(model, x) != scores(model, other, x.values)).flatten(2).any(-1).any(0)
        assert not moved[:4].any()
        assert moved[4] == (kind is not DLGM or config.relative)

    def test_predictions_depend_on_what_came_before_and_on_nothing_else(self, kind, config):
        model = made(kind, config, AXES[1])
        x = seen(model, holes=False)
        at = 4
        later = x._replace(values=torch.cat([x.values[:, :at], x.values[:, at:].flip(0)], 1))
        moved = (scores(model, x) != scores(model, later, x.values)).flatten(2).any(-1).any(0)
        assert not moved[: at + 1].any()
        assert moved[at + 1 :].all() == (kind is not DLGM or config.relative)

    def test_a_window_is_read_as_its_steps_one_by_one(self, kind, config, pinned):
        model = made(kind, config, AXES[1])
        x = seen(model)
        state = model.begin(B, x.clock[:, 0])
        one_by_one = []
        with torch.no_grad():
            for t in range(T):
                before = model.read(part(x, 0, t), noise()) if t else model.begin(B, x.clock[:, 0])
                for a, b in zip(state, before, strict=True):
                    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5, equal_nan=True)
                one_by_one.append(model.predict(state, noise()).log_prob(x.values[:, t]))
                state = model.observe(state, x.values[:, t], x.observed[:, t], noise())
            for a, b in zip(state, model.read(x, noise()), strict=True):
                torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5, equal_nan=True)
        torch.testing.assert_close(
            torch.stack(one_by_one, 1), scores(model, x), rtol=1e-3, atol=1e-4
        )

    def test_a_window_depends_on_no_other(self, kind, config, pinned):
        model = made(kind, config, AXES[1])
        x = seen(model)
        alone = torch.cat(
            [scores(model, Windows(*(each[b : b + 1] for each in x))) for b in range(B)]
        )
        torch.testing.assert_close(scores(model, x), alone, rtol=1e-3, atol=1e-4)

    def test_the_season_is_told_where_there_is_one(self, kind, config):
        model = made(kind, config, AXES[1])
        x = seen(model, holes=False)
        other = scores(model, x._replace(clock=x.clock + 1), x.values)
        assert torch.equal(scores(model, x), other) == (not config.periods)

    def test_same_seed_same_steps_ahead(self, kind, config):
        model = made(kind, config, AXES[1])
        with torch.no_grad():
            state = model.read(seen(model), noise())
            first = model.continue_from(state, 5, noise(1))
            assert torch.equal(first, model.continue_from(state, 5, noise(1)))
            assert not torch.equal(first, model.continue_from(state, 5, noise(2)))

    def test_nothing_seen_says_nothing(self, kind, config):
        """A window without values has likelihood 1, whatever the latents."""
        model = made(kind, config, AXES[1])
        x = Windows.unpack(
            torch.cat([torch.full((B, T, 3), torch.nan), batch(model)[..., -1:]], -1)
        )
        with torch.no_grad():
            torch.testing.assert_close(
                model.log_likelihood(x, 2, noise()), torch.zeros(B), rtol=0, atol=1e-6
            )

    def test_the_loss_is_the_likelihood_or_above_it(self, kind, config):
        """On average the terms are no less than minus the importance-weighted bound."""
        model = made(kind, without_decay(config), AXES[1])
        x = seen(model)
        with torch.no_grad():
            found = [model.terms(x, noise(seed)) for seed in range(40)]
            bound = float(model.log_likelihood(x, 200, noise()).sum()) / (B * T)
        loss = np.array([float(terms["nll"] + terms.get("kl", 0.0)) for terms in found])
        error = loss.std() / np.sqrt(len(loss))
        assert loss.mean() > -bound - 4 * error - 1e-4
        if kind in (LSTM, GRU):
            assert loss.mean() == pytest.approx(-bound, rel=1e-5)


def test_every_registered_model_of_series_is_in_the_table():
    assert {kind for kind, _ in CASES} == {
        kind for kind in MODELS.values() if issubclass(kind, SeriesModel)
    }


def test_every_likelihood_is_in_the_table():
    for kind in {kind for kind, _ in CASES} - {TimeGAN}:
        assert {config.likelihood for other, config in CASES[:-1] if other is kind} == set(
            OBSERVATIONS
        )


IMPOSSIBLE = [
    (RecurrentConfig, {"relative": True, "likelihood": "counts"}),
    (RecurrentConfig, {"window": 1}),
    (RecurrentConfig, {"hidden": 0}),
    (RecurrentConfig, {"components": -1}),
    (RecurrentConfig, {"layers": 0}),
    (RecurrentConfig, {"dropout": 1.0}),
    (RecurrentConfig, {"weight_decay": -1}),
    (RecurrentConfig, {"likelihood": "none"}),
    (RecurrentConfig, {"periods": "day"}),
    (RecurrentConfig, {"periods": "1"}),
    (RecurrentConfig, {"weight_decay": float("nan")}),
    (DLGMConfig, {"history": -1}),
    (DLGMConfig, {"latents": 0}),
    (DLGMConfig, {"covariance": "full"}),
    (DLGMConfig, {"beta": -1.0}),
    (DLGMConfig, {"warm_up": 1.0}),
    (TDLGMConfig, {"layers": 1}),
    (TDLGMConfig, {"alpha": float("inf")}),
    (TDLGMConfig, {"state_error": "l1"}),
    (TDLGMConfig, {"recognition": "none"}),
    (TDLGMConfig, {"transition": "none"}),
    (VRNNConfig, {"latents": 0}),
    (VRNNConfig, {"warm_up": -0.1}),
    (TimeGANConfig, {"gamma": -1.0}),
    (TimeGANConfig, {"layers": 0}),
    (TimeGANConfig, {"window": 1}),
]


@pytest.mark.parametrize(("kind", "settings"), IMPOSSIBLE, ids=str)
def test_impossible_settings_are_refused(kind, settings):
    with pytest.raises(ValueError, match=next(iter(settings))) as error:
        kind(**settings)
    assert "\n" not in str(error.value)


def test_timegan_refuses_what_it_cannot_read():
    model = TimeGAN(AXES[0], TimeGANConfig())
    with pytest.raises(ValueError, match="without missing values; fill them first"):
        model.start_from(torch.tensor([[1.0], [float("nan")]]))
