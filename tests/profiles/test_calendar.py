"""Holidays, days that were not observed, and windows that begin on any weekday, against simulated users."""

import datetime as dt
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import Generator

from habitus.models.parts.examples import Days, Examples
from habitus.models.rhythm.config import RhythmConfig
from habitus.models.rhythm.history.all_days import history_of_days
from habitus.models.rhythm.model import Rhythm
from habitus.models.rhythm.sampling import RunningHistory, UserSampler
from habitus.profiles.calendar import Calendar
from habitus.profiles.sparse import Profiles
from habitus.profiles.store import save
from habitus.profiles.windows import cut
from habitus.run import Run, load
from habitus.schema import Axes
from habitus.synthesis import complete, forecast
from habitus.synthesis.generation import generate_to
from habitus.synthesis.population import GenerateConfig
from habitus.synthesis.scoring import score
from habitus.training import moment_matching
from habitus.training.config import FitConfig
from habitus.training.encoding import encode
from habitus.training.fit import fit

FIRST = dt.date(2018, 1, 1)  # a Monday
AXES = Axes(FIRST, 14, 360, ("a",), every=5)
USERS = 300
HOLIDAYS = (dt.date(2018, 1, 10), dt.date(2018, 1, 26), dt.date(2018, 2, 10))
CONFIG = RhythmConfig(hidden=16, channel_width=8, latents=4, day_latents=2, components=2)


def windows(every: int = 5, most: int = 6) -> np.ndarray:
    """First days of the windows of users, [USERS]."""
    return np.datetime64(FIRST) + (np.arange(USERS) % most) * every


def dates(starts: np.ndarray) -> np.ndarray:
    return starts[:, None] + np.arange(AXES.days)


def weekdays(days: np.ndarray) -> np.ndarray:
    return np.vectorize(lambda day: day.weekday())(days.astype(object))


def profiles(
    chance: np.ndarray, starts: np.ndarray, seed: int = 0, **about: tuple[dt.date, ...]
) -> Profiles:
    """Users who are active on a day with a chance [USERS, D], then in one slot or two."""
    rng = np.random.default_rng(seed)
    x = np.zeros((USERS, *AXES.shape), int)
    x[..., 1, 0] = rng.random(chance.shape) < chance
    x[..., 2, 0] = x[..., 1, 0] * (rng.random(chance.shape) < 0.3)
    users = pa.table(
        {"user": np.arange(USERS), "window_start": pa.array(starts.astype("datetime64[D]"))}
    )
    return replace(Profiles.from_dense(AXES, x, users), about=Calendar(**about).to_json())


def fitted(given: Profiles, epochs: int = 4, out: Path | None = None) -> Run:
    how = {
        **Rhythm.fit_defaults,
        "epochs": epochs,
        "least_seen": 0,
        "batch": 32,
        "learning_rate": 2e-2,
    }
    with pytest.MonkeyPatch.context() as patch:  # offsets are not what these tests are about
        patch.setattr(moment_matching, "FIRST", 1)
        patch.setattr(moment_matching, "EACH", 1)
        patch.setattr(moment_matching, "STEPS", 2)
        return fit(Rhythm, given, CONFIG, fit=FitConfig(**how), out=out)


def active(made: Profiles) -> np.ndarray:
    """Share of users active on each day."""
    return made.dense().any((2, 3)).mean(0)


def drawn(run: Run, path: Path, start: dt.date, **settings: object) -> Profiles:
    return generate_to(
        path, run, GenerateConfig(400, start=start, inactive="keep", **settings)
    ).load()


@pytest.fixture(scope="module")
def with_holidays(tmp_path_factory) -> Run:
    """Active on seven days in ten, and never on a holiday."""
    starts = windows()
    chance = np.where(np.isin(dates(starts), np.array(HOLIDAYS, "datetime64[D]")), 0.0, 0.7)
    given = profiles(chance, starts, holidays=(*HOLIDAYS, dt.date(2019, 5, 1)))
    return fitted(given, out=tmp_path_factory.mktemp("runs") / "run")


def test_nobody_is_active_on_a_holiday_that_no_training_user_saw(with_holidays, tmp_path):
    run = load(with_holidays.path)
    assert run.about["calendar"]["holidays"][-1] == "2019-05-01"
    made = drawn(
        run, tmp_path / "a", dt.date(2019, 4, 24)
    )  # a Wednesday; the holiday is its eighth day
    shares = active(made)
    assert shares[7] < 0.08
    assert np.delete(shares, 7).min() > 0.45
    assert made.about["calendar"] == {"holidays": ["2019-05-01"]}


