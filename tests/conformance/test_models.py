"""The table that every model goes through: add a line, change nothing else."""

import datetime as dt

import numpy as np
import pytest
import torch
from torch import Generator

from habitus.models import MODELS
from habitus.models.base import LatentModel, Model
from habitus.models.beta_vae import BetaVAE, BetaVAEConfig
from habitus.parts.nets import ARCHITECTURES
from habitus.parts.shapes import Axes
from habitus.run import Run, load

CASES = [
    *((BetaVAE, BetaVAEConfig(architecture=name)) for name in ARCHITECTURES),
    (BetaVAE, BetaVAEConfig(likelihood="squared-error", latents=2)),
    (BetaVAE, BetaVAEConfig(likelihood="poisson", normalisation="count", beta=1.0)),
    (BetaVAE, BetaVAEConfig(normalisation="binary", batch_norm=True, dropout=0.1)),
    (BetaVAE, BetaVAEConfig(beta=0.0)),
]
IDS = [f"{kind.__name__}-{number}" for number, (kind, _) in enumerate(CASES)]
AXES = [
    Axes(dt.date(2018, 2, 1), 32, 60, ("a", "b", "c", "d", "e")),
    Axes(dt.date(2018, 2, 1), 9, 120, ("a", "b")),
    Axes(dt.date(2018, 2, 1), 1, 1440, ("a",)),
]


def made(kind: type[Model], config: object, axes: Axes) -> Model:
    torch.manual_seed(0)
    return kind(axes, config)


def batch(model: Model, size: int = 6) -> torch.Tensor:
    rng = np.random.default_rng(1)
    counts = rng.poisson(0.4, (size, *model.axes.shape)).astype(np.float32)
    counts[:, 0, 0, 0] += 1
    peak = counts.max((1, 2, 3), keepdims=True)
    values = {"count": counts, "peak": counts / peak, "binary": (counts > 0).astype(np.float32)}[model.unit]
    return torch.from_numpy(values)


def noise(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


@pytest.mark.parametrize(("kind", "config"), CASES, ids=IDS)
class TestModel:
    @pytest.mark.parametrize("axes", AXES, ids=["32x24x5", "9x12x2", "1x1x1"])
    def test_shapes(self, kind, config, axes):
        model = made(kind, config, axes).train()
        loss = model.loss(batch(model), noise())
        assert loss.total.shape == ()
        assert torch.isfinite(loss.total)
        drawn = model.eval().sample(3, noise())
        assert drawn.shape == (3, *axes.shape)
        assert (drawn >= 0).all()

    def test_every_parameter_has_a_gradient(self, kind, config):
        model = made(kind, config, AXES[0]).train()
        model.loss(batch(model), noise()).total.backward()
        dead = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
        assert not dead

    def test_same_seed_same_result(self, kind, config):
        model = made(kind, config, AXES[1]).eval()
        x = batch(model)
        assert torch.equal(model.loss(x, noise(3)).total, model.loss(x, noise(3)).total)
        assert torch.equal(model.sample(4, noise(3)), model.sample(4, noise(3)))
        assert not torch.equal(model.sample(4, noise(3)), model.sample(4, noise(4)))

    def test_loss_is_a_mean_over_users(self, kind, config):
        model = made(kind, config, AXES[1]).eval()
        if not isinstance(model, LatentModel):
            pytest.skip("only models whose noise can be pinned")
        x = batch(model)
        q = model.encode(x)
        parts = [model.encode(x[i : i + 1]).mean for i in range(len(x))]
        torch.testing.assert_close(q.mean, torch.cat(parts), rtol=1e-4, atol=1e-5)

    def test_save_and_load(self, kind, config, tmp_path):
        model = made(kind, config, AXES[1]).eval()
        history = {"step": [1.0], "loss": [2.0]}
        Run(model, None, {"epochs": 1}, history, {"active_share": [0.5]}).save(tmp_path / "run")
        again = load(tmp_path / "run")
        assert again.model.config == config
        assert again.model.axes == AXES[1]
        assert again.history == history
        assert torch.equal(model.sample(4, noise()), again.model.sample(4, noise()))

    def test_latents(self, kind, config):
        model = made(kind, config, AXES[1]).eval()
        if not isinstance(model, LatentModel):
            pytest.skip("no latents")
        q = model.encode(batch(model))
        assert q.mean.shape == (6, model.latents)
        assert model.decode(q.mean).log_prob(batch(model)).shape == (6, *AXES[1].shape)


def test_every_registered_model_is_in_the_table():
    assert {kind for kind, _ in CASES} == set(MODELS.values())


@pytest.mark.parametrize(
    "settings",
    [
        {"beta": -1},
        {"beta": float("nan")},
        {"latents": 0},
        {"dropout": 1.0},
        {"architecture": "none"},
        {"likelihood": "gauss"},
        {"likelihood": "poisson"},
        {"normalisation": "count"},
    ],
)
def test_impossible_settings_are_refused(settings):
    with pytest.raises(ValueError, match=next(iter(settings)) if "likelihood" not in settings else "."):
        BetaVAEConfig(**settings)
