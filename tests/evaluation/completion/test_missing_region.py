"""Scores of filled cells: pictures by hand, loops, calibration by simulation, whole sets."""

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from dense_profiles import DenseSource, axes_for, counts, normalised
from habitus.evaluation.completion.missing_region import (
    LEVELS,
    RegionTally,
    base_rates,
)
from habitus.evaluation.completion.paired import Pair
from habitus.evaluation.evaluate_completion import evaluate_completion
from habitus.schema import Filled

RATES = np.array([0.9, 0.02, 0.02, 0.02, 0.02, 0.02])
FIGURES = [
    "squared_error",
    "mean_absolute_error",
    "crps",
    "coverage_50",
    "coverage_90",
    "log_likelihood",
    "profiles",
    "levels",
]


def score(pieces, axes, base_rates, seed=0):
    """Figures of pieces: filled cells, their truth, and true peaks."""
    tally = RegionTally(axes, base_rates, seed)
    for piece in pieces:
        tally.add(*piece)
    return tally.result()


def filled_with(missing, draws, mean=None):
    """Filled from dense masks [U, D, S, C] and draws [K, U, D, S, C]."""
    row, cell = np.nonzero(missing.reshape(len(missing), -1))
    values = draws.reshape(len(draws), len(missing), -1)[:, row, cell].astype(np.float32)
    return Filled(len(missing), row, cell, values.mean(axis=0) if mean is None else mean, values)


class Completed(DenseSource):
    """A completed set in pieces of some profiles each."""

    def __init__(self, pictures, missing, draws, piece=7, **fields):
        super().__init__(pictures, **fields)
        self.missing = missing
        self.draws = draws
        self.piece = piece
        self.samples = len(draws)

    def pieces(self):
        for begin in range(0, len(self.missing), self.piece):
            part = slice(begin, begin + self.piece)
            yield filled_with(self.missing[part], self.draws[:, part])


def hidden(users, days=9, slots=4, channels=3):
    missing = np.zeros((users, days, slots, channels), bool)
    missing[:, 5:, 1:3] = True
    return missing


def completed_set(users=30, samples=4, unit="count", seed=0, train=None, **fields):
    truth = counts(users, seed=seed)
    draws = np.stack([counts(users, seed=seed + 100 + k) for k in range(samples)])
    if unit == "peak":
        draws = np.stack([normalised(draw) for draw in draws])
    if unit == "binary":
        draws = np.minimum(draws, 1)
    return truth, Completed(draws[0], hidden(users), draws, unit=unit, **fields)


def test_two_by_two_by_hand():
    """One profile, two days of two slots, peak 8; second slots are missing: truth 2 and 0."""
    truth = np.array([[[[8.0], [2.0]], [[0.0], [0.0]]]])
    missing = np.zeros(truth.shape, bool)
    missing[:, :, 1] = True
    draws = np.zeros((2, *truth.shape))
    draws[0, 0, 0, 1] = 2.0
    draws[1, 0, 0, 1] = 4.0
    filled = filled_with(missing, draws)
    found = score([(filled, np.array([2.0, 0.0]), np.array([8.0]))], axes_for(truth), RATES).figures
    assert found["squared_error"] == pytest.approx((1 / 8) ** 2)
    assert found["mean_absolute_error"] == pytest.approx(1 / 8)
    assert found["crps"] == pytest.approx((1 - 1) / 8)
    # the truth 2/8 is in (1/8, 1/4] with one draw of two; 0 has both
    assert found["log_likelihood"] == pytest.approx(np.log((1 + 0.02) / 3) + np.log((2 + 0.9) / 3))
    assert list(found) == FIGURES
    assert tuple(found["levels"]) == LEVELS