def test_other_holidays_take_the_place_of_those_of_the_run(with_holidays, tmp_path):
    other = drawn(
        with_holidays, tmp_path / "b", dt.date(2019, 4, 24), holidays=(dt.date(2019, 4, 26),)
    )
    shares = active(other)
    assert shares[2] < 0.08
    assert shares[7] > 0.45
    none = drawn(with_holidays, tmp_path / "c", dt.date(2019, 4, 24), holidays=())
    assert active(none).min() > 0.45
    assert "calendar" not in none.about


def test_activity_on_a_holiday_is_unlikely(with_holidays):
    starts = windows()
    given = profiles(np.full((USERS, AXES.days), 0.7), starts, seed=1, holidays=HOLIDAYS)
    told = score(with_holidays, given, samples=2).likelihoods.log_likelihood.mean()
    untold = score(
        with_holidays, replace(given, about={}), samples=2
    ).likelihoods.log_likelihood.mean()
    assert told < untold - 2


def test_forecasts_and_latents_know_the_holidays(with_holidays):
    given = profiles(
        np.full((USERS, AXES.days), 0.7), windows(most=1), holidays=(dt.date(2018, 1, 13),)
    )
    made = complete(with_holidays, given, "last:3", samples=10).profiles
    shares = active(made)
    assert shares[12] < 0.08
    assert min(shares[11], shares[13]) > 0.45
    assert made.about["calendar"] == {"holidays": ["2018-01-13"]}
    assert not torch.equal(
        encode(with_holidays.model, given).mean,
        encode(with_holidays.model, replace(given, about={})).mean,
    )


def test_holidays_add_parameters_only_where_there_are_any(with_holidays):
    plain = Rhythm(AXES, CONFIG).state_dict()
    told = with_holidays.model.state_dict()
    assert set(told) - set(plain) == {"on_holidays", "told.holiday"}
    elsewhere = profiles(
        np.full((USERS, AXES.days), 0.7), windows(), holidays=(dt.date(2019, 5, 1),)
    )
    run = fitted(elsewhere.slice(0, 32), epochs=1)
    assert not run.model.knows_holidays
    assert set(run.model.state_dict()) == set(plain)


def test_weekdays_that_no_window_has_are_like_the_others(tmp_path):
    """Windows of Mondays to Fridays, on which a user in ten is active."""
    weekly = replace(AXES, days=5, every=7)
    given = profiles(np.full((USERS, AXES.days), 0.1), windows(every=7))
    given = replace(cut(given, 5), axes=weekly)
    model = Rhythm(weekly, CONFIG)
    model.start_from(torch.from_numpy(given.dense()).float())
    chances = model.weekday_logits.detach().sigmoid()
    assert chances[:5].mean() == pytest.approx(0.1, abs=0.02)
    assert chances[5:] == pytest.approx(chances[:5].mean().item(), abs=0.01)


def test_days_that_were_not_observed_are_not_silent(tmp_path):
    """On 30 % of the dates nothing was recorded; users were active on six days in ten."""
    rng = np.random.default_rng(1)
    starts = windows()
    every = np.unique(dates(starts))
    gaps = tuple(rng.choice(every, round(0.3 * len(every)), replace=False).astype(object).tolist())
    recorded = ~np.isin(dates(starts), np.array(gaps, "datetime64[D]"))
    given = profiles(np.where(recorded, 0.6, 0.0), starts, unobserved=gaps)
    shares = []
    for name, each in (("with", given), ("without", replace(given, about={}))):
        shares.append(active(drawn(fitted(each), tmp_path / name, FIRST)).mean())
    assert shares[0] == pytest.approx(0.6, abs=0.05)
    assert shares[1] == pytest.approx(0.6 * recorded.mean(), abs=0.05)


def test_a_weekday_habit_of_windows_that_begin_on_any_weekday(tmp_path):
    starts = windows()
    run = fitted(profiles(np.where(weekdays(dates(starts)) < 5, 0.7, 0.0), starts))
    for start in (dt.date(2027, 1, 7), dt.date(2027, 1, 10)):  # a Thursday and a Sunday
        shares = active(drawn(run, tmp_path / str(start), start))
        weekend = [(start + dt.timedelta(day)).weekday() >= 5 for day in range(AXES.days)]
        assert shares[weekend].max() < 0.12
        assert shares[np.logical_not(weekend)].min() > 0.45


def test_a_forecast_moves_the_windows_by_any_number_of_days():
    """Windows that all begin on a Monday, of users who rest at weekends; six days ahead are Monday to Saturday."""
    starts = windows(every=7)
    given = profiles(np.where(weekdays(dates(starts)) < 5, 0.7, 0.0), starts)
    given = replace(given, axes=replace(AXES, every=7))
    run = fitted(given)
    made = forecast(run, given, 6, samples=10).profiles
    assert made.axes == replace(given.axes, start=FIRST + dt.timedelta(6))
    shares = active(made)[-6:]
    assert shares[:5].min() > 0.45
    assert shares[5] < 0.12
    assert run.model.conditioning.positions(Days.after(0, 14)).tolist() == [list(range(14))]
    for weekday, days in ((1, 14), (0, 15)):
        assert run.model.conditioning.positions(Days.after(weekday, days)).tolist() == [[14] * days]


