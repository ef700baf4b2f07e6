"""Users of given attributes, and windows longer than a model was fitted to."""

import datetime as dt
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from habitus.models.pictures.beta_vae import BetaVAE
from habitus.models.rhythm.config import RhythmConfig
from habitus.models.rhythm.model import Rhythm
from habitus.profiles.sparse import Profiles
from habitus.run import Run, load
from habitus.schema import Axes
from habitus.synthesis.generation import generate_to
from habitus.synthesis.population import GenerateConfig
from habitus.training.config import FitConfig
from habitus.training.fit import fit
from quick_fits import few_populations

AXES = Axes(dt.date(2018, 2, 5), 14, 240, ("web", "phone"))


def two_sorts() -> Profiles:
    """Early birds, of plan a, and night owls, of plan b; two in three are early."""
    rng = np.random.default_rng(0)
    early = np.arange(300) % 3 > 0
    rate = np.full((300, 14, 6, 2), 0.01)
    rate[early, :, 1] = rate[~early, :, 5] = 0.5
    x = rng.poisson(rate)
    x[:, 0, 2, 0] += 1
    plan = np.where(early, "a", "b")
    return Profiles.from_dense(AXES, x, pa.table({"user": np.arange(300), "plan": plan}))


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    settings = {
        **Rhythm.fit_defaults,
        "epochs": 24,
        "least_seen": 0,
        "batch": 32,
        "precision": "float32",
    }
    out = tmp_path_factory.mktemp("runs") / "run"
    config = RhythmConfig(hidden=24, channel_width=8)
    with few_populations():
        return fit(Rhythm, two_sorts(), config, fit=FitConfig(**settings), out=out)


def drawn(run: Run, path: Path, users: int = 400, **settings: object) -> Profiles:
    return generate_to(path, run, GenerateConfig(users, **settings)).load()


def share_early(profiles: Profiles) -> float:
    of_slots = profiles.dense().sum((0, 1, 3))
    return of_slots[1] / (of_slots[1] + of_slots[5])


def test_attributes_are_as_often_as_they_were_and_go_with_their_habits(run, tmp_path):
    made = drawn(run, tmp_path / "all", 900)
    plans = np.array(made.users["plan"].to_pylist())
    assert abs((plans == "a").mean() - 2 / 3) < 0.06
    assert share_early(made.take(plans == "a")) > 0.85
    assert share_early(made.take(plans == "b")) < 0.15


def test_where_draws_these_only(run, tmp_path):
    made = drawn(run, tmp_path / "b", where={"plan": "b"})
    assert set(made.users["plan"].to_pylist()) == {"b"}
    assert share_early(made) < 0.15
    assert made.about["where"] == {"plan": "b"}


def test_shards_are_the_whole(run, tmp_path):
    whole = drawn(run, tmp_path / "whole", 3000)
    parts = [drawn(run, tmp_path / f"{n}", 3000, shard=(n, 2)) for n in (1, 2)]
    assert sum(map(len, parts)) == 3000
    assert parts[0].users.slice(0, 50) == whole.users.slice(0, 50)


def test_more_days_than_it_was_fitted_to(run, tmp_path):
    made = drawn(run, tmp_path / "long", days=42)
    assert made.shape == (400, 42, 6, 2)
    totals = made.dense().sum((0, 2, 3))
    assert 0.6 < totals[28:].mean() / totals[1:14].mean() < 1.6


def test_a_run_says_what_it_was_told(run, tmp_path):
    again = load(run.path)
    assert again.model.vocabulary == {"plan": ["a", "b"]}
    assert again.about["attributes"] == {"values": [[1], [2]], "users": [200, 100]}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            {"where": {"country": "France"}},
            "this run knows no attribute 'country'; it was fitted to plan",
        ),
        (
            {"where": {"plan": "c"}},
            "no user that the run was fitted to has plan 'c'; there are a, b",
        ),
        ({"days": 0}, "days must be at least 1, got 0"),
    ],
)
def test_what_is_refused(run, tmp_path, settings, expected):
    with pytest.raises(ValueError, match=f"^{expected}"):
        drawn(run, tmp_path / "no", **settings)
    assert not (tmp_path / "no").exists()


def test_a_beta_vae_draws_its_own_window_of_anybody(tmp_path):
    other = fit(BetaVAE, two_sorts(), fit=FitConfig(epochs=1))
    with pytest.raises(
        ValueError, match=r"^this run knows no attribute 'plan'; it was fitted to none"
    ):
        drawn(other, tmp_path / "a", where={"plan": "a"})
    with pytest.raises(ValueError, match=r"^a BetaVAE draws windows of 14 days, got days 28"):
        drawn(other, tmp_path / "b", days=28)
