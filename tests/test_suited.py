"""What a likelihood left open becomes, by the data."""

import numpy as np
import pytest
import torch

from habitus.models.recurrent import LSTM, RecurrentConfig
from habitus.run import load
from habitus.series import Series
from habitus.training import FitConfig, fit

RNG = np.random.default_rng(0)
NOISE, WALK = RNG.normal(size=(500, 2)), RNG.normal(size=(500, 2)).cumsum(0)
FEW = RNG.choice([0.0, 0.5, 2.0], (500, 2))


@pytest.mark.parametrize(
    ("values", "likelihood", "relative"),
    [(FEW, "buckets", False), (NOISE, "mixture", False), (WALK, "mixture", True),
     (np.column_stack([FEW[:, 0], NOISE[:, 0]]), "mixture", False)],
)  # fmt: skip
def test_it_is_seen_from_the_values(values, likelihood, relative):
    found = LSTM.suited(RecurrentConfig(hidden=5), torch.from_numpy(values))
    assert (found.likelihood, found.relative, found.hidden) == (likelihood, relative, 5)


def test_gaps_change_nothing():
    values = torch.from_numpy(WALK.copy())
    values[::7] = float("nan")
    assert LSTM.suited(RecurrentConfig(), values).relative


def test_what_is_given_stays():
    given = RecurrentConfig(likelihood="gaussian", relative=False)
    assert LSTM.suited(given, torch.from_numpy(WALK)) is given


def test_a_run_says_what_was_decided(tmp_path):
    how = FitConfig(**{**LSTM.fit_defaults, "epochs": 1, "batch": 2})
    series = Series.from_arrays([FEW], ["a", "b"])
    fit(LSTM, series, RecurrentConfig(window=8, hidden=4), fit=how, out=tmp_path / "run")
    assert load(tmp_path / "run").model.config.likelihood == "buckets"
