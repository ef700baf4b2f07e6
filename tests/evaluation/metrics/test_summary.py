"""One streaming pass gives what dense arrays give."""

import numpy as np
import pytest

from dense_profiles import DenseSource, counts, normalised
from habitus.evaluation import blocks as blocks_module
from habitus.evaluation.metrics.summary import summarise


def check(summary, pictures, shares):
    users, _, _, channels = pictures.shape
    assert summary.users == users
    np.testing.assert_allclose(summary.daily_totals, shares.sum(axis=(2, 3)), rtol=1e-6)
    np.testing.assert_array_equal(summary.active, pictures.any(axis=(2, 3)))
    np.testing.assert_allclose(summary.mean_picture, shares.sum(axis=0) / max(users, 1), rtol=1e-12)
    assert summary.nonempty == np.count_nonzero(pictures)
    assert summary.empty_share == pytest.approx(np.mean(pictures == 0) if users else 1)
    there = (pictures > 0).reshape(-1, channels).astype(np.int64)
    np.testing.assert_array_equal(summary.channel_overlap, there.T @ there)


@pytest.mark.parametrize("chunk", [1, 3, 50])
@pytest.mark.parametrize("block_cells", [1, 17, 1 << 20])
def test_counts_equal_dense(chunk, block_cells, monkeypatch):
    monkeypatch.setattr(blocks_module, "BLOCK_CELLS", block_cells)
    pictures = counts(30)
    summary = summarise(DenseSource(pictures, chunk=chunk))
    check(summary, pictures, normalised(pictures))
    np.testing.assert_array_equal(summary.raw_daily_totals, pictures.sum(axis=(2, 3)))


def test_blocks_also_end_after_some_rows(monkeypatch):
    monkeypatch.setattr(blocks_module, "BLOCK_ROWS", 4)
    pictures = counts(30)
    source = DenseSource(pictures, chunk=30)
    assert max(len(block) for block in blocks_module.blocks(source)) <= 4
    check(summarise(source), pictures, normalised(pictures))


@pytest.mark.parametrize("chunk", [1, 4, 50])
def test_mask_equals_selection(chunk):
    pictures = counts(30)
    rows = np.random.default_rng(1).random(30) < 0.4
    summary = summarise(DenseSource(pictures, chunk=chunk), rows)
    check(summary, pictures[rows], normalised(pictures[rows]))
    np.testing.assert_array_equal(summary.raw_daily_totals, pictures[rows].sum(axis=(2, 3)))


def test_mask_of_nothing():
    pictures = counts(5)
    check(summarise(DenseSource(pictures), np.zeros(5, bool)), pictures[:0], pictures[:0])


def test_mask_of_wrong_length():
    with pytest.raises(ValueError, match="mask of 5 profiles, got 4"):
        summarise(DenseSource(counts(5)), np.zeros(4, bool))


@pytest.mark.parametrize("unit", ["peak", "binary"])
def test_other_units_are_taken_as_they_are(unit):
    pictures = (counts(20) / 80).astype(np.float32)
    summary = summarise(DenseSource(pictures, unit))
    check(summary, pictures, pictures.astype(np.float64))
    assert summary.raw_daily_totals is None


def test_only_empty_profiles():
    pictures = np.zeros((4, 2, 4, 3), np.uint32)
    summary = summarise(DenseSource(pictures))
    check(summary, pictures, pictures)


def test_single_channel():
    pictures = counts(10, channels=1)
    check(summarise(DenseSource(pictures)), pictures, normalised(pictures))


def test_shapes_of_day_and_week():
    pictures = counts(20, days=9)
    summary = summarise(DenseSource(pictures))
    mean = normalised(pictures).mean(axis=0)
    np.testing.assert_allclose(summary.slot_channel, mean.mean(axis=0))
    thursday = mean[[0, 7]].mean(axis=0)
    monday = mean[4]  # the window starts on a Thursday
    np.testing.assert_allclose(summary.weekday_slot_channel[3], thursday)
    np.testing.assert_allclose(summary.weekday_slot_channel[0], monday)


def test_weekday_lacking_in_the_window_is_zero():
    summary = summarise(DenseSource(counts(20, days=2)))
    assert np.flatnonzero(summary.weekday_slot_channel.any(axis=(1, 2))).tolist() == [3, 4]


@pytest.mark.parametrize("axis", [1, 2])
def test_a_week_has_numbers_on_the_weekdays_of_the_window_only(axis):
    pictures = counts(20, days=2)
    mean = normalised(pictures).mean(axis=0).sum(axis=axis)
    lacking = np.full(mean.shape[1], np.nan)
    expected = [
        lacking,
        lacking,
        lacking,
        *mean,
        lacking,
        lacking,
    ]  # the window is a Thursday and a Friday
    np.testing.assert_allclose(summarise(DenseSource(pictures)).week(axis), expected)


def test_no_weekday_when_windows_drift():
    adrift = summarise(DenseSource(counts(5), every=10))
    assert adrift.weekday_slot_channel is None
    assert adrift.week(1) is None
    assert summarise(DenseSource(counts(5), every=14)).weekday_slot_channel is not None
