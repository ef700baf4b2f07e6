"""Distribution of a day against sums over all days, and draws of days against it."""

import itertools

import numpy as np
import pytest
import scipy.stats
import torch
from rhythm_inputs import amounts, noise

from habitus.models.rhythm.amounts import (
    AMOUNTS,
    Amount,
    BinnedAmount,
    NegativeBinomialAmount,
    PoissonAmount,
)
from habitus.models.rhythm.day import DaySlots
from habitus.models.rhythm.history.balance import Balance
from habitus.models.rhythm.history.features import (
    CHANNEL_FEATURES,
    NEVER_ACTIVE,
    SLOT_FEATURES,
    DayHistory,
)
from habitus.models.rhythm.sampling.day_sampler import DaySampler
from habitus.models.rhythm.statistics import DayOffsets


class OneOrTwo(BinnedAmount):
    """An amount that is 1 or 2, so that all days can be listed."""

    def __init__(self) -> None:
        super().__init__(1, 2.0, most=2)

    def log_prob(
        self, features: torch.Tensor, largest: torch.Tensor, counts: torch.Tensor
    ) -> torch.Tensor:
        return torch.where(counts <= 2, super().log_prob(features, largest, counts), -torch.inf)


def small_day(
    settled: bool, amount: Amount | None = None
) -> tuple[DaySlots, torch.Tensor, DayHistory, torch.Tensor]:
    torch.manual_seed(0)
    model = DaySlots(2, 2, 1, 8, 6, amount or OneOrTwo())
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
    balance = Balance(torch.tensor([[-1.0]]), torch.tensor([[-2.0]]), torch.tensor([[1.0]]))
    recall = torch.randn(1, 2, SLOT_FEATURES + 2)
    channels = torch.randn(1, 2 * CHANNEL_FEATURES)
    past = DayHistory(recall, channels, torch.tensor([[0.0, 1.0]]), torch.ones(1), balance)
    return model, torch.randn(1, 8), past, torch.tensor([[1, 0]] if settled else [[0, 0]])


def every_day(most: int) -> torch.Tensor:
    days = torch.tensor(
        list(itertools.product(range(most + 1), repeat=4)), dtype=torch.float32
    ).reshape(-1, 2, 2)
    return days[1:]  # the first is empty


@pytest.mark.parametrize("settled", [False, True])
def test_the_probabilities_of_all_days_sum_to_one(settled):
    model, h, past, pairs = small_day(settled)
    x = every_day(12 if settled else 2)  # a settling count may be larger, but not by much
    again = torch.zeros(len(x), dtype=torch.long)
    with torch.no_grad():
        terms = model.log_prob(x, h[again], past.of(again), pairs)
    total = torch.stack(list(terms)).sum(0).neg().exp().double().sum()
    assert float(total) == pytest.approx(1, abs=1e-3 if settled else 1e-5)


@pytest.mark.parametrize("settled", [False, True])
def test_days_are_drawn_with_their_probabilities(settled):
    (model, h, past, pairs) = small_day(settled)
    again = torch.zeros(60_000, dtype=torch.long)
    draws = len(again)
    with torch.no_grad():
        drawn = (
            DaySampler(model, pairs)
            .draw(h[again], past.of(again), DayOffsets(*torch.zeros(6)), noise())
            .x
        )
        days, seen = drawn.unique(dim=0, return_counts=True)
        terms = model.log_prob(days, h[again[: len(days)]], past.of(again[: len(days)]), pairs)
    p = torch.stack(list(terms)).sum(0).neg().exp().double()
    often = p * draws > 10
    chi = ((seen - draws * p) ** 2 / (draws * p))[often].sum()
    assert scipy.stats.chi2.sf(float(chi), int(often.sum())) > 1e-4
    assert float(p.sum()) > 0.99


def test_a_shift_changes_the_odds_of_a_slot_that_never_was_active():
    """Of which of two slots is the first, by its exponential."""
    (model, h, past, pairs) = small_day(False)
    again = torch.zeros(60_000, dtype=torch.long)
    past.slots[0, :, NEVER_ACTIVE] = torch.tensor([1.0, 0.0])
    odds = []
    shifts = DayOffsets(*torch.zeros(6))
    for shift in (0.0, 0.7):
        with torch.no_grad():
            x = (
                DaySampler(model, pairs)
                .draw(
                    h[again],
                    past.of(again),
                    shifts._replace(new_slots=torch.tensor(shift)),
                    noise(),
                )
                .x
            )
        first = (x[:, 0].amax(1) > 0).double().mean()
        odds.append(float(first / (1 - first)))
    assert np.log(odds[1] / odds[0]) == pytest.approx(0.7, abs=0.06)


