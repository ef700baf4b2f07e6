"""What a likelihood left open becomes, by the data."""

import numpy as np
import pytest
import torch

from habitus.models.base import Windows
from habitus.models.recurrent.lstm_gru import LSTM, RecurrentConfig
from habitus.run import load
from habitus.schema import SeriesAxes
from habitus.series import Series
from habitus.training.config import FitConfig
from habitus.training.fit import fit

RNG = np.random.default_rng(0)
NOISE = RNG.normal(size=(500, 2))
WALK = RNG.normal(size=(500, 2)).cumsum(0)
FEW = RNG.choice([0.0, 0.5, 2.0], (500, 2))


@pytest.mark.parametrize(
    ("values", "likelihood", "relative"),
    [(FEW, "buckets", False), (NOISE[:, :1], "mixture", False), (WALK[:, :1], "mixture", True),
     (NOISE, "autoregressive", False), (WALK, "autoregressive", True),
     (np.column_stack([FEW[:, 0], NOISE[:, 0]]), "autoregressive", False)],
)  # fmt: skip
def test_it_is_seen_from_the_values(values, likelihood, relative):
    found = LSTM.adapt_config(RecurrentConfig(hidden=5), torch.from_numpy(values))
    assert (found.likelihood, found.relative, found.hidden) == (likelihood, relative, 5)


def test_of_several_variables_those_that_wander_are_relative():
    """Noise beside a walk is modelled at its own level; a single variable as the settings say."""
    values = torch.from_numpy(np.column_stack([WALK[:, 0], NOISE[:, 0]])).float()
    for columns, wanders in ((values, [True, False]), (values[:, 1:], [True])):
        axes = SeriesAxes(tuple("ab"[: columns.shape[1]]))
        model = LSTM(axes, RecurrentConfig(likelihood="mixture", relative=True, hidden=5))
        model.start_from(columns)
        assert model.wanders.tolist() == wanders
        x = Windows(
            columns[None, :6],
            torch.ones(1, 6, len(wanders), dtype=torch.bool),
            torch.arange(6.0)[None],
        )
        anchors = model.anchors(x)[0]
        for v, moves in enumerate(wanders):
            expected = (
                torch.cat([torch.tensor([torch.nan]), columns[:6, v]]) if moves else torch.zeros(7)
            )
            torch.testing.assert_close(anchors[:, v], expected, equal_nan=True)
        if len(wanders) > 1:
            assert model.p_v.scale[1].item() == pytest.approx(
                columns[1:, 1].std(correction=0).item(), rel=1e-4
            )


def test_gaps_change_nothing():
    values = torch.from_numpy(WALK.copy())
    values[::7] = float("nan")
    assert LSTM.adapt_config(RecurrentConfig(), values).relative


def test_what_is_given_stays():
    given = RecurrentConfig(likelihood="gaussian", relative=False)
    assert LSTM.adapt_config(given, torch.from_numpy(WALK)) is given


def test_a_run_says_what_was_decided(tmp_path):
    how = FitConfig(**{**LSTM.fit_defaults, "epochs": 1, "batch": 2})
    series = Series.from_arrays([FEW], ["a", "b"])
    fit(LSTM, series, RecurrentConfig(window=8, hidden=4), fit=how, out=tmp_path / "run")
    assert load(tmp_path / "run").model.config.likelihood == "buckets"
