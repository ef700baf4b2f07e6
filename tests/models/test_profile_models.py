"""The table that every model goes through: add a line, change nothing else."""

import datetime as dt

import numpy as np
import pytest
import torch
from torch import Generator

from habitus.models import MODELS
from habitus.models.base import (
    CompletingModel,
    Completion,
    GenerativeModel,
    LatentModel,
    Model,
    ProfileModel,
)
from habitus.models.context_mixture.model import ContextMixture, ContextMixtureConfig
from habitus.models.parts.masks import parse_mask
from habitus.models.pictures.beta_vae import BetaVAE, BetaVAEConfig
from habitus.models.pictures.context_vae import ContextVAE, ContextVAEConfig
from habitus.models.pictures.nets import ARCHITECTURES
from habitus.models.rhythm.config import RhythmConfig
from habitus.models.rhythm.model import Rhythm
from habitus.run import Run, load
from habitus.schema import Axes

CASES = [
    *((BetaVAE, BetaVAEConfig(architecture=name)) for name in ARCHITECTURES),
    (BetaVAE, BetaVAEConfig(likelihood="squared-error", latents=2)),
    (BetaVAE, BetaVAEConfig(likelihood="poisson", normalisation="count", beta=1.0)),
    (BetaVAE, BetaVAEConfig(normalisation="binary", batch_norm=True, dropout=0.1)),
    (BetaVAE, BetaVAEConfig(beta=0.0)),
    (ContextVAE, ContextVAEConfig()),
    (ContextVAE, ContextVAEConfig(mask="bottom", latents=3)),
    (ContextVAE, ContextVAEConfig(mask="last:7", architecture="deep-strided")),
    (ContextVAE, ContextVAEConfig(mask="any", likelihood="poisson", normalisation="count")),
    (ContextVAE, ContextVAEConfig(mask="cells:0.3", likelihood="squared-error", dropout=0.1)),
    (ContextVAE, ContextVAEConfig(mask="channel:a", normalisation="binary", batch_norm=True)),
    (ContextVAE, ContextVAEConfig(adversarial=1.0)),
    (ContextMixture, ContextMixtureConfig()),
    (ContextMixture, ContextMixtureConfig(mask="last:3", dropout=0.0)),
    (ContextMixture, ContextMixtureConfig(normalisation="binary")),
    (
        ContextMixture,
        ContextMixtureConfig(mask="centre", user_states=1, width=32, heads=2, layers=1),
    ),
    (Rhythm, RhythmConfig(free_nats=0.0)),
    (
        Rhythm,
        RhythmConfig(
            likelihood="negative-binomial", hidden=32, latents=3, dropout=0.1, free_nats=0.0
        ),
    ),
    (
        Rhythm,
        RhythmConfig(likelihood="poisson", hidden=16, components=1, day_latents=2, free_nats=0.0),
    ),
]
IDS = [f"{kind.__name__}-{number}" for number, (kind, _) in enumerate(CASES)]
GENERATIVE = [case for case in CASES if issubclass(case[0], GenerativeModel)]
COMPLETING = [case for case in CASES if issubclass(case[0], CompletingModel)]
AXES = [
    Axes(dt.date(2018, 2, 1), 32, 60, ("a", "b", "c", "d", "e")),
    Axes(dt.date(2018, 2, 1), 9, 120, ("a", "b")),
    Axes(dt.date(2018, 2, 1), 2, 1440, ("a",)),
    Axes(dt.date(2018, 2, 1), 1, 1440, ("a",)),
]
SIZES = ["32x24x5", "9x12x2", "2x1x1", "1x1x1"]


def ids(cases: list) -> list[str]:
    return [IDS[CASES.index(case)] for case in cases]


def made(kind: type[Model], config: object, axes: Axes) -> Model:
    torch.manual_seed(0)
    return kind(axes, config)


def made_if_it_can_be(kind: type[Model], config: object, axes: Axes) -> Model:
    """Make a model, or skip the test where the model refuses its mask on these axes."""
    try:
        return made(kind, config, axes)
    except ValueError as error:
        if not str(error).startswith("mask ") or axes.cells > 2:
            raise
        pytest.skip(f"refused: {error}")


def batch(model: Model, size: int = 6) -> torch.Tensor:
    rng = np.random.default_rng(1)
    counts = rng.poisson(0.4, (size, *model.axes.shape)).astype(np.float32)
    counts[:, 0, 0, 0] += 1
    peak = counts.max((1, 2, 3), keepdims=True)
    values = {"count": counts, "peak": counts / peak, "binary": (counts > 0).astype(np.float32)}[
        model.unit
    ]
    return torch.from_numpy(values)


