"""Tables and figures of the tDLGM paper, made on a short series whose every fit takes a moment."""

import csv
import dataclasses

import numpy as np
import pytest
import torch
from scipy import stats

from habitus.evaluation.metrics.transitions import forecast_transitions
from habitus.models.recurrent.latent_layers import LatentLayers
from habitus.papers import PAPERS
from habitus.papers.files import write_item
from habitus.papers.item import FIGURE, TABLE, Grid, Item, Spread
from habitus.papers.tdlgm import PAPER, Lab, LabSettings, ahead, findings, imputing
from habitus.papers.tdlgm import lab as lab_module
from habitus.papers.tdlgm.imputing import (
    CLEANED,
    DLGM,
    FILTERED,
    GAUSSIAN,
    GIVEN,
    IDENTITY,
    LATENTS,
    MEAN,
    METHODS,
    RNN,
    Case,
    Errors,
)
from habitus.papers.tdlgm.lab import limits_of
from habitus.papers.tdlgm.models import SUBJECTS
from habitus.papers.tdlgm.paper import TABLE_1, TABLE_2, TABLE_3, TDLGM, Level, Printed
from habitus.run import Run
from habitus.series import Series
from habitus.synthesis import forecast

VALUES = np.array([0.0, 0.25, 0.5, 1.0])
SETTINGS = LabSettings(
    column="load", scale=1.0, epochs=1, seeds=2, window=8, samples=3, every=9, latent_samples=4
)
ROWS = 200
TRAIN = 160  # of these rows
CASES = [Case(level, reading) for reading in imputing.READINGS for level in TABLE_1]
ENTRIES = {entry.name: entry for entry in PAPER.entries}


def sticky(rows: int, seed: int = 0) -> Series:
    """A chain of four values that stays where it is with probability 0.7."""
    rng = np.random.default_rng(seed)
    moves = rng.random(rows) < 0.3
    draws = rng.integers(4, size=rows)
    state = [int(draws[0])]
    for move, draw in zip(moves[1:], draws[1:], strict=True):
        state.append(int(draw) if move else state[-1])
    return Series.from_arrays([VALUES[state]], ["load"])


