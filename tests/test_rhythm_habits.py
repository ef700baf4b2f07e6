"""Habits that drawn users are brought to, counted by loops; and that each shift moves what it is there for."""

import datetime as dt

import numpy as np
import pytest
import torch
from torch import Generator

from habitus.models.rhythm import Rhythm
from habitus.models.rhythm_config import RhythmConfig
from habitus.models.rhythm_habits import Habits
from habitus.parts.shapes import Axes

AXES = Axes(dt.date(2018, 2, 1), 10, 240, ("a", "b"))
NAMES = Habits._fields


def by_loops(x: np.ndarray, observed: np.ndarray) -> list[float]:
    days, slots, _ = x.shape
    sums, weights, ever, counts = np.zeros((2, 2)), np.zeros(2), set(), list[float]()
    for day in range(days):
        late = day / (days - 1)
        for number, weight in enumerate((1 - late, late)):
            weights[number] += weight * observed[day]
            active = [slot for slot in range(slots) if x[day, slot].any()]
            sums[number] += [weight * bool(active), weight * len(active)]
            ever |= set(active)
    counts = x[x > 0].tolist()
    (early_days, early_slots), (late_days, late_slots) = sums / weights[:, None]
    ones = sum(count == 1 for count in counts) / len(counts)
    return [early_days, late_days, early_slots, late_slots, len(ever) / slots, np.log(max(counts)), ones]


def test_habits_are_what_loops_count():
    rng = np.random.default_rng(0)
    x = rng.poisson(0.2, (20, *AXES.shape))
    observed = rng.random((20, AXES.days)) < 0.8
    x *= observed[..., None, None]
    found = torch.stack(Habits.of(torch.from_numpy(x).float(), torch.from_numpy(observed)), 1)
    np.testing.assert_allclose(found, [by_loops(*each) for each in zip(x, observed, strict=True)], rtol=1e-5)


def test_shifts_go_from_the_early_to_the_late_one():
    on = Habits(*torch.tensor([1.0, 3.0, -2.0, 2.0, 0.1, 0.2, 0.3])).on
    assert [[round(float(each), 3) for each in on(day, 5)] for day in (0, 1, 4, 9)] == [
        [1.0, -2.0, 0.1, 0.2, 0.3],
        [1.5, -1.0, 0.1, 0.2, 0.3],
        [3.0, 2.0, 0.1, 0.2, 0.3],
        [3.0, 2.0, 0.1, 0.2, 0.3],
    ]


@pytest.fixture(scope="module")
def model() -> Rhythm:
    """One that has only begun to learn."""
    torch.manual_seed(0)
    model = Rhythm(AXES, RhythmConfig(hidden=16, channel_width=8))
    model.start_from(torch.poisson(torch.full((200, *AXES.shape), 0.3), generator=Generator().manual_seed(0)))
    return model.eval()


def drawn(model: Rhythm, **shifts: float) -> np.ndarray:
    """Mean habits of drawn users where some shifts are not 0."""
    model.shifts.copy_(torch.tensor([shifts.get(name, 0.0) for name in NAMES]))
    with torch.no_grad():
        x = model.sample(3000, Generator().manual_seed(1))
    return model.habits(x, torch.ones(x.shape[:2], dtype=torch.bool)).mean(0).numpy()


@pytest.mark.parametrize("name", NAMES)
def test_a_shift_moves_the_habit_that_it_is_there_for(model, name):
    low, high = (dict(zip(NAMES, drawn(model, **{name: shift}), strict=True)) for shift in (-1.0, 1.0))
    sign = -1 if name.endswith("slots") else 1  # where a day's end is likelier there are fewer slots
    assert sign * (high[name] - low[name]) > 0.02 * low[name]
    if name.startswith(("early", "late")):
        other = {"early": "late", "late": "early"}[name.split("_")[0]] + "_" + name.split("_")[1]
        assert abs(high[name] - low[name]) > 1.3 * abs(high[other] - low[other])
