"""Sweeps: every slot once, by however many processes, whatever becomes of them."""

import contextlib
import datetime as dt
import json
import math
import os
import signal
import threading
import time
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import optuna
import pyarrow.csv as csv
import pyarrow.parquet as pq
import pytest
from optuna.trial import TrialState

from background import Background
from conftest import random_profiles
from habitus.evaluation import evaluate
from habitus.models.context_mixture.model import ContextMixture, ContextMixtureConfig
from habitus.models.pictures.beta_vae import BetaVAE, BetaVAEConfig
from habitus.profiles.sparse import Profiles
from habitus.profiles.store import StoredProfiles, save
from habitus.report.figures import score_curves
from habitus.run import CHECKPOINT, load, load_tensors
from habitus.schema import Axes
from habitus.sweeps import (
    Patience,
    Plan,
    Range,
    Search,
    grid_of,
    read_grid,
    read_search,
    run_sweep,
    sweep,
    trial,
)
from habitus.sweeps.plan import score, types_of_settings
from habitus.sweeps.shared_study import SLOT, SharedStudy
from habitus.sweeps.space import Choice
from habitus.sweeps.storage import opened, quiet_optuna
from habitus.synthesis import generate
from habitus.training import loop
from habitus.training.config import FitConfig
from habitus.training.fit import fit

AXES = Axes(dt.date(2018, 2, 1), 4, 360, ("web", "phone"))
CONFIG = BetaVAEConfig(latents=2)
FIT = FitConfig(epochs=1, batch=20, precision="float32", accelerator="cpu")
QUICK = Patience(heartbeat=1, grace=1)
BETAS = (0.0, 0.5, 1.0)


@pytest.fixture(scope="module")
def train() -> Profiles:
    return random_profiles(AXES, 60, density=0.3)


@pytest.fixture(scope="module")
def against() -> Profiles:
    return random_profiles(AXES, 30, seed=1, density=0.3)


@pytest.fixture
def plan(train, against):
    """A plan over a space, with a tiny fit."""

    def made(space, config=CONFIG, how=FIT, kind=BetaVAE, **rest) -> Plan:
        return Plan(kind, train, against, space, config, how, **rest)

    return made


@pytest.fixture(scope="module")
def done(train, against, tmp_path_factory):
    """A finished sweep over beta, and its results."""
    out = tmp_path_factory.mktemp("done") / "sweep"
    return out, sweep(BetaVAE, train, against, grid_of({"beta": BETAS}), CONFIG, fit=FIT, out=out)


def states(out: Path) -> list[tuple[int, str]]:
    """Slot and state of every trial in a sweep's storage."""
    study = optuna.load_study(study_name="sweep", storage=f"sqlite:///{out / 'sweep.db'}")
    trials = [each for each in study.get_trials(deepcopy=False) if SLOT in each.user_attrs]
    return [(each.user_attrs[SLOT], each.state.name) for each in trials]


def completed(out: Path) -> Counter[int]:
    return Counter(slot for slot, state in states(out) if state == "COMPLETE")


