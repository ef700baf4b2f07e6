import dataclasses
import signal
import time

import numpy as np
import pytest
import torch

import habitus.training.data as material_module
from background import Background
from conftest import random_profiles
from habitus.models.base import GenerativeModel
from habitus.models.context_mixture.model import ContextMixture, ContextMixtureConfig
from habitus.models.pictures.beta_vae import BetaVAE, BetaVAEConfig
from habitus.models.pictures.context_vae import ContextVAE, ContextVAEConfig
from habitus.profiles.store import StoredProfiles, save
from habitus.records import read_json
from habitus.run import CHECKPOINT, load, save_tensors
from habitus.synthesis import generate
from habitus.synthesis.chunks import Chunks
from habitus.training import loop as loop_module
from habitus.training.config import SCHEDULES, FitConfig, for_profiles, one_cycle
from habitus.training.fit import fit
from habitus.training.precision import chosen_precision

SMALL = FitConfig(
    epochs=3, batch=32, chunk=16, precision="float32", accelerator="cpu", held_out=0.1
)
MODEL = BetaVAEConfig(latents=3)


class Stop(KeyboardInterrupt):
    """Ctrl-C, at a step that the test chooses."""


def stop_at(profiles: int):
    def progress(done: int, total: int, stage: str) -> None:
        if done >= profiles:
            raise Stop

    return progress


def weights(run):
    return run.model.state_dict()


def same(one, other):
    return all(
        torch.equal(a, b)
        for a, b in zip(weights(one).values(), weights(other).values(), strict=True)
    )


def test_the_loss_falls_and_the_history_is_whole(population):
    run = fit(BetaVAE, population, MODEL, fit=dataclasses.replace(SMALL, epochs=30))
    losses = run.history["loss"]
    assert losses[-1] < 0.95 * losses[0]
    assert run.history["step"][-1] == 30 * 4
    assert run.history["held_out_loss"][-1] is not None
    np.testing.assert_allclose(
        np.array(run.history["reconstruction"]) + 0.1 * np.array(run.history["kl"]),
        losses,
        rtol=1e-4,
    )


def test_same_seed_same_run_and_other_seed_another(population):
    first, second = (fit(BetaVAE, population, MODEL, fit=SMALL) for _ in range(2))
    assert same(first, second)
    assert first.history == second.history
    assert not same(first, fit(BetaVAE, population, MODEL, fit=dataclasses.replace(SMALL, seed=1)))


def test_what_was_recorded_between_two_rows_of_the_history_survives(
    population, tmp_path, monkeypatch
):
    monkeypatch.setattr(loop_module, "CURVE_POINTS", 4)
    monkeypatch.setattr(loop_module, "HELD_OUT_POINTS", 2)
    whole = fit(BetaVAE, population, MODEL, fit=SMALL)
    stops = []
    step = loop_module.FitLoop.step

    def stopping(self, batch):
        if len(stops) == 7:
            raise Stop
        stops.append(step(self, batch))

    monkeypatch.setattr(loop_module.FitLoop, "step", stopping)
    with pytest.raises(Stop):
        fit(BetaVAE, population, MODEL, fit=SMALL, out=tmp_path / "run")
    monkeypatch.setattr(loop_module.FitLoop, "step", step)
    resumed = fit(BetaVAE, population, MODEL, fit=SMALL, out=tmp_path / "run", resume=True)
    assert same(whole, resumed)
    assert whole.history == resumed.history


SCHEDULED = dataclasses.replace(SMALL, schedule="one-cycle")
CONTEXT = ContextMixtureConfig(width=8, heads=2, layers=1, features=4, dropout=0.1)


