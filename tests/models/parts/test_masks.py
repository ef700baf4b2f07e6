"""Masks: sizes and places by hand, errors of their text, and properties of every draw."""

import datetime as dt
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from habitus.models.parts.masks import (
    KINDS,
    USAGE,
    FixedMask,
    RandomMask,
    any_of_all,
    parse_mask,
    random_blocks,
)
from habitus.schema import Axes

PAPER = Axes(dt.date(2018, 2, 1), 32, 60, ("web", "phone", "tv"))
ODD = Axes(dt.date(2018, 2, 1), 7, 160, ("web", "phone"))  # 7 days of 9 slots


def axes_of(days: int, slots: int, channels: int) -> Axes:
    return Axes(
        dt.date(2018, 2, 1), days, 1440 // slots, tuple(f"c{number}" for number in range(channels))
    )


def fixed(text: str, axes: Axes = PAPER) -> np.ndarray:
    missing = parse_mask(text, axes).fixed
    assert missing is not None
    return missing


def drawn(text: str, count: int, axes: Axes = PAPER, seed: int = 0) -> np.ndarray:
    return parse_mask(text, axes).draw(count, np.random.default_rng(seed))


def box(
    days: slice, slots: slice = slice(None), channels: slice | int = slice(None), axes: Axes = PAPER
):
    expected = np.zeros(axes.shape, bool)
    expected[days, slots, channels] = True
    return expected


