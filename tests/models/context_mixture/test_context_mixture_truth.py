"""Context mixture against explicit sums: states, outcomes, counts, draws, and learning."""

import datetime as dt
import itertools
import math

import numpy as np
import pytest
import scipy.stats
import torch
from torch import Generator

from habitus.models.context_mixture.attention import context_of
from habitus.models.context_mixture.model import Conditional, ContextMixture, ContextMixtureConfig
from habitus.models.parts.binned_counts import BINS, BinnedCounts, bin_edges
from habitus.profiles.sparse import Profiles
from habitus.schema import Axes
from habitus.training.config import FitConfig
from habitus.training.fit import fit

TINY = Axes(dt.date(2018, 2, 1), 3, 720, ("a",))
SMALL = {
    "width": 8,
    "heads": 2,
    "layers": 1,
    "features": 4,
    "day_states": 2,
    "user_states": 2,
    "mask": "cells:0.5",
}
# BinnedCounts.log_prob gathers without broadcasting values [n, 1] against logits [n, M, V].
MOST = 32  # counts beyond it have nothing to do with the tests of the mean


def tiny(axes: Axes = TINY, **settings: object) -> ContextMixture:
    """A small model whose states really differ."""
    torch.manual_seed(3)
    model = ContextMixture(axes, ContextMixtureConfig(**{**SMALL, **settings})).eval()
    with torch.no_grad():
        model.count.bias.copy_(-0.5 * torch.arange(BINS).repeat(len(axes.channels)))
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        model.pattern.add_(2.5)
        model.day.weight.mul_(0.3)  # so that no state is hardly ever taken
        set_gains(model, torch.linspace(-1.5, 1.5, model.config.day_states))
    return model


def set_gains(model: ContextMixture, gains: torch.Tensor) -> None:
    """Give each of a day's states a gain of counts of its own, whatever the context."""
    weight, bias = (
        part.unflatten(0, (len(gains), -1))[:, -1]
        for part in (model.state.weight, model.state.bias)
    )
    weight.zero_()
    bias.copy_(gains)