class TestSpaces:
    def test_a_grid_is_every_combination(self):
        space = read_grid(
            {"beta": float, "latents": int, "mask": str}, ["beta=0,1e-2", "latents=2,3,4"]
        )
        assert space.slots() == [
            {"beta": beta, "latents": latents} for beta in (0.0, 0.01) for latents in (2, 3, 4)
        ]  # fmt: skip
        assert all(isinstance(slot["latents"], int) for slot in space.slots())

    def test_a_search_takes_ranges_and_choices(self):
        types = types_of_settings(BetaVAE)
        texts = ["beta=0.001:10:log", "latents=2:20", "architecture=conv|strided", "batch=20|40"]
        space = read_search(types, texts, 4)
        assert space.choices == {
            "beta": Range(0.001, 10.0, log=True), "latents": Range(2, 20),
            "architecture": Choice(("conv", "strided")), "batch": Choice((20, 40)),
        }  # fmt: skip
        assert space.slots() == [{}] * 4

    def test_settings_that_a_model_refuses_are_refused_before_anything_runs(self, plan):
        for values in ({"beta": (0.1, -1.0)}, {"architecture": ("conv", "none")}, {"epochs": (0,)}):
            with pytest.raises(ValueError, match=next(iter(values))):
                plan(grid_of(values))
        with pytest.raises(ValueError, match="beta"):
            plan(Search({"beta": Range(-1.0, 1.0)}, 3))
        with pytest.raises(
            ValueError, match=r"no setting 'bta'; beta-vae and its fit have beta, .*, epochs"
        ):
            plan(grid_of({"bta": (1,)}))
        with pytest.raises(ValueError, match="unknown metric 'soup'"):
            plan(grid_of({"beta": (1,)}), metric="soup")
        with pytest.raises(ValueError, match="seed must be at most 4294967295, got 4294967296"):
            plan(grid_of({"seed": (0, 2**32)}))
        with pytest.raises(ValueError, match="no users are held out for held_out_loss"):
            plan(grid_of({"beta": (1,)}), how=FitConfig(held_out=0), metric="held_out_loss")

    def test_epochs_of_a_trial_are_what_was_asked(self, plan):
        repeated = replace(FIT, least_seen=140_000)
        made = plan(grid_of({"epochs": (1, 2)}), how=repeated)
        assert [made.settings(slot)[1].least_seen for slot in made.space.slots()] == [0, 0]
        assert plan(grid_of({"beta": (1,)}), how=repeated).settings({})[1].least_seen == 140_000

    def test_values_of_a_grid_are_checked_together(self, plan):
        made = plan(grid_of({"likelihood": ("poisson",), "normalisation": ("count",)}))
        assert made.settings(made.space.slots()[0])[0].likelihood == "poisson"
        with pytest.raises(ValueError, match="normalisation with poisson must be one of count"):
            plan(grid_of({"likelihood": ("cross-entropy", "poisson"), "normalisation": ("peak",)}))

    def test_numbers_of_numpy_are_plain_ones(self):
        ours = grid_of({"beta": np.array([0.1, 1.0]), "seed": np.arange(2)})
        plain = {"beta": (0.1, 1.0), "seed": (0, 1)}
        assert ours.to_json() == grid_of(plain).to_json()
        assert {type(value) for slot in ours.slots() for value in slot.values()} == {float, int}


