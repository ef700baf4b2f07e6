"""The compiled sampler against the loss: equal log-probabilities of the same users.

The loss is computed by torch for all days at once, the draws by compiled loops day after day. Both
get the same latents, so that every term has to agree up to the rounding of 32-bit numbers.
"""

import copy
import datetime as dt

import numpy as np
import pytest
import torch
from rhythm_inputs import noise
from torch import Tensor
from torch.distributions import Independent, Normal

from habitus.models.parts.examples import Days, Examples
from habitus.models.parts.gaussians import Diagonal
from habitus.models.rhythm.amounts import AMOUNTS
from habitus.models.rhythm.config import RhythmConfig
from habitus.models.rhythm.history.balance import Balance
from habitus.models.rhythm.history.features import (
    CHANNEL_FEATURES,
    NEVER_ACTIVE,
    SLOT_FEATURES,
    DayHistory,
)
from habitus.models.rhythm.model import Rhythm
from habitus.models.rhythm.sampling import LogProbs, UserSampler
from habitus.models.rhythm.sampling.day_sampler import DaySampler
from habitus.models.rhythm.sampling.kernels.days import BLOCK
from habitus.models.rhythm.statistics import DayOffsets
from habitus.schema import Axes

AXES = Axes(dt.date(2018, 2, 1), 36, 240, ("a", "b", "c", "d"))
SLOTS = AXES.slots
CHANNELS = len(AXES.channels)
PAIRS = 2
USERS = 6
KNOWN_DAYS = 16
CLOSE = {"rtol": 1e-5, "atol": 1e-5}  # sums of about a hundred rounded terms of a few nats
TERMS = LogProbs._fields[1:]


