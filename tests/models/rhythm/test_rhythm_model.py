"""Rhythm as a whole: the loss's states, its probabilities, completions and precision."""

import datetime as dt

import pytest
import torch
from rhythm_inputs import counts, noise

from habitus.models.parts.examples import Days
from habitus.models.rhythm.active_slots import active_slots
from habitus.models.rhythm.config import RhythmConfig
from habitus.models.rhythm.model import Rhythm
from habitus.models.rhythm.sampling import UserSampler
from habitus.schema import Axes

AXES = Axes(dt.date(2018, 2, 1), 9, 240, ("a", "b", "c"))


def small() -> Rhythm:
    torch.manual_seed(0)
    return Rhythm(AXES, RhythmConfig(hidden=16, channel_width=8)).eval()


def days_of(model: Rhythm, x: torch.Tensor) -> Days:
    return model.conditioning.days(x.shape[1]).for_each(len(x))


def states(model: Rhythm, x: torch.Tensor) -> torch.Tensor:
    at = active_slots(x.flatten(2))
    e = model._encode_days(at.counts.unflatten(1, x.shape[2:]))
    return model._states(e, at, x.flatten(2).amax(2) > 0, days_of(model, x))


def test_a_day_depends_on_the_days_before_it_alone():
    model = small()
    x = counts(4, *AXES.shape, rate=0.05)
    other = x.clone()
    other[:, 5:] = counts(4, 4, *AXES.shape[1:], seed=7)
    one, two = (model._inputs(each, noise()) for each in (x, other))
    for name in ("history", "state"):
        ours, theirs = getattr(one, name), getattr(two, name)
        torch.testing.assert_close(ours[:, :6], theirs[:, :6])
        assert not torch.allclose(ours[:, 6:], theirs[:, 6:])


def read(model: Rhythm, x: torch.Tensor) -> UserSampler:
    """A sampler that has read the first days."""
    sampler = UserSampler(model, len(x))
    sampler.read(x, days_of(model, x))
    return sampler


def test_states_of_a_fit_are_those_of_drawing():
    """What the loss computes side by side, drawing computes day by day: the same numbers."""
    model = small()
    x = counts(5, *AXES.shape, rate=0.05)
    x[2] = 0
    x[3, 4:] = 0
    with torch.no_grad():
        side_by_side = states(model, x)
        for day in range(AXES.days):
            torch.testing.assert_close(side_by_side[:, day], read(model, x[:, :day]).h)


def test_the_probabilities_of_a_day_and_of_its_absence_sum_to_one():
    """The bound of profiles that differ in their last day only, without latents of that day."""
    axes = Axes(dt.date(2018, 2, 1), 2, 1440, ("a",))
    torch.manual_seed(1)
    model = Rhythm(axes, RhythmConfig(hidden=8, channel_width=4, likelihood="poisson")).eval()
    x = torch.zeros(60, 2, 1, 1)
    x[:, 0] = 2
    x[:, 1, 0, 0] = torch.arange(60.0)
    with torch.no_grad():
        for layer in (model.q_u[2], model.q_z[2], model.p_z):
            layer.weight.zero_()
            layer.bias.zero_()
        model.q_u[2].bias[model.latents :] = -30  # the same u for all
        model.day_features[0].weight[:, -model.config.day_latents :] = (
            0  # latents of days are as before, without effect
        )
        draw = model._draw(model._inputs(x, noise()), noise())
        last = torch.zeros(60, 2).index_put(
            (draw.at.day, draw.at.slot), torch.stack(list(draw.days)).sum(0)
        )
    p = (-(draw.active_days + last)[:, 1]).exp().double()
    assert float(p.sum()) == pytest.approx(1, abs=1e-4)


def test_completing_reads_no_missing_cell_and_keeps_what_is_known():
    model = Rhythm(AXES, RhythmConfig(hidden=16, channel_width=8)).eval()
    x = counts(4, *AXES.shape)
    missing = torch.zeros_like(x, dtype=torch.bool)
    missing[:, -2:] = True
    with torch.no_grad():
        one = model.complete(x, missing, 3, noise())
        two = model.complete(torch.where(missing, torch.nan, x), missing, 3, noise())
    assert torch.equal(one.draws, two.draws)
    assert one.draws.shape == (3, int(missing.sum()))


def test_more_days_than_it_was_fitted_to():
    model = Rhythm(AXES, RhythmConfig(hidden=16, channel_width=8)).eval()
    with torch.no_grad():
        assert model.sample(3, noise(), days=Days.after(3, 20)).shape == (3, 20, *AXES.shape[1:])


def test_the_bound_is_nearly_the_same_in_bfloat16():
    model = small()
    x = counts(6, *AXES.shape)
    with torch.no_grad():
        exact = model.loss(x, noise()).total
        with torch.autocast("cpu", torch.bfloat16):
            rough = model.loss(x, noise()).total
    assert float(rough) == pytest.approx(float(exact), rel=0.02)


def test_whole_numbers_are_drawn_in_bfloat16_too():
    model = small()
    x = counts(6, *AXES.shape)
    missing = torch.zeros_like(x, dtype=torch.bool)
    missing[:, -2:] = True
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        for drawn in (model.sample(5, noise()), model.complete(x, missing, 4, noise()).draws):
            assert drawn.dtype == torch.float32
            assert torch.equal(drawn, drawn.round())


def test_weights_keep_their_names_in_files():
    """Runs that were fitted before a renaming of the code can be read after it."""
    config = RhythmConfig(hidden=8, channel_width=4, holidays=True, vocabulary={"plan": ["x", "y"]})
    torch.manual_seed(0)
    model, other = (Rhythm(AXES, config) for _ in range(2))
    stored = model.state_dict()
    assert {name.split(".")[0] for name in stored} == {
        "shifts", "pairs", "often", "on_holidays", "told", "p_u", "day", "state", "pooled", "q_u",
        "known", "gate", "p_z", "q_z", "what", "p_x",
    }  # fmt: skip
    assert {
        "told.place.weight",
        "p_u.of_told.weight",
        "p_x.of_recall.bias",
        "p_x.counts.of_past.weight",
    } <= set(stored)
    other.load_state_dict(stored)
    for one, two in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two)