@pytest.fixture(scope="module", autouse=True)
def quick():
    """A few steps are enough here, and tiny tensors are slower on several threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("habitus.training.windows.FEWEST_BATCHES", 4)
        patch.setattr("habitus.training.collapse.STEPS", 10)
        patch.setattr("habitus.synthesis.cleaning.ROUNDS", 1)
        patch.setattr(LatentLayers, "latent_draws", 2)
        yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    return Lab(sticky(ROWS), tmp_path_factory.mktemp("reproduction") / "out", SETTINGS)


@pytest.fixture(scope="module")
def made(lab):
    return {name: entry.make(lab) for name, entry in ENTRIES.items()}


def test_every_table_and_figure_with_results_is_there():
    numbers = {
        kind: sorted(e.number for e in PAPER.entries if e.kind == kind) for kind in (TABLE, FIGURE)
    }
    assert numbers == {TABLE: ["1", "2", "3"], FIGURE: sorted(map(str, range(2, 11)))}
    assert all(entry.make.__doc__ for entry in PAPER.entries)
    assert PAPERS["tdlgm"] is PAPER


@pytest.mark.parametrize("name", ENTRIES)
def test_every_item_has_something_to_show(made, name):
    item = made[name]
    assert item.paper
    assert item.tables if ENTRIES[name].kind == TABLE else item.drawings
    for grid in [*item.tables, *(each.data for each in item.drawings)]:
        assert grid.rows
        assert {len(row) for row in grid.rows} == {len(grid.columns)}
    for drawing in item.drawings:
        assert all(panel.has_data() for panel in drawing.figure.axes)
        assert drawing.caption
        assert not drawing.real
    assert all(finding.endswith(".") and "nan" not in finding for finding in item.findings)


def test_the_parts_of_the_series(lab):
    assert len(lab.train.values) == TRAIN
    np.testing.assert_array_equal(
        np.concatenate([lab.train.values, lab.test.values]), lab.whole.values
    )
    assert lab.limits == (0.0, 1.0)
    assert limits_of(Series.from_arrays([[-1.0, 3.0]], ["load"])) == (-1.0, 3.0)


def test_noise_for_training_is_a_mixture_of_the_levels(tmp_path):
    """By level drawn evenly: a fifth of the probabilities' sum is modified, with the mixture's variance."""
    lab = Lab(sticky(50_000), tmp_path / "out", SETTINGS)
    change = lab.noisy_train(3).values - lab.train.values
    levels = np.array(list(TABLE_1))
    assert np.mean(change != 0) == pytest.approx(levels[:, 0].mean(), abs=0.01)
    assert change.var() == pytest.approx((levels[:, 0] * levels[:, 1] ** 2).mean(), rel=0.05)
    np.testing.assert_array_equal(lab.noisy_train(3).values, lab.noisy_train(3).values)
    assert (lab.noisy_train(4).values != lab.noisy_train(3).values).any()


def test_table_1_is_made_of_the_errors(lab, made):
    grid = made["Table 1"].tables[0]
    names = [row[0] for row in grid.rows]
    assert names == ["tDLGM, paper", "DLGM, paper", "RNN, paper", "Filtered RNN, paper", *METHODS]
    assert grid.rows[0][1:] == [each[TDLGM].mse for each in TABLE_1.values()]
    noise = np.random.default_rng([1, 2])
    changed = noise.random(lab.test.values.shape) < 0.4
    squared = np.square(0.1 * noise.standard_normal(changed.shape))[changed].sum() / changed.size
    by_seed = [
        imputing.errors(lab, CASES, seed)["variance-0.4-0.01"][IDENTITY][0] for seed in (0, 1)
    ]
    assert by_seed[1] == pytest.approx(squared, rel=1e-9)
    assert grid.rows[names.index(IDENTITY)][4] == Spread.of(by_seed)
    no_noise = [row[1] for row in grid.rows[4:] if row[0] in (GIVEN, IDENTITY, MEAN)]
    assert no_noise == [Spread(0.0, 0.0)] * 3


def test_latents_and_predictions_are_those_of_the_models(lab):
    cases = [Case(Level(0.8, 0.05), reading) for reading in imputing.READINGS]
    ys = [imputing.noisy_test(lab, case, 1) for case in cases]
    windows = lab_module.as_windows(ys)
    torch.testing.assert_close(windows.values, torch.from_numpy(np.stack(ys).astype(np.float32)))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        mean = lab.model("noisy-lstm", 1).predictions(windows, generator).mean
        latents = lab.model("tdlgm", 1).reconstruct(windows, 4, torch.Generator().manual_seed(1))
    assert np.stack(imputing.ESTIMATES[RNN](lab, cases, 1, ys)) == pytest.approx(mean.numpy())
    assert np.stack(imputing.ESTIMATES[LATENTS](lab, cases, 1, ys)) == pytest.approx(
        latents.numpy()
    )
    assert imputing.ESTIMATES[DLGM](lab, cases, 1, ys)[1].shape == ys[1].shape


def test_the_filter_is_a_paired_t_test(lab, monkeypatch):
    """Errors that grow by hand-made amounts give scipy's own paired test."""
    cases = [Case(level, "variance", (0.0, 1.0)) for level in TABLE_1]
    truth = lab.test.values
    shift = np.random.default_rng(0).normal(0.1, 1.0, truth.shape)

    def made_up(lab, cases, seed, ys):
        return [truth + (0.1 if y is truth else shift) for y in ys]

    monkeypatch.setattr(imputing, "_rnn", made_up)
    noisy = np.tile(np.square(shift), (4, 1))[:, 0]
    expected = stats.ttest_rel(noisy, np.full_like(noisy, 0.01), alternative="greater").pvalue
    assert imputing.p_value(lab, cases, 99) == pytest.approx(expected)


def test_the_filter_leaves_out_what_does_not_grow(lab, monkeypatch):
    monkeypatch.setattr(imputing, "p_value", lambda lab, cases, seed: 0.9 if seed == 0 else 0.1)
    found = imputing.all_errors(lab, CASES)["variance"]
    assert found.kept == [1]
    for rows in found.mse.values():
        assert rows[FILTERED] == rows[RNN][1:]
        assert list(rows) == list(METHODS)
    monkeypatch.setattr(imputing, "p_value", lambda lab, cases, seed: 0.9)
    assert imputing.all_errors(lab, CASES)["variance"].mse[CASES[0]][FILTERED] == []