class TestPlaces:
    def test_centre_is_a_quarter_in_the_middle(self):
        assert fixed("centre").mean() == 0.25
        np.testing.assert_array_equal(fixed("centre"), box(slice(8, 24), slice(6, 18)))

    @pytest.mark.parametrize(
        ("days", "slots", "first", "size"),
        [
            (2, 2, (0, 0), (1, 1)),
            (3, 3, (1, 1), (1, 1)),
            (4, 4, (1, 1), (2, 2)),
            (5, 6, (1, 1), (2, 3)),
            (7, 9, (2, 2), (3, 4)),
            (35, 24, (9, 6), (17, 12)),
        ],
    )
    def test_centre_of_odd_sizes_has_margins_that_differ_by_one_at_most(
        self, days, slots, first, size
    ):
        missing = fixed("centre", axes_of(days, slots, 1))
        for axis, length in enumerate((days, slots)):
            where = np.flatnonzero(missing.any(tuple({0, 1, 2} - {axis})))
            assert (where[0], len(where)) == (first[axis], size[axis])
            assert abs(where[0] - (length - 1 - where[-1])) <= 1

    def test_bottom_is_the_last_half(self):
        assert fixed("bottom").mean() == 0.5
        np.testing.assert_array_equal(fixed("bottom"), box(slice(16, 32)))
        np.testing.assert_array_equal(fixed("bottom", ODD), box(slice(4, 7), axes=ODD))

    def test_last_days(self):
        np.testing.assert_array_equal(fixed("last:7"), box(slice(25, 32)))
        np.testing.assert_array_equal(fixed("last:31"), box(slice(1, 32)))
        assert parse_mask("last:007", PAPER).text == "last:7"

    def test_rectangle(self):
        np.testing.assert_array_equal(fixed("rectangle:3-5,0-24"), box(slice(3, 5)))
        np.testing.assert_array_equal(
            fixed("rectangle:31-32,23-24"), box(slice(31, 32), slice(23, 24))
        )

    def test_channel(self):
        np.testing.assert_array_equal(fixed("channel:phone"), box(slice(None), slice(None), 1))

    def test_a_fixed_mask_is_the_same_for_every_profile(self):
        three = drawn("centre", 3)
        assert three.shape == (3, *PAPER.shape)
        assert (three == fixed("centre")).all()

    @pytest.mark.parametrize("text", ["blocks:0.3", "cells:0.3", "any"])
    def test_others_differ_and_have_no_fixed_cells(self, text):
        mask = parse_mask(text, PAPER)
        assert (mask.fixed, mask.text) == (None, text)
        one, other = drawn(text, 2)
        assert (one != other).any()
        np.testing.assert_array_equal(drawn(text, 5, seed=3), drawn(text, 5, seed=3))
        assert (drawn(text, 5, seed=3) != drawn(text, 5, seed=4)).any()

    def test_one_slot_one_channel_two_days(self):
        narrow = axes_of(2, 1, 1)
        np.testing.assert_array_equal(fixed("bottom", narrow).ravel(), [False, True])
        np.testing.assert_array_equal(fixed("last:1", narrow).ravel(), [False, True])
        for text in ("any", "cells:0.9", "blocks:0.9"):
            assert (drawn(text, 40, narrow).sum((1, 2, 3)) == 1).all()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no mask ''; a mask is one of centre, bottom, last:K"),
        ("center", "no mask 'center'"),
        ("last", "mask 'last' should be written last:K"),
        ("last:", "should be written last:K"),
        ("centre:3", "mask 'centre:3' should be written centre"),
        ("last:x", "expected a whole number, got 'x'"),
        ("last:-1", "expected a whole number, got '-1'"),
        ("last:1.5", "expected a whole number"),
        ("last:0", "mask last:0: expected 1 to 31 days, as profiles have 32"),
        ("last:32", "mask last:32: expected 1 to 31 days"),
        ("last:²", "expected a whole number"),
        ("rectangle:1-2", "should be written rectangle:A-B,E-F, such as rectangle:8-24,6-18"),
        ("rectangle:5-3,0-4", "from a lower number to a higher one"),
        ("rectangle:3-3,0-4", "from a lower number to a higher one"),
        ("rectangle:0-33,0-4", "expected days within 0-32 and slots within 0-24"),
        ("rectangle:0-3,0-25", "slots within 0-24"),
        ("rectangle:0-32,0-24", "hides every cell"),
        ("channel:radio", "the channels are web, phone, tv"),
        ("blocks:0", "expected a share between 0 and 1, got '0'"),
        ("blocks:1", "expected a share between 0 and 1"),
        ("blocks:nan", "expected a share between 0 and 1"),
        ("cells:half", "expected a share between 0 and 1, got 'half'"),
        ("cells:-0.1", "expected a share between 0 and 1"),
        ("any:0.5", "mask 'any:0.5' should be written any"),
    ],
)
def test_what_is_no_mask_is_one_clear_line(text, says):
    with pytest.raises(ValueError, match=re.escape(says)) as error:
        parse_mask(text, PAPER)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "axes", "says"),
    [
        ("centre", axes_of(9, 1, 2), "mask centre hides no cell"),
        ("bottom", axes_of(1, 24, 2), "mask bottom hides no cell"),
        ("last:1", axes_of(1, 24, 2), "profiles have 1"),
        ("channel:c0", axes_of(9, 24, 1), "mask channel:c0 hides every cell"),
        ("any", axes_of(1, 1, 1), "mask any: profiles have one cell"),
    ],
)
def test_masks_that_these_profiles_cannot_have(text, axes, says):
    with pytest.raises(ValueError, match=says):
        parse_mask(text, axes)


def test_an_array_that_is_no_mask():
    with pytest.raises(ValueError, match=r"\(days, slots, channels\) \(32, 24, 3\), got \(3, 3\)"):
        FixedMask(PAPER, "mine", np.ones((3, 3), bool))


def test_every_kind_has_its_usage():
    assert [usage.partition(":")[0] for usage in USAGE] == list(KINDS)


@settings(max_examples=150, deadline=None)
@given(
    axes=st.builds(
        axes_of, st.integers(1, 9), st.sampled_from([1, 2, 3, 4, 5, 24]), st.integers(1, 3)
    ).filter(lambda axes: axes.cells > 1),
    text=st.sampled_from(["centre", "bottom", "last:1", "last:3", "any", "channel:c0"])
    | st.builds("{}:{}".format, st.sampled_from(["blocks", "cells"]), st.floats(0.001, 0.999)),
    count=st.integers(1, 20),
    seed=st.integers(0, 2**32),
)  # fmt: skip
def test_every_mask_leaves_something_and_hides_something(axes, text, count, seed):
    try:
        mask = parse_mask(text, axes)
    except ValueError as error:
        assert str(error).startswith("mask ")  # noqa: PT017
        return
    missing = mask.draw(count, np.random.default_rng(seed))
    assert missing.shape == (count, *axes.shape)
    assert missing.dtype == np.bool_
    assert missing.any((1, 2, 3)).all()
    assert not missing.all((1, 2, 3)).any()


