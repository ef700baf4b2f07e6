"""The shifts of drawn users' habits, on a model whose habits are known functions of them."""

import datetime as dt

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from habitus.models.base import ScoredSample
from habitus.models.parts.examples import Days
from habitus.profiles.conditions import Conditions
from habitus.schema import Axes
from habitus.training.moment_matching import PRIOR, USERS, likeliest, match_moments, slopes_of

AXES = Axes(dt.date(2018, 2, 1), 8, 240, ("a",))
ANYBODY = Conditions()


def every_day(users: int) -> Days:
    return Days.after(3, AXES.days).for_each(users)


TOLD = torch.zeros(USERS, 0), every_day(USERS)


class Known:
    """Days active by a coin, slots by another, and a count moved by both and by its own offset."""

    axes = AXES
    unit = "count"

    def __init__(self, faults: list[float]) -> None:
        self.logit_offsets = torch.zeros(3)
        self.faults = torch.tensor(faults)

    def sample_with_scores(
        self, size: int, generator: Generator, days: Days, codes: Tensor
    ) -> ScoredSample:
        day, slot, size_of_count = self.logit_offsets + self.faults
        of_day = torch.sigmoid(day)
        of_slot = torch.sigmoid(slot - 1)
        slots = torch.rand(size, AXES.days, AXES.slots, 1, generator=generator) < of_slot
        active = torch.rand(size, AXES.days, 1, 1, generator=generator) < of_day
        rate = torch.exp(3 + 0.3 * size_of_count + 0.1 * day)
        count = torch.poisson(rate.expand(size, 1, 1, 1), generator=generator)
        days_more = (active.float() - of_day).sum((1, 2, 3))
        slots_more = (slots.float() - of_slot).sum((1, 2, 3))
        more = (count - rate)[:, 0, 0, 0]
        return ScoredSample(
            (1 + count) * (active & slots),
            torch.stack([days_more + 0.1 * more, slots_more, 0.3 * more], 1),
        )

    def statistics(self, x: Tensor, days: Days) -> Tensor:
        active = x.amax(3) > 0
        often = active.any(2).sum(1) / days.observed.sum(1)
        return torch.stack(
            [often, active.any(1).float().mean(1), x.flatten(1).amax(1).clamp_min(1).log()], 1
        )


def wanted_of(model: Known, conditions: Conditions) -> Tensor:
    x, _ = model.sample_with_scores(
        50_000, Generator().manual_seed(7), every_day(50_000), torch.zeros(0)
    )
    enough = (x.sum((1, 2, 3)) >= conditions.min_events) & (
        (x.sum((2, 3)) > 0).sum(1) >= conditions.min_days
    )
    return model.statistics(x[enough], every_day(int(enough.sum())))


@pytest.mark.parametrize("faults", [[0.4, 0.2, 0.5], [-0.3, 0.3, -0.6], [0.0, 0.0, 0.0]])
def test_faults_that_are_known_are_undone(faults):
    """A model with planted faults is brought back to the one without: offsets undo the faults."""
    model = Known(faults)
    shifts, _ = match_moments(model, wanted_of(Known([0.0] * 3), ANYBODY), ANYBODY, *TOLD, 0)
    np.testing.assert_allclose(shifts, -np.array(faults), atol=0.08)
    assert model.logit_offsets.tolist() == pytest.approx(shifts)


def test_those_who_are_let_in_have_the_habits():
    """Drawn users below the conditions are drawn again; the means hold for those who remain."""
    strict = Conditions(min_events=60, min_days=4)
    model = Known([-0.3, 0.3, 0.4])
    wanted = wanted_of(Known([0.0] * 3), strict)
    before = wanted_of(model, strict)
    match_moments(model, wanted, strict, *TOLD, 0)
    after = wanted_of(model, strict)
    np.testing.assert_allclose(after.mean(0), wanted.mean(0), rtol=0.008)
    assert float((before.mean(0) / wanted.mean(0) - 1).abs().max()) > 0.04