class TestResults:
    def test_metrics_are_those_of_the_run_on_its_own(self, done, train, against):
        """The floor and the baselines, which trials share, are those that each would have had."""
        for place, beta in enumerate(BETAS):
            folder = done[0] / "trials" / f"00{place}-beta={beta:g}"
            run = load(folder)
            found = json.loads((folder / "metrics.json").read_text())
            assert run.model.config == BetaVAEConfig(latents=2, beta=beta)
            expected = evaluate(generate(run, len(against), 0), against, train).to_json()
            assert {key: found[key] for key in expected} == expected
            assert found["held_out_loss"] == run.history["held_out_loss"][-1]
            assert found["parameters"] == sum(each.numel() for each in run.model.parameters())
            assert found["seconds"] > 0

    def test_tables_hold_a_row_per_slot_best_first(self, done):
        out, results = done
        table = pq.read_table(out / "results.parquet")
        assert table.column_names[:3] == ["slot", "beta", "state"]
        assert sorted(table["beta"].to_pylist()) == list(BETAS)
        scores = [score(row.figures, "daily_mean.kld") for row in results.rows]
        assert scores == sorted(scores)
        assert results.metric == "daily_mean.kld"
        assert csv.read_csv(out / "results.csv")["slot"].to_pylist() == table["slot"].to_pylist()
        for folder in table["folder"].to_pylist():
            assert (Path(folder) / "metrics.json").is_file()

    def test_figures_are_pictures_on_white(self, done):
        for name in ("kld.png", "mse.png"):
            assert (done[0] / name).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
        assert [path.name for path in done[1].files[2:]] == ["kld.png", "mse.png"]

    def test_a_finished_sweep_is_sorted_anew_and_nothing_is_redone(self, done, plan):
        out = done[0]
        before = {path: path.stat().st_mtime_ns for path in (out / "trials").rglob("*")}
        results = run_sweep(plan(grid_of({"beta": BETAS}), metric="daily_std.mse"), out)
        assert {path: path.stat().st_mtime_ns for path in (out / "trials").rglob("*")} == before
        ranked = [row.figures["daily_std.mse"] for row in results.rows]
        assert ranked == sorted(ranked)
        assert completed(out) == {0: 1, 1: 1, 2: 1}

    def test_runs_are_found_again_without_their_storage(self, done, plan, tmp_path):
        storage = f"sqlite:///{tmp_path / 'other.db'}"
        before = {path: path.stat().st_mtime_ns for path in (done[0] / "trials").rglob("*")}
        assert len(run_sweep(plan(grid_of({"beta": BETAS})), done[0], storage).rows) == 3
        assert {path: path.stat().st_mtime_ns for path in (done[0] / "trials").rglob("*")} == before

    def test_what_is_infinite_or_undefined_is_worst(self):
        assert score({"a": None}, "a") == score({"a": math.nan}, "a") == score({}, "a") == math.inf

    def test_a_trial_that_fails_says_why_is_last_and_is_not_tried_again(
        self, plan, tmp_path, monkeypatch
    ):
        plain = BetaVAE.loss

        def loss(self, *args):
            found = plain(self, *args)
            return found._replace(total=found.total * (math.nan if self.config.beta > 1 else 1))

        monkeypatch.setattr(BetaVAE, "loss", loss)
        for _ in range(2):
            results = run_sweep(plan(grid_of({"beta": (2.0, 0.1)})), tmp_path / "s")
            assert [(row.slot, row.state) for row in results.rows] == [(1, "COMPLETE"), (0, "FAIL")]
            assert "the loss is not finite" in (results.rows[1].error or "")
            assert states(tmp_path / "s") == [(0, "FAIL"), (1, "COMPLETE")]
        assert "not finite" in results.table()["error"].to_pylist()[1]

    def test_a_model_that_draws_nobody_is_judged_by_its_held_out_loss(self, plan, tmp_path):
        config = ContextMixtureConfig(width=8, heads=2)
        results = run_sweep(
            plan(grid_of({"seed": (0, 1)}), config, kind=ContextMixture), tmp_path / "s"
        )
        losses = [row.figures["held_out_loss"] for row in results.rows]
        assert losses == sorted(losses)
        assert results.floor == {}
        assert [path.name for path in results.files[2:]] == ["held_out_loss.png"]

    def test_several_settings_have_a_line_each(self, plan, tmp_path):
        results = run_sweep(
            plan(grid_of({"latents": (1, 2), "normalisation": ("peak", "binary")})), tmp_path / "s"
        )
        assert [path.name for path in results.files[2:]] == [
            "kld.png", "kld_daily_std.png", "mse.png", "mse_daily_std.png",
        ]  # fmt: skip

    def test_a_floor_is_told_where_it_is_that_of_every_trial(self, plan, tmp_path):
        space = grid_of({"normalisation": ("peak", "binary")})
        results = run_sweep(plan(space), tmp_path / "s")
        files = sorted((tmp_path / "s").glob("trials/*/metrics.json"))
        peak, binary = (json.loads(path.read_text())["floor"] for path in files)
        assert peak["daily_mean"]["mse"] != binary["daily_mean"]["mse"]
        assert results.floor["daily_mean.mse"] is None
        assert peak["dau"] == binary["dau"]
        assert {
            f"dau.{name}": value for name, value in peak["dau"].items()
        }.items() <= results.floor.items()

    def test_a_folder_may_have_any_name(self, plan, tmp_path):
        out = tmp_path / "a?b#c%20 @é:d"
        run_sweep(plan(grid_of({"beta": (1.0,)})), out)
        assert list(tmp_path.iterdir()) == [out]
        assert (out / "sweep.db").is_file()

    def test_a_search_has_as_many_trials_as_were_asked_for(self, plan, tmp_path):
        space = Search({"beta": Range(0.001, 10.0, log=True), "latents": Range(1, 4)}, 4)
        results = run_sweep(plan(space, metric="held_out_loss"), tmp_path / "s")
        assert completed(tmp_path / "s") == {0: 1, 1: 1, 2: 1, 3: 1}
        assert len({row.params["beta"] for row in results.rows}) == 4
        assert all(
            0.001 <= row.params["beta"] <= 10 and row.params["latents"] in range(1, 5)
            for row in results.rows
        )
        again = run_sweep(plan(space, metric="held_out_loss"), tmp_path / "s")
        assert [row.params for row in again.rows] == [row.params for row in results.rows]