def test_table_2_is_algorithm_1_of_the_forecasts(lab, made):
    rows = ahead.origins(lab)
    assert rows[0] == 1
    assert rows[-1] + 30 <= len(lab.test.values)
    drawn = forecast(
        lab.run("gru", 1), lab.whole, origins=rows + TRAIN, steps=30, samples=3, seed=1
    ).draws
    test = lab.test.values
    truth = np.stack([test[at : at + 30] for at in rows])
    found = forecast_transitions(drawn, test[rows - 1], truth, steps=list(TABLE_2), limits=(0, 1))
    score = ahead.of_model(lab, "gru", 1)
    assert score["weighted"] == {f"{step}": each.weighted for step, each in found.items()}
    weighted, printed, _ = made["Table 2"].tables
    both = [ahead.of_model(lab, "gru", seed)["weighted"]["30"] for seed in (0, 1)]
    assert next(row for row in weighted.rows if row[0] == "GRU")[-1] == Spread.of(both)
    labels = [row[0] for row in weighted.rows]
    assert labels == [*(s.label for s in SUBJECTS.values()), *ahead.PLAIN.values(), "training set"]
    assert [row[0] for row in printed.rows][:3] == ["tDLGM, paper", "RNN, paper", "DLGM, paper"]
    assert printed.rows[0][1:] == [each[TDLGM] for each in TABLE_2.values()]


def test_log_likelihoods_without_a_model_are_those_of_counting(tmp_path):
    lab = Lab(sticky(4000), tmp_path / "out", SETTINGS)
    found = ahead.plain_log_likelihoods(lab)
    train, test = (np.searchsorted(VALUES, each.values[:, 0]) for each in (lab.train, lab.test))
    used = len(test) // 8 * 8
    share = np.bincount(train) / len(train)
    assert found["independent"] == pytest.approx(np.log(share[test[:used]]).mean(), abs=0.01)
    pairs = np.zeros((4, 4))
    np.add.at(pairs, (train[:-1], train[1:]), 1)
    chain = pairs / pairs.sum(1, keepdims=True)
    first = np.arange(used) % 8 == 0
    expected = np.where(first, share[test[:used]], chain[test[np.arange(used) - 1], test[:used]])
    assert found["markov_chain"] == pytest.approx(np.log(expected).mean(), abs=0.01)
    assert found["markov_chain"] > found["independent"] + 0.3


def test_densities_have_no_row_among_probabilities(lab, made):
    proper = made["Table 2"].tables[2]
    column = {row[0]: row[-1] for row in proper.rows}
    noisy = [
        subject.label
        for subject in SUBJECTS.values()
        if subject.settings["likelihood"] == "gaussian"
    ]
    assert [label for label, value in column.items() if value is None] == [
        *noisy,
        "block bootstrap",
    ]


