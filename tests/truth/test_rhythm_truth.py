"""Rhythm's parts against closed forms, brute force and counts by hand."""

import datetime as dt
import itertools

import numpy as np
import pytest
import scipy.stats
import torch
from torch import Generator

from habitus.models.parts.examples import Days
from habitus.models.rhythm.active_slots import SlotGRU, active_slots
from habitus.models.rhythm.amounts import (
    AMOUNTS,
    Amount,
    BinnedAmount,
    NegativeBinomialAmount,
    PoissonAmount,
)
from habitus.models.rhythm.config import RhythmConfig
from habitus.models.rhythm.day import DaySlots
from habitus.models.rhythm.history import (
    NEVER_BEFORE,
    OF_CHANNEL,
    RECALLED,
    Balance,
    Memory,
    Past,
    balanced_pairs,
    memories,
)
from habitus.models.rhythm.model import Rhythm
from habitus.models.rhythm.sampling.days import DayDraws, amount_kind
from habitus.models.rhythm.sampling.kernels import compiled
from habitus.models.rhythm.sampling.kernels.counts import draw_amount
from habitus.models.rhythm.statistics import Shifts
from habitus.schema import Axes

AXES = Axes(dt.date(2018, 2, 1), 9, 240, ("a", "b", "c"))


NOTHING = torch.zeros(())


def noise(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def counts(*shape: int, rate: float = 0.4, seed: int = 1) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).poisson(rate, shape).astype(np.float32))


def amounts(amount: Amount, features: torch.Tensor, largest: float, draws: int) -> torch.Tensor:
    """So many counts from the same features."""
    kind = amount_kind(amount)
    rng = np.random.default_rng(0)
    rows = np.repeat(features.numpy()[None], draws, 0)
    scores = np.zeros(5, np.float32)
    return torch.tensor([draw_amount(row, kind, np.float32(largest), rng, scores) for row in rows])


def test_exponentials_and_logarithms_are_numpys():
    x = np.linspace(-80, 80, 2001, dtype=np.float32)
    found = np.array([compiled.exp(each) for each in x], np.float64)
    np.testing.assert_allclose(
        found, np.exp(np.float64(x)), rtol=6e-6
    )  # |x| log2(e) is rounded to 2^-18
    x = np.logspace(-6, 6, 2001, dtype=np.float32)
    found = np.array([compiled.log(each) for each in x], np.float64)
    np.testing.assert_allclose(found, np.log(np.float64(x)), rtol=2e-7, atol=2e-7)


def test_what_is_compiled_need_not_be_kept():
    """Here there is no file that it is of, as where none can be written."""
    names = {"compiled": compiled.compiled}
    exec("@compiled\ndef twice(x):\n    return 2 * x", names)
    assert names["twice"](3.0) == 6.0


