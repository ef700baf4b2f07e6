"""A run that has learned nothing says so."""

import math

import numpy as np
import pytest
import torch

from command_line import call
from habitus.models.base import Windows
from habitus.models.recurrent.lstm_gru import LSTM, RecurrentConfig
from habitus.models.recurrent.timegan import TimeGAN, TimeGANConfig
from habitus.schema import SeriesAxes
from habitus.series import Series
from habitus.training.collapse import detect_collapse
from habitus.training.config import FitConfig
from habitus.training.fit import fit
from habitus.training.windows import windows

AXES = SeriesAxes(("a",))


def persistent(rows: int = 3000) -> np.ndarray:
    """AR(1) of variance 1 with a correlation of 0.95."""
    rng = np.random.default_rng(0)
    values = np.zeros(rows)
    for t in range(1, rows):
        values[t] = 0.95 * values[t - 1] + math.sqrt(1 - 0.95**2) * rng.normal()
    return values[:, None]


def held_out(values: np.ndarray) -> torch.Tensor:
    series = Series.from_arrays([values], ["a"])
    return windows(series, series.window_starts(16, 16), 16)


def test_the_constant_baseline_is_the_best_single_gaussian():
    values = persistent()
    model = LSTM(AXES, RecurrentConfig(window=16, hidden=4))
    model.start_from(torch.from_numpy(values).float())
    found = detect_collapse(
        model, torch.from_numpy(values).float(), Windows.unpack(held_out(values)), 0
    )
    kept = values[: len(values) // 16 * 16]
    best = (
        -0.5 * math.log(2 * math.pi * values.var())
        - 0.5 * ((kept - values.mean()) ** 2).mean() / values.var()
    )
    assert found["constant"] == pytest.approx(best, abs=2e-3)


@pytest.mark.parametrize(
    ("values", "learned"),
    [(persistent(), True), (np.random.default_rng(1).normal(size=(3000, 1)), False)],
)
def test_a_fit_is_held_against_one_distribution_for_all_steps(values, learned):
    how = FitConfig(**{**LSTM.fit_defaults, "epochs": 3})
    run = fit(
        LSTM,
        Series.from_arrays([values], ["a"]),
        RecurrentConfig(window=16, hidden=8, likelihood="gaussian"),
        fit=how,
    )
    assert run.about["collapsed"] is not learned
    if (
        learned
    ):  # the innovations' entropy is log(sqrt(1 - 0.95^2)) = -1.16 below that of the values
        assert 0.2 < run.about["log_likelihood"] - run.about["constant"] < 1.3


def test_a_generator_that_draws_one_value_has_collapsed():
    model = TimeGAN(AXES, TimeGANConfig(window=8, hidden=4, layers=1))
    values = torch.from_numpy(persistent(200)).float()
    model.start_from(values)
    with torch.no_grad():
        model.r.out.weight.zero_()
    assert detect_collapse(model, values, None, 0)["collapsed"]


def test_the_command_says_so(tmp_path, capsys):
    path = tmp_path / "noise.csv"
    np.savetxt(path, np.random.default_rng(1).normal(size=(800, 1)), header="a", comments="")
    asked = [
        "--set",
        "likelihood=gaussian",
        "--set",
        "window=16",
        "--set",
        "hidden=4",
        "--epochs",
        "1",
        "--out",
        str(tmp_path / "run"),
    ]
    code, _, err = call(capsys, "fit", str(path), "--model", "lstm", *asked)
    assert code == 0
    assert "says no more of a step than one distribution" in err
