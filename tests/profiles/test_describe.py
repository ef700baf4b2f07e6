"""What describe counts, and what it finds odd, on populations where the answer is known."""

import datetime as dt
import json

import numpy as np
import pytest

from habitus.profiles.build import REASONS
from habitus.profiles.describe import Description, describe
from habitus.profiles.sparse import Profiles
from habitus.profiles.store import save
from habitus.schema import WEEKDAYS, Axes

DAYS = 14
HOURS = 24
CHANNELS = ("web", "phone")
AXES = Axes(dt.date(2018, 2, 5), DAYS, 60, CHANNELS)  # a Monday


def busy(users: int = 200, seed: int = 0) -> np.ndarray:
    """Counts [U, D, S, C] in which nothing is odd: everyone awake from 7 to 23 and active on several days."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(0.1, (users, DAYS, HOURS, len(CHANNELS)))
    counts[:, :, 2:5] = 0
    return counts


def found(counts: np.ndarray, axes: Axes = AXES, rows: dict | None = None) -> Description:
    return describe(Profiles.from_dense(axes, counts), rows)


def test_nothing_odd_is_found_where_nothing_is():
    assert found(busy()).findings == []


def test_the_numbers_are_those_of_the_dense_array():
    counts = busy()
    counts[3] = 0
    counts[3, 5, 12, 1] = 7
    description = found(counts)
    filled = (counts > 0).reshape(len(counts), -1).sum(1)
    assert description.profiles == len(counts)
    assert description.events == counts.sum()
    assert description.nonempty == pytest.approx(np.quantile(filled, (0.05, 0.5, 0.95)))
    assert description.empty_share == pytest.approx((counts == 0).mean())
    np.testing.assert_array_equal(description.by_day, counts.sum((0, 2, 3)))
    np.testing.assert_array_equal(description.by_slot, counts.sum((0, 1, 3)))
    np.testing.assert_array_equal(description.by_channel, counts.sum((0, 1, 2)))
    np.testing.assert_array_equal(description.users_of_channel, (counts.sum((1, 2)) > 0).sum(0))
    assert description.largest_cell == counts.max()
    assert description.one_day == ((counts.sum((2, 3)) > 0).sum(1) == 1).sum() == 1
    by_weekday = counts.sum((0, 2, 3)).reshape(2, 7).mean(0)
    assert description.by_weekday == pytest.approx(dict(zip(WEEKDAYS, by_weekday, strict=True)))
    values = np.sort(counts[counts > 0])
    assert description.cell_quantiles == tuple(
        np.quantile(values, (0.5, 0.9, 0.99), method="inverted_cdf")
    )
    whole = int(len(values) * 0.01)
    share = (
        values[-whole:].sum() + (len(values) * 0.01 - whole) * values[-whole - 1]
    ) / values.sum()
    assert description.tail_share == pytest.approx(share)


def test_chunks_do_not_matter(tmp_path):
    axes = Axes(dt.date(2018, 2, 5), 2, 720, ("web",))
    counts = np.random.default_rng(0).poisson(1, (20_000, 2, 2, 1))
    stored = save(tmp_path / "p", [Profiles.from_dense(axes, counts)], axes)
    assert stored.groups > 1
    assert describe(stored).to_json() == found(counts, axes).to_json()


def test_a_weekday_that_is_always_empty():
    counts = busy()
    counts[:, [5, 12]] = 0
    assert found(counts).findings == [
        "every Sat is empty: closed on that weekday, or data that is missing?"
    ]


def test_single_days_that_are_empty():
    counts = busy()
    counts[:, 8] = 0
    (line,) = found(counts).findings
    assert line == "1 of 14 days are empty for everybody (2018-02-13): missing data?"


def test_hours_that_are_always_empty():
    counts = busy()
    counts[:, :, :6] = 0
    assert found(counts).findings == [
        "00:00 to 06:00 is always empty: missing data, or another time zone than UTC?"
    ]
    night = busy()
    night[:, :, 22:] = night[:, :, :4] = 0
    night[:, :, 4:5] = 1
    (line,) = found(night).findings
    assert line.startswith("22:00 to 04:00 is always empty")


def test_a_channel_that_is_empty():
    counts = busy()
    counts[..., 1] = 0
    assert found(counts).findings == ["channel 'phone' is empty"]


def test_a_sudden_drop():
    counts = busy()
    counts[:, 9] = 0
    counts[0, 9, 12, 0] = 1
    counts = np.concatenate([counts, busy(seed=1)], 1)
    axes = Axes(dt.date(2018, 2, 5), 2 * DAYS, 60, CHANNELS)
    (line,) = found(counts, axes).findings
    assert line.startswith(
        "1 days have less than a tenth of their weekday's usual events (2018-02-14)"
    )


def test_who_comes_once():
    counts = busy()
    counts[:150, 1:] = 0
    counts[:150, 0, 12, 0] = 1
    assert "75% of the profiles are active on only one day" in found(counts).findings


def test_programs():
    counts = busy()
    counts[7, :, :, 0] = 1
    (line,) = found(counts).findings
    assert line.startswith("1 profiles are active in nearly every hour")
    counts[7] *= 100
    assert any(line.startswith("one profile has ") for line in found(counts).findings)
    counts[7, 0, 0, 0] = 70_000
    assert any(line.startswith("one cell holds 70,000 events") for line in found(counts).findings)


def test_rows_left_out():
    rows = {
        "events": 90,
        "unusable": {REASONS[-1]: 10, REASONS[-4]: 50},
        "too_small": 0,
        "profiles": 200,
    }
    assert found(busy(), rows=rows).findings == [
        "10 of the log's 150 rows (6.7%) were left out: the user is missing"
    ]


def test_windows_that_begin_on_different_weekdays_have_none():
    axes = Axes(dt.date(2018, 2, 5), DAYS, 60, CHANNELS, every=10)
    counts = busy()
    counts[:, 3] = 0
    description = found(counts, axes)
    assert description.by_weekday is None
    assert description.findings == ["1 of 14 days are empty for everybody (day 4): missing data?"]


@pytest.mark.parametrize("unit", ["peak", "binary"])
def test_other_units(unit):
    description = describe(Profiles.from_dense(AXES, busy()).in_unit(unit))
    assert description.largest_cell == 1
    assert description.findings == []


def test_an_empty_set_is_refused_and_profiles_may_be_empty():
    with pytest.raises(ValueError, match="expected at least one profile"):
        found(busy()[:0])
    nobody = found(np.zeros_like(busy(3)))
    assert nobody.events == nobody.largest_share == nobody.tail_share == 0
    assert any("empty" in line for line in nobody.findings)


def test_it_is_json():
    content = json.loads(json.dumps(found(busy()).to_json(), allow_nan=False))
    assert content["profiles"] == 200
    assert content["axes"]["channels"] == list(CHANNELS)
    assert len(content["by_slot"]) == HOURS