def slow_figures(truth, missing, draws, rates):
    """Every figure that needs no ranks, cell by cell."""
    found = dict.fromkeys(
        ("squared_error", "mean_absolute_error", "log_likelihood", "cell", "day", "profile"), 0.0
    )
    edges = [0, 1 / 16, 1 / 8, 1 / 4, 1 / 2, np.inf]
    for user in range(len(truth)):
        peak = max(truth[user].max(), 1)
        x = truth[user] / peak
        ys = draws[:, user] / peak
        for at in zip(*np.nonzero(missing[user]), strict=True):
            values = [y[at] for y in ys]
            found["squared_error"] += (x[at] - np.mean(values)) ** 2
            found["mean_absolute_error"] += abs(x[at] - np.median(values))
            bin_of = [
                next(i for i, edge in enumerate(edges) if v <= edge) for v in [x[at], *values]
            ]
            hits = sum(each == bin_of[0] for each in bin_of[1:])
            found["log_likelihood"] += np.log((hits + rates[bin_of[0]]) / (len(values) + 1))
            found["cell"] += slow_crps(values, x[at])
        for day in np.flatnonzero(missing[user].any(axis=(1, 2))):
            here = missing[user][day]
            found["day"] += slow_crps([y[day][here].sum() for y in ys], x[day][here].sum())
        found["profile"] += slow_crps([y[missing[user]].sum() for y in ys], x[missing[user]].sum())
    return {name: total / len(truth) for name, total in found.items()}


def slow_crps(values, y):
    k = len(values)
    pairs = sum(abs(a - b) for a in values for b in values)
    return np.mean([abs(v - y) for v in values]) - (pairs / (2 * k * (k - 1)) if k > 1 else 0)


@pytest.mark.parametrize("samples", [1, 3, 4])
def test_against_loops_over_cells(samples):
    truth, completed = completed_set(20, samples)
    expected = slow_figures(
        truth, completed.missing, completed.draws, base_rates(DenseSource(truth))
    )
    found = evaluate_completion(completed, DenseSource(truth)).figures
    for name in ("squared_error", "mean_absolute_error", "log_likelihood"):
        assert found[name] == pytest.approx(expected[name], rel=1e-5), name
    for name in LEVELS:
        assert found["levels"][name]["crps"] == pytest.approx(expected[name], rel=1e-5, abs=1e-9), (
            name
        )


def test_base_rates_by_hand():
    """Of four cells two are empty, one is 1/16 of the peak, which is the other."""
    pictures = np.array([[[[0], [1]], [[16], [0]]]], np.uint32)
    np.testing.assert_allclose(base_rates(DenseSource(pictures)), [0.5, 0.25, 0, 0, 0, 0.25])


def test_a_certain_miss_has_a_finite_likelihood():
    truth = np.zeros((1, 2, 2, 1))
    filled = filled_with(np.ones(truth.shape, bool), np.zeros((5, *truth.shape)))
    tally = RegionTally(axes_for(truth), np.array([1.0, 0, 0, 0, 0, 0]))
    tally.add(filled, np.array([4.0, 0, 0, 0]), np.array([4.0]))
    assert tally.result().figures["log_likelihood"] == pytest.approx(np.log(1e-6 / 6))


def zero_inflated(rng, shape):
    return rng.poisson(2.0, shape) * (rng.random(shape) < 0.1)


@pytest.mark.parametrize("unit", ["count", "peak"])
@pytest.mark.parametrize("samples", [5, 20, 50])
def test_coverage_is_exact_where_draws_and_truth_are_alike(samples, unit):
    rng = np.random.default_rng(samples)
    shape = (400, 4, 3, 2)
    scale = 1 if unit == "count" else 1 / 3
    truth = zero_inflated(rng, shape) * scale
    draws = zero_inflated(rng, (samples, *shape)) * scale
    missing = np.ones(shape, bool)
    pieces = [
        (filled_with(missing, draws), truth.reshape(-1).astype(np.float32), np.full(400, 5.0))
    ]
    found = score(pieces, axes_for(truth, unit), RATES, seed=1)
    for level, items in (("cell", 400 * 24), ("day", 400 * 4), ("profile", 400)):
        for name, p in (("coverage_50", 0.5), ("coverage_90", 0.9)):
            assert abs(found.figures["levels"][level][name] - p) < 4 * np.sqrt(
                p * (1 - p) / items
            ), (level, name)
    assert np.abs(found.calibration.day - found.calibration.nominal).max() < 4 * np.sqrt(
        0.25 / 1600
    )
    assert np.abs(found.calibration.cell - found.calibration.nominal).max() < 4 * np.sqrt(
        0.25 / 9600
    )
    assert found.calibration.pit.sum() == pytest.approx(1)
    assert found.calibration.pit.max() < 0.08