def test_a_second_lab_loads_what_the_first_one_kept(lab, made, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("made again")

    monkeypatch.setattr(lab_module, "fit", refuse)
    monkeypatch.setattr(ahead, "forecast", refuse)
    monkeypatch.setattr(imputing, "clean", refuse)
    again = Lab(sticky(ROWS), lab.folder, SETTINGS)
    for name in ("Table 1", "Table 2", "Table 3"):
        assert ENTRIES[name].make(again).tables == made[name].tables
    one = Lab(sticky(ROWS), lab.folder, dataclasses.replace(SETTINGS, seeds=1))
    assert ENTRIES["Table 2"].make(one).tables[0].rows[0][1].sd == 0


def test_runs_are_fitted_to_what_the_table_says(lab):
    names = {path.name for path in (lab.folder / "runs").iterdir()}
    assert names == {f"{name}-{seed}" for name in SUBJECTS for seed in (0, 1)}
    fitted = {name: lab.run(name, 1) for name in SUBJECTS}
    assert all(isinstance(run, Run) and run.fit["seed"] == 1 for run in fitted.values())
    likelihoods = {name: run.model.config.likelihood for name, run in fitted.items()}
    assert {name for name, likelihood in likelihoods.items() if likelihood == "gaussian"} == {
        "gaussian-tdlgm", "noisy-lstm", "noisy-dlgm",
    }  # fmt: skip
    for name, noisy in (("lstm", False), ("noisy-lstm", True)):
        seen = (lab.noisy_train(1) if noisy else lab.train).values
        seen = seen[: TRAIN * 9 // 10]  # what is left by a tenth held out
        assert float(fitted[name].model.p_v.mean) == pytest.approx(seen.mean(), abs=1e-6)


@pytest.mark.parametrize(
    ("series", "said"),
    [
        (Series.from_arrays([[1.0, np.nan] * 200], ["load"]), "has 200 missing values"),
        (sticky(100), "expected at least 32 rows after the first 80%, got 20"),
        (Series.from_arrays([np.ones((200, 2))], ["a", "b"]), "got 1 series of 2 variables"),
    ],
)
def test_series_that_the_tables_cannot_be_made_of(series, said, tmp_path):
    with pytest.raises(ValueError, match=said):
        Lab(series, tmp_path / "out", SETTINGS)
    assert not (tmp_path / "out").exists()


def test_a_folder_keeps_to_its_series_and_its_paper(lab):
    with pytest.raises(ValueError, match="was begun with values="):
        Lab(sticky(ROWS, 1), lab.folder, SETTINGS)
    with pytest.raises(ValueError, match="was begun with epochs=1, got 2"):
        Lab(sticky(ROWS), lab.folder, dataclasses.replace(SETTINGS, epochs=2))


def errors_of(cleaned, given, identity=0.01, mean=0.005, kept=(0,)):
    rows = {
        CLEANED: cleaned,
        GIVEN: given,
        LATENTS: [0.1, 0.1],
        GAUSSIAN: [0.1, 0.1],
        DLGM: [0.2, 0.2],
        RNN: [0.3, 0.3],
        FILTERED: [0.3] * len(kept),
        IDENTITY: [identity] * 2,
        MEAN: [mean] * 2,
    }
    case = Case(Level(1.0, 0.1), "variance")
    return Errors({case: rows}, {case: rows}, list(kept))


def test_findings_say_the_opposite_of_the_opposite():
    printed = {Level(1.0, 0.1): {TDLGM: Printed(0.004, 0.0)}}
    good = list(findings.of_noise({"variance": errors_of([0.005, 0.006], [0.004, 0.005])}, printed))
    assert "at 1 of 1 levels (0.1)" in good[0]
    assert "read as variances at 1 of 1 levels." in good[1]
    assert (
        "at 1 of 1 levels with noise, and not above it at 1 (the largest ratio is 1.00, at 0.1)"
        in good[2]
    )
    assert "at 0 of 1 levels" in good[3]
    assert "read as variances 1 of 2, with an error of 0.3 at 0.1" in good[4]
    bad = list(
        findings.of_noise({"variance": errors_of([0.005, 0.02], [0.004, 0.01], kept=())}, printed)
    )
    assert "at 0 of 1 levels (not at 0.1 for 1 of 2 seeds)" in bad[1]
    assert "at 0 of 1 levels with noise, and not above it at 0 (the largest ratio is 2.00" in bad[2]
    assert "0 of 2, so there is no filtered RNN" in bad[4]


def test_the_reading_is_the_one_that_is_possible():
    printed = {Level(1.0, 0.1): {TDLGM: Printed(0.004, 0.0)}}
    high = errors_of([1.0, 1.0], [1.0, 1.0])
    low = errors_of([1.0, 1.0], [1.0, 1.0], mean=0.001)
    first = next(findings.of_noise({"variance": high, "standard deviation": low}, printed))
    assert "its table fits standard deviations" in first
    first = next(findings.of_noise({"variance": low, "standard deviation": high}, printed))
    assert "its table fits variances" in first
    first = next(findings.of_noise({"variance": low, "standard deviation": low}, printed))
    assert "does not tell the readings apart" in first


def test_above_by_more_than_the_spread():
    ours = {"tDLGM": {2: Spread(80.0, 1.0), 5: Spread(80.0, 1.0)}}
    near = {"baseline": {2: Spread(77.0, 1.5), 5: Spread(78.0, 1.5)}}
    (given,) = findings.of_steps({**ours, **near}, "tDLGM", ["baseline"])
    assert "at 1 of 2 steps (not 5); nearest at step 5: +2.00, spreads 2.50" in given
    far = {"baseline": {2: Spread(70.0, 1.5), 5: Spread(70.0, 1.5)}}
    assert "at every step" in next(findings.of_steps({**ours, **far}, "tDLGM", ["baseline"]))


def test_collapse_is_told():
    assert findings.of_collapse([], 5).startswith("None of 5 runs")
    assert findings.of_collapse(["tdlgm-3"], 5).startswith("1 of 5 runs collapsed (tdlgm-3)")


def test_clamped_noise_stays_inside(lab):
    case = Case(Level(1.0, 0.1), "variance", lab.limits)
    y = imputing.noisy_test(lab, case, 0)
    assert y.min() == 0
    assert y.max() == 1
    assert len(TABLE_3) == 10


def test_files_have_a_column_for_each_spread(tmp_path):
    grid = Grid("", ["", "a", "b"], [["x", Spread(1.0, 0.5), 2.0], ["y", 3.0, None]])
    assert grid.texts == [["x", "1.00 ± 0.50", "2"], ["y", "3", "–"]]
    (path,) = write_item(tmp_path, ENTRIES["Table 1"], Item([grid]))
    with path.open() as file:
        assert list(csv.reader(file)) == [
            ["", "a", "a, sd", "b"],
            ["x", "1.0", "0.5", "2.0"],
            ["y", "3.0", "", ""],
        ]