class TestAmounts:
    def test_poisson_is_scipys_given_that_it_is_not_zero(self):
        rates = np.array([0.01, 0.5, 3.0, 40.0])
        x = np.array([1.0, 2.0, 7.0, 35.0])
        ours = PoissonAmount().log_prob(
            torch.tensor(rates).log()[:, None], NOTHING, torch.tensor(x)
        )
        theirs = scipy.stats.poisson.logpmf(x, rates) - np.log(-np.expm1(-rates))
        np.testing.assert_allclose(ours, theirs, rtol=1e-4)

    def test_negative_binomial_is_scipys_given_that_it_is_not_zero(self):
        rates = np.array([0.3, 2.0, 9.0])
        sizes = np.array([0.4, 1.0, 5.0])
        x = np.array([1.0, 4.0, 30.0])
        p = sizes / (sizes + rates)
        ours = NegativeBinomialAmount().log_prob(
            torch.stack([torch.tensor(rates).log(), torch.tensor(sizes).log()], 1),
            NOTHING,
            torch.tensor(x),
        )
        theirs = scipy.stats.nbinom.logpmf(x, sizes, p) - np.log1p(
            -scipy.stats.nbinom.pmf(0, sizes, p)
        )
        np.testing.assert_allclose(ours, theirs, rtol=1e-4)

    @pytest.mark.parametrize("largest", [0.0, 3.0])
    @pytest.mark.parametrize("name", AMOUNTS)
    def test_draws_have_the_probabilities(self, name, largest):
        amount = AMOUNTS[name]()
        draws = 40_000
        before = torch.tensor([largest])
        features = amount.start() + 0.3 * torch.arange(float(amount.features)).cos()
        drawn = amounts(amount, features, largest, draws)
        x = torch.arange(1.0, 6.0)
        expected = (
            amount.log_prob(features.expand(5, -1), before.expand(5), x).exp().double().numpy()
        )
        seen = np.array([(drawn == value).double().mean() for value in x])
        np.testing.assert_allclose(seen, expected, atol=4 * np.sqrt(0.25 / draws))
        assert drawn.min() >= 1

    @pytest.mark.parametrize(
        ("rate", "size"), [(0.02, 0.3), (3.0, 0.05), (60.0, 1.5), (900.0, 140.0)]
    )
    def test_negative_binomial_draws_have_scipys_distribution(self, rate, size):
        features = torch.tensor([rate, size]).log()
        draws = 20_000
        drawn = amounts(NegativeBinomialAmount(), features, 0.0, draws).numpy()
        counts = scipy.stats.nbinom(size, size / (size + rate))
        x = np.arange(0, counts.ppf(0.9999) + 1)
        expected = (counts.cdf(x) - counts.pmf(0)) / counts.sf(0)
        seen = np.searchsorted(np.sort(drawn), x, "right") / draws
        assert np.abs(seen - expected).max() < 2 / np.sqrt(
            draws
        )  # Kolmogorov: one in three thousand

    def test_poisson_draws_have_scipys_distribution(self):
        for rate in (0.01, 4.0, 2000.0):
            drawn = amounts(PoissonAmount(), torch.tensor([rate]).log(), 0.0, 20_000).numpy()
            x = np.arange(0, scipy.stats.poisson.ppf(0.9999, rate) + 1)
            expected = 1 - scipy.stats.poisson.sf(x, rate) / scipy.stats.poisson.sf(0, rate)
            seen = np.searchsorted(np.sort(drawn), x, "right") / 20_000
            assert np.abs(seen - expected).max() < 2 / np.sqrt(20_000)

    def test_bins_hold_every_count_once(self):
        amount = BinnedAmount()
        x = torch.arange(1.0, 40_000.0)
        p = (
            amount.log_prob(torch.zeros(len(x), amount.features), torch.zeros(len(x)), x)
            .exp()
            .double()
        )
        assert float(p.sum()) == pytest.approx(
            float((amount.last < 40_000).sum()) / amount.bins, abs=0.03
        )

    def test_a_new_largest_is_a_habit_of_its_own(self):
        """With all bins alike, one more nat for those above the largest so far."""
        amount = BinnedAmount()
        x = torch.tensor([1.0, 5.0, 6.0])
        features = torch.zeros(3, amount.features)
        features[:, -1] = 1.0
        log_p = amount.log_prob(features, torch.full((3,), 5.0), x)
        assert log_p[1] == log_p[0]
        assert float(log_p[2] - log_p[0]) == pytest.approx(1, abs=1e-5)


def flat(features: torch.Tensor, past: Past) -> list[torch.Tensor]:
    return [features, *past[:-1], *past.balance]


