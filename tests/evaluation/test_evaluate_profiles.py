"""evaluate(): keys, floor, baselines, messages."""

import datetime as dt
import json
from dataclasses import replace

import numpy as np
import pytest

from dense_profiles import DenseSource, counts
from habitus.evaluation import Summary, evaluate, independent_cells, summarise
from habitus.evaluation.floor import floor_from_train
from habitus.evaluation.metrics.compare import compare, conditional_overlap

PAPER = ["users", "daily_mean", "daily_std", "total_cdf", "dau", "wau", "mau", "zero_threshold"]


def source(users, seed=0, days=32, **fields):
    return DenseSource(counts(users, days=days, seed=seed), chunk=16, **fields)


@pytest.fixture(scope="module")
def result():
    return evaluate(source(60, 1), source(40, 2), source(90, 3), zero_threshold=0.25, seed=5)


def test_json_has_the_keys(result):
    content = result.to_json()
    json.dumps(content, allow_nan=False)
    for part in (content, content["floor"], *content["baselines"].values()):
        assert set(PAPER) <= set(part)
        assert set(part["daily_mean"]) == set(part["daily_std"]) == {"kld", "mse"}
        assert set(part["total_cdf"]) == {"ks"}
        assert all(set(part[name]) == {"relative_error", "kld"} for name in ("dau", "wau", "mau"))
    assert list(content["baselines"]) == ["independent_cells"]
    assert (content["users"], content["floor"]["users"], content["reference_users"]) == (60, 60, 40)
    assert content["zero_threshold"] == 0.25
    assert content["floor"]["zero_threshold"] is None
    assert set(content["hour_of_day"]["jsd"]) == {"web", "phone", "<script>"}
    assert {"raw_daily_mean", "raw_daily_std"} <= set(content)


def test_rows_pair_each_figure_with_its_floor(result):
    rows = {name: (figure, floor) for name, figure, floor in result.rows()}
    assert rows["daily_mean.kld"] == (
        result.figures["daily_mean"]["kld"],
        result.floor["daily_mean"]["kld"],
    )
    assert rows["weekday.jsd.web"][0] == result.figures["weekday"]["jsd"]["web"]
    assert "channel_overlap.generated" not in rows


def test_a_set_against_itself_is_perfect():
    same = source(30)
    figures = evaluate(same, same).figures
    assert figures["daily_mean"] == figures["daily_std"] == {"kld": 0.0, "mse": 0.0}
    assert figures["total_cdf"]["ks"] == 0.0
    assert figures["mau"] == {"relative_error": 0.0, "kld": 0.0}
    assert figures["channel_overlap"]["mean_absolute_difference"] == 0.0


def test_same_seed_same_result():
    first, second, other = (
        evaluate(source(30, 1), source(40, 2), source(90, 3), seed=seed).to_json()
        for seed in (1, 1, 2)
    )
    assert first == second
    assert first["floor"]["daily_mean"] != other["floor"]["daily_mean"]


def test_floor_splits_the_reference_without_train():
    result = evaluate(source(100, 1), source(41, 2))
    assert (result.floor_sample.users, result.floor_reference.users) == (20, 21)
    whole = summarise(source(41, 2))
    assert result.floor_sample.nonempty + result.floor_reference.nonempty == whole.nonempty
    assert result.baselines == {}


def test_floor_takes_no_more_than_the_generated_size():
    result = evaluate(source(5, 1), source(41, 2))
    assert (result.floor_sample.users, result.floor_reference.users) == (5, 36)


def test_floor_says_when_train_is_small():
    result = evaluate(source(100, 1), source(41, 2), source(30, 3))
    assert result.floor_sample.users == 30
    assert "fewer than the 100 generated" in result.to_json()["floor"]["note"]


def test_the_floor_is_that_of_a_typical_sample():
    """The median of ten samples lies among them, and varies less with the seed than one does."""
    train = source(200, 3)
    theirs = summarise(source(60, 2))
    singles = list[float]()
    floors = list[float]()
    for seed in range(20):
        rng = np.random.default_rng(seed)
        floor = floor_from_train(train, theirs, 40, rng)
        floors.append(floor.figures["daily_mean"]["mse"])
        singles.append(compare(floor.sample, theirs)["daily_mean"]["mse"])
        assert floor.note.endswith("each figure is the median of 10 such samples")
    assert min(singles) < min(floors) < max(floors) < max(singles)
    assert np.std(floors) < np.std(singles) / 2


def test_large_samples_are_drawn_less_often(monkeypatch):
    monkeypatch.setattr("habitus.evaluation.floor.PROFILES", 80)
    theirs = summarise(source(60, 2))
    rng = np.random.default_rng(0)
    assert floor_from_train(source(200, 3), theirs, 40, rng).note.endswith(
        "the median of 2 such samples"
    )
    for users in (70, 200):  # one that is larger, and all there are
        assert "median" not in floor_from_train(source(200, 3), theirs, users, rng).note


def test_short_window_has_no_monthly_figure():
    figures = evaluate(source(30, 1, days=9), source(30, 2, days=9)).figures
    assert figures["mau"] == {"relative_error": None, "kld": None}
    assert figures["wau"]["relative_error"] is not None


def test_raw_figures_need_counts_on_both_sides():
    peak = DenseSource((counts(30, days=32) / 40).astype(np.float32), "peak")
    assert "raw_daily_mean" not in evaluate(peak, source(30)).figures


def test_infinite_becomes_null():
    pictures = counts(30, days=32)
    pictures[:, 3] = 0
    result = evaluate(DenseSource(pictures), source(30))
    assert result.figures["daily_mean"]["kld"] == float("inf")
    assert result.to_json()["daily_mean"]["kld"] is None


