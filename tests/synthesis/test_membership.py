"""Reference fits see half of the users, score the others, and find a run that memorised."""

import datetime as dt
import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from command_line import call
from conftest import random_profiles
from habitus.evaluation import privacy as evaluation
from habitus.models.pictures.beta_vae import BetaVAE, BetaVAEConfig
from habitus.profiles.store import save
from habitus.schema import Axes
from habitus.synthesis import membership
from habitus.synthesis.membership import membership_likelihoods
from habitus.training.config import FitConfig
from habitus.training.fit import fit

AXES = Axes(dt.date(2018, 2, 1), 5, 240, ("web", "phone"))
SMALL = FitConfig(epochs=2, batch=32, precision="float32", accelerator="cpu")


def windowed(users, seed):
    """Users with one to three windows, named alike in every set."""
    profiles = random_profiles(AXES, 2 * users, seed)
    names = np.sort(np.random.default_rng(seed).integers(0, users, 2 * users))
    return replace(profiles, users=pa.table({"user": names}))


@pytest.fixture(scope="module")
def run():
    config = BetaVAEConfig(latents=2, likelihood="poisson", normalisation="count")
    return fit(BetaVAE, windowed(40, 1), config, fit=SMALL)


@pytest.mark.parametrize("pairs", [1, 3])
def test_every_user_is_scored_by_fits_that_did_not_see_the_user(run, monkeypatch, pairs):
    """Fits are replaced by the set of profiles that they saw, likelihoods by whether one is there."""
    monkeypatch.setattr(evaluation, "MOST_SCORED", 60)
    train, held_out = windowed(40, 1), windowed(40, 2)
    seen = []

    def remember(kind, data, config, fit, out):
        seen.append(data)
        assert kind is BetaVAE
        assert fit.epochs <= 5 * SMALL.epochs
        return SimpleNamespace(model=data)

    def known(model, profiles, seed):
        if model is run.model:
            return np.zeros(len(profiles))
        theirs = set(model.users["user"].to_pylist())
        assert theirs.isdisjoint(profiles.users["user"].to_pylist())
        return np.ones(len(profiles))

    monkeypatch.setattr(membership, "fit", remember)
    monkeypatch.setattr(membership, "_log_likelihood", known)
    found = membership_likelihoods(run, train, held_out, references=pairs)
    assert len(seen) == 2 * pairs
    for each, elsewhere, source in (
        (found.train, found.train_elsewhere, train),
        (found.held_out, found.held_out_elsewhere, held_out),
    ):
        scored = np.isfinite(each)
        assert 40 < scored.sum() <= 60
        np.testing.assert_array_equal(elsewhere[scored], 1)
        users = source.users["user"].to_numpy()
        assert set(users[scored]).isdisjoint(users[~scored]), "whole users are scored"
    for one, other in zip(seen[::2], seen[1::2], strict=True):
        assert (
            len(one) + len(other)
            == np.isfinite(found.train).sum() + np.isfinite(found.held_out).sum()
        )
        assert set(one.users["user"].to_pylist()).isdisjoint(other.users["user"].to_pylist())


def test_no_reference_fits(run):
    found = membership_likelihoods(run, windowed(40, 1), windowed(40, 2), references=0)
    assert found.train_elsewhere is None
    assert np.isfinite(found.train).all()
    assert "without reference fits" in found.note
    with pytest.raises(ValueError, match="0 or more pairs of reference fits, got -1"):
        membership_likelihoods(run, windowed(40, 1), windowed(40, 2), references=-1)


def test_a_model_without_a_likelihood_says_so(run):
    bare = replace(run, model=SimpleNamespace())
    said = membership_likelihoods(bare, windowed(40, 1), windowed(40, 2))
    assert said == "a SimpleNamespace gives no likelihood of users that could be attacked"


def test_the_command_attacks_the_run_that_generated(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, seed in (("train", 1), ("test", 2)):
        save(name, [windowed(40, seed)], AXES)
    fitting = ("fit", "train", "--model", "beta-vae", "--epochs", "1", "--set", "latents=2")
    assert call(capsys, *fitting, "--out", "run")[0] == 0
    assert call(capsys, "generate", "run", "--users", "60", "--out", "made")[0] == 0
    line = ("evaluate", "made", "--against", "test", "--train", "train", "--privacy", "--json", "m")
    code, out, _ = call(capsys, *line)
    found = json.loads((tmp_path / "m").read_text())["privacy"]
    assert code == 0
    assert "the likelihood of the run, against reference fits" in found["attacks"]
    assert "negative loss (a bound)" in found["likelihood"]
    assert "rare values of the training profiles: not known to be protected" in out
    assert "Nothing is guaranteed" in out
    code, _, err = call(capsys, *line[:-3], "--references", "2")
    assert code == 2
    assert "--references is for the attacks of --privacy" in err
    (tmp_path / "run").rename(tmp_path / "away")
    assert "no run was at hand" in call(capsys, *line)[1]