def test_too_narrow_draws_cover_too_little():
    rng = np.random.default_rng(0)
    truth = rng.poisson(20.0, (200, 4, 3, 1))
    draws = np.broadcast_to(rng.poisson(20.0, truth.shape), (20, *truth.shape))
    pieces = [
        (
            filled_with(np.ones(truth.shape, bool), draws),
            truth.reshape(-1).astype(float),
            np.full(200, 40.0),
        )
    ]
    assert score(pieces, axes_for(truth), RATES).figures["coverage_90"] < 0.3


def test_pieces_make_no_difference_but_to_ties():
    truth, completed = completed_set(23)
    one = replace_piece(completed, 23)
    many, whole = (
        evaluate_completion(each, DenseSource(truth)).figures for each in (completed, one)
    )
    for name in ("squared_error", "crps", "log_likelihood", "mean_absolute_error"):
        assert many[name] == pytest.approx(whole[name])


def replace_piece(completed, piece):
    return Completed(completed.pictures, completed.missing, completed.draws, piece=piece)


def test_peak_and_binary_are_on_the_scale_already():
    for unit in ("peak", "binary"):
        truth, completed = completed_set(unit=unit)
        scaled = normalised(truth) if unit == "peak" else np.minimum(truth, 1).astype(float)
        error = (completed.draws.mean(axis=0) - scaled)[completed.missing]
        found = evaluate_completion(completed, DenseSource(truth)).figures
        assert found["squared_error"] == pytest.approx((error**2).sum() / len(truth), rel=1e-5)


def test_the_truth_itself_is_perfect():
    truth, completed = completed_set()
    completed.draws = np.stack([truth, truth])
    found = evaluate_completion(completed, DenseSource(truth)).figures
    assert (found["squared_error"], found["mean_absolute_error"], found["crps"]) == (0, 0, 0)


def test_baselines_beside_the_completed_set():
    truth, completed = completed_set(30)
    train = DenseSource(counts(40, seed=7))
    found = evaluate_completion(completed, DenseSource(truth), train, most=12, seed=3)
    content = found.to_json_parts()
    json.dumps(content, allow_nan=False)
    assert list(content) == ["region", "baselines"]
    assert {"zeros", "nearest_neighbours", "arima"} <= set(content["baselines"])
    for figures in found.baselines.values():
        assert list(figures) == [*FIGURES, "completed"]
        assert set(figures["completed"]) == {
            "squared_error",
            "crps",
            "coverage_90",
            "log_likelihood",
        }
        assert figures["profiles"] == 12
    assert found.note == "baselines on 12 of 30 profiles drawn at random"
    again = evaluate_completion(completed, DenseSource(truth), train, most=12, seed=3)
    assert again.to_json_parts() == content


def test_without_train_no_baseline_that_needs_it():
    truth, completed = completed_set(10)
    baselines = evaluate_completion(completed, DenseSource(truth)).baselines
    assert not {"population_mean", "nearest_neighbours"} & set(baselines)
    error = np.square(normalised(truth)[completed.missing]).sum() / 10
    assert baselines["zeros"]["squared_error"] == pytest.approx(error, rel=1e-5)
    assert baselines["zeros"]["completed"]["crps"] == pytest.approx(
        evaluate_completion(completed, DenseSource(truth)).figures["crps"]
    )


def test_a_region_is_scored_alone():
    truth, completed = completed_set(10)
    region = np.zeros(truth.shape[1:], bool)
    region[6, 1] = True
    error = (completed.draws.mean(axis=0) - truth)[:, region] / np.maximum(
        truth.max(axis=(1, 2, 3)), 1
    )[:, None]
    found = evaluate_completion(completed, DenseSource(truth), region=region)
    assert found.figures["squared_error"] == pytest.approx(np.square(error).sum() / 10, rel=1e-5)