def counts(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).poisson(0.4, shape).astype(np.float32))


def gaps_of(model: Rhythm, x: torch.Tensor, observed: torch.Tensor) -> Examples:
    codes = torch.zeros(len(x), 0, dtype=torch.long)
    return Examples(x, codes, Days(*model.conditioning.days().for_each(len(x))[:2], observed))


def test_what_stands_in_days_that_were_not_observed_is_not_read():
    torch.manual_seed(0)
    model = Rhythm(AXES, CONFIG).eval()
    observed = torch.from_numpy(np.random.default_rng(2).random((6, AXES.days)) < 0.7)
    observed[0] = False
    x = counts(6, *AXES.shape)
    missing = torch.zeros(6, *AXES.shape, dtype=torch.bool)
    missing[:, -2:] = True
    other = torch.where(observed[..., None, None], x, counts(6, *AXES.shape, seed=3))
    one, two = (gaps_of(model, each, observed) for each in (x, other))
    assert not torch.equal(x, other)
    found = []
    with torch.no_grad():
        for each in (one, two):
            noise = Generator().manual_seed(0)
            parts = next(model.nll_terms(each, 1, noise))
            found.append([
                model.loss(each, noise).total, *parts.values(), model.encode(each).mean,
                model.complete(each, missing, 2, noise).draws,
            ])  # fmt: skip
    for a, b in zip(*found, strict=True):
        assert torch.equal(a, b)
    for name in ("days", "hours", "amounts"):
        assert (parts[name][~observed] == 0).all()
        assert (parts[name][observed & (x > 0).any(-1).any(-1)] != 0).all()


def test_a_week_without_observation_leaves_the_memory_as_it_was():
    """Nor does it change what later days are drawn from, the days of the week under way apart."""
    pairs = torch.tensor([[1, 0]])
    x = counts(3, 14, 4, 2)
    with_gap = torch.cat([x[:, :9], counts(3, 7, 4, 2, seed=4), x[:, 9:]], 1)
    observed = torch.ones(3, 21, dtype=torch.bool)
    observed[:, 9:16] = False
    (features, past) = history_of_days(with_gap, pairs, observed)
    (expected, of_past) = history_of_days(x, pairs, torch.ones(3, 14, dtype=torch.bool))
    torch.testing.assert_close(features[:, 21], expected[:, 14])
    torch.testing.assert_close(past.slots[:, 16:], of_past.slots[:, 9:])
    some = RunningHistory(3, 4, 2, pairs)
    for day in range(21):
        some.add_day(with_gap[:, day], observed[:, day])
    torch.testing.assert_close(some.features, expected[:, 14])
    assert some.arrays.observed.tolist() == [14.0] * 3


def test_the_state_knows_no_day_that_was_not_observed():
    torch.manual_seed(0)
    model = Rhythm(AXES, CONFIG).eval()
    x = counts(5, *AXES.shape)
    observed = torch.from_numpy(np.random.default_rng(2).random((5, AXES.days)) < 0.7)
    told = gaps_of(model, x, observed)
    noise = Generator().manual_seed(0)
    (seen, _, days) = model._unpack(told)
    draw = model._draw(model._inputs(told, noise), noise)
    e = model._encode_days(draw.at.counts.unflatten(1, x.shape[2:]))
    with torch.no_grad():
        side_by_side = model._states(e, draw.at, seen.flatten(2).any(2), days)
        for day in range(AXES.days):
            sampler = UserSampler(model, len(seen))
            sampler.read(seen[:, :day], days)
            torch.testing.assert_close(side_by_side[:, day], sampler.h)


def test_scores_count_no_slot_of_a_day_that_was_not_observed(with_holidays, tmp_path):
    starts = windows()
    gap = (dt.date(2018, 1, 12),)
    given = profiles(np.full((USERS, AXES.days), 0.7), starts, unobserved=gap)
    stored = save(tmp_path / "p", [given], AXES, given.about)
    found = score(with_holidays, stored, samples=1).likelihoods
    x = given.dense()
    x[dates(starts) == np.datetime64(gap[0])] = 0
    np.testing.assert_array_equal(found.active_slots, (x > 0).any(-1).sum((1, 2)))
    np.testing.assert_array_equal(found.events, x.sum((1, 2, 3)))