def noise(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def holes(*cells: tuple[int, ...], axes: Axes = TINY) -> torch.Tensor:
    """Missing cells of as many profiles as are named first."""
    missing = torch.zeros(1 + max(cell[0] for cell in cells), *axes.shape, dtype=torch.bool)
    for cell in cells:
        missing[cell] = True
    return missing


def slow_log_prob(
    model: ContextMixture, p: Conditional, x: torch.Tensor, missing: torch.Tensor
) -> list[float]:
    """Every state of the user, and of each day, one cell at a time."""
    days = {
        profile: [n for n in range(len(p.profile)) if p.profile[n] == profile]
        for profile in range(len(x))
    }
    where = missing.flatten(2).any(2).nonzero().tolist()
    out = []
    for profile in range(len(x)):
        total = 0.0
        for user in range(p.log_omega.shape[1]):
            for states in itertools.product(range(p.log_pi.shape[1]), repeat=len(days[profile])):
                term = p.log_omega[profile, user].item()
                for n, state in zip(days[profile], states, strict=True):
                    assert where[n][0] == profile
                    term += p.log_pi[n, state, user].item()
                    term += sum(
                        slow_cell(
                            model, p, n, state, cell, x[profile, where[n][1]][tuple(cell)].item()
                        )
                        for cell in missing[profile, where[n][1]].nonzero().tolist()
                    )
                total += math.exp(term)
        out.append(math.log(total))
    return out


def slow_cell(
    model: ContextMixture, p: Conditional, n: int, state: int, cell: list[int], value: float
) -> float:
    """Log-probability of one cell's value given its day's state."""
    slot, channel = cell
    chance = 1 / (1 + math.exp(-p.logits[n, state, slot, channel].item()))
    if value == 0:
        return math.log(1 - chance)
    if model.config.normalisation == "binary":
        return math.log(chance)
    weight = model.count.weight[channel * BINS : (channel + 1) * BINS]
    bias = model.count.bias[channel * BINS : (channel + 1) * BINS]
    logits = (
        weight @ p.features[n, :, slot].to(weight.dtype) + bias + p.gain[n, state] * model.slope
    )
    shares = logits.exp() / logits.exp().sum()
    first, last = bin_edges()
    which = next(v for v in range(BINS) if first[v] <= value <= last[v])
    return math.log(chance) + math.log(
        shares[which].item() / (last[which] - first[which] + 1).item()
    )


def counts(size: int, axes: Axes = TINY, seed: int = 0, mean: float = 1.5) -> torch.Tensor:
    return torch.from_numpy(
        np.random.default_rng(seed).poisson(mean, (size, *axes.shape)).astype(np.float32)
    )


class TestLogProb:
    def test_states_are_summed_as_in_a_loop(self):
        model = tiny()
        x = counts(5, mean=4.0)
        missing = torch.rand(5, *TINY.shape, generator=noise(1)) < 0.6
        missing[0] = False
        missing[0, 1, 0, 0] = True
        with torch.no_grad():
            found = model.log_prob(x, missing)
            p = model.conditional(x, missing)
            np.testing.assert_allclose(found, slow_log_prob(model, p, x, missing), rtol=1e-5)

    def test_more_states_and_channels(self):
        axes = Axes(dt.date(2018, 2, 1), 3, 720, ("a", "b"))
        model = tiny(axes, day_states=3, user_states=1)
        x = counts(4, axes)
        missing = torch.rand(4, *axes.shape, generator=noise(2)) < 0.5
        with torch.no_grad():
            slow = slow_log_prob(model, model.conditional(x, missing), x, missing)
            np.testing.assert_allclose(model.log_prob(x, missing), slow, rtol=1e-5)

    def test_nothing_missing_has_probability_one(self):
        model = tiny()
        x = counts(2)
        missing = holes((1, 2, 0, 0))
        with torch.no_grad():
            assert model.log_prob(x, missing)[0].abs() < 1e-6

    def test_states_matter(self):
        """Cells of a day depend on each other, as do days through the user's state."""
        model = tiny()
        x = counts(1)
        for pair in ([(0, 1, 0, 0), (0, 1, 1, 0)], [(0, 1, 0, 0), (0, 2, 0, 0)]):
            table = torch.tensor(
                [[outcome(model, x, pair, values) for values in ((a, 0), (a, 1))] for a in (0, 1)]
            )
            assert abs(table[0, 0] * table[1, 1] / (table[0, 1] * table[1, 0]) - 1) > 1e-4

    def test_binary_pictures_sum_to_one(self):
        model = tiny(normalisation="binary")
        x = (counts(1) > 0).float()
        assert abs(sum(over_all_pictures(model, x, FOUR)) - 1) < 1e-5

    def test_counts_sum_to_one(self):
        model = tiny()
        x = counts(1)
        cell = (0, 1, 1, 0)
        first, last = bin_edges()
        total = outcome(model, x, [cell], (0,))
        for a, b in zip(first.tolist(), last.tolist(), strict=True):
            total += outcome(model, x, [cell], (a,)) * (b - a + 1)
            assert outcome(model, x, [cell], (a,)) == pytest.approx(outcome(model, x, [cell], (b,)))
        assert total == pytest.approx(1, abs=1e-5)


FOUR = [(0, 0, 1, 0), (0, 1, 0, 0), (0, 1, 1, 0), (0, 2, 0, 0)]


def outcome(
    model: ContextMixture, x: torch.Tensor, cells: list[tuple[int, ...]], values: tuple[float, ...]
) -> float:
    """Probability of values in the given cells, all else being known."""
    x = x.clone()
    for cell, value in zip(cells, values, strict=True):
        x[cell] = value
    with torch.no_grad():
        return math.exp(model.log_prob(x, holes(*cells)).item())


def over_all_pictures(
    model: ContextMixture, x: torch.Tensor, cells: list[tuple[int, ...]]
) -> list[float]:
    return [
        outcome(model, x, cells, values) for values in itertools.product((0, 1), repeat=len(cells))
    ]


class TestDraws:
    def test_binary_pictures_come_as_often_as_they_are_probable(self):
        self.check(tiny(normalisation="binary"), (counts(1) > 0).float())

    def test_which_cells_are_active_comes_as_often_as_is_probable(self):
        """Probabilities of activity are those of a model of counts, summed over counts."""
        self.check(tiny(), counts(1))

    @staticmethod
    def check(model: ContextMixture, x: torch.Tensor) -> None:
        draws = many_draws(model, x, FOUR)
        samples = len(draws)
        with torch.no_grad():
            if model.unit == "count":
                expected = np.array(over_activity(model, x, FOUR))
            else:
                expected = np.array(over_all_pictures(model, x, FOUR))
        assert expected.sum() == pytest.approx(1, abs=1e-5)
        pictures = ((draws > 0).long() @ (2 ** torch.arange(len(FOUR) - 1, -1, -1))).numpy()
        seen = np.bincount(pictures, minlength=2 ** len(FOUR))
        assert scipy.stats.chisquare(seen, expected * (samples / expected.sum())).pvalue > 1e-4

    def test_counts_come_as_often_as_they_are_probable(self):
        model = tiny()
        x = counts(1)
        cell = (0, 2, 1, 0)
        draws = many_draws(model, x, [cell])[:, 0]
        samples = len(draws)
        expected = np.array([outcome(model, x, [cell], (value,)) for value in range(9)])
        expected = np.append(expected, 1 - expected.sum())
        seen = np.bincount(draws.clamp(max=9).long().numpy(), minlength=10)
        assert scipy.stats.chisquare(seen, expected * samples).pvalue > 1e-4

    def test_the_mean_is_that_of_what_is_drawn_in_shares_of_the_peak(self):
        """The point forecast is E[y min(1, p/y)^2], with the mean gain over states."""
        model = tiny()
        x = counts(1, mean=3.0)
        cell = (0, 2, 1, 0)
        with torch.no_grad():
            set_gains(
                model, torch.full((model.config.day_states,), 0.2)
            )  # one for all, so that the mean is exact
            missing = holes(cell)
            peak = context_of(x, missing).peak.item()
            found = model.complete(x, missing, 1, noise()).mean.item()
        first, last = bin_edges()
        expected = 0.0
        for a, b in zip(first[:14].tolist(), last[:14].tolist(), strict=True):
            chance = outcome(model, x, [cell], (a,))
            expected += chance * sum(y * min(1, peak / y) ** 2 for y in range(int(a), int(b) + 1))
        assert found == pytest.approx(expected, rel=2e-3)


def many_draws(
    model: ContextMixture, x: torch.Tensor, cells: list[tuple[int, ...]]
) -> torch.Tensor:
    """Draws of one profile's missing cells, [20000, cells], as many equal profiles."""
    with torch.no_grad():
        many = x.expand(1000, -1, -1, -1), holes(*cells).expand(1000, -1, -1, -1)
        return model.complete(*many, 20, noise(7)).draws.reshape(20_000, len(cells))


def over_activity(
    model: ContextMixture, x: torch.Tensor, cells: list[tuple[int, ...]]
) -> list[float]:
    """Probability of each pattern of activity: a loop over states, with chances only."""
    missing = holes(*cells)
    p = model.conditional(x, missing)
    where = missing.flatten(2).any(2).nonzero()[:, 1].tolist()
    out = []
    for values in itertools.product((0, 1), repeat=len(cells)):
        total = 0.0
        for user in range(p.log_omega.shape[1]):
            term = p.log_omega[0, user].exp()
            for n, day in enumerate(where):
                chance = p.logits[n].sigmoid()  # [M, S, C]
                of_day = p.log_pi[n, :, user].exp()
                for (_, d, slot, channel), value in zip(cells, values, strict=True):
                    if d == day:
                        of_day = of_day * (chance if value else 1 - chance)[:, slot, channel]
                term = term * of_day.sum()
            total += term.item()
        out.append(total)
    return out


def relative_mean(binned: BinnedCounts, peak: float) -> torch.Tensor:
    """E[y min(1, peak/y)^2]."""
    return binned.log_shares.exp() @ BinnedCounts.relative_values(torch.tensor(peak))


class TestStart:
    def test_weights_start_from_the_profiles(self):
        rng = np.random.default_rng(0)
        rates = rng.uniform(0.05, 0.4, (7, 2, 1))
        x = torch.from_numpy(
            (rng.random((2000, 14, 2, 1)) < np.tile(rates, (2, 1, 1))).astype(np.float32)
        )
        model = ContextMixture(Axes(dt.date(2018, 1, 1), 14, 720, ("a",)))
        model.start_from(3 * x)
        np.testing.assert_allclose(torch.sigmoid(model.week).detach().numpy(), rates, atol=0.03)
        shares = model.count.bias.detach().softmax(0)
        assert shares.argmax() == 2
        assert (shares[3:].diff() < 0).all()

    def test_without_any_activity_nothing_is_infinite(self):
        model = ContextMixture(Axes(dt.date(2018, 1, 1), 8, 720, ("a", "b")))
        model.start_from(torch.zeros(5, 8, 2, 2))
        assert all(torch.isfinite(parameter).all() for parameter in model.parameters())


class TestBinnedCounts:
    @pytest.fixture
    def binned(self) -> BinnedCounts:
        return BinnedCounts(torch.randn(3, BINS, generator=noise(4)) - 0.6 * torch.arange(BINS))

    def test_bins_touch_and_double(self):
        first, last = (edge.long() for edge in bin_edges())
        assert (first[0], last[-1]) == (1, 4 * 2 ** (BINS - 4))
        assert torch.equal(first[1:], last[:-1] + 1)
        assert torch.equal((last - first + 1)[4:], 4 * 2 ** torch.arange(BINS - 4))

    def test_probabilities_sum_to_one(self, binned):
        for chances in every_chance(binned):
            assert chances.sum() == pytest.approx(1, abs=1e-5)

    def test_a_count_lies_in_its_bin(self, binned):
        shares = binned.log_shares.exp()
        for value, which, width in (
            (1, 0, 1),
            (4, 3, 1),
            (5, 4, 4),
            (8, 4, 4),
            (9, 5, 8),
            (17, 6, 16),
        ):
            found = binned.log_prob(torch.full((3,), float(value))).exp()
            torch.testing.assert_close(found, shares[:, which] / width, rtol=1e-6, atol=0)

    def test_mean_and_relative_mean_are_sums_over_counts(self, binned):
        values = every_count()
        for number, chances in enumerate(every_chance(binned)):
            assert binned.mean[number].item() == pytest.approx(chances @ values, rel=1e-5)
            for peak in (1.0, 3.0, 6.0, 8.0, 100.0, 5000.0):
                relative = values * np.minimum(1, peak / values) ** 2
                found = relative_mean(binned, peak)[number].item()
                assert found == pytest.approx(chances @ relative, rel=2e-3), peak

    def test_a_large_peak_leaves_the_mean(self, binned):
        torch.testing.assert_close(relative_mean(binned, 1e6), binned.mean, rtol=1e-4, atol=0)

    def test_draws_come_as_often_as_they_are_probable(self, binned):
        size = 30_000
        one = BinnedCounts(binned.log_shares[:1].expand(size, -1))
        draws = one.draw(noise(5))
        assert torch.equal(draws, draws.round())
        values = torch.arange(1.0, MOST + 1)
        expected = (
            torch.cat(
                [binned.log_prob(torch.full((3,), value))[:1].exp() for value in values.tolist()]
            )
            .double()
            .numpy()
        )
        expected = np.append(expected, 1 - expected.sum())
        seen = np.bincount(draws.clamp(max=MOST + 1).long().numpy(), minlength=MOST + 2)[1:]
        assert scipy.stats.chisquare(seen, expected * size).pvalue > 1e-4

    def test_the_smallest_and_largest_of_each_bin_can_be_drawn(self):
        logits = torch.full((6000, BINS), -torch.inf)
        logits[:, 5] = 0.0
        assert set(BinnedCounts(logits).draw(noise()).tolist()) == set(range(9, 17))

    def test_counts_beyond_the_last_bin_fall_into_it(self, binned):
        most = float(bin_edges()[1][-1])
        inside, beyond = (binned.log_prob(torch.full((3,), value)) for value in (most, 1e9))
        assert torch.equal(inside, beyond)


def every_count() -> np.ndarray:
    return np.arange(1.0, bin_edges()[1][-1].item() + 1)


def every_chance(binned: BinnedCounts) -> list[np.ndarray]:
    """The probability of each count under each distribution."""
    values = torch.from_numpy(every_count()).float()
    rows = (BinnedCounts(row.expand(len(values), -1)) for row in binned.log_shares)
    return [row.log_prob(values).double().exp().numpy() for row in rows]


def test_it_finds_out_how_busy_a_user_is():
    """For users with constant rates, predictions are nearer to these than the mean is."""
    axes = Axes(dt.date(2018, 2, 1), 8, 360, ("a",))
    rng = np.random.default_rng(0)
    rate = rng.choice([0.05, 0.6], size=600)
    values = (rng.random((600, *axes.shape)) < rate[:, None, None, None]).astype(np.int64)
    profiles = Profiles.from_dense(axes, values)
    how = FitConfig(
        12, 32, learning_rate=4e-3, schedule="one-cycle", precision="float32", accelerator="cpu"
    )
    config = ContextMixtureConfig(
        mask="last:3", width=16, heads=2, layers=1, features=8, day_states=2, user_states=2
    )
    model = fit(ContextMixture, profiles.slice(0, 480), config, fit=how).model
    new = torch.from_numpy(profiles.dense(slice(480, 600)))
    missing = torch.zeros(new.shape, dtype=torch.bool)
    missing[:, 5:] = True
    with torch.no_grad():
        draws = model.complete(new, missing, 30, noise()).draws
    found = (draws > 0).double().mean(0).reshape(120, -1).mean(1).numpy()
    ours = np.abs(found - rate[480:]).mean()
    assert ours < 0.35 * np.abs(rate[:480].mean() - rate[480:]).mean()