@pytest.mark.parametrize(
    ("kind", "config", "settings"),
    [
        (BetaVAE, MODEL, SMALL),
        (BetaVAE, MODEL, dataclasses.replace(SMALL, optimiser="rmsprop")),
        (BetaVAE, MODEL, dataclasses.replace(SMALL, optimiser="adagrad")),
        (BetaVAE, dataclasses.replace(MODEL, dropout=0.3), SMALL),
        (BetaVAE, MODEL, SCHEDULED),
        (ContextVAE, ContextVAEConfig(latents=2), SCHEDULED),
        (ContextMixture, CONTEXT, SCHEDULED),
    ],
    ids=["adam", "rmsprop", "adagrad", "dropout", "schedule", "context-vae", "context-mixture"],
)
def test_stopped_and_resumed_is_as_never_stopped(population, tmp_path, kind, config, settings):
    whole = fit(kind, population, config, fit=settings)
    with pytest.raises(Stop):
        fit(kind, population, config, fit=settings, out=tmp_path / "run", on_progress=stop_at(150))
    resumed = fit(kind, population, config, fit=settings, out=tmp_path / "run", resume=True)
    assert same(whole, resumed)
    assert list(whole.history.items()) == list(resumed.history.items())
    assert not (tmp_path / "run" / CHECKPOINT).exists()


@pytest.mark.parametrize(
    ("kind", "config", "given"), [(BetaVAE, MODEL, []), (ContextMixture, CONTEXT, [50])]
)
def test_profiles_to_start_from_are_read_for_models_that_want_them(
    population, monkeypatch, kind, config, given
):
    seen = []
    start_from = kind.start_from

    def spy(self, x):
        seen.append(len(x))
        start_from(self, x)

    monkeypatch.setattr(kind, "start_from", spy)
    monkeypatch.setattr(ContextMixture, "start_profiles", 50)
    fit(kind, population, config, fit=dataclasses.replace(SMALL, epochs=1))
    assert seen == given


def test_the_step_size_of_each_step_is_that_of_its_schedule(population, monkeypatch):
    rates = []
    step = loop_module.FitLoop.step

    def spy(self, batch):
        step(self, batch)
        rates.append(self.optimiser.param_groups[0]["lr"] / SCHEDULED.learning_rate)

    monkeypatch.setattr(loop_module.FitLoop, "step", spy)
    fit(BetaVAE, population, MODEL, fit=dataclasses.replace(SCHEDULED, epochs=10))
    assert len(rates) == 40
    np.testing.assert_allclose(rates, [one_cycle(done / 40) for done in range(40)])
    assert rates[4] == max(rates) == 1
    rates.clear()
    constant = fit(BetaVAE, population, MODEL, fit=SMALL)
    assert set(rates) == {1.0}
    assert not same(constant, fit(BetaVAE, population, MODEL, fit=SCHEDULED))


def test_one_cycle_rises_to_one_and_falls_to_zero():
    assert set(SCHEDULES) == {"constant", "one-cycle"}
    assert SCHEDULES["one-cycle"] is one_cycle
    done = np.linspace(0, 1, 1001)
    shares = np.array([one_cycle(each) for each in done])
    assert (shares[0], shares[-1]) == (pytest.approx(0.04), pytest.approx(0, abs=1e-12))
    top = int(shares.argmax())
    assert (done[top], shares[top]) == (pytest.approx(0.1), pytest.approx(1))
    assert (np.diff(shares[: top + 1]) > 0).all()
    assert (np.diff(shares[top:]) < 0).all()
    assert np.abs(np.diff(shares)).max() < 0.02  # without a jump
    assert ((shares >= 0) & (shares <= 1)).all()


def test_the_batch_that_is_meant_where_none_is_given():
    for profiles, largest, expected in (
        (100, 128, 32),
        (14_800, 128, 128),
        (14_800, 500, 140),
        (10**6, 500, 500),
    ):
        settings = FitConfig(epochs=10, largest_batch=largest)
        assert for_profiles(settings, profiles).batch == expected
    assert for_profiles(FitConfig(batch=7), 10**6).batch == 7


def test_a_model_says_which_settings_suit_it(population):
    settings = FitConfig(
        **{**ContextMixture.fit_defaults, "epochs": 1, "precision": "float32", "accelerator": "cpu"}
    )
    run = fit(ContextMixture, population, CONTEXT, fit=settings)
    assert run.fit["schedule"] == "one-cycle"
    assert {field.name for field in dataclasses.fields(FitConfig)} >= set(
        ContextMixture.fit_defaults
    )