def test_progress_reaches_the_end():
    truth, completed = completed_set(10)
    seen = []
    evaluate_completion(
        completed, DenseSource(truth), most=3, on_progress=lambda *each: seen.append(each)
    )
    assert seen == [
        (7, 10, "score"),
        (10, 10, "score"),
        (7, 10, "baselines"),
        (10, 10, "baselines"),
    ]


def with_users(source, users, **more):
    source.users = pa.table({"user": users, **more})
    return source


def test_users_are_the_same():
    truth, completed = completed_set(10)
    names = [f"u{i}" for i in range(10)]
    assert evaluate_completion(
        with_users(completed, names), with_users(DenseSource(truth), names, age=names)
    )
    with pytest.raises(
        ValueError, match="profile 0 is u0 in the completed set and u9 in the reference"
    ):
        evaluate_completion(completed, with_users(DenseSource(truth), names[::-1]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reference": DenseSource(counts(9))}, "10 completed ones and 9 of the reference"),
        ({"reference": DenseSource(counts(10, days=8))}, "days differ: 9 against 8"),
        (
            {"reference": DenseSource(normalised(counts(10)), unit="peak")},
            "expected a reference of counts",
        ),
        ({"train": DenseSource(counts(10, days=8))}, "the training set and the reference"),
        (
            {"region": np.ones((2, 2), bool)},
            r"expected a region of shape \(days, slots, channels\)",
        ),
        ({"region": np.zeros((9, 4, 3), bool)}, "with at least one cell"),
        (
            {"region": np.eye(4, 3, dtype=bool)[None].repeat(9, 0)},
            "expected each cell of the region to be missing",
        ),
        ({"most": 0}, "most must be at least 1"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(change, message):
    truth, completed = completed_set(10)
    with pytest.raises(ValueError, match=message) as error:
        evaluate_completion(**{"completed": completed, "reference": DenseSource(truth), **change})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("users", "message"), [(11, "the pieces hold more"), (9, "but the pieces hold 9")]
)
def test_pieces_of_another_number_of_profiles(users, message):
    truth, completed = completed_set(10)
    _, other = completed_set(users)
    completed.missing = other.missing
    completed.draws = other.draws
    with pytest.raises(ValueError, match=message):
        evaluate_completion(completed, DenseSource(truth))


def test_nothing_added_is_refused():
    with pytest.raises(ValueError, match="at least one completed profile"):
        score([], axes_for(np.zeros((1, 2, 2, 1))), RATES)
    with pytest.raises(ValueError, match="at least one profile"):
        base_rates(DenseSource(np.zeros((0, 2, 2, 1))))


def test_profiles_without_missing_cells_count_as_zero():
    truth = np.ones((2, 2, 2, 1))
    filled = filled_with(np.zeros(truth.shape, bool), np.zeros((3, *truth.shape)))
    found = score([(filled, np.zeros(0), np.ones(2))], axes_for(truth), RATES)
    assert (found.figures["profiles"], found.figures["crps"], found.figures["coverage_50"]) == (
        2,
        0,
        None,
    )
    json.dumps(found.calibration.to_json(), allow_nan=False)


def test_parts_of_filled_cells():
    _, completed = completed_set(6)
    (filled,) = replace_piece(completed, 6).pieces()
    rows = np.array([False, True, False, True, False, False])
    pair = Pair(filled, np.zeros((6, 9 * 4 * 3), np.float32), np.zeros(6, np.float32))
    part = pair.of(rows).filled
    expected = filled_with(completed.missing[rows], completed.draws[:, rows])
    for name in ("profiles", "row", "cell", "mean", "draws"):
        np.testing.assert_array_equal(getattr(part, name), getattr(expected, name))
    none = np.zeros(len(filled.row), bool)
    assert filled.select(none).draws.shape == (4, 0)
    assert replace(filled).row is filled.select(~none).row
