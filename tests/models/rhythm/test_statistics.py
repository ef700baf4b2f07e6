"""Summary statistics counted by loops; and that each logit offset moves its own."""

import datetime as dt

import numpy as np
import pytest
import torch
from torch import Generator

from habitus.models.rhythm.config import RhythmConfig
from habitus.models.rhythm.model import Rhythm
from habitus.models.rhythm.statistics import DayOffsets, statistic_count, summary_statistics
from habitus.schema import Axes
from habitus.training.moment_matching import slopes_of

AXES = Axes(dt.date(2018, 2, 1), 21, 240, ("a", "b"))
FEW = 1_500
NAMES = (
    *(f"day {day}" for day in range(7)),
    *(f"of {day}" for day in range(AXES.days)),
    *(f"{kind} {k}" for kind in ("active", "size", "slots", "counts") for k in range(4)),
    "ever", "largest", "ones",
)  # fmt: skip
AMOUNTS = ("counts", "largest", "ones")
SOME = [name for name in NAMES if not name.startswith("of ") or name in ("of 0", "of 6", "of 20")]


def by_loops(x: np.ndarray, observed: np.ndarray, in_week: np.ndarray) -> list[float]:
    days, slots, _ = x.shape
    found = dict[str, list[tuple[float, float]]]()
    ever = set[int]()
    for day in np.flatnonzero(observed):
        active = [slot for slot in range(slots) if x[day, slot].any()]
        ever |= set(active)
        if day >= 7:
            found.setdefault(f"day {in_week[day]}", []).append((1, bool(active)))
        for k in range(4):
            near = max(0, 1 - abs(3 * day / (days - 1) - k))
            found.setdefault(f"active {k}", []).append((near, bool(active)))
            found.setdefault(f"size {k}", []).append((near, bool(active) * np.log(x.max())))
            found.setdefault(f"slots {k}", []).append((near, len(active)))
            counts = x[day][x[day] > 0]
            found.setdefault(f"counts {k}", []).extend((near, np.log(count)) for count in counts)
    weights = {name: sum(w for w, _ in pairs) for name, pairs in found.items()}
    means = {
        name: sum(w * n for w, n in pairs) / weights[name]
        for name, pairs in found.items()
        if weights[name]
    }
    counts = x[x > 0].tolist()
    ones = sum(count == 1 for count in counts) / len(counts)
    means |= {f"of {day}": x[day].sum() / x.max() for day in range(days)}
    return [
        *(means.get(name, 0.0) for name in NAMES[:-3]),
        len(ever) / slots,
        np.log(max(counts)),
        ones,
    ]


def test_habits_are_what_loops_count():
    rng = np.random.default_rng(0)
    x = rng.poisson(0.2, (20, *AXES.shape))
    observed = rng.random((20, AXES.days)) < 0.6
    in_week = (np.arange(AXES.days) + rng.integers(0, 7, (20, 1))) % 7
    x *= observed[..., None, None]
    found = summary_statistics(
        torch.from_numpy(x).float(), torch.from_numpy(observed), torch.from_numpy(in_week)
    )
    np.testing.assert_allclose(
        found, [by_loops(*each) for each in zip(x, observed, in_week, strict=True)], rtol=1e-5
    )


def test_shifts_of_a_day():
    weekdays = [0.0, 10, 20, 30, 40, 50, 60]
    of_days = [100.0, 200, 300, 400, 500, 600, 700]
    active = [2.0, -1, 4, 7]
    of_size = [0.0, 1, 0, 0]
    end = [-3.0, 0, 0, 5]
    counts = [0.2, 0.3, 0, 1]
    shifts = torch.tensor([*weekdays, *of_days, *active, *of_size, *end, *counts, 0.1, 0.4, 0.3])
    expected = (
        (0, 0.0, 102, -3, 0.2),
        (3, 0.25, 399.75, -0.75, 0.275),
        (7, 0.5, 1.5, 0, 0.15),
        (20, 1.0, 7, 5, 1),
    )
    for number, late, place, *others in expected:
        on = DayOffsets.on(shifts, number, late, torch.tensor([0, 2, 6]), torch.tensor([0.0, 2, 0]))
        of_size = max(0, 1 - abs(3 * late - 1))
        assert on.active.tolist() == pytest.approx([place, 20 + place + 2 * of_size, 60 + place])
        assert [float(each) for each in on[1:]] == pytest.approx([*others, 0.1, 0.4, 0.3])