def test_killed_and_resumed_is_as_never_killed(population, axes, tmp_path):
    save(tmp_path / "train", population.chunks(), axes)

    def work() -> None:
        loop_module.CHECKPOINT_SECONDS = 0.0
        stored = StoredProfiles.open(tmp_path / "train")
        fit(BetaVAE, stored, MODEL, fit=SMALL, out=tmp_path / "run", on_progress=show)

    def show(done: int, total: int, stage: str) -> None:
        (tmp_path / "done").write_text(str(done))

    process = Background(work)
    while not (tmp_path / "done").exists() or int((tmp_path / "done").read_text() or 0) <= 120:
        assert process.poll() is None
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    header = read_json(tmp_path / "run" / "habitus.json")
    assert header["about"]["complete"] is False
    with pytest.raises(ValueError, match="--resume"):
        load(tmp_path / "run")
    resumed = fit(BetaVAE, population, MODEL, fit=SMALL, out=tmp_path / "run", resume=True)
    assert same(resumed, fit(BetaVAE, population, MODEL, fit=SMALL))


def test_a_foreign_checkpoint_and_other_data_are_one_clear_line(population, axes, tmp_path):
    with pytest.raises(Stop):
        fit(BetaVAE, population, MODEL, fit=SMALL, out=tmp_path / "run", on_progress=stop_at(10))
    other = random_profiles(axes, 120, seed=9)
    with pytest.raises(ValueError, match="begun with data="):
        fit(BetaVAE, other, MODEL, fit=SMALL, out=tmp_path / "run", resume=True)
    save_tensors(tmp_path / "run" / CHECKPOINT, {"foo.bar": torch.zeros(1)})
    with pytest.raises(ValueError, match="damaged or of another model"):
        fit(BetaVAE, population, MODEL, fit=SMALL, out=tmp_path / "run", resume=True)


def test_so_few_users_that_none_can_be_held_out(population):
    run = fit(BetaVAE, population.slice(0, 4), MODEL, fit=dataclasses.replace(SMALL, held_out=0.05))
    assert run.about["profiles"] == 4


def test_resume_refuses_other_settings(population, tmp_path):
    with pytest.raises(Stop):
        fit(BetaVAE, population, MODEL, fit=SMALL, out=tmp_path / "run", on_progress=stop_at(10))
    with pytest.raises(ValueError, match=r"begun with beta=0\.1"):
        fit(
            BetaVAE,
            population,
            BetaVAEConfig(beta=2, latents=3),
            fit=SMALL,
            out=tmp_path / "run",
            resume=True,
        )
    with pytest.raises(ValueError, match="no unfinished run"):
        fit(BetaVAE, population, MODEL, fit=SMALL, out=tmp_path / "absent", resume=True)
    with pytest.raises(ValueError, match="exists"):
        fit(BetaVAE, population, MODEL, fit=SMALL, out=tmp_path / "run")


def test_chunks_do_not_change_the_result(population):
    settings = dataclasses.replace(SMALL, chunk=32)
    run, other = (
        fit(BetaVAE, population, dataclasses.replace(MODEL, beta=0), fit=s)
        for s in (SMALL, settings)
    )
    assert np.isfinite(run.history["loss"]).all()
    # Noise is drawn chunk by chunk from one stream of the step: the same numbers, summed in another
    # order.
    np.testing.assert_allclose(run.history["loss"], other.history["loss"], rtol=1e-3)


def test_a_set_larger_than_the_buffer_is_learned_from_disk(population, axes, tmp_path, monkeypatch):
    monkeypatch.setattr(material_module, "BUFFER", 50)
    stored = save(tmp_path / "train", population.chunks(), axes)
    run = fit(BetaVAE, stored, MODEL, fit=dataclasses.replace(SMALL, epochs=30))
    assert run.about["profiles"] == 108
    assert run.history["loss"][-1] < 0.95 * run.history["loss"][0]