class TestSharing:
    def test_another_sweep_is_left_alone(self, done, plan, tmp_path):
        storage = f"sqlite:///{done[0] / 'sweep.db'}"
        other = plan(grid_of({"beta": BETAS}), how=FitConfig(epochs=2, batch=20))
        with pytest.raises(
            ValueError,
            match=r"another sweep called 'sweep' \(beta-vae, grid beta=0\|0\.5\|1; settings",
        ):
            run_sweep(other, tmp_path / "s", storage)
        with pytest.raises(
            ValueError, match=r"holds another sweep \(beta-vae, .*epochs=1, not 2\); choose another"
        ):
            run_sweep(other, done[0])
        with pytest.raises(ValueError, match="holds another sweep"):
            run_sweep(plan(grid_of({"beta": (0.0, 2.0)})), done[0])
        assert not (tmp_path / "s").exists()
        assert run_sweep(plan(grid_of({"beta": (2.0,)})), tmp_path / "s", storage, "second").rows

    def test_whoever_made_the_study_and_died_is_replaced(self, plan, tmp_path):
        (tmp_path / "db").mkdir()
        storage = f"sqlite:///{tmp_path / 'db' / 'a.db'}"
        with quiet_optuna():
            study = optuna.create_study(study_name="sweep", storage=storage)
        study.enqueue_trial({"beta": 0.0}, user_attrs={SLOT: 0})
        results = run_sweep(plan(grid_of({"beta": BETAS})), tmp_path / "s", storage, patience=QUICK)
        assert [row.state for row in results.rows] == ["COMPLETE"] * 3
        assert Counter(each.user_attrs[SLOT] for each in study.trials) == {0: 1, 1: 1, 2: 1}

    def test_a_study_that_is_no_sweep_is_left_alone(self, plan, tmp_path):
        storage = f"sqlite:///{tmp_path / 'a.db'}"
        with quiet_optuna():
            optuna.create_study(study_name="sweep", storage=storage).enqueue_trial({"x": 1})
        with pytest.raises(
            ValueError, match="a study called 'sweep' that is not of habitus; give --name"
        ):
            run_sweep(plan(grid_of({"beta": BETAS})), tmp_path / "s", storage)

    def test_a_slot_that_is_queued_twice_runs_once(self, plan, tmp_path):
        made = plan(grid_of({"beta": BETAS}))
        ran = []

        def run(slot, params, spent, alive):
            ran.append((slot, params))
            return 1.0

        with quiet_optuna(), opened(f"sqlite:///{tmp_path / 'a.db'}", QUICK) as storage:
            shared = SharedStudy(storage, "sweep", made.space, QUICK, 0)
            shared.join(made.definition())
            shared.study.enqueue_trial({"beta": 0.5}, user_attrs={SLOT: 1})
            while shared.run_one(run):
                pass
            assert ran == [(slot, {"beta": beta}) for slot, beta in enumerate(BETAS)]
            assert [slot.state for slot in shared.slots()] == ["COMPLETE"] * 3
            assert [each.state.name for each in shared.study.trials][3] == "PRUNED"

    def test_a_trial_made_by_optuna_as_none_waited_is_set_aside(self, plan, tmp_path):
        """As happens where another process takes the last waiting trial just before."""
        made = plan(grid_of({"beta": (0.5,)}))
        ran = []
        with quiet_optuna(), opened(f"sqlite:///{tmp_path / 'a.db'}", QUICK) as storage:
            first, second = (SharedStudy(storage, "sweep", made.space, QUICK, 0) for _ in range(2))
            first.join(made.definition())
            second.join(made.definition())

            def run(slot, params, spent, alive):
                ran.append(slot)
                return 1.0

            def slow(slot, params, spent, alive):
                waiting = first.study.get_trials(deepcopy=False)
                second._trials = lambda *states: waiting
                second.run_one(run)
                del second._trials
                return run(slot, params, spent, alive)

            assert first.run_one(slow)
            assert ran == [0]
            assert [(each.number, each.state) for each in first.slots()] == [(0, "COMPLETE")]

    def test_a_trial_is_taken_by_one_process_alone(self, plan, tmp_path):
        """SQLite by itself would let two take a trial that both saw waiting."""
        made = plan(grid_of({"seed": range(24)}))
        url = f"sqlite:///{tmp_path / 'a.db'}"
        start = threading.Barrier(4)
        taken = []

        def run(slot, params, spent, alive):
            taken.append(slot)
            return 1.0

        def take(shared: SharedStudy) -> None:
            start.wait()
            while shared.run_one(run):
                pass

        with quiet_optuna(), contextlib.ExitStack() as stack:
            studies = [
                SharedStudy(
                    stack.enter_context(opened(url, Patience())), "sweep", made.space, Patience(), 0
                )
                for _ in range(4)
            ]
            for shared in studies:
                shared.join(made.definition())
            threads = [threading.Thread(target=take, args=(shared,)) for shared in studies]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert sorted(taken) == list(range(24))

    def test_a_trial_that_dies_again_and_again_is_given_up(self, plan, tmp_path):
        made = plan(grid_of({"beta": (0.5,)}))
        patience = Patience(1, 1, retries=2)

        def die(slot, params, spent, alive):
            """Fail the trial as a process does that died before it said why."""
            (running,) = shared.study.get_trials(states=[TrialState.RUNNING])
            shared.study.tell(running.number, state=TrialState.FAIL)
            return 1.0

        with quiet_optuna(), opened(f"sqlite:///{tmp_path / 'a.db'}", patience) as storage:
            shared = SharedStudy(storage, "sweep", made.space, patience, 0)
            shared.join(made.definition())
            for _ in range(3):
                assert shared.run_one(die)
                shared.revive()
            (slot,) = shared.slots()
            assert slot.settled
            assert slot.error == "stopped 3 times; given up"
            assert not shared.run_one(die)

    def test_ctrl_c_leaves_a_sweep_that_goes_on_at_once(self, plan, tmp_path):
        made = plan(grid_of({"beta": BETAS}))

        def press(done: int, total: int, stage: str) -> None:
            if done == 1 and "loss" in stage:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run_sweep(made, tmp_path / "s", on_progress=press)
        assert states(tmp_path / "s") == [
            (0, "COMPLETE"), (1, "FAIL"), (2, "WAITING"), (1, "WAITING"),
        ]  # fmt: skip
        assert (tmp_path / "s" / "trials" / "001-beta=0.5" / CHECKPOINT).is_file()
        run_sweep(made, tmp_path / "s")
        assert completed(tmp_path / "s") == {0: 1, 1: 1, 2: 1}

    def test_ctrl_c_is_not_lost_where_another_process_took_the_trial(self, plan, tmp_path):
        made = plan(grid_of({"beta": (0.5,)}))

        def press(slot, params, spent, alive):
            (running,) = shared.study.get_trials(states=[TrialState.RUNNING])
            shared.study.tell(running.number, state=TrialState.FAIL)
            raise KeyboardInterrupt

        with quiet_optuna(), opened(f"sqlite:///{tmp_path / 'a.db'}", Patience()) as storage:
            shared = SharedStudy(storage, "sweep", made.space, Patience(), 0)
            shared.join(made.definition())
            with pytest.raises(KeyboardInterrupt):
                shared.run_one(press)

    def test_a_trial_that_another_process_took_is_left_to_it(self, plan, tmp_path):
        """As happens to a process that slept for longer than the others have patience."""
        out = tmp_path / "s"
        seen = []
        patience = Patience(heartbeat=1, grace=20)

        def sleep(done: int, total: int, stage: str) -> None:
            if not seen:
                seen.append(stage)
                study = optuna.load_study(
                    study_name="sweep", storage=f"sqlite:///{out / 'sweep.db'}"
                )
                (running,) = study.get_trials(states=[TrialState.RUNNING])
                study.tell(running.number, state=TrialState.FAIL)
                time.sleep(1.3)

        results = run_sweep(
            plan(grid_of({"beta": (0.5,)})), out, patience=patience, on_progress=sleep
        )
        assert states(out) == [(0, "FAIL"), (0, "COMPLETE")]
        assert results.rows[0].state == "COMPLETE"


