"""The compiled sampler is held to the loss: the log-probabilities that it reports are the loss's for the same users.

The loss is computed by torch for all days at once, the draws by compiled loops day after day. Both get the same latents,
so that every term has to agree up to the rounding of 32-bit numbers.
"""

import copy
import datetime as dt

import numpy as np
import pytest
import torch
from torch import Generator, Tensor
from torch.distributions import Independent, Normal

from habitus.models.parts.examples import Days, Examples
from habitus.models.parts.gaussians import Diagonal
from habitus.models.rhythm.amounts import AMOUNTS
from habitus.models.rhythm.config import RhythmConfig
from habitus.models.rhythm.history import (
    CHANNEL_FEATURES,
    NEVER_ACTIVE,
    SLOT_FEATURES,
    Balance,
    DayHistory,
)
from habitus.models.rhythm.model import Rhythm
from habitus.models.rhythm.sampling import LogProbs
from habitus.models.rhythm.sampling.days import DaySampler
from habitus.models.rhythm.statistics import DayOffsets
from habitus.schema import Axes

AXES = Axes(dt.date(2018, 2, 1), 36, 240, ("a", "b", "c", "d"))
SLOTS, CHANNELS = AXES.slots, len(AXES.channels)
USERS, OBSERVED_DAYS, PAIRS = 6, 16, 2
CLOSE = {"rtol": 1e-5, "atol": 1e-5}  # sums of about a hundred rounded terms of a few nats