class TestMemory:
    def test_against_loops(self):
        x = counts(3, 10, 4, 2)
        memory = Memory(3, 4, 2, torch.tensor([[1, 0]]))
        for day in range(10):
            memory.take_in(x[:, day])
        active = (x > 0).any(-1)
        store = memory.store
        for user in range(3):
            for slot in range(4):
                assert store.days_of_slot[user, slot] == sum(
                    bool(active[user, d, slot]) for d in range(10)
                )
                assert store.weekly[user, 3, slot] == sum(bool(active[user, d, slot]) for d in (3,))
                assert store.weekly[user, 1, slot] == sum(
                    bool(active[user, d, slot]) for d in (1, 8)
                )
            assert store.now[user, 0] == x[user, ..., 1].sum() - x[user, ..., 0].sum()
            walk = (x[user, ..., 1] - x[user, ..., 0]).flatten().cumsum(0)
            assert store.lowest[user, 0] == min(0, walk.min())
            assert store.highest[user, 0] == max(0, walk.max())
            days = active[user].any(-1).nonzero()[:, 0]
            assert store.silence[user] == 9 - (int(days.max()) if len(days) else -1)
            assert store.days_of_weekday[user, 1] == sum(
                bool(active[user, d].any()) for d in (1, 8)
            )
            assert store.most[user] == active[user].sum(1).max()
            assert np.array_equal(store.largest[user], x[user].amax((0, 1)))
            assert np.array_equal(store.ones[user], (x[user] == 1).sum((0, 1)))
            pattern = "".join(str(int(day.any())) for day in active[user])
            assert store.run[user] == len(pattern) - len(pattern.rstrip("1"))
            runs = pattern.split("0")
            gaps = pattern.lstrip("0").split("1")
            assert store.longest[user].tolist() == [max(map(len, gaps)), max(map(len, runs))]

    @pytest.mark.parametrize("days", [1, 6, 7, 8, 40])
    @pytest.mark.parametrize("share", [1.0, 0.6])
    def test_all_days_at_once_are_those_of_one_after_another(self, days, share):
        x = counts(5, days, 4, 3, rate=0.15)
        pairs = torch.tensor([[1, 0], [2, 1]])
        observed = torch.rand(5, days, generator=noise()) < share
        memory = Memory(5, 4, 3, pairs)
        (features, past) = memories(x, pairs, observed)
        everybody = torch.arange(5)
        for day in range(days):
            torch.testing.assert_close(features[:, day], memory.features)
            found = past.of((everybody, torch.full_like(everybody, day)))
            for one, other in zip(
                flat(NOTHING, found), flat(NOTHING, memory.past(everybody)), strict=True
            ):
                torch.testing.assert_close(one, other)
            memory.take_in(x[:, day], observed[:, day])
        torch.testing.assert_close(features[:, days], memory.features)

    def test_nothing_is_known_of_the_day_itself(self):
        x = counts(2, 6, 4, 2)
        pairs = torch.tensor([[1, 0]])
        other = x.clone()
        other[:, 3:] = counts(2, 3, 4, 2, seed=5)
        for one, two in zip(flat(*memories(x, pairs)), flat(*memories(other, pairs)), strict=True):
            assert torch.equal(one[:, :4], two[:, :4])
            assert not torch.equal(one[:, 4:], two[:, 4:])

    def test_repeated_is_the_same_for_every_copy(self):
        memory = Memory(3, 4, 2, torch.tensor([[1, 0]]))
        memory.take_in(counts(3, 4, 2))
        again = memory.repeated(2)
        assert torch.equal(again.features, torch.cat([memory.features] * 2))
        pasts = again.past(torch.arange(6)), memory.past(torch.arange(3))
        for one, two in zip(*(flat(again.features, past) for past in pasts), strict=True):
            assert torch.equal(one, two if len(two) == 6 else torch.cat([two] * 2))

    def test_pairs_that_balance_are_found(self):
        rng = np.random.default_rng(0)
        joins = rng.poisson(6, 500)
        totals = np.stack(
            [rng.poisson(6, 500), joins, joins + rng.integers(-1, 2, 500), rng.poisson(9, 500)], 1
        )
        assert balanced_pairs(torch.from_numpy(totals).float(), 3).tolist() == [
            [2, 1],
            [0, 0],
            [0, 0],
        ]