def test_nobody_and_nothing_drawn():
    for text in ("any", "cells:0.5", "blocks:0.5", "centre"):
        assert drawn(text, 0).shape == (0, *PAPER.shape)


def test_a_rule_that_hides_all_or_nothing_is_turned_at_one_cell():
    for always in (True, False):
        mask = RandomMask(
            ODD, "odd", lambda axes, count, rng, hide=always: np.full((count, *axes.shape), hide)
        )
        turned = mask.draw(300, np.random.default_rng(0)) != always
        assert (turned.sum((1, 2, 3)) == 1).all()
        assert (turned.sum(0) > 0).mean() > 0.8  # any cell may be the one


@pytest.mark.parametrize("share", [0.05, 0.3, 0.7])
def test_the_share_of_cells(share):
    found = drawn(f"cells:{share}", 200).mean()
    assert abs(found - share) < 5 * np.sqrt(share * (1 - share) / (200 * PAPER.cells))


@pytest.mark.parametrize("share", [0.05, 0.3, 0.7])
def test_the_share_of_blocks_is_reached_by_less_than_a_block_too_many(share):
    missing = drawn(f"blocks:{share}", 200)
    shares = missing.mean((1, 2, 3))
    assert (shares >= share).all()
    assert (shares < share + 0.25).all()
    assert (missing == missing[..., :1]).all()  # all channels of a slot


def test_blocks_are_rectangles():
    missing = random_blocks(PAPER, np.full(50, 1e-6), np.random.default_rng(0))[..., 0]
    days = missing.any(2)
    slots = missing.any(1)
    np.testing.assert_array_equal(missing, days[:, :, None] & slots[:, None, :])
    for side in (days, slots):
        assert (
            np.abs(np.diff(np.pad(side, ((0, 0), (1, 1))).astype(int), axis=1)).sum(1) == 2
        ).all()
        assert (side.sum(1) <= side.shape[1] // 2).all()


def test_any_covers_every_kind():
    missing = any_of_all(PAPER, 4000, np.random.default_rng(0))
    kinds = [kind_of(profile) for profile in missing]
    shares = {kind: kinds.count(kind) / len(kinds) for kind in set(kinds)}
    assert set(shares) == {"last days", "days", "rectangle", "channel", "blocks", "cells"}
    expected = {
        "last days": 0.3,
        "days": 0.1,
        "rectangle": 0.3,
        "channel": 0.1,
        "blocks": 0.1,
        "cells": 0.1,
    }
    for kind, share in expected.items():
        assert abs(shares[kind] - share) < 0.05, (
            kind
        )  # a run of days may be the last ones, one block a rectangle
    last = missing[[kind == "last days" for kind in kinds]].all((2, 3)).sum(1)
    assert (last.min(), last.max()) == (1, 16)
    wide = missing[[kind != "channel" for kind in kinds]].mean((1, 2, 3))
    assert wide.max() < 0.75


def kind_of(missing: np.ndarray) -> str:
    """What a drawn mask looks like."""
    whole = missing.all((0, 1))
    if whole.any() and (missing.any((0, 1)) == whole).all():
        return "channel"
    if not (missing == missing[..., :1]).all():
        return "cells"
    picture = missing[..., 0]
    days = picture.any(1)
    slots = picture.any(0)
    if not (picture == days[:, None] & slots).all() or np.abs(np.diff(days.astype(int))).sum() > 2:
        return "blocks"
    if slots.all():
        return "last days" if days[-1] else "days"
    return "rectangle"


def test_any_on_small_pictures_still_hides_whole_days():
    small = axes_of(2, 3, 2)
    missing = drawn("any", 500, small)
    assert missing[:, 1].all((1, 2)).any()
    assert (missing.all((1, 2)).sum(1) <= 1).all()