def test_two_processes_learn_what_one_does(population, tmp_path):
    """The last batch of each epoch has a single profile, fewer than there are processes."""
    some = population.slice(0, 108)
    settings = dataclasses.replace(SMALL, epochs=2, chunk=32)
    shared = dataclasses.replace(settings, devices=2)
    run = fit(BetaVAE, some, MODEL, fit=shared, out=tmp_path / "two")
    one = fit(BetaVAE, some, MODEL, fit=settings)
    assert run.about["profiles"] % SMALL.batch == 1
    assert run.history["step"] == one.history["step"]
    assert run.history["step"][-1] == 2 * 4
    assert np.isfinite(run.history["loss"]).all()
    np.testing.assert_allclose(
        run.history["held_out_loss"][-1], one.history["held_out_loss"][-1], rtol=0.05
    )
    # A step of Adam moves a weight by the learning rate, if its gradients agree: weights that both
    # processes shared would move twice as far.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        first = BetaVAE(some.axes, MODEL).state_dict()
    furthest = [
        max((each[name] - first[name]).abs().max() for name in first)
        for each in (weights(run), weights(one))
    ]
    np.testing.assert_allclose(furthest[0], furthest[1], rtol=0.2)


def test_a_loss_that_explodes_is_one_clear_line_and_no_dead_end(population, tmp_path):
    """The folder is free again: going on from a checkpoint would end at the same loss."""
    explodes = dataclasses.replace(SMALL, learning_rate=1000.0)
    with pytest.raises(ValueError, match="not finite after"):
        fit(BetaVAE, population, MODEL, fit=explodes, out=tmp_path / "run")
    assert list(tmp_path.iterdir()) == []
    fit(BetaVAE, population, MODEL, fit=SMALL, out=tmp_path / "run")


def test_no_checkpoint_holds_what_is_not_a_number(population, tmp_path, monkeypatch):
    """A fit that is killed before the loss is looked at would leave what nothing can go on from."""
    monkeypatch.setattr(loop_module, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(loop_module, "CURVE_POINTS", 1)
    monkeypatch.setattr(loop_module, "HELD_OUT_POINTS", 1)
    saved = []

    def save_tensors(path, state) -> None:
        saved.append({name: tensor.clone() for name, tensor in state.items()})

    monkeypatch.setattr(loop_module, "save_tensors", save_tensors)
    explodes = dataclasses.replace(SMALL, learning_rate=1000.0)
    with pytest.raises(ValueError, match="not finite after"):
        fit(BetaVAE, population, MODEL, fit=explodes, out=tmp_path / "run")
    assert saved
    for state in saved:
        assert not any(state[name].isnan().any() for name in state if name.startswith("model."))


def test_weights_that_the_last_step_spoils_are_not_saved(population, tmp_path, monkeypatch):
    step = loop_module.FitLoop.step

    def spoil(self, batch) -> None:
        step(self, batch)
        if self.steps_done == self.total_steps - 1:
            with torch.no_grad():
                next(self.model.parameters()).fill_(torch.nan)

    monkeypatch.setattr(loop_module.FitLoop, "step", spoil)
    monkeypatch.setattr(loop_module.FitLoop, "evaluate_held_out", lambda self: {})
    with pytest.raises(ValueError, match="not finite after"):
        fit(BetaVAE, population, MODEL, fit=SMALL, out=tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_a_run_knows_with_how_many_threads_it_was_fitted(population, tmp_path):
    with pytest.raises(Stop):
        fit(BetaVAE, population, MODEL, fit=SMALL, out=tmp_path / "run", on_progress=stop_at(10))
    first = torch.get_num_threads()
    torch.set_num_threads(first + 1)
    try:
        run = fit(BetaVAE, population, MODEL, fit=SMALL, out=tmp_path / "run", resume=True)
    finally:
        torch.set_num_threads(first)
    assert run.about["threads"] == [first, first + 1]
    assert load(tmp_path / "run").about["threads"] == [first, first + 1]


@pytest.mark.parametrize(
    "setting",
    [
        {"epochs": 0},
        {"batch": 0},
        {"optimiser": "sgd2"},
        {"precision": "int8"},
        {"learning_rate": 0},
        {"held_out": 1},
        {"schedule": "cosine"},
        {"largest_batch": 0},
    ],
)
def test_impossible_settings_are_refused(setting):
    with pytest.raises(ValueError, match=next(iter(setting))):
        FitConfig(**setting)


@pytest.mark.parametrize(
    ("precision", "kind"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)]
)
def test_convolutions_run_in_the_precision_asked_for(population, precision, kind, monkeypatch):
    seen = set()
    forward = torch.nn.Conv2d.forward

    def spy(self, input):
        out = forward(self, input)
        seen.add(out.dtype)
        return out

    monkeypatch.setattr(torch.nn.Conv2d, "forward", spy)
    fit(BetaVAE, population, MODEL, fit=dataclasses.replace(SMALL, epochs=1, precision=precision))
    assert kind in seen
    assert (torch.bfloat16 in seen) == (kind is torch.bfloat16)


def test_precision_is_bfloat16_only_where_the_processor_has_it(monkeypatch):
    cpu = dataclasses.replace(SMALL, precision="auto")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    assert chosen_precision(cpu) == "float32"
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True})
    assert chosen_precision(cpu) == "bfloat16"