def model_of(likelihood: str) -> Rhythm:
    """A model whose weights are all far from 0, so that no input is left out or changed unseen."""
    torch.manual_seed(0)
    config = RhythmConfig(
        likelihood, latents=3, day_latents=2, components=2, hidden=8, channel_width=4,
        holidays=True, vocabulary={"plan": ["x", "y"]},
    )  # fmt: skip
    model = Rhythm(AXES, config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            inputs = weight.shape[-1] if weight.dim() == 2 else 1
            weight.add_(torch.randn_like(weight) / 2 / inputs**0.5)
        model.weekday_logits.add_(0.5)
        model.logit_offsets.copy_(0.3 * torch.randn(len(model.logit_offsets), generator=noise()))
    model.pairs.copy_(torch.tensor([[1, 0], [3, 2]]))
    return model


def days_of_users() -> Days:
    """Windows that begin on any weekday, with holidays, and days that were not observed."""
    rng = np.random.default_rng(0)
    weekday = (rng.integers(0, 7, (USERS, 1)) + np.arange(AXES.days)) % 7
    holiday = rng.random(weekday.shape) < 0.2
    observed = rng.random(weekday.shape) < 0.7
    return Days(*map(torch.from_numpy, (weekday, holiday, observed)))


def codes_of_users() -> Tensor:
    return torch.arange(USERS)[:, None] % 3


def log_probs_of_loss(
    model: Rhythm, x: Examples, u: Tensor, z: Tensor, offsets: bool, monkeypatch: pytest.MonkeyPatch
) -> LogProbs:
    """Log-probability of profiles by the terms of the loss at given latents of users and days.

    Offsets differ from day to day: each day is taken from the loss of a model with those of the day
    in its weights.
    """
    inputs = model._inputs(x, noise())._replace(q_u=Independent(Normal(u, 1e-30), 1))
    at = inputs.at
    monkeypatch.setattr(Diagonal, "draw", lambda self, generator: z[at.day, at.slot])
    log_largest = 0.3 * inputs.day_history.largest.amax(2).log1p()
    weekday = model.conditioning.weekdays(x.days)
    found = LogProbs(z, *torch.zeros(4, len(x), AXES.days).unbind())
    for day in range(AXES.days):
        changed = copy.deepcopy(model)
        if offsets:
            progress = model.conditioning.progress(day)
            when = (day, progress, weekday[:, day], log_largest[:, day])
            add_to_weights(changed, DayOffsets.on(model.logit_offsets, *when))
        draw = changed._draw(inputs, noise())
        found.active_days[:, day] = -draw.active_days[:, day]
        rows = at.slot == day
        for log_prob, term in zip(found[2:], draw.days, strict=True):
            log_prob[at.day[rows], day] = -term[rows]
    return found


def add_to_weights(model: Rhythm, offsets: DayOffsets) -> None:
    p_x = model.p_x
    amount = p_x.counts.amount
    active_logits = model._active_logits
    model._active_logits = lambda *inputs: active_logits(*inputs) + offsets.active[:, None]
    p_x.next_slot.bias[-1] += offsets.end
    p_x.slot_weights.bias[NEVER_ACTIVE] += offsets.new_slots
    features = amount.offset(offsets.larger, offsets.ones, offsets.counts)
    p_x.counts.bias[:, 1 : 1 + amount.features] += features


def assert_equal(found: LogProbs, expected: LogProbs, *terms: str) -> None:
    for term in terms:
        one, other = getattr(found, term), getattr(expected, term)
        torch.testing.assert_close(
            one, other, **CLOSE, msg=lambda text, term=term: f"{term}: {text}"
        )


@pytest.mark.parametrize("likelihood", AMOUNTS)
@torch.no_grad()
def test_log_probabilities_of_drawn_users_are_the_terms_of_the_loss(likelihood, monkeypatch):
    """Whether a day was observed or not, it is drawn, and counts as observed from then on."""
    model = model_of(likelihood)
    days = days_of_users()
    codes = codes_of_users()
    u, drawn = model.draw_users(USERS, noise(), days=days, codes=codes, log_probs=True)
    x = Examples(drawn.x, codes, days._replace(observed=torch.ones_like(days.observed)))
    assert 0.2 < float(x.x.amax((2, 3)).gt(0).double().mean()) < 0.9
    expected = log_probs_of_loss(model, x, u, drawn.log_probs.z, True, monkeypatch)
    assert_equal(drawn.log_probs, expected, *TERMS)


@pytest.mark.parametrize("likelihood", AMOUNTS)
@torch.no_grad()
def test_log_probabilities_of_days_after_known_ones_are_the_terms_of_the_loss(
    likelihood, monkeypatch
):
    """Some of the known days were not observed; there are no offsets, as in forecasts."""
    model = model_of(likelihood)
    days = days_of_users()
    codes = codes_of_users()
    counts = torch.poisson(torch.full((USERS, *AXES.shape), 0.1), noise(1))
    known = days.emptied(counts)[:, :KNOWN_DAYS]
    u = torch.randn(USERS, model.latents, generator=noise(2))
    of_users = torch.cat([u, model.conditioning.attributes_of(codes)], 1)
    sampler = UserSampler(model, USERS)
    sampler.read(known, days)
    no_offsets = torch.zeros_like(model.logit_offsets)
    drawn = sampler.draw(of_users, days, no_offsets, noise(), log_probs=True)
    days.observed[:, KNOWN_DAYS:] = True
    x = Examples(torch.cat([known, drawn.x], 1), codes, days)
    # the loss has latents of known days, too, which no later day depends on
    of_known = torch.zeros(USERS, KNOWN_DAYS, model.config.day_latents)
    z = torch.cat([of_known, drawn.log_probs.z], 1)
    expected = log_probs_of_loss(model, x, u, z, False, monkeypatch)
    later = LogProbs(*(term[:, KNOWN_DAYS:] for term in expected))
    assert_equal(drawn.log_probs, later, *TERMS)


@torch.no_grad()
def test_the_active_day_probability_of_drawn_users_is_that_of_the_loss(monkeypatch):
    """Also where all 28 recent days are filled, and of days on which nothing is drawn."""
    model = model_of("poisson")
    days = days_of_users()
    codes = codes_of_users()
    u, drawn = model.draw_users(USERS, noise(), days=days, codes=codes, log_probs=True)
    x = Examples(drawn.x, codes, days._replace(observed=torch.ones_like(days.observed)))
    expected = log_probs_of_loss(model, x, u, drawn.log_probs.z, True, monkeypatch)
    assert_equal(drawn.log_probs, expected, "active_days")


def history_of(days: int, largest: int, apart: int) -> DayHistory:
    """History before so many days, at random."""

    def whole(most: int, *shape: int) -> Tensor:
        return torch.randint(0, most + 1, shape, generator=noise()).float()

    lowest = -whole(apart, days, PAIRS)
    highest = whole(apart, days, PAIRS)
    now = lowest + (whole(100, days, PAIRS) / 100 * (highest - lowest)).round()
    slots = torch.randn(days, SLOTS, SLOT_FEATURES + CHANNELS, generator=noise())
    slots[..., NEVER_ACTIVE] = whole(1, days, SLOTS)
    channels = torch.randn(days, CHANNEL_FEATURES * CHANNELS, generator=noise())
    balance = Balance(now, lowest, highest)
    return DayHistory(slots, channels, whole(largest, days, CHANNELS), whole(SLOTS, days), balance)


@pytest.mark.parametrize(("largest", "apart"), [(3, 4), (9_000, 300)])
@pytest.mark.parametrize("likelihood", AMOUNTS)
@torch.no_grad()
def test_log_probabilities_of_drawn_days_are_the_terms_of_the_loss(likelihood, largest, apart):
    """Also where counts and differences are larger than any that have features of their own."""
    model = model_of(likelihood)
    days = 60
    counts = model.p_x.counts
    if largest > 100:  # all bins are about as likely, so that counts are large
        counts.bias[:, 1 : 1 + counts.amount.features] *= 0.1
        counts.bias[:, 1] += 3
    h = torch.randn(days, model.config.hidden, generator=noise())
    history = history_of(days, largest, apart)
    no_offsets = DayOffsets(*torch.zeros(6))
    sampler = DaySampler(model.p_x, model.pairs)
    drawn = sampler.draw(h, history, no_offsets, noise(), log_probs=True)
    expected = model.p_x.log_prob(drawn.x, h, history, model.pairs)
    for found, term in zip(drawn.log_probs.unbind(1), expected, strict=True):
        torch.testing.assert_close(found, -term, **CLOSE)


@torch.no_grad()
def test_blocks_of_days_do_not_mix():
    """Days of a second block have the log-probabilities of the loss, too."""
    model = model_of("poisson")
    days = BLOCK + 20
    h = torch.randn(days, model.config.hidden, generator=noise())
    history = history_of(days, 3, 4)
    sampler = DaySampler(model.p_x, model.pairs)
    drawn = sampler.draw(h, history, DayOffsets(*torch.zeros(6)), noise(), log_probs=True)
    expected = model.p_x.log_prob(drawn.x, h, history, model.pairs)
    torch.testing.assert_close(drawn.log_probs.sum(1), -sum(expected), **CLOSE)


@torch.no_grad()
def test_reporting_log_probabilities_changes_no_draw():
    model = model_of("binned")
    days = days_of_users()
    _, reported = model.draw_users(USERS, noise(), days=days, log_probs=True)
    drawn = model.sample_with_scores(USERS, noise(), days=days)
    assert torch.equal(drawn.x, reported.x)
    assert torch.equal(drawn.scores, reported.scores)
    active = drawn.x.flatten(2).any(2)
    for term in ("slots", "channels", "amounts"):
        assert (getattr(reported.log_probs, term) == 0).logical_or(active).all()