class TestActiveSlots:
    def test_the_fused_states_are_those_of_a_loop_over_each_day(self):
        torch.manual_seed(0)
        x = counts(7, 6, 3)
        gru = SlotGRU(3, 5)
        x[2] = 0
        start = torch.randn(7, 5)
        at = active_slots(x)
        found = gru(at.counts, start, at)
        number = 0
        for day in range(7):
            h = start[day : day + 1]
            for slot in range(6):
                if x[day, slot].any():
                    h = gru.step(x[day, slot][None], h)
                    torch.testing.assert_close(found[number], h[0])
                    number += 1
        assert number == len(found)

    @pytest.mark.parametrize("days", [7, 1])
    def test_the_gradient_of_the_gru_is_that_of_its_steps(self, days):
        """Of inputs, of the states that days begin with, and of every weight, by autograd through single steps."""
        torch.manual_seed(0)
        x = counts(days, 6, 3)
        gru = SlotGRU(3, 5).double()
        start = torch.randn(days, 5, dtype=torch.float64)
        at = active_slots(x)
        weigh = torch.randn(6 * days, 5, dtype=torch.float64)
        inputs = at.counts.double().requires_grad_()
        start.requires_grad_()
        states = list[torch.Tensor]()
        h = start[:0]
        for number, (day, place) in enumerate(zip(at.day.tolist(), at.place.tolist(), strict=True)):
            h = gru.step(inputs[number : number + 1], h if place else start[day : day + 1])
            states.append(h)
        assert len(states) > 4
        by_steps = torch.cat(states)
        found = gru(inputs, start, at)
        torch.testing.assert_close(found, by_steps)
        wanted = [inputs, start, *gru.parameters()]
        ours, theirs = (
            torch.autograd.grad((each * weigh[: len(each)]).sum(), wanted)
            for each in (found, by_steps)
        )
        for mine, truth in zip(ours, theirs, strict=True):
            torch.testing.assert_close(mine, truth)

    def test_the_gru_is_that_of_torch(self):
        torch.manual_seed(0)
        ours = SlotGRU(3, 5)
        theirs = torch.nn.GRUCell(3, 5)
        with torch.no_grad():
            theirs.weight_ih.copy_(ours.of_input.weight)
            theirs.bias_ih.copy_(ours.of_input.bias)
            theirs.weight_hh.copy_(ours.of_state.weight)
            theirs.bias_hh.copy_(ours.of_state.bias)
        x = torch.randn(4, 3)
        h = torch.randn(4, 5)
        torch.testing.assert_close(ours.step(x, h), theirs(x, h))


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
) -> tuple[DaySlots, torch.Tensor, Past, torch.Tensor]:
    torch.manual_seed(0)
    model = DaySlots(2, 2, 1, 8, 6, amount or OneOrTwo())
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
    balance = Balance(torch.tensor([[-1.0]]), torch.tensor([[-2.0]]), torch.tensor([[1.0]]))
    recall = torch.randn(1, 2, RECALLED + 2)
    channels = torch.randn(1, 2 * OF_CHANNEL)
    past = Past(recall, channels, torch.tensor([[0.0, 1.0]]), torch.ones(1), balance)
    return model, torch.randn(1, 8), past, torch.tensor([[1, 0]] if settled else [[0, 0]])


def every_day(most: int) -> torch.Tensor:
    days = torch.tensor(
        list(itertools.product(range(most + 1), repeat=4)), dtype=torch.float32
    ).reshape(-1, 2, 2)
    return days[1:]  # the first is empty


