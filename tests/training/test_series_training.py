import dataclasses

import numpy as np
import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

from conftest import random_profiles
from habitus.models.pictures.beta_vae import BetaVAE
from habitus.models.recurrent.lstm_gru import GRU, LSTM, RecurrentConfig
from habitus.models.recurrent.tdlgm import TDLGM, TDLGMConfig
from habitus.models.recurrent.timegan import PHASES, TimeGAN, TimeGANConfig
from habitus.models.recurrent.vrnn import VRNN, VRNNConfig
from habitus.run import CHECKPOINT
from habitus.series import Series
from habitus.training import collapse
from habitus.training import loop as loop_module
from habitus.training import windows as windows_module
from habitus.training.config import FitConfig
from habitus.training.fit import fit, training_data_of
from habitus.training.loop import FitLoop
from habitus.training.windows import WindowData

FAST = FitConfig(
    epochs=1, batch=4, precision="float32", accelerator="cpu", held_out=0.2, learning_rate=1e-2
)
BEST = dataclasses.replace(FAST, keep="best", clip=1.0, schedule="one-cycle")
SIZE = {"window": 8, "hidden": 6}
STEP = {**SIZE, "likelihood": "gaussian"}
DROPPING = RecurrentConfig(dropout=0.3, layers=2, **STEP)
STEPS = 24  # of an epoch of little data, here


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Short epochs, and no long search for the best constant model to compare with."""
    monkeypatch.setattr(windows_module, "FEWEST_BATCHES", STEPS)
    monkeypatch.setattr(collapse, "STEPS", 2)


class Stop(KeyboardInterrupt):
    """Ctrl-C, at a step that the test chooses."""


def walk(rows: int = 150, series: int = 2, seed: int = 0) -> np.ndarray:
    """Random walks that come back, [series, rows, 1]."""
    rng = np.random.default_rng(seed)
    x = np.zeros(series)
    found = []
    for _ in range(rows):
        x = 0.9 * x + rng.normal(size=series)
        found.append(x)
    return np.stack(found, 1)[..., None]


@pytest.fixture
def data() -> Series:
    return Series.from_arrays(walk(), ["a"])


def same(one, other) -> bool:
    first = one.model.state_dict()
    second = other.model.state_dict()
    return all(torch.equal(first[name], second[name]) for name in first | second)


def same_history(one: dict, other: dict) -> bool:
    """Equal to the last digit; None where there was no held-out loss."""
    return one.keys() == other.keys() and all(one[name] == other[name] for name in one)


@pytest.mark.parametrize(
    ("kind", "config", "settings"),
    [
        (LSTM, DROPPING, BEST),
        (GRU, RecurrentConfig(**STEP), FAST),
        (TDLGM, TDLGMConfig(latents=2, **STEP), BEST),
        (VRNN, VRNNConfig(latents=2, **STEP), FAST),
        (TimeGAN, TimeGANConfig(layers=1, **SIZE), FAST),
    ],
    ids=["lstm", "gru", "tdlgm", "vrnn", "timegan"],
)
class TestResumed:
    def test_interrupted_and_resumed_is_as_never_interrupted(
        self, data, tmp_path, kind, config, settings
    ):
        """TimeGAN in the last of its phases."""

        def stop(done: int, total: int, stage: str) -> None:
            if done >= 0.8 * total:
                raise Stop

        whole = fit(kind, data, config, fit=settings)
        with pytest.raises(Stop):
            fit(kind, data, config, fit=settings, out=tmp_path / "run", on_progress=stop)
        resumed = fit(kind, data, config, fit=settings, out=tmp_path / "run", resume=True)
        assert same(whole, resumed)
        assert same_history(whole.history, resumed.history)
        assert not (tmp_path / "run" / CHECKPOINT).exists()

    def test_killed_long_after_its_checkpoint(
        self, data, tmp_path, monkeypatch, kind, config, settings
    ):
        """Steps since the checkpoint are repeated identically; TimeGAN enters another phase."""
        write = FitLoop.checkpoint
        step = FitLoop.step

        def at_one_step(self: FitLoop) -> None:
            if self.steps_done == 10:
                write(self)

        def dying(self: FitLoop, batch: torch.Tensor) -> None:
            if self.steps_done == 20:
                raise RuntimeError("killed")
            step(self, batch)

        whole = fit(kind, data, config, fit=settings)
        with monkeypatch.context() as patched:
            patched.setattr(loop_module, "CHECKPOINT_SECONDS", -1.0)
            patched.setattr(FitLoop, "checkpoint", at_one_step)
            patched.setattr(FitLoop, "step", dying)
            with pytest.raises(RuntimeError, match="killed"):
                fit(kind, data, config, fit=settings, out=tmp_path / "run")
        resumed = fit(kind, data, config, fit=settings, out=tmp_path / "run", resume=True)
        assert same(whole, resumed)
        assert same_history(whole.history, resumed.history)


def judged(monkeypatch) -> list[tuple[float, dict[str, torch.Tensor]]]:
    """The held-out losses of a fit to come, each with the weights that had it."""
    found = []
    judge = FitLoop.evaluate_held_out

    def spy(self: FitLoop) -> dict[str, float]:
        losses = judge(self)
        found.append(
            (losses["loss"], {name: x.clone() for name, x in self.model.state_dict().items()})
        )
        return losses

    monkeypatch.setattr(FitLoop, "evaluate_held_out", spy)
    return found


@pytest.mark.parametrize("keep", ["best", "last"])
def test_which_weights_are_kept(data, monkeypatch, keep):
    """With steps so large that it gets worse."""
    found = judged(monkeypatch)
    settings = dataclasses.replace(FAST, keep=keep, learning_rate=0.3)
    run = fit(LSTM, data, RecurrentConfig(**STEP), fit=settings)
    losses = [loss for loss, _ in found]
    best = int(np.argmin(losses))
    assert best < len(losses) - 1
    assert losses[-1] > losses[best] + 0.01
    assert min(x for x in run.history["held_out_loss"] if x is not None) == losses[best]
    wanted = found[best if keep == "best" else -1][1]
    assert all(torch.equal(tensor, wanted[name]) for name, tensor in run.model.state_dict().items())


def test_the_best_weights_before_an_interrupt_are_not_forgotten(data, tmp_path, monkeypatch):
    """All that follows is worse."""
    found = judged(monkeypatch)
    settings = dataclasses.replace(FAST, keep="best", learning_rate=0.3)
    whole = fit(LSTM, data, RecurrentConfig(**STEP), fit=settings)
    best = int(np.argmin([loss for loss, _ in found]))

    def stop(done: int, total: int, stage: str) -> None:
        if done >= (best + 2) * settings.batch:
            raise Stop

    with pytest.raises(Stop):
        fit(
            LSTM,
            data,
            RecurrentConfig(**STEP),
            fit=settings,
            out=tmp_path / "run",
            on_progress=stop,
        )
    assert same(
        whole,
        fit(LSTM, data, RecurrentConfig(**STEP), fit=settings, out=tmp_path / "run", resume=True),
    )


@pytest.mark.parametrize("kind", [LSTM, TimeGAN])
def test_clipping_limits_the_gradient(data, kind):
    """The norm over all weights, at each step that the optimiser takes."""
    norms = {}
    for clip in (None, 0.05):
        seen = norms.setdefault(clip, [])

        def measure(optimiser, args, kwargs, seen=seen) -> None:
            grads = [
                p.grad
                for group in optimiser.param_groups
                for p in group["params"]
                if p.grad is not None
            ]
            seen.append(float(torch.stack([grad.norm() for grad in grads]).norm()))

        hook = register_optimizer_step_pre_hook(measure)
        try:
            fit(
                kind,
                data,
                kind.Config(layers=1, **(SIZE if kind is TimeGAN else STEP)),
                fit=dataclasses.replace(FAST, clip=clip),
            )
        finally:
            hook.remove()
    assert max(norms[None]) > 0.1
    assert max(norms[0.05]) <= 0.05 * 1.001
    assert max(norms[0.05]) == pytest.approx(0.05, rel=1e-3)


def numbered(lengths: list[int]) -> Series:
    """Values that say where they are: series number x 1000 + row."""
    return Series.from_arrays(
        [1000.0 * n + np.arange(rows) for n, rows in enumerate(lengths)], ["a"]
    )


def training_data(series: Series, window: int = 5, **settings) -> WindowData:
    return WindowData(series, LSTM(series.axes, RecurrentConfig(window=window, hidden=2)),
                          dataclasses.replace(FAST, **settings))  # fmt: skip


class TestWindows:
    def test_they_are_runs_of_rows_of_one_series_with_their_numbers(self):
        found = torch.cat(list(training_data(numbered([40, 3, 60]), held_out=0.0).epoch(0)))
        assert found.shape == (4 * STEPS, 5, 2)
        assert (found[..., 0].diff(dim=1) == 1).all()
        assert torch.equal(found[..., 0] % 1000, found[..., 1])
        assert set((found[:, 0, 0] // 1000).tolist()) == {0.0, 2.0}

    def test_each_epoch_has_others_and_each_again_the_same(self):
        one = training_data(numbered([200]))
        first, second, again = (torch.cat(list(one.epoch(number))) for number in (0, 1, 0))
        assert torch.equal(first, again)
        assert not torch.equal(first, second)
        assert not torch.equal(
            first, torch.cat(list(training_data(numbered([200]), seed=1).epoch(0)))
        )

    def test_every_place_of_a_window_is_used(self):
        starts = torch.cat(
            [b[:, 0, 0] for epoch in range(3) for b in training_data(numbered([40])).epoch(epoch)]
        )
        assert set(starts.tolist()) == set(range(32 - 5 + 1))

    def test_many_rows_make_longer_epochs(self):
        big = training_data(numbered([4 * STEPS * 5 * 3]), held_out=0.0)
        assert big.count == 12 * STEPS
        assert sum(len(batch) for batch in big.epoch(0)) == 12 * STEPS

    def test_of_few_series_the_last_steps_are_held_out(self):
        """With their own numbers, on which seasons depend."""
        one = training_data(numbered([40, 60]))
        seen = {
            float(x)
            for number in range(4)
            for batch in one.epoch(number)
            for x in batch[..., 0].flatten()
        }
        held = torch.cat(list(one.held_out(3)))
        assert seen == {*range(32), *range(1000, 1048)}
        assert {float(x) for x in held[..., 0].flatten()} == {*range(32, 37), *range(1048, 1058)}
        assert torch.equal(held[..., 0] % 1000, held[..., 1])

    def test_of_many_series_whole_ones_are_held_out(self):
        one = training_data(numbered([10] * 30))
        held = {float(x) for batch in one.held_out(100) for x in (batch[..., 0] // 1000).flatten()}
        seen = {float(x) for batch in one.epoch(0) for x in (batch[..., 0] // 1000).flatten()}
        assert len(held) == 6
        assert not held & seen
        assert all(torch.equal(batch[..., 0] % 1000, batch[..., 1]) for batch in one.held_out(100))

    def test_too_few_to_hold_out_are_all_fitted_to(self):
        one = training_data(numbered([12]), window=10)
        assert list(one.held_out(5)) == []
        starts = {float(x) for batch in one.epoch(0) for x in batch[:, 0, 0]}
        assert starts == {0.0, 1.0, 2.0}

    def test_a_gap_stays_one(self):
        values = np.arange(50.0)
        values[20:23] = np.nan
        found = torch.cat(
            list(training_data(Series.from_arrays([values], ["a"]), held_out=0.0).epoch(0))
        )
        assert torch.equal(found[..., 0].isnan(), (found[..., 1] >= 20) & (found[..., 1] < 23))

    def test_the_scale_is_of_training_steps_alone(self):
        model = LSTM(numbered([100]).axes, RecurrentConfig(window=5, hidden=2))
        one = WindowData(numbered([100]), model, FAST)
        one.start(model)
        assert model.p_v.mean.item() == pytest.approx(np.arange(80).mean())
        assert model.p_v.scale.item() == pytest.approx(np.arange(80).std(), rel=1e-5)


@pytest.mark.parametrize(
    ("kind", "config"), [(LSTM, DROPPING), (TimeGAN, TimeGANConfig(layers=1, **SIZE))]
)
def test_what_is_held_out_moves_no_weight(kind, config):
    """Other last steps, other judgement, same weights."""
    values = walk()
    other = values.copy()
    other[:, 120:] = 5 - other[:, 120:]
    runs = [
        fit(kind, Series.from_arrays(each, ["a"]), config, fit=FAST) for each in (values, other)
    ]
    assert same(*runs)
    assert runs[0].history["loss"] == runs[1].history["loss"]
    assert runs[0].history["held_out_loss"] != runs[1].history["held_out_loss"]


def test_the_phases_of_timegan_move_their_own_networks_alone(data, monkeypatch):
    moved = {}
    phase_step = FitLoop.phase_step

    def spy(self: FitLoop, parts, generator) -> dict[str, torch.Tensor]:
        before = {name: weight.detach().clone() for name, weight in self.model.named_parameters()}
        terms = phase_step(self, parts, generator)
        changed = {
            n.split(".")[0]
            for n, weight in self.model.named_parameters()
            if not torch.equal(before[n], weight)
        }
        moved.setdefault(self.model.phase, []).append(changed)
        return terms

    monkeypatch.setattr(FitLoop, "phase_step", spy)
    fit(TimeGAN, data, TimeGANConfig(layers=1, **SIZE), fit=FAST)
    assert list(moved) == ["embedding", "supervised", "generator", "recovery", "discriminator"]
    for name, changed in moved.items():
        assert all(each == set(PHASES[name]) for each in changed)
    joint = len(moved["discriminator"])
    assert {name: len(changed) for name, changed in moved.items()} == {
        "embedding": 8, "supervised": 8, "generator": 2 * joint, "recovery": 2 * joint,
        "discriminator": 8,
    }  # fmt: skip


def test_the_history_has_a_column_for_each_phase(data):
    history = fit(TimeGAN, data, TimeGANConfig(layers=1, **SIZE), fit=FAST).history
    rows = len(history["step"])
    assert all(len(column) == rows for column in history.values())
    for name, first in (("embedding", 0), ("supervised", 8), ("discriminator", 16)):
        at = [number for number, value in enumerate(history[name]) if value is not None]
        assert at[0] == first
    assert history["loss"][-1] == history["discriminator"][-1]


def test_the_loss_falls_and_gaps_are_no_obstacle(data):
    values = walk()
    values[np.random.default_rng(0).random(values.shape) < 0.2] = np.nan
    run = fit(TDLGM, Series.from_arrays(values, ["a"]), TDLGMConfig(latents=2, **STEP),
              fit=dataclasses.replace(BEST, epochs=8))  # fmt: skip
    assert np.mean(run.history["nll"][-20:]) < np.mean(run.history["nll"][:10]) - 0.1
    assert all(torch.isfinite(tensor).all() for tensor in run.model.state_dict().values())


def test_the_weight_of_the_latents_cost_rises_over_the_warm_up(data, monkeypatch):
    seen = []
    step = FitLoop.step

    def spy(self: FitLoop, batch: torch.Tensor) -> None:
        step(self, batch)
        seen.append(self.steps_done / self.total_steps)
        self.model.fit_progress = seen[-1]
        weights.append(self.model.kl_weight)
        self.model.fit_progress = 1.0

    weights: list[float] = []
    monkeypatch.setattr(FitLoop, "step", spy)
    run = fit(TDLGM, data, TDLGMConfig(latents=2, warm_up=0.5, beta=2.0, **STEP), fit=FAST)
    np.testing.assert_allclose(weights, [2 * min(1.0, done / 0.5) for done in seen])
    assert run.model.kl_weight == 2.0
    assert run.history["kl"][0] == 0.0  # weight 0 at the first step


def test_models_and_data_have_to_be_of_one_sort(data, axes):
    cases = [
        (
            BetaVAE(axes),
            data,
            "a BetaVAE is fitted to profiles, got series; take a model of series",
        ),
        (
            LSTM(data.axes),
            random_profiles(axes, 10),
            "a LSTM is fitted to series, got profiles; .*beta-vae",
        ),
    ]
    for model, given, told in cases:
        with pytest.raises(ValueError, match=told) as error:
            training_data_of(given, model, FAST)
        assert "\n" not in str(error.value)


def test_series_with_gaps_are_refused_by_timegan_in_one_line(tmp_path):
    values = walk()
    values[0, 5] = np.nan
    with pytest.raises(ValueError, match="without missing values; fill them first") as error:
        fit(
            TimeGAN,
            Series.from_arrays(values, ["a"]),
            TimeGANConfig(**SIZE),
            fit=FAST,
            out=tmp_path / "run",
        )
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()