def noise(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def hole(model: CompletingModel, size: int = 6) -> torch.Tensor:
    """A hole that the model can fill: that of its settings, or any."""
    mask = parse_mask(getattr(model.config, "mask", "last:1"), model.axes)
    return torch.from_numpy(np.array(mask.draw(size, np.random.default_rng(2))))


def completed(
    model: CompletingModel, x: torch.Tensor, missing: torch.Tensor, seed: int = 0
) -> Completion:
    with torch.no_grad():
        return model.complete(x, missing, 3, noise(seed))


def same(one: Completion, other: Completion) -> bool:
    return torch.equal(one.mean, other.mean) and torch.equal(one.draws, other.draws)


@pytest.mark.parametrize(("kind", "config"), CASES, ids=IDS)
class TestModel:
    @pytest.mark.parametrize("axes", AXES, ids=SIZES)
    def test_the_loss_is_finite(self, kind, config, axes):
        model = made_if_it_can_be(kind, config, axes).train()
        loss = model.loss(batch(model), noise())
        assert loss.total.shape == ()
        assert torch.isfinite(loss.total)
        assert all(torch.isfinite(term) for term in loss.terms.values())

    def test_every_parameter_has_a_gradient(self, kind, config):
        model = made(kind, config, AXES[0]).train()
        model.loss(batch(model), noise()).total.backward()
        dead = {
            name
            for name, p in model.named_parameters()
            if p.grad is None or not p.grad.abs().sum() > 0
        }
        assert dead <= idle(config)

    def test_same_seed_same_loss(self, kind, config):
        model = made(kind, config, AXES[1]).eval()
        x = batch(model)
        assert torch.equal(model.loss(x, noise(3)).total, model.loss(x, noise(3)).total)

    def test_the_posterior_of_a_profile_depends_on_nobody_else(self, kind, config):
        model = made(kind, config, AXES[1]).eval()
        if not model.latents:
            pytest.skip("no latents of whole users")
        x = batch(model)
        q = model.encode(x)
        parts = [model.encode(x[i : i + 1]).mean for i in range(len(x))]
        torch.testing.assert_close(q.mean, torch.cat(parts), rtol=1e-4, atol=1e-5)

    def test_save_and_load(self, kind, config, tmp_path):
        model = made(kind, config, AXES[1]).eval()
        history = {"step": [1.0], "loss": [2.0]}
        Run(model, None, {"epochs": 1}, history, {"active_share": [0.5] * AXES[1].days}).save(
            tmp_path / "run"
        )
        again = load(tmp_path / "run")
        assert again.model.config == config
        assert again.model.axes == AXES[1]
        assert again.history == history
        x = batch(model)
        assert torch.equal(model.loss(x, noise()).total, again.model.loss(x, noise()).total)
        if isinstance(model, GenerativeModel):
            assert torch.equal(model.sample(4, noise()), again.model.sample(4, noise()))
        if isinstance(model, CompletingModel):
            assert same(completed(model, x, hole(model)), completed(again.model, x, hole(model)))

    def test_latents(self, kind, config):
        model = made(kind, config, AXES[1]).eval()
        if not isinstance(model, LatentModel):
            pytest.skip("no latents")
        q = model.encode(batch(model))
        assert q.mean.shape == (6, model.latents)
        assert model.decode(q.mean).log_prob(batch(model)).shape == (6, *AXES[1].shape)


def idle(config: object) -> set[str]:
    """Parameters without effect under some settings."""
    found = set()
    if isinstance(config, ContextMixtureConfig):
        found |= {"user.weight", "user.bias"} if config.user_states == 1 else set()
        found |= (
            {"count.weight", "count.bias", "slope"} if config.normalisation == "binary" else set()
        )
    if isinstance(config, RhythmConfig):
        found |= {"unknown"}  # only where the end of some user of the batch is hidden
        found |= {"p_u.logits"} if config.components == 1 else set()
    return found


@pytest.mark.parametrize(("kind", "config"), GENERATIVE, ids=ids(GENERATIVE))
class TestGenerativeModel:
    @pytest.mark.parametrize("axes", AXES, ids=SIZES)
    def test_shapes(self, kind, config, axes):
        drawn = made(kind, config, axes).eval().sample(3, noise())
        assert drawn.shape == (3, *axes.shape)
        assert (drawn >= 0).all()

    def test_same_seed_same_users(self, kind, config):
        model = made(kind, config, AXES[1]).eval()
        assert torch.equal(model.sample(4, noise(3)), model.sample(4, noise(3)))
        assert not torch.equal(model.sample(4, noise(3)), model.sample(4, noise(4)))


@pytest.mark.parametrize(("kind", "config"), COMPLETING, ids=ids(COMPLETING))
class TestCompletingModel:
    @pytest.mark.parametrize("axes", AXES[:3], ids=SIZES[:3])
    def test_shapes(self, kind, config, axes):
        model = made_if_it_can_be(kind, config, axes).eval()
        missing = hole(model)
        found = completed(model, batch(model), missing)
        assert found.mean.shape == (int(missing.sum()),)
        assert found.draws.shape == (3, int(missing.sum()))
        for values in found:
            assert torch.isfinite(values).all()
            assert (values >= 0).all()

    def test_draws_are_in_the_unit(self, kind, config):
        model = made(kind, config, AXES[1]).eval()
        draws = completed(model, batch(model), hole(model)).draws
        if model.unit == "count":
            assert torch.equal(draws, draws.round())
        else:
            assert (draws <= 1).all()
        if model.exact_zeros:
            assert (draws == 0).any()

    def test_same_seed_same_result_and_another_seed_another(self, kind, config):
        model = made(kind, config, AXES[1]).eval()
        x = batch(model)
        missing = hole(model)
        assert same(completed(model, x, missing, 3), completed(model, x, missing, 3))
        assert not torch.equal(
            completed(model, x, missing, 3).draws, completed(model, x, missing, 4).draws
        )

    @pytest.mark.parametrize("rubbish", [float("nan"), float("inf"), -7.0, 1e9])
    def test_what_stands_in_missing_cells_is_never_read(self, kind, config, rubbish):
        model = made(kind, config, AXES[1]).eval()
        x = batch(model)
        missing = hole(model)
        assert same(
            completed(model, x, missing),
            completed(model, torch.where(missing, rubbish, x), missing),
        )

    def test_known_cells_are_read_and_missing_ones_have_no_gradient(self, kind, config):
        model = made(kind, config, AXES[1]).eval()
        x = batch(model).requires_grad_()
        missing = hole(model)
        mean = model.complete(x, missing, 1, noise()).mean
        if not mean.requires_grad:  # it is one of draws: whole numbers have no gradient
            other = torch.where(missing, x, 9 * x.flip(0) + 9)
            assert not same(
                model.complete(x, missing, 50, noise()), model.complete(other, missing, 50, noise())
            )
            return
        mean.square().sum().backward()
        assert (x.grad[missing] == 0).all()
        assert (x.grad[~missing] != 0).any()

    def test_a_hole_in_nothing_is_nothing(self, kind, config):
        """As where a piece of profiles happens to have no gaps."""
        model = made(kind, config, AXES[1]).eval()
        if getattr(model, "mask", None) is not None and model.mask.fixed is not None:
            pytest.skip("its hole is always the same")
        x = batch(model)
        found = completed(model, x, torch.zeros(x.shape, dtype=torch.bool))
        assert found.mean.shape == (0,)
        assert found.draws.shape == (3, 0)

    def test_a_completion_depends_on_nobody_else(self, kind, config):
        model = made(kind, config, AXES[1]).eval()
        x = batch(model)
        missing = hole(model)
        whole = completed(model, x, missing, 3).mean
        if not torch.equal(whole, completed(model, x, missing, 4).mean):
            pytest.skip("its expected values are averages over draws")
        parts = [completed(model, x[i : i + 1], missing[i : i + 1]).mean for i in range(len(x))]
        torch.testing.assert_close(whole, torch.cat(parts), rtol=1e-4, atol=1e-6)

    def test_it_says_what_it_can_fill(self, kind, config):
        model = made(kind, config, AXES[1])
        mask = parse_mask(getattr(config, "mask", "last:1"), AXES[1])
        model.check_mask(mask.fixed, mask.text)
        assert 0 <= model.forecast_days < AXES[1].days
        if model.forecast_days:
            last = parse_mask(f"last:{model.forecast_days}", AXES[1])
            model.check_mask(last.fixed, last.text)
        if mask.fixed is not None and hasattr(config, "mask"):
            with pytest.raises(ValueError, match=f"fitted to fill the mask {mask.text}, got other"):
                model.check_mask(~mask.fixed, "other")
            with pytest.raises(ValueError, match="fit one with --set mask=any"):
                model.check_mask(None, "cells:0.5")


@pytest.mark.parametrize(
    "mask", ["centre", "bottom", "any", "cells:0.3", "blocks:0.3", "channel:a"]
)
@pytest.mark.parametrize(
    ("kind", "settings"), [(ContextVAE, ContextVAEConfig), (ContextMixture, ContextMixtureConfig)]
)
def test_one_cell_leaves_nothing_to_fill_from(kind, settings, mask):
    with pytest.raises(ValueError, match=rf"^mask {mask}.*(one|every|no) cell") as error:
        kind(AXES[3], settings(mask=mask))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("mask", ["centre", "any"])
def test_the_context_vae_reads_the_context_only(mask):
    """The truth of missing cells is in the reconstruction and nowhere else."""
    model = made(ContextVAE, ContextVAEConfig(mask=mask), AXES[1]).eval()
    x = batch(model)
    seen = []
    encode = model.encode_context

    def spy(x: torch.Tensor, missing: torch.Tensor):
        seen.append(missing)
        return encode(x, missing)

    model.encode_context = spy
    first = model.loss(x, noise(1))
    other = model.loss(torch.where(seen[0], 1 - x, x), noise(1))
    assert torch.equal(seen[0], seen[1])
    assert torch.equal(first.terms["kl"], other.terms["kl"])
    assert not torch.equal(first.terms["reconstruction"], other.terms["reconstruction"])
    parts = [encode(x[i : i + 1], seen[0][i : i + 1]).mean for i in range(len(x))]
    torch.testing.assert_close(encode(x, seen[0]).mean, torch.cat(parts), rtol=1e-4, atol=1e-5)


def test_the_loss_of_the_context_vae_leaves_known_cells_out():
    """The reconstruction leaves out known cells of the box around the missing region."""
    model = made(ContextVAE, ContextVAEConfig(mask="cells:0.3"), AXES[1]).eval()
    x = batch(model)
    missing = hole(model)
    p = model.decode(model.encode_context(x, missing).mean)
    truth = -torch.where(missing, p.log_prob(x), 0.0).flatten(1).sum(1)
    slow = [-(p.log_prob(x)[i][missing[i]]).sum() for i in range(len(x))]
    torch.testing.assert_close(truth, torch.stack(slow))


def test_the_discriminator_learns_and_the_decoder_unlearns():
    """The discriminator's gradient lowers its loss; the decoder's has the opposite sign."""
    model = made(
        ContextVAE, ContextVAEConfig(adversarial=2.0, architecture="strided"), AXES[1]
    ).train()
    true = torch.rand(4, 4, 6, 2)
    decoded = torch.rand(4, 4, 6, 2, requires_grad=True)
    loss = model._discriminator_loss(true, decoded)
    loss.backward()
    scores = [
        (model.discriminator(picture.movedim(-1, 1)), label)
        for picture, label in ((true, 1), (decoded, 0))
    ]
    plain = sum(
        torch.nn.functional.binary_cross_entropy_with_logits(s, torch.full_like(s, label))
        for s, label in scores
    )
    torch.testing.assert_close(loss, plain / 2)
    gradient = torch.autograd.grad(plain / 2, decoded)[0]
    torch.testing.assert_close(decoded.grad, -2.0 * gradient)


def test_every_registered_model_of_profiles_is_in_the_table():
    assert {kind for kind, _ in CASES} == {
        kind for kind in MODELS.values() if issubclass(kind, ProfileModel)
    }


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
@pytest.mark.parametrize("kind", [BetaVAEConfig, ContextVAEConfig])
def test_impossible_settings_are_refused(kind, settings):
    with pytest.raises(
        ValueError, match=next(iter(settings)) if "likelihood" not in settings else "."
    ):
        kind(**settings)


@pytest.mark.parametrize("adversarial", [-1.0, float("inf"), float("nan")])
def test_impossible_weights_of_the_discriminator_are_refused(adversarial):
    with pytest.raises(ValueError, match=r"adversarial must be (at least 0|a number)"):
        ContextVAEConfig(adversarial=adversarial)


@pytest.mark.parametrize(
    "settings",
    [
        {"day_states": 0},
        {"user_states": 0},
        {"layers": 0},
        {"features": 0},
        {"heads": 3},
        {"width": 0},
        {"dropout": 1.0},
        {"dropout": -0.1},
        {"normalisation": "peak"},
    ],
)
def test_impossible_settings_of_the_mixture_are_refused(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        ContextMixtureConfig(**settings)