def test_drifting_windows_have_no_weekday():
    assert evaluate(source(30, every=10), source(30)).figures["weekday"]["jsd"] is None


# Jensen-Shannon divergence of shares 1/2, 1/2 and 1/4, 3/4, whose middle is 3/8, 5/8.
ONE_TO_THREE = pytest.approx(
    (0.5 * np.log(4 / 3) + 0.5 * np.log(4 / 5)) / 2
    + (0.25 * np.log(2 / 3) + 0.75 * np.log(6 / 5)) / 2
)


def test_weekdays_are_compared_where_both_windows_have_them():
    """Thursday to Saturday against Friday to Sunday: Friday and Saturday, 1:1 against 1:3."""
    ours = np.ones((2, 3, 1, 1), np.float32)
    theirs = np.ones((2, 3, 1, 1), np.float32)
    theirs[:, 1] = 3
    generated = DenseSource(ours, "peak")
    reference = DenseSource(theirs, "peak")
    reference.axes = replace(reference.axes, start=reference.axes.start + dt.timedelta(days=1))
    jsd = compare(summarise(generated), summarise(reference))["weekday"]["jsd"]
    assert jsd == {"web": ONE_TO_THREE}


def test_hour_of_day_by_hand():
    """The reference is active in slots 0 and 1 as 1:1, the generated set as 1:3, on any day."""
    theirs = np.ones((1, 2, 2, 1), np.float32)
    ours = np.ones((1, 2, 2, 1), np.float32)
    ours[0, 0, 1] = 5
    ours[0, 1, 1] = 1
    jsd = compare(summarise(DenseSource(ours, "peak")), summarise(DenseSource(theirs, "peak")))[
        "hour_of_day"
    ]["jsd"]
    assert jsd == {"web": ONE_TO_THREE}


def test_channel_overlap_by_hand():
    """Web and phone always together against never: P(b|a) is 1 against 0 both ways."""
    theirs = np.zeros((1, 1, 2, 2), np.uint32)
    ours = np.ones((1, 1, 2, 2), np.uint32)
    theirs[0, 0, 0, 0] = theirs[0, 0, 1, 1] = 1
    overlap = compare(summarise(DenseSource(ours)), summarise(DenseSource(theirs)))[
        "channel_overlap"
    ]
    assert overlap["mean_absolute_difference"] == 1
    assert overlap["generated"] == [[1, 1], [1, 1]]
    assert overlap["reference"] == [[1, 0], [0, 1]]


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        (
            (source(5, days=9), source(5, days=8), None),
            "the generated set and the reference .* days differ: 9 against 8",
        ),
        (
            (source(5), source(5), source(5, days=8)),
            "the training set and the reference .* days differ",
        ),
        (
            (DenseSource(counts(4)[:0]), DenseSource(counts(4)), None),
            "at least one profile in the generated set",
        ),
        (
            (DenseSource(counts(4)), DenseSource(counts(4)[:0]), None),
            "at least one profile in the reference",
        ),
        (
            (DenseSource(counts(4)), DenseSource(counts(4)[:1]), None),
            "at least 2 reference profiles",
        ),
        (
            (DenseSource(counts(4)), DenseSource(counts(4), "binary"), None),
            "reference holds binary values",
        ),
    ],
)
def test_messages(sets, message):
    with pytest.raises(ValueError, match=message) as caught:
        evaluate(*sets)
    assert "\n" not in str(caught.value)


def test_conditional_overlap_of_an_absent_channel():
    assert conditional_overlap(np.array([[0, 0], [0, 2]])).tolist() == [[0, 0], [0, 1]]


def test_independent_cells_keep_the_mean_picture_and_nothing_else():
    train = DenseSource(counts(2000, days=3, seed=4), chunk=500)
    real = summarise(train)
    drawn = summarise(independent_cells(train, 20_000, seed=1))
    np.testing.assert_allclose(drawn.mean_picture, real.mean_picture, rtol=0.1)
    assert drawn.nonempty / drawn.users == pytest.approx(real.nonempty / real.users, rel=0.01)
    p = drawn.channel_overlap / drawn.users / 12  # hours in which both channels are, a profile-hour
    assert p[0, 1] == pytest.approx(p[0, 0] * p[1, 1], rel=0.05)


def test_independent_cells_in_law_and_order():
    """A cell that is nearly always active is drawn with its own probability, not a Poisson's."""
    pictures = np.zeros((1000, 1, 4, 1), np.uint32)
    pictures[:900, 0, 0] = 1
    pictures[:, 0, 2] = 2
    drawn = next(iter(independent_cells(DenseSource(pictures, chunk=400), 4000).chunks()))
    share = np.bincount(drawn.cells, minlength=4) / len(drawn)
    np.testing.assert_allclose(share, [0.9, 0, 1, 0], atol=0.02)
    inside = np.diff(drawn.cells) > 0
    assert inside[np.setdiff1d(np.arange(len(inside)), drawn.indptr - 1)].all()
    assert drawn.axes.unit == "peak"
    assert drawn.values.max() <= 1


def test_a_binary_population_is_compared_with_the_real_one_as_binary():
    pictures = (counts(30) > 0).astype(np.float32)
    found = evaluate(
        DenseSource(pictures, "binary"), DenseSource(counts(30)), DenseSource(counts(30))
    )
    assert found.figures["daily_mean"] == {"kld": 0, "mse": 0}
    assert found.figures["total_cdf"]["ks"] == 0


def test_independent_cells_of_binary_profiles_are_binary():
    pictures = (counts(50) > 0).astype(np.float32)
    baseline = independent_cells(DenseSource(pictures, "binary"), 10)
    assert baseline.axes.unit == "binary"
    assert all(set(np.unique(chunk.values)) <= {1.0} for chunk in baseline.chunks())
    assert isinstance(summarise(baseline), Summary)
