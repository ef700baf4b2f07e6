"""Likelihoods against frequencies of draws, oddness against loops, odd users in an office."""

import datetime as dt
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import torch
from scipy.stats import mannwhitneyu, spearmanr
from torch import Generator

from command_line import call
from conftest import random_profiles
from habitus.models.base import Loss, ScoringModel
from habitus.models.parts.examples import Examples
from habitus.models.pictures.beta_vae import BetaVAE, BetaVAEConfig
from habitus.models.rhythm.config import RhythmConfig
from habitus.models.rhythm.model import Rhythm
from habitus.profiles.sparse import Profiles
from habitus.profiles.store import save
from habitus.run import Run
from habitus.schema import Axes
from habitus.simulate import simulate
from habitus.synthesis import scoring
from habitus.synthesis.scoring import LEAST_PEERS, oddness, score, write_scores
from habitus.training.config import FitConfig
from habitus.training.fit import fit
from quick_fits import few_populations

DAYS = 14
SLOTS = 12
CHANNELS = ("a", "b")
OFFICE = Axes(dt.date(2018, 2, 5), DAYS, 24 * 60 // SLOTS, CHANNELS)
TRAIN = 400
ODD = 12
SEED = 0


class Fixed(ScoringModel):
    """A model that makes of each cell what stands in it, and of each user a coin's toss."""

    def __init__(self, axes: Axes) -> None:
        super().__init__()
        self.axes = axes
        self.config = None
        self.told = list[tuple[int, ...]]()

    @property
    def unit(self) -> str:
        return "count"

    @property
    def exact_zeros(self) -> bool:
        return True

    def loss(self, x, generator):
        return Loss(x.sum(), {})

    def nll_terms(self, x, samples, generator):
        for _ in range(samples):
            self.told.append(tuple(x.shape))
            yield {"cells": x.sum((2, 3)), "user": torch.rand(len(x), generator=generator)}


def run_of(model) -> Run:
    return Run(model, None, {}, {}, {"active_share": [0.5] * model.axes.days})


def office(seed: int, users: int) -> Profiles:
    """People who are active by day, at hours of their own; at least six active slots each."""
    block = next(simulate(users, DAYS, seed, start=OFFICE.start, channels=CHANNELS))
    known = block.factors.to_pandas()
    events = block.events.to_pandas()
    works = (known.hour_width < 3) & known.preferred_hour.between(7, 15)
    since = events.timestamp.dt.tz_localize(None) - np.datetime64(OFFICE.start)
    slot = (since // np.timedelta64(OFFICE.slot_minutes, "m")).to_numpy()
    channel = (
        events.platform.map({name: at for at, name in enumerate(CHANNELS)}).astype(int).to_numpy()
    )
    x = np.zeros((users, DAYS * SLOTS, len(CHANNELS)), np.int64)
    inside = slot < DAYS * SLOTS
    np.add.at(x, (events.user_id.to_numpy()[inside], slot[inside], channel[inside]), 1)
    chosen = works.to_numpy() & (x.any(2).sum(1) >= 6)
    return Profiles.from_dense(OFFICE, x[chosen].reshape(-1, *OFFICE.shape))


def shuffled(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same days with their slots in random order."""
    return np.stack([day[rng.permutation(SLOTS)] for day in x])


def night_owl(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same twelve hours later."""
    return np.roll(x, SLOTS // 2, axis=1)


def burst(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same, but for a day on which somebody never stops."""
    x = x.copy()
    x[rng.integers(DAYS), :, 0] = 1 + rng.poisson(30, SLOTS)
    return x


PLANTED = {"shuffled": shuffled, "night_owl": night_owl, "burst": burst}


@pytest.fixture(scope="module")
def scored():
    """A run, an office with ODD users of each odd kind, who is of which, and the scores."""
    people = office(SEED, 3600)
    x = people.dense()[TRAIN:]
    rng = np.random.default_rng(1)
    kind = np.full(len(x), "")
    kind = kind.astype("<U9")
    rows = rng.permutation(len(x))[: ODD * len(PLANTED)].reshape(-1, ODD)
    for own, (name, plant) in zip(rows, PLANTED.items(), strict=True):
        kind[own] = name
        x[own] = [plant(each, rng) for each in x[own]]
    config = RhythmConfig(hidden=32, channel_width=12, latents=4, day_latents=2, components=4)
    how = FitConfig(epochs=10, learning_rate=6e-3, batch=40, seed=SEED, precision="float32")
    with few_populations():
        run = fit(Rhythm, people.slice(0, TRAIN), config, fit=how)
    given = Profiles.from_dense(OFFICE, x)
    return run, given, kind, score(run, given, samples=5)


def area(high: np.ndarray, low: np.ndarray) -> float:
    """The share of pairs in which the first is higher."""
    return float(mannwhitneyu(high, low).statistic / (len(high) * len(low)))


class TestPlanted:
    @pytest.mark.parametrize("name", PLANTED)
    def test_planted_users_are_the_oddest(self, scored, name):
        _, _, kind, found = scored
        assert area(found.oddness[kind == name], found.oddness[kind == ""]) > 0.9

    @pytest.mark.parametrize("name", ["shuffled", "night_owl"])
    def test_how_active_they_are_does_not_tell(self, scored, name):
        """Moved days rank as a dozen at random, with Mann-Whitney's spread."""
        _, _, kind, found = scored
        own = kind == name
        rest = kind == ""
        spread = ((own.sum() + rest.sum() + 1) / (12 * own.sum() * rest.sum())) ** 0.5
        for plain in (found.likelihoods.events, found.likelihoods.active_slots):
            assert abs(area(plain[own], plain[rest]) - 0.5) < 3 * spread

    @pytest.mark.parametrize("name", ["shuffled", "night_owl"])
    def test_the_log_likelihood_alone_tells_less(self, scored, name):
        """It is lowest for the busiest."""
        _, _, kind, found = scored
        plain, odd = (
            area(each[kind == name], each[kind == ""])
            for each in (-found.likelihoods.log_likelihood, found.oddness)
        )
        assert plain < odd - 0.15  # with five seeds less by 0.20 to 0.30

    def test_busy_users_are_not_odd_for_that(self, scored):
        _, _, kind, found = scored
        rest = kind == ""
        of = found.likelihoods
        assert spearmanr(-of.log_likelihood[rest], of.active_slots[rest]).statistic > 0.8
        assert abs(spearmanr(found.oddness[rest], of.active_slots[rest]).statistic) < 0.2

    def test_what_is_odd_is_said(self, scored):
        _, _, kind, found = scored
        for name, part in {"shuffled": "hours", "night_owl": "hours", "burst": "one_day"}.items():
            assert (
                area(found.oddness_of[part][kind == name], found.oddness_of[part][kind == ""]) > 0.9
            )
        of = found.oddness_of["channels"]
        assert area(of[kind == "night_owl"], of[kind == ""]) < 0.75

    def test_the_day_of_a_burst_is_found(self, scored):
        _, given, kind, found = scored
        day = given.dense().any((3,)).sum(2).argmax(1)
        expected = np.datetime64(OFFICE.start) + day.astype("timedelta64[D]")
        assert (found.date == expected)[kind == "burst"].mean() > 0.9

    def test_without_odd_peers_they_are_odder(self, scored):
        """A tenth of all are odd, which raises the median of peers and their deviation.

        Of Gaussian peers of whom a share e is odd, the median m has Phi(m) = 0.5 / (1 - e), and the
        deviation s has Phi(m + s) - Phi(m - s) = 0.5 / (1 - e). Without them whoever is 3 standard
        deviations away is 1.20 times as odd for e = 0.1, and 1.55 times for e = 0.2. With five
        seeds it is 1.22 to 1.61 times.
        """
        run, given, kind, found = scored
        own = score(
            run, given.take(kind == "shuffled"), against=given.take(kind == ""), samples=5
        ).oddness
        before = found.oddness[kind == "shuffled"]
        assert 1.1 < np.median(own) / np.median(before) < 1.8
        assert np.corrcoef(own, before)[0, 1] > 0.85  # with five seeds 0.93 to 0.97


class TestLikelihood:
    @pytest.fixture(scope="class")
    @staticmethod
    def tiny() -> Rhythm:
        """A model of few profiles, whose latents matter; its q is broad, for few draws."""
        torch.manual_seed(3)
        axes = Axes(dt.date(2018, 2, 1), 2, 720, ("a",))
        model = Rhythm(
            axes, RhythmConfig(hidden=8, channel_width=4, latents=1, day_latents=1, components=2)
        ).eval()
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_(0.2 * torch.randn_like(weight))
            for q in (model.q_u, model.q_z):
                *_, last = (layer for layer in q.modules() if isinstance(layer, torch.nn.Linear))
                last.weight.mul_(0.1)
                last.bias.copy_(torch.tensor([0.0, 1.0]))
        return model

    def test_it_is_how_often_a_profile_is_drawn(self, tiny):
        draws = 20_000
        with torch.no_grad():
            drawn, seen = tiny.sample(draws, Generator().manual_seed(0)).unique(
                dim=0, return_counts=True
            )
            common = seen.argsort(descending=True)[:12]
            copies = drawn[common].repeat_interleave(400, 0)
            found = (
                tiny.score(copies, 5, Generator().manual_seed(1))
                .log_likelihood.exp()
                .unflatten(0, (12, 400))
            )
        expected = seen[common] / draws
        error = (found.var(1) / 400 + expected * (1 - expected) / draws).sqrt()
        assert ((found.mean(1) - expected).abs() < 4 * error).all()
        assert float((error / expected).median()) < 0.1

    def test_more_samples_come_nearer_from_below(self, tiny):
        with torch.no_grad():
            x = tiny.sample(1000, Generator().manual_seed(0))
            one, many = (
                tiny.score(x, samples, Generator().manual_seed(1)).log_likelihood
                for samples in (1, 30)
            )
            noise = Generator().manual_seed(2)
            bound = -torch.stack(
                list(tiny._draw(tiny._inputs(x, noise), noise).terms.values())
            ).sum(0)
        assert float(one.mean()) < float(many.mean()) - 0.02
        away = one - bound  # which with one draw is the loss's own bound, but for noise
        assert abs(float(away.mean())) < 4 * float(away.std()) / 1000**0.5

    def test_one_draw_is_the_sum_of_its_parts(self, tiny):
        with torch.no_grad():
            x = tiny.sample(50, Generator().manual_seed(0))
            found = tiny.score(x, 1, Generator().manual_seed(1))
        assert {part.shape for part in found.terms.values()} == {(50,), (50, 2)}
        total = sum(part.reshape(50, -1).sum(1) for part in found.terms.values())
        torch.testing.assert_close(found.log_likelihood, -total)

    def test_attributes_are_told(self):
        torch.manual_seed(0)
        axes = Axes(dt.date(2018, 2, 1), 9, 120, ("web", "phone", "tv"))
        model = Rhythm(axes, RhythmConfig(hidden=8, vocabulary={"plan": ["free", "paid"]})).eval()
        given = random_profiles(axes, 60)
        told = Profiles.from_dense(
            axes,
            given.dense(),
            pa.table({"user": np.arange(60), "plan": ["paid", "free", "other"] * 20}),
        )
        found = score(run_of(model), told, samples=2).likelihoods.log_likelihood
        codes = torch.tensor([[2], [1], [0]] * 20)
        seed = int(np.random.SeedSequence([0, 0]).generate_state(1)[0])
        with torch.no_grad():
            expected = model.score(
                Examples(
                    torch.from_numpy(given.dense()), codes, model.conditioning.days().for_each(60)
                ),
                2,
                Generator().manual_seed(seed),
            ).log_likelihood
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        assert (
            np.abs(found - score(run_of(model), given, samples=2).likelihoods.log_likelihood).max()
            > 1e-3
        )


class TestOddness:
    def test_against_a_loop(self):
        rng = np.random.default_rng(0)
        slots = rng.integers(0, 60, 40)
        theirs = rng.integers(1, 40, 900)
        values = rng.gamma(2, 1, (40, 2))
        of_theirs = rng.gamma(2, 1, (900, 2))
        expected = np.empty((40, 2))
        for user in range(40):
            away = [abs(np.log((1 + k) / (1 + slots[user]))) for k in theirs]
            radius = sorted(away)[89]
            peers = np.array([of_theirs[v] for v in range(900) if away[v] <= radius + 1e-12])
            middle = np.median(peers, 0)
            expected[user] = (values[user] - middle) / (
                1.4826 * np.median(np.abs(peers - middle), 0)
            )
        np.testing.assert_allclose(oddness(slots, values, theirs, of_theirs), expected)

    def test_a_gaussians_is_a_z_score(self):
        rng = np.random.default_rng(0)
        slots = rng.integers(5, 9, 8000)
        values = rng.normal(3 * slots, slots)  # mean and spread depend on how active
        found = oddness(slots, values[:, None], slots, values[:, None])[:, 0]
        assert abs(spearmanr(found, slots).statistic) < 0.03
        for k in range(5, 9):
            assert found[slots == k].std() == pytest.approx(1, abs=0.06)

    def test_odd_peers_hardly_move_it(self):
        rng = np.random.default_rng(0)
        slots = np.full(500, 7)
        values = rng.normal(size=(500, 1))
        spoilt = values.copy()
        spoilt[:25] += 1000
        clean, moved = (
            oddness(slots[:1], np.array([[4.0]]), slots, each)[0, 0] for each in (values, spoilt)
        )
        assert moved == pytest.approx(clean, rel=0.15)

    def test_users_who_are_all_the_same_are_not_odd(self):
        assert (oddness(np.ones(60), np.ones((60, 1)), np.ones(60), np.ones((60, 1))) == 0).all()


class TestScores:
    def test_activity_and_order(self, axes, population):
        found = score(run_of(Fixed(axes)), population, samples=1)
        x = population.dense()
        np.testing.assert_array_equal(found.likelihoods.active_slots, x.any(3).sum((1, 2)))
        np.testing.assert_array_equal(found.likelihoods.events, x.sum((1, 2, 3)))
        np.testing.assert_array_equal(found.likelihoods.parts["cells"], x.sum((1, 2, 3)))
        np.testing.assert_array_equal(found.likelihoods.day, x.sum((2, 3)).argmax(1))
        np.testing.assert_array_equal(found.likelihoods.day_nats, x.sum((2, 3)).max(1))
        assert found.users.equals(population.users)
        assert sorted(found.rank) == list(range(1, len(population) + 1))
        assert (np.diff(found.oddness[np.argsort(found.rank)]) <= 0).all()

    def test_pieces_are_bounded_and_progress_counts_all(self, axes, population, monkeypatch):
        monkeypatch.setattr(scoring, "MOST_PROFILES", 50)
        model = Fixed(axes)
        told = []
        score(
            run_of(model),
            population,
            against=population,
            samples=2,
            on_progress=lambda *step: told.append(step),
        )
        assert told == [(done, 240, "scoring") for done in (50, 100, 120, 170, 220, 240)]
        assert max(shape[0] for shape in model.told) == 50

    def test_only_the_others_are_compared_with(self, axes, population):
        some = population.slice(0, 20)
        others = population.slice(20, 120)
        found = score(run_of(Fixed(axes)), some, against=others, samples=1)
        x = population.dense()
        slots = x.any(3).sum((1, 2))
        nats = (x.sum((1, 2, 3)) / slots)[:, None]  # of the part that Fixed does not toss
        expected = oddness(slots[:20], nats[:20], slots[20:], nats[20:])[:, 0]
        np.testing.assert_allclose(found.oddness_of["cells"], expected, rtol=1e-6)

    def test_from_disk_is_as_from_memory_and_seeds_decide(self, axes, population, tmp_path):
        stored = save(tmp_path / "people", [population], axes)
        run = run_of(Fixed(axes))
        one, same, other = (
            score(run, each, seed=s) for each, s in ((population, 0), (stored, 0), (stored, 1))
        )
        np.testing.assert_array_equal(one.oddness, same.oddness)
        assert (one.oddness != other.oddness).any()

    def test_windows_have_dates_of_their_own(self, axes, population):
        starts = np.datetime64("2020-01-01") + np.arange(len(population))
        users = population.users.append_column("window_start", pa.array(starts))
        windows = Profiles.from_dense(axes, population.dense(), users)
        found = score(run_of(Fixed(axes)), windows, samples=1)
        np.testing.assert_array_equal(found.date, starts + found.likelihoods.day)

    def test_users_without_activity_have_a_score(self, axes, population):
        x = population.dense()
        x[:3] = 0
        found = score(run_of(Fixed(axes)), Profiles.from_dense(axes, x))
        assert np.isfinite(found.oddness).all()
        assert (found.likelihoods.active_slots[:3] == 0).all()

    @pytest.mark.parametrize("name", ["scores.parquet", "scores.csv"])
    def test_files(self, axes, population, tmp_path, name):
        found = score(run_of(Fixed(axes)), population, samples=1)
        write_scores(tmp_path / name, found)
        table = (pyarrow.csv.read_csv if name.endswith("csv") else pq.read_table)(tmp_path / name)
        assert table.column_names == [
            *(
                "user",
                "rank",
                "oddness",
                "log_likelihood",
                "nats_per_active_slot",
                "active_slots",
                "events",
            ),
            *(
                "oddest_part",
                "least_likely_day",
                "oddness_of_cells",
                "oddness_of_user",
                "oddness_of_one_day",
            ),
        ]
        np.testing.assert_allclose(table["oddness"], found.oddness)
        assert table["user"].to_pylist() == list(range(len(population)))
        nats = -np.array(table["log_likelihood"]) / np.array(table["active_slots"])
        np.testing.assert_allclose(table["nats_per_active_slot"], nats)

    def test_what_cannot_be(self, axes, population):
        run = run_of(Fixed(axes))
        with pytest.raises(
            ValueError, match=f"at least {LEAST_PEERS} users to compare with, got 10"
        ):
            score(run, population.slice(0, 10))
        with pytest.raises(ValueError, match="samples must be at least 1"):
            score(run, population, samples=0)
        with pytest.raises(ValueError, match="expected profiles of unit count, got peak"):
            score(run, population.in_unit("peak"))
        users = population.users.append_column("rank", population.users["user"])
        with pytest.raises(ValueError, match="attribute 'rank', as a score is called"):
            score(run, Profiles.from_dense(axes, population.dense(), users)).table()


@pytest.fixture(scope="module")
def folder(tmp_path_factory, axes):
    path = tmp_path_factory.mktemp("score")
    torch.manual_seed(0)
    about = {"profiles": 120, "active_share": [0.5] * axes.days}
    history = {"step": [1.0], "loss": [2.0]}
    models = {
        "run": Rhythm(axes, RhythmConfig(hidden=8)),
        "vae": BetaVAE(axes, BetaVAEConfig(latents=2)),
    }
    for name, model in models.items():
        Run(model, None, {}, history, about).save(path / name)
    people = random_profiles(axes, 120)
    few = Axes(axes.start, 8, 120, axes.channels)
    sets = {"people": people, "ten": people.slice(0, 10), "nobody": people.take([])}
    for name, profiles in {**sets, "short": random_profiles(few, 60)}.items():
        save(path / name, [profiles], profiles.axes)
    return path


@pytest.fixture
def here(folder, monkeypatch):
    monkeypatch.chdir(folder)


@pytest.mark.usefixtures("here")
class TestCommand:
    def test_a_table_of_the_oddest_and_a_file_of_all(self, capsys):
        code, out, _ = call(
            capsys, "score", "run", "people", "--samples", "2", "--top", "3", "--out", "s.parquet"
        )
        assert code == 0
        rows = [line.split() for line in out.splitlines() if line.split()[0].isdigit()]
        table = pq.read_table("s.parquet")
        oddest = sorted(table.to_pylist(), key=lambda row: row["rank"])[:3]
        assert [row[1] for row in rows] == [str(row["user"]) for row in oddest]
        assert "s.parquet: 120 profiles" in out

    def test_ten_users_against_others(self, capsys):
        args = ("--samples", "2", "--against", "people", "--out", "ten.csv", "--top", "0")
        assert call(capsys, "score", "run", "ten", *args)[0] == 0
        assert len(pyarrow.csv.read_csv("ten.csv")) == 10

    @pytest.mark.parametrize(
        ("args", "words"),
        [
            (("vae", "people"), "a BetaVAE does not say how likely users are"),
            (("run", "short"), "days differ: 9 against 8"),
            (("run", "nobody"), "expected profiles to score, got none"),
            (("run", "ten"), "at least 50 users to compare with, got 10"),
            (("run", "ten", "--against", "short"), "days differ: 9 against 8"),
            (("run", "absent"), "expected a folder of habitus profiles"),
        ],
    )
    def test_errors_are_one_line(self, capsys, args, words):
        code, out, err = call(capsys, "score", *args, "--out", "x.parquet")
        assert code == 2
        assert words in err
        assert (out, err.count("\n")) == ("", 1)

    def test_the_output_is_a_file_with_a_name_that_says_what(self, capsys, folder):
        words = (
            "a table of scores is written as Parquet or CSV, got scores; "
            "end its name in .parquet or .csv"
        )
        assert words in call(capsys, "score", "run", "people", "--out", "scores")[2]
        (folder / "made.csv").mkdir()
        assert (
            "made.csv is a folder" in call(capsys, "score", "run", "people", "--out", "made.csv")[2]
        )
        shutil.copytree(folder / "people", folder / "people.csv")
        assert (
            "would be replaced"
            in call(capsys, "score", "run", "people.csv", "--out", "people.csv")[2]
        )