def test_a_shift_changes_the_odds_of_the_end_of_a_day():
    """Of ending after the first of two slots."""
    (model, h, past, pairs) = small_day(False)
    again = torch.zeros(60_000, dtype=torch.long)
    odds = []
    for shift in (0.0, -0.6):
        with torch.no_grad():
            x = (
                DaySampler(model, pairs)
                .draw(
                    h[again],
                    past.of(again),
                    DayOffsets(*torch.tensor([0, shift, 0, 0, 0, 0])),
                    noise(),
                )
                .x
            )
        active = x.amax(2) > 0
        alone = active[active[:, 0], 1:].any(1).logical_not().double().mean()
        odds.append(float(alone / (1 - alone)))
    assert np.log(odds[1] / odds[0]) == pytest.approx(-0.6, abs=0.06)


@pytest.mark.parametrize("name", AMOUNTS)
def test_scores_are_the_gradients_of_the_log_probability(name):
    """By the biases that a shift is added to; of slots that never were active see the next test."""
    (model, h, past, pairs) = small_day(False, AMOUNTS[name]())
    again = torch.zeros(30, dtype=torch.long)
    drawn = DaySampler(model, pairs).draw(
        h[again], past.of(again), DayOffsets(*torch.zeros(6)), noise()
    )
    for x, scores in zip(drawn.x, drawn.scores, strict=True):
        model.zero_grad()
        torch.stack(list(model.log_prob(x[None], h, past, pairs))).sum().neg().backward()
        features = model.counts.bias.grad[:, 1 : 1 + model.counts.amount.features].sum(0)
        kinds = torch.eye(3)  # larger, ones, counts
        larger, ones, counts = (
            float(features @ model.counts.amount.offset(*kind)) for kind in kinds
        )
        expected = [float(model.next_slot.bias.grad[-1]), counts, larger, ones]
        assert scores[[0, 2, 3, 4]].tolist() == pytest.approx(expected, rel=1e-3, abs=1e-4)


def test_scores_of_new_slots_tell_how_often_they_would_be():
    """By the covariance with the score, as by a difference of shifts."""
    (model, h, past, pairs) = small_day(False)
    again = torch.zeros(60_000, dtype=torch.long)
    past.slots[0, :, NEVER_ACTIVE] = torch.tensor([1.0, 0.0])
    first = []
    for shift in (-0.2, 0.0, 0.2):
        shifts = DayOffsets(*torch.zeros(6))._replace(new_slots=torch.tensor(shift))
        x, scores, _ = DaySampler(model, pairs).draw(h[again], past.of(again), shifts, noise())
        first.append((x[:, 0].amax(1) > 0).double())
        if not shift:
            slope = torch.cov(torch.stack([first[-1], scores[:, 1].double()]))[0, 1]
    assert float(scores.mean(0).abs().max()) < 0.01
    assert float(first[2].mean() - first[0].mean()) / 0.4 == pytest.approx(float(slope), abs=0.015)


@pytest.mark.parametrize(("larger", "ones"), [(-0.5, 0.0), (0.0, 0.4)])
def test_shifts_change_the_odds_of_counts(larger, ones):
    """Of those above all before, and of ones, against the counts between."""
    amount = BinnedAmount()
    odds = []
    for shift in (
        amount.offset(*torch.zeros(3)),
        amount.offset(*torch.tensor([larger, ones, 0.0])),
    ):
        drawn = amounts(amount, amount.start() + shift, 3.0, 60_000)
        between = ((drawn > 1) & (drawn <= 3)).double().mean()
        odds.append(
            [
                float((drawn > 3).double().mean() / between),
                float((drawn == 1).double().mean() / between),
            ]
        )
    assert np.log(odds[1]) - np.log(odds[0]) == pytest.approx([larger, ones], abs=0.06)


def test_a_shift_of_counts_is_a_power_of_them():
    """Odds of a count against one are those before times the count to that power."""
    amount = BinnedAmount()
    largest = torch.zeros(3)
    features = amount.start().expand(3, -1)
    counts = torch.tensor([1.0, 2.0, 7.0])
    shift = amount.offset(*torch.tensor([0.0, 0.0, 0.4]))
    more = amount.log_prob(features + shift, largest, counts) - amount.log_prob(
        features, largest, counts
    )
    torch.testing.assert_close(more - more[0], 0.4 * counts.log())


@pytest.mark.parametrize("amount", [PoissonAmount(), NegativeBinomialAmount()])
def test_a_shift_changes_a_rate(amount):
    shift = amount.offset(*torch.tensor([0.2, 0.9, 0.1]))
    assert shift.tolist() == pytest.approx([0.3] + [0.0] * (amount.features - 1))