def test_a_window_of_less_than_a_week_has_no_later_days():
    days = torch.arange(5).expand(3, -1)
    observed = torch.ones(3, 5, dtype=torch.bool)
    found = summary_statistics(torch.ones(3, 5, 2, 1), observed, days)
    assert found.shape == (3, statistic_count(5))
    assert not found[:, :7].any()
    assert found[:, 7:12].eq(2).all()


def test_days_after_the_window_are_as_late_as_its_last():
    late = Rhythm(AXES).conditioning.progress
    assert [late(0), late(20), late(40)] == [0, 1, 1]


@pytest.fixture(scope="module")
def model() -> Rhythm:
    """One that has only begun to learn."""
    torch.manual_seed(0)
    model = Rhythm(AXES, RhythmConfig(hidden=16, channel_width=8))
    model.start_from(
        torch.poisson(torch.full((200, *AXES.shape), 0.05), generator=Generator().manual_seed(0))
    )
    return model.eval()


def drawn(model: Rhythm, name: str, shift: float, users: int) -> dict[str, float]:
    """Mean habits of so many drawn users with one shift."""
    model.logit_offsets.copy_(torch.tensor([shift * (each == name) for each in NAMES]))
    with torch.no_grad():
        x = model.sample(users, Generator().manual_seed(1))
    return dict(
        zip(
            NAMES,
            model.statistics(x, model.conditioning.days().for_each(users)).mean(0).tolist(),
            strict=True,
        )
    )


@pytest.mark.parametrize("name", SOME)
def test_a_shift_moves_the_habit_that_it_is_there_for(model, name):
    assert len(NAMES) == statistic_count(AXES.days) == len(model.logit_offsets)
    low, high = (drawn(model, name, shift, FEW) for shift in (-1.0, 1.0))
    moved = {
        each: (high[each] - low[each]) * (-1 if each.startswith("slots") else 1) for each in NAMES
    }
    assert moved[name] > 0.02 * low[name]  # fewer slots where a day's end is likelier
    alike = [NAMES[:7], NAMES[7:28], *(NAMES[begin : begin + 4] for begin in (28, 32, 36, 40))]
    others = [each for kind in alike if name in kind for each in kind if each != name]
    assert all(abs(moved[other]) < 0.8 * moved[name] for other in others)


def test_scores_tell_what_shifts_would_do(model):
    """The slope of a statistic by its offset, beside the difference of two populations."""
    users = 8_000
    own = torch.arange(statistic_count(AXES.days))
    model.logit_offsets.zero_()
    x, scores = model.sample_with_scores(users, Generator().manual_seed(3))
    habits = model.statistics(x, model.conditioning.days().for_each(users)).double()
    assert float((scores.mean(0) / (scores.std(0) / users**0.5)).abs().max()) < 4.5
    slopes = slopes_of(habits, scores.double())[own, own]
    error = habits.std(0) * scores.double().std(0) / users**0.5
    for number, name in ((NAMES.index(name), name) for name in SOME):
        # Counts bend under large offsets: a smaller step, of more users.
        step, few = (0.3, 2 * FEW) if name.startswith(AMOUNTS) else (0.5, FEW)
        low, high = (drawn(model, name, shift, few)[name] for shift in (-step, step))
        of_difference = habits[:, number].std() * (2 / few) ** 0.5 / (2 * step)
        assert abs((high - low) / (2 * step) - slopes[number]) < 4.5 * (
            error[number] + of_difference
        )