def work(folder: Path, epochs: int, betas: tuple[float, ...], dies_at: int | None) -> None:
    """Take part in the sweep of a folder, as a process of its own; die after so many steps."""
    loop.CHECKPOINT_SECONDS = 0.0
    step = loop.FitLoop.step
    steps = []

    def counted(self, batch):
        if len(steps) == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
        steps.append(step(self, batch))

    loop.FitLoop.step = counted
    os.chdir(folder)
    train, against = (StoredProfiles.open(name) for name in ("train", "against"))
    how = replace(FIT, epochs=epochs)
    plan = Plan(BetaVAE, train, against, grid_of({"beta": betas}), CONFIG, how)
    print(run_sweep(plan, Path("sweep"), patience=Patience(1, 2)).table().to_pylist())


@pytest.fixture
def workers(train, against, tmp_path):
    """Start processes that share a sweep in an empty folder."""
    save(tmp_path / "train", [train], AXES)
    save(tmp_path / "against", [against], AXES)
    started: list[Background] = []

    def start(epochs: int, *betas: float, dies_at: int | None = None) -> Background:
        started.append(Background(partial(work, tmp_path, epochs, betas, dies_at)))
        return started[-1]

    yield start
    for process in started:
        process.send_signal(signal.SIGKILL)


@pytest.mark.slow
def test_processes_share_the_trials(workers, tmp_path):
    both = [workers(1, 0, 0.1, 0.5, 1) for _ in range(2)]
    said = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert said[0] == said[1]
    assert said[0][1] == ""
    assert completed(tmp_path / "sweep") == dict.fromkeys(range(4), 1)
    assert len(states(tmp_path / "sweep")) == 4