def noise(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def model_of(likelihood: str) -> Rhythm:
    """A model whose weights are all far from 0, so that no input can be left out or changed unseen."""
    torch.manual_seed(0)
    config = RhythmConfig(
        likelihood, latents=3, day_latents=2, components=2, hidden=8, channel_width=4, holidays=True,
        vocabulary={"plan": ["x", "y"]},
    )  # fmt: skip
    model = Rhythm(AXES, config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            inputs = weight.shape[-1] if weight.dim() == 2 else 1
            weight.add_(torch.randn_like(weight) / 2 / inputs**0.5)
        model.weekday_logits.add_(0.5)
    model.pairs.copy_(torch.tensor([[1, 0], [3, 2]]))
    return model


def with_offsets(model: Rhythm) -> Rhythm:
    model.logit_offsets.copy_(0.3 * torch.randn(len(model.logit_offsets), generator=noise()))
    return model


def days_of_users() -> Days:
    """Windows that begin on any weekday, with holidays, and days that were not observed."""
    rng, shape = np.random.default_rng(0), (USERS, AXES.days)
    weekday = (rng.integers(0, 7, (USERS, 1)) + np.arange(AXES.days)) % 7
    return Days(*map(torch.from_numpy, (weekday, rng.random(shape) < 0.2, rng.random(shape) < 0.7)))


def codes_of_users() -> Tensor:
    return torch.arange(USERS)[:, None] % 3


def loss_terms(
    model: Rhythm, x: Examples, u: Tensor, z: Tensor, monkeypatch: pytest.MonkeyPatch
) -> LogProbs:
    """Log-probability of profiles by the terms of the loss at given latents of users and days.

    Offsets differ from day to day: each day is taken from the loss of a model with those of the day in its weights.
    """
    given = model._inputs(x, noise())._replace(q_u=Independent(Normal(u, 1e-30), 1))
    monkeypatch.setattr(Diagonal, "draw", lambda self, generator: z[given.at.day, given.at.slot])
    size, in_week = (
        0.3 * given.day_history.largest.amax(2).log1p(),
        model.conditioning.weekdays(x.days),
    )
    found = LogProbs.zeros(len(x), AXES.days, z.shape[2])
    for day in range(AXES.days):
        offsets = DayOffsets.on(
            model.logit_offsets,
            day,
            model.conditioning.progress(day),
            in_week[:, day],
            size[:, day],
        )
        moved = copy.deepcopy(model)
        add_to_weights(moved, offsets)
        draw, rows = moved._draw(given, noise()), given.at.slot == day
        found.active_days[:, day] = -draw.active_days[:, day]
        for of_days, term in zip(found[2:], draw.days, strict=True):
            of_days[given.at.day[rows], day] = -term[rows]
    return found


def add_to_weights(model: Rhythm, offsets: DayOffsets) -> None:
    of_active, p_x, amount = model._active_logits, model.p_x, model.p_x.counts.amount
    model._active_logits = lambda *known: of_active(*known) + offsets.active[:, None]
    p_x.next_slot.bias[-1] += offsets.end
    p_x.slot_weights.bias[NEVER_ACTIVE] += offsets.new_slots
    p_x.counts.bias[:, 1 : 1 + amount.features] += amount.offset(
        offsets.larger, offsets.ones, offsets.counts
    )


def assert_equal(found: LogProbs, expected: LogProbs, term: str) -> None:
    torch.testing.assert_close(
        getattr(found, term), getattr(expected, term), **CLOSE, msg=lambda text: f"{term}: {text}"
    )


def assert_all_equal(found: LogProbs, expected: LogProbs) -> None:
    for term in LogProbs._fields[1:]:
        assert_equal(found, expected, term)


@pytest.mark.parametrize("likelihood", AMOUNTS)
@torch.no_grad()
def test_log_probabilities_of_drawn_users_are_the_terms_of_the_loss(likelihood, monkeypatch):
    """Whether a day was observed or not, it is drawn, and counts as observed from then on."""
    model, days, codes = with_offsets(model_of(likelihood)), days_of_users(), codes_of_users()
    x, u, found = model.sample_with_log_probs(USERS, noise(), days=days, codes=codes)
    drawn = days._replace(observed=torch.ones_like(days.observed))
    assert 0.2 < float(x.amax((2, 3)).gt(0).double().mean()) < 0.9
    assert_all_equal(found, loss_terms(model, Examples(x, codes, drawn), u, found.z, monkeypatch))


@pytest.mark.parametrize("likelihood", AMOUNTS)
@torch.no_grad()
def test_log_probabilities_of_days_after_observed_ones_are_the_terms_of_the_loss(
    likelihood, monkeypatch
):
    """Days that were not observed are among those that are known; forecasts have no offsets."""
    model, days, codes = model_of(likelihood), days_of_users(), codes_of_users()
    seen = days.emptied(torch.poisson(torch.full((USERS, *AXES.shape), 0.1), noise(1)))[
        :, :OBSERVED_DAYS
    ]
    u = torch.randn(USERS, model.latents, generator=noise(2))
    known = torch.cat([u, model.conditioning.attributes_of(codes)], 1)
    sampler = model._sampler(USERS)
    sampler.read(seen, days)
    drawn = model._continue(sampler, known, days, model.logit_offsets, noise(), log_probs=True)
    days.observed[:, OBSERVED_DAYS:] = True
    x = Examples(torch.cat([seen, drawn.x], 1), codes, days)
    z = torch.cat(
        [torch.zeros(USERS, OBSERVED_DAYS, model.config.day_latents), drawn.log_probs.z], 1
    )
    # of the days that were seen the loss has latents too, which no later day depends on
    expected = loss_terms(model, x, u, z, monkeypatch)
    assert_all_equal(drawn.log_probs, LogProbs(*(term[:, OBSERVED_DAYS:] for term in expected)))


@torch.no_grad()
def test_the_active_day_probability_of_drawn_users_is_that_of_the_loss(monkeypatch):
    """Once for all 28 days of history and more, and for users of whom they differ in the oldest day only."""
    model, days, codes = with_offsets(model_of("poisson")), days_of_users(), codes_of_users()
    x, u, found = model.sample_with_log_probs(USERS, noise(), days=days, codes=codes)
    drawn = days._replace(observed=torch.ones_like(days.observed))
    assert_equal(
        found, loss_terms(model, Examples(x, codes, drawn), u, found.z, monkeypatch), "active_days"
    )


def pasts(days: int, largest: int, apart: int) -> DayHistory:
    """What is known before so many days, at random."""
    whole = lambda most, *shape: torch.randint(0, most + 1, shape, generator=noise()).float()  # noqa: E731
    lowest, highest = -whole(apart, days, PAIRS), whole(apart, days, PAIRS)
    now = lowest + (whole(100, days, PAIRS) / 100 * (highest - lowest)).round()
    recall = torch.randn(days, SLOTS, SLOT_FEATURES + CHANNELS, generator=noise())
    recall[..., NEVER_ACTIVE] = whole(1, days, SLOTS)
    channels = torch.randn(days, CHANNEL_FEATURES * CHANNELS, generator=noise())
    return DayHistory(
        recall,
        channels,
        whole(largest, days, CHANNELS),
        whole(SLOTS, days),
        Balance(now, lowest, highest),
    )


@pytest.mark.parametrize(("largest", "apart"), [(3, 4), (9_000, 300)])
@pytest.mark.parametrize("likelihood", AMOUNTS)
@torch.no_grad()
def test_log_probabilities_of_drawn_days_are_the_terms_of_the_loss(likelihood, largest, apart):
    model, days = model_of(likelihood), 60
    h, past = torch.randn(days, model.config.hidden, generator=noise()), pasts(days, largest, apart)
    amount = model.p_x.counts.amount
    if largest > 100:  # any bin is as likely, so that counts are large
        model.p_x.counts.bias[:, 1 : 1 + amount.features] *= 0.1
        model.p_x.counts.bias[:, 1] += 3
    drawn = DaySampler(model.p_x, model.pairs).draw(
        h, past, DayOffsets(*torch.zeros(6)), noise(), log_probs=True
    )
    expected = model.p_x.log_prob(drawn.x, h, past, model.pairs)
    for found, term in zip(drawn.log_probs.unbind(1), expected, strict=True):
        torch.testing.assert_close(found, -term, **CLOSE)


@torch.no_grad()
def test_reporting_changes_no_draw():
    model, days = with_offsets(model_of("binned")), days_of_users()
    reported, _, found = model.sample_with_log_probs(USERS, noise(), days=days)
    drawn, scores = model.sample_with_scores(USERS, noise(), days=days)
    assert torch.equal(drawn, reported)
    assert scores.shape == (USERS, len(model.logit_offsets))
    assert (found.slots == 0).equal(~drawn.flatten(2).any(2))