class TestDays:
    @pytest.mark.parametrize("settled", [False, True])
    def test_the_probabilities_of_all_days_sum_to_one(self, settled):
        model, h, past, pairs = small_day(settled)
        x = every_day(12 if settled else 2)  # a settling count may be larger, but not by much
        again = torch.zeros(len(x), dtype=torch.long)
        with torch.no_grad():
            terms = model.log_prob(x, h[again], past.of(again), pairs)
        total = torch.stack(list(terms)).sum(0).neg().exp().double().sum()
        assert float(total) == pytest.approx(1, abs=1e-3 if settled else 1e-5)

    @pytest.mark.parametrize("settled", [False, True])
    def test_days_are_drawn_with_their_probabilities(self, settled):
        (model, h, past, pairs) = small_day(settled)
        again = torch.zeros(60_000, dtype=torch.long)
        draws = len(again)
        with torch.no_grad():
            drawn = (
                DayDraws(model, pairs)
                .draw(h[again], past.of(again), Shifts(*torch.zeros(6)), noise())
                .x
            )
            days, seen = drawn.unique(dim=0, return_counts=True)
            terms = model.log_prob(days, h[again[: len(days)]], past.of(again[: len(days)]), pairs)
        p = torch.stack(list(terms)).sum(0).neg().exp().double()
        often = p * draws > 10
        chi = ((seen - draws * p) ** 2 / (draws * p))[often].sum()
        assert scipy.stats.chi2.sf(float(chi), int(often.sum())) > 1e-4
        assert float(p.sum()) > 0.99

    def test_a_shift_changes_the_odds_of_a_slot_that_never_was_active(self):
        """Of which of two slots is the first, by its exponential."""
        (model, h, past, pairs) = small_day(False)
        again = torch.zeros(60_000, dtype=torch.long)
        past.recall[0, :, NEVER_BEFORE] = torch.tensor([1.0, 0.0])
        odds = []
        shifts = Shifts(*torch.zeros(6))
        for shift in (0.0, 0.7):
            with torch.no_grad():
                x = (
                    DayDraws(model, pairs)
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

    def test_a_shift_changes_the_odds_of_the_end_of_a_day(self):
        """Of ending after the first of two slots."""
        (model, h, past, pairs) = small_day(False)
        again = torch.zeros(60_000, dtype=torch.long)
        odds = []
        for shift in (0.0, -0.6):
            with torch.no_grad():
                x = (
                    DayDraws(model, pairs)
                    .draw(
                        h[again],
                        past.of(again),
                        Shifts(*torch.tensor([0, shift, 0, 0, 0, 0])),
                        noise(),
                    )
                    .x
                )
            active = x.amax(2) > 0
            alone = active[active[:, 0], 1:].any(1).logical_not().double().mean()
            odds.append(float(alone / (1 - alone)))
        assert np.log(odds[1] / odds[0]) == pytest.approx(-0.6, abs=0.06)

    @pytest.mark.parametrize("name", AMOUNTS)
    def test_scores_are_the_gradients_of_the_log_probability(self, name):
        """By the biases that a shift is added to; of slots that never were active see the next test."""
        (model, h, past, pairs) = small_day(False, AMOUNTS[name]())
        again = torch.zeros(30, dtype=torch.long)
        drawn = DayDraws(model, pairs).draw(
            h[again], past.of(again), Shifts(*torch.zeros(6)), noise()
        )
        for x, scores in zip(*drawn, strict=True):
            model.zero_grad()
            torch.stack(list(model.log_prob(x[None], h, past, pairs))).sum().neg().backward()
            features = model.counts.bias.grad[:, 1 : 1 + model.counts.amount.features].sum(0)
            kinds = torch.eye(3)  # larger, ones, counts
            larger, ones, counts = (
                float(features @ model.counts.amount.shift(*kind)) for kind in kinds
            )
            expected = [float(model.next_slot.bias.grad[-1]), counts, larger, ones]
            assert scores[[0, 2, 3, 4]].tolist() == pytest.approx(expected, rel=1e-3, abs=1e-4)

    def test_scores_of_new_slots_tell_how_often_they_would_be(self):
        """By the covariance with the score, as by a difference of shifts."""
        (model, h, past, pairs) = small_day(False)
        again = torch.zeros(60_000, dtype=torch.long)
        past.recall[0, :, NEVER_BEFORE] = torch.tensor([1.0, 0.0])
        first = []
        for shift in (-0.2, 0.0, 0.2):
            shifts = Shifts(*torch.zeros(6))._replace(new_slots=torch.tensor(shift))
            x, scores = DayDraws(model, pairs).draw(h[again], past.of(again), shifts, noise())
            first.append((x[:, 0].amax(1) > 0).double())
            if not shift:
                slope = torch.cov(torch.stack([first[-1], scores[:, 1].double()]))[0, 1]
        assert float(scores.mean(0).abs().max()) < 0.01
        assert float(first[2].mean() - first[0].mean()) / 0.4 == pytest.approx(
            float(slope), abs=0.015
        )

    @pytest.mark.parametrize(("larger", "ones"), [(-0.5, 0.0), (0.0, 0.4)])
    def test_shifts_change_the_odds_of_counts(self, larger, ones):
        """Of those above all before, and of ones, against the counts between."""
        amount = BinnedAmount()
        odds = []
        for shift in (
            amount.shift(*torch.zeros(3)),
            amount.shift(*torch.tensor([larger, ones, 0.0])),
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

    def test_a_shift_of_counts_is_a_power_of_them(self):
        """Odds of a count against one are those before times the count to that power."""
        amount = BinnedAmount()
        largest = torch.zeros(3)
        features = amount.start().expand(3, -1)
        counts = torch.tensor([1.0, 2.0, 7.0])
        shift = amount.shift(*torch.tensor([0.0, 0.0, 0.4]))
        more = amount.log_prob(features + shift, largest, counts) - amount.log_prob(
            features, largest, counts
        )
        torch.testing.assert_close(more - more[0], 0.4 * counts.log())

    @pytest.mark.parametrize("amount", [PoissonAmount(), NegativeBinomialAmount()])
    def test_a_shift_changes_a_rate(self, amount):
        shift = amount.shift(*torch.tensor([0.2, 0.9, 0.1]))
        assert shift.tolist() == pytest.approx([0.3] + [0.0] * (amount.features - 1))


def small() -> Rhythm:
    torch.manual_seed(0)
    return Rhythm(AXES, RhythmConfig(hidden=16, channel_width=8)).eval()


def days_of(model: Rhythm, x: torch.Tensor) -> Days:
    return model.told.days(x.shape[1]).for_each(len(x))


def states(model: Rhythm, x: torch.Tensor) -> torch.Tensor:
    at = active_slots(x.flatten(2))
    e = model._read(at.counts.unflatten(1, x.shape[2:]))
    return model._states(e, at, x.flatten(2).amax(2) > 0, days_of(model, x))


def test_the_past_alone_is_what_days_are_given():
    model = small()
    x = counts(4, *AXES.shape, rate=0.05)
    other = x.clone()
    other[:, 5:] = counts(4, 4, *AXES.shape[1:], seed=7)
    u = torch.randn(4, model.latents)
    given = []
    for each in (x, other):
        day = torch.arange(9).expand(4, -1)
        features = memories(each, model.pairs)[0][:, :-1]
        given.append(
            model._known(
                features, states(model, each), model.told.calendar(days_of(model, each), day), u
            )
        )
    torch.testing.assert_close(given[0][:, :6], given[1][:, :6])
    assert not torch.allclose(given[0][:, 6:], given[1][:, 6:])


def test_states_of_a_fit_are_those_of_drawing():
    """What the loss computes side by side, drawing computes day by day: the same numbers."""
    model = small()
    x = counts(5, *AXES.shape, rate=0.05)
    x[2] = 0
    x[3, 4:] = 0
    with torch.no_grad():
        side_by_side = states(model, x)
        for day in range(AXES.days):
            torch.testing.assert_close(
                side_by_side[:, day], model._remembered(x[:, :day], days_of(model, x)).h
            )


def test_the_probabilities_of_a_day_and_of_its_absence_sum_to_one():
    """The bound of profiles that differ in their last day only, with the latents of that day left out."""
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
        model.what[0].weight[:, -model.config.day_latents :] = (
            0  # latents of days are as before, without effect
        )
        draw = model._draw(model._given(x, noise()), noise())
        last = torch.zeros(60, 2).index_put(
            (draw.at.day, draw.at.slot), torch.stack(list(draw.days)).sum(0)
        )
    p = (-(draw.gates + last)[:, 1]).exp().double()
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


def test_bins_begin_where_the_counts_are():
    amount = BinnedAmount()
    x = torch.tensor([1.0] * 70 + [2.0] * 20 + [30.0] * 10)
    features = amount.seen(x)
    p = amount.log_prob(
        features.expand(3, -1), torch.zeros(3), torch.tensor([1.0, 2.0, 30.0])
    ).exp()
    assert p[0] == pytest.approx(0.7, abs=0.05)
    assert p[1] == pytest.approx(0.2, abs=0.02)
    assert amounts(amount, features, 0.0, 20_000).gt(44).double().mean() < 2e-3