@pytest.mark.slow
def test_what_a_killed_process_left_is_taken_up(workers, tmp_path, monkeypatch):
    """Its run goes on from the checkpoint, and ends with the numbers of one that was never stopped."""
    epochs = 4
    betas = (0.5, 1.0)
    folder = tmp_path / "sweep" / "trials" / "000-beta=0.5"
    process = workers(epochs, *betas, dies_at=5)
    assert process.communicate() == ("", "")
    assert process.returncode == -signal.SIGKILL
    assert sum(load_tensors(folder / CHECKPOINT)["position"].tolist()) > 0

    resumed = []
    monkeypatch.setattr(
        trial, "fit", lambda *a, resume, **k: resumed.append(resume) or fit(*a, resume=resume, **k)
    )
    how = replace(FIT, epochs=epochs)
    train, against = (StoredProfiles.open(tmp_path / name) for name in ("train", "against"))
    plan = Plan(BetaVAE, train, against, grid_of({"beta": betas}), CONFIG, how)
    run_sweep(plan, tmp_path / "sweep", patience=Patience(1, 2))
    assert sorted(resumed) == [False, True]
    assert completed(tmp_path / "sweep") == {0: 1, 1: 1}
    assert sorted(states(tmp_path / "sweep")) == [(0, "COMPLETE"), (0, "FAIL"), (1, "COMPLETE")]
    whole = fit(BetaVAE, train, BetaVAEConfig(latents=2, beta=0.5), fit=how)
    ours = load(folder).model.state_dict()
    assert all((ours[name] == tensor).all() for name, tensor in whole.model.state_dict().items())


class TestFigures:
    def test_values_stand_at_equal_distances_on_a_logarithmic_scale(self):
        figure = score_curves(
            [0, 0.001, 100],
            {"mean": np.array([0.01, 0.1, np.inf])},
            "KLD",
            floors={"mean": 0.002},
            xlabel="beta",
        )
        (panel,) = figure.axes
        assert [label.get_text() for label in panel.get_xticklabels()] == ["0", "0.001", "100"]
        assert list(panel.get_xticks()) == [0, 1, 2]
        curve, floor = panel.lines[:2]
        np.testing.assert_array_equal(curve.get_ydata(), [0.01, 0.1, np.nan])
        assert set(floor.get_ydata()) == {0.002}
        assert floor.get_linestyle() == "--"
        assert panel.get_yscale() == "log"
        assert [text.get_text() for text in panel.texts] == ["∞"]

    def test_a_loss_below_zero_is_drawn_on_a_linear_scale(self):
        figure = score_curves(
            ["conv", "strided"], {"loss": np.array([-1.0, 2.0])}, "loss", xlabel="architecture"
        )
        assert figure.axes[0].get_yscale() == "linear"