def test_a_single_user_moves_nothing():
    """How far the habits of one are from those of all is not known, and the prior alone decides."""
    model = Known([0.4, 0.2, 0.5])
    found = match_moments(model, wanted_of(Known([0.0] * 3), ANYBODY)[:1], ANYBODY, *TOLD, 0)
    assert found.shifts == model.logit_offsets.tolist() == [0.0] * 3


class Coupled:
    """Statistics that users share much of, and nearly collinear offsets."""

    axes = AXES
    unit = "count"

    def __init__(self, singular: list[float], seed: int) -> None:
        rng = Generator().manual_seed(seed)
        habits = len(singular)
        left, right = (
            torch.linalg.qr(torch.randn(habits, habits, generator=rng)).Q for _ in range(2)
        )
        self.slopes = left @ torch.diag(torch.tensor(singular)) @ right.T
        self.faults = 0.3 * torch.randn(habits, generator=rng).clamp(-2, 2)
        self.logit_offsets = torch.zeros(habits)

    @property
    def excess(self) -> Tensor:
        """Of what is drawn now, in standard deviations of users."""
        return self.slopes @ (self.logit_offsets + self.faults)

    def sample_with_scores(
        self, size: int, generator: Generator, days: Days, codes: Tensor
    ) -> ScoredSample:
        habits = len(self.logit_offsets)
        shared, own = (torch.randn(size, n, generator=generator) for n in (1, habits))
        more = 0.8 * shared + 0.6 * own
        x = torch.zeros(size, AXES.days * AXES.slots)
        x[:, :habits] = torch.round(1000 * (10 + self.excess + more))
        precision = torch.linalg.inv(0.64 + 0.36 * torch.eye(habits))
        return ScoredSample(x.view(size, AXES.days, AXES.slots, 1), more @ precision @ self.slopes)

    def statistics(self, x: Tensor, days: Days) -> Tensor:
        return x.flatten(1)[:, : len(self.logit_offsets)] / 1000 - 10


@pytest.mark.parametrize("seed", [1, 5])
def test_coupled_habits_are_not_led_away(seed):
    """Slopes by one difference each ran weak offsets to their bounds: 3.1 and 1.2 times as far."""
    model = Coupled([1.0, 1.0, 0.3, 0.3, 0.2, 0.2, *[0.1] * 9], seed)
    before = model.excess
    wanted = torch.randn(14_000, len(before), generator=Generator().manual_seed(100 + seed))
    match_moments(model, wanted, ANYBODY, *TOLD, seed)
    assert float(model.excess.norm()) < 0.25 * float(before.norm())
    assert float(model.excess.abs().max()) < 0.05


def test_slopes_are_covariances_with_scores():
    """Of normal habits, whose means the shifts move by known slopes."""
    model = Coupled([1.0, 0.5, 0.2], 0)
    users = 200_000
    x, scores = model.sample_with_scores(
        users, Generator().manual_seed(0), every_day(users), torch.zeros(users, 0)
    )
    np.testing.assert_allclose(
        slopes_of(model.statistics(x, every_day(users)), scores), model.slopes, atol=0.02
    )


@pytest.mark.parametrize("certain", [1e-6, 1.0, 1e4])
def test_a_step_weighs_what_is_found_against_the_prior(certain):
    """The likeliest shifts are those of least squares with a row for the prior of each."""
    rng = np.random.default_rng(0)
    at, found, slopes, weights = (
        torch.from_numpy(rng.normal(0, 0.1, shape)) for shape in (4, 6, (6, 4), 6)
    )
    weights = certain * weights.abs()
    rows = np.vstack([slopes * weights[:, None].sqrt(), np.eye(4) / PRIOR])
    right = np.concatenate([weights.sqrt() * (slopes @ at - found), np.zeros(4)])
    expected = np.linalg.lstsq(rows, right)[0]
    np.testing.assert_allclose(
        likeliest(at, found, slopes, weights), expected.clip(-1, 1), atol=1e-9
    )
    assert certain > 1e-3 or np.abs(expected).max() < 1e-6


def test_no_shift_goes_beyond_a_bound():
    model = Known([5.0, 0.0, 0.0])
    shifts, _ = match_moments(model, wanted_of(Known([0.0] * 3), ANYBODY), ANYBODY, *TOLD, 0)
    assert max(map(abs, shifts)) <= 1