def test_generated_users_do_not_depend_on_how_many_are_asked_for(population):
    run = fit(BetaVAE, population, MODEL, fit=SMALL)
    threshold = 0.1  # one user in twenty has a cell above, so that most are drawn again
    few = generate(run, 5, 1, threshold=threshold)
    many = generate(run, 3000, 1, threshold=threshold)
    assert many.about["redrawn"] > 3000
    np.testing.assert_array_equal(few.dense(), many.slice(0, 5).dense())
    assert (many.values > threshold).all()
    assert generate(run, 5, 1, threshold=0).shape == few.shape


def test_the_threshold_brings_daily_activity_to_that_of_the_training_users(axes):
    rare = random_profiles(axes, 300, density=0.01)
    run = fit(BetaVAE, rare, MODEL, fit=dataclasses.replace(SMALL, epochs=20))
    drawn = generate(run, 2000, 0)
    share = np.array(run.about["active_share"])
    active = (drawn.dense().max((2, 3)) > 0).mean(0)
    free = (generate(run, 2000, 0, threshold=0).dense().max((2, 3)) > 0).mean(0)
    assert ((active - share) ** 2).sum() < 0.5 * ((free - share) ** 2).sum()


def test_nobody_without_activity_is_drawn_unless_kept(axes):
    run = fit(BetaVAE, random_profiles(axes, 300, density=0.01), MODEL, fit=SMALL)
    everybody = generate(run, 3000, 0, inactive="keep", threshold=0.2)
    idle = np.diff(everybody.indptr) == 0
    assert 0 < idle.sum() < 3000
    active = generate(run, 3000, 0, threshold=0.2)
    assert (np.diff(active.indptr) > 0).all()
    assert active.about["redrawn"] > 0
    chunks = Chunks(3000, GenerativeModel.sample_batch)
    for first, size in map(
        chunks.__getitem__, range(len(chunks))
    ):  # begins with those active of its first draws
        kept = everybody.take(first + np.flatnonzero(~idle[first : first + size]))
        np.testing.assert_array_equal(active.slice(first, first + len(kept)).dense(), kept.dense())
    assert active.users["user"].to_pylist() == list(range(len(active)))


def test_a_threshold_that_leaves_nobody_is_one_clear_line(population):
    run = fit(BetaVAE, population, MODEL, fit=SMALL)
    with pytest.raises(ValueError, match=r"only 0 of 20,992 users drawn .* threshold 0\.999"):
        generate(run, 10, threshold=0.999)


def test_checkpoints_are_written_as_time_goes_by(population, tmp_path, monkeypatch):
    monkeypatch.setattr(loop_module, "CHECKPOINT_SECONDS", 0.0)
    seen = []

    def progress(done: int, total: int, stage: str) -> None:
        seen.append((tmp_path / "run" / CHECKPOINT).stat().st_mtime_ns)
        time.sleep(0.01)

    fit(BetaVAE, population, MODEL, fit=SMALL, out=tmp_path / "run", on_progress=progress)
    assert len(set(seen)) > 3
