"""Filled cells and days ahead: known cells stay, seeds repeat, gaps are where the file says."""

import csv
import dataclasses
import datetime as dt
import itertools
import threading
from collections import defaultdict
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import habitus
from conftest import random_profiles
from habitus.evaluation.completion.paired import paired
from habitus.models.base import CompletingModel, Completion, Loss
from habitus.models.context_mixture.model import ContextMixture, ContextMixtureConfig
from habitus.models.parts.masks import parse_mask
from habitus.models.pictures.beta_vae import BetaVAE, BetaVAEConfig
from habitus.models.pictures.context_vae import ContextVAE, ContextVAEConfig
from habitus.profiles.completed import (
    FILLED,
    MEAN_FLOOR,
    TOTALS,
    CompletedPiece,
    StoredCompleted,
    is_completed,
    open_profiles,
    pack,
    runs,
    unpack,
)
from habitus.profiles.gaps import read_missing
from habitus.profiles.sparse import Profiles
from habitus.profiles.store import StoredProfiles, save
from habitus.profiles.totals import QUANTILES, daily_totals
from habitus.profiles.windows import Later, cut, later
from habitus.run import Run
from habitus.schema import Axes, Filled
from habitus.synthesis import (
    CompleteConfig,
    complete,
    complete_to,
    completion,
    forecast,
    forecast_to,
)

MONDAY = dt.date(2018, 2, 5)
AXES = Axes(MONDAY, 16, 240, ("web", "phone"))  # 16 days of 6 slots


class Replays(CompletingModel):
    """Fills day d with the known cells of a week before, and adds a coin's toss."""

    def __init__(self, axes: Axes, unit: str = "count", share: float = 0.0) -> None:
        super().__init__()
        self.axes = axes
        self.config = None
        self._unit = unit
        self.share = share

    @property
    def unit(self) -> str:
        return self._unit

    @property
    def exact_zeros(self) -> bool:
        return self.share == 0

    @property
    def forecast_days(self) -> int:
        return self.axes.days // 2

    def check_mask(self, missing, text):
        """Any will do."""

    def loss(self, x, generator):
        return Loss(x.sum(), {})

    def complete(self, x, missing, samples, generator):
        known = torch.where(missing, 0.0, x)
        before = torch.cat([torch.zeros_like(known[:, :7]), known[:, :-7]], 1)[missing]
        toss = torch.randint(0, 2, (samples, len(before)), generator=generator).float()
        draws = torch.rand(toss.shape, generator=generator) if self.share else before + toss
        return Completion(before + 0.5, draws)


def replays(axes: Axes = AXES, **settings) -> Run:
    return Run(Replays(axes, **settings), None, {}, {}, {"active_share": [0.3] * axes.days})


def untrained(kind, config, axes: Axes = AXES) -> Run:
    torch.manual_seed(0)
    return Run(kind(axes, config).eval(), None, {}, {}, {"active_share": [0.5] * axes.days})


@pytest.fixture(scope="module")
def people() -> Profiles:
    """Forty users; counts up to beyond what float32 can tell apart."""
    made = random_profiles(AXES, 40, density=0.2)
    values = made.values.copy()
    values[::7] += np.uint32(2**31 + 3)
    return dataclasses.replace(made, values=values)


@pytest.fixture
def small_pieces(monkeypatch):
    monkeypatch.setattr(completion, "MOST_PROFILES", 7)


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def exact(profiles: Profiles) -> np.ndarray:
    """Values [U, cells] without rounding."""
    out = np.zeros((len(profiles), profiles.axes.cells), np.float64)
    out[profiles.row_of_cell(), profiles.cells] = profiles.values
    return out


def hidden(made: habitus.Completed | StoredCompleted) -> np.ndarray:
    """The missing cells of every profile, [U, cells]."""
    out = np.zeros((len(made), made.axes.cells), bool)
    first = 0
    for piece in made.pieces():
        out[first + piece.row, piece.cell] = True
        first += piece.profiles
    assert first == len(made)
    return out


def joined(made: habitus.Completed | StoredCompleted) -> tuple[np.ndarray, np.ndarray]:
    """Means [M] and draws [K, M] of all pieces."""
    pieces = list(made.pieces())
    return np.concatenate([p.mean for p in pieces]), np.concatenate(
        [p.draws for p in pieces], axis=1
    )


MASKS = [
    "centre",
    "bottom",
    "last:3",
    "channel:phone",
    "rectangle:3-5,0-2",
    "cells:0.3",
    "blocks:0.2",
    "any",
]


class TestKnownAndMissing:
    @pytest.mark.parametrize("mask", MASKS)
    def test_known_cells_stay_and_missing_ones_hold_the_first_draw(
        self, people, mask, small_pieces
    ):
        made = complete(replays(), people, mask, samples=3, seed=1)
        missing = hidden(made)
        before = exact(people)
        after = exact(made.profiles)
        assert missing.any(1).all()
        np.testing.assert_array_equal(before[~missing], after[~missing])
        np.testing.assert_array_equal(after[missing], joined(made)[1][0])
        assert made.profiles.values.dtype == np.uint32
        assert before.max() > 2**31
        assert made.users.equals(people.users)
        for profile in range(len(people)):
            cells = made.profiles.cells[
                made.profiles.indptr[profile] : made.profiles.indptr[profile + 1]
            ]
            assert (np.diff(cells) > 0).all()
        assert (made.profiles.values > 0).all()

    def test_peaks_are_the_same_floats(self, people):
        run = replays(unit="peak", share=0.5)
        made = complete(run, people, "centre", samples=2, threshold=0.4)
        missing = hidden(made)
        np.testing.assert_array_equal(
            exact(people.in_unit("peak"))[~missing], exact(made.profiles)[~missing]
        )
        assert made.axes.unit == "peak"
        assert made.profiles.values.dtype == np.float32

    def test_the_mask_is_where_it_was_asked_for(self, people):
        made = complete(replays(), people, "centre", samples=1)
        expected = parse_mask("centre", AXES).fixed
        assert (hidden(made) == expected.ravel()).all()

    def test_what_was_hidden_was_not_read(self, people):
        """The same completion of profiles whose hidden cells were emptied."""
        missing = parse_mask("last:4", AXES).fixed
        emptied = Profiles.from_dense(
            AXES, np.where(missing, 0, exact(people).reshape(people.shape))
        )
        for run in (replays(), untrained(ContextMixture, ContextMixtureConfig())):
            one, other = (complete(run, each, "last:4", samples=2) for each in (people, emptied))
            np.testing.assert_array_equal(joined(one)[1], joined(other)[1])
            np.testing.assert_array_equal(exact(one.profiles), exact(other.profiles))

    def test_a_mask_as_an_array(self, people):
        missing = parse_mask("centre", AXES).fixed
        made, named = (complete(replays(), people, mask, samples=2) for mask in (missing, "centre"))
        np.testing.assert_array_equal(exact(made.profiles), exact(named.profiles))
        assert made.profiles.about["completed"]["mask"] == "given"

    def test_a_mask_for_each_profile(self, people, small_pieces):
        missing = np.random.default_rng(0).random(people.shape) < 0.2
        missing[3] = False
        missing[7:21] = False  # two whole pieces without any gap
        made = complete(replays(), people, missing, samples=2)
        np.testing.assert_array_equal(hidden(made), missing.reshape(len(people), -1))
        np.testing.assert_array_equal(exact(made.profiles)[3], exact(people)[3])

    def test_a_mask_for_each_profile_with_a_real_model(self, people, tmp_path, small_pieces):
        missing = np.random.default_rng(0).random(people.shape) < 0.2
        missing[7:21] = False
        run = untrained(ContextMixture, ContextMixtureConfig(width=8, heads=2))
        stored = complete_to(tmp_path / "made", run, people, CompleteConfig("mine", 2), missing)
        np.testing.assert_array_equal(hidden(stored), missing.reshape(len(people), -1))

    def test_pieces_do_not_change_what_is_known(self, people, monkeypatch):
        whole = complete(replays(), people, "any", samples=2)
        monkeypatch.setattr(completion, "MOST_PROFILES", 3)
        made = complete(replays(), people, "bottom", samples=2)
        assert [part.profiles for part in made.parts] == [3] * 13 + [1]
        for each in (whole, made):
            missing = hidden(each)
            np.testing.assert_array_equal(exact(people)[~missing], exact(each.profiles)[~missing])

    def test_draws_made_together_are_bounded(self, people, monkeypatch):
        """A piece holds as many profiles as its draws allow, and one at least."""
        monkeypatch.setattr(
            completion, "PIECE_VALUES", 4 * 2 * 3 * 12
        )  # four profiles, K 2, three days of 12
        assert {
            part.profiles for part in complete(replays(), people, "last:3", samples=2).parts
        } == {4}
        assert {
            part.profiles for part in complete(replays(), people, "last:3", samples=99).parts
        } == {1}

    def test_draws_of_counts_are_whole(self, people):
        run = untrained(ContextMixture, ContextMixtureConfig(width=8, heads=2))
        made = complete(run, people, "last:3", samples=4)
        draws = joined(made)[1]
        np.testing.assert_array_equal(draws, np.round(draws))


class TestSeeds:
    @pytest.mark.parametrize("mask", ["centre", "any"])
    def test_same_seed_same_files_and_another_seed_others(self, people, tmp_path, mask):
        run = untrained(ContextMixture, ContextMixtureConfig(width=8, heads=2))
        for name, seed in (("a", 3), ("b", 3), ("c", 4)):
            complete_to(tmp_path / name, run, people, CompleteConfig(mask, 2, seed))
        files = sorted(path.name for path in (tmp_path / "a").iterdir())
        assert files == sorted(["habitus.json", "profiles.parquet", FILLED, TOTALS])
        assert all(
            (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
            for name in files
        )
        assert (tmp_path / "a" / FILLED).read_bytes() != (tmp_path / "c" / FILLED).read_bytes()

    def test_masks_that_differ_by_profile_come_from_the_seed(self, people):
        one, same, other = (
            hidden(complete(replays(), people, "any", samples=1, seed=s)) for s in (1, 1, 2)
        )
        np.testing.assert_array_equal(one, same)
        assert (one != other).any()

    @pytest.mark.parametrize("mask", ["centre", "any"])
    @pytest.mark.parametrize("unit", ["count", "peak"])
    def test_in_memory_is_as_on_disk(self, people, tmp_path, small_pieces, mask, unit):
        run = replays(unit=unit, share=0.5 if unit == "peak" else 0.0)
        memory = complete(run, people, mask, samples=3, seed=2)
        disk = complete_to(tmp_path / "made", run, people, CompleteConfig(mask, 3, 2))
        np.testing.assert_array_equal(exact(memory.profiles), exact(disk.load()))
        np.testing.assert_array_equal(hidden(memory), hidden(disk))
        (mean, draws) = joined(memory)
        (kept, same) = joined(disk)
        np.testing.assert_array_equal(draws, same)
        np.testing.assert_allclose(mean, kept, atol=MEAN_FLOOR * mean.max())
        assert (memory.samples, len(memory), memory.axes) == (disk.samples, len(disk), disk.axes)

    def test_from_disk_is_as_from_memory(self, people, tmp_path):
        stored = save(tmp_path / "people", [people], AXES)
        one, other = (complete(replays(), each, "any", samples=2) for each in (people, stored))
        np.testing.assert_array_equal(exact(one.profiles), exact(other.profiles))

    def test_whoever_takes_no_more_does_not_wait_for_what_is_queued(
        self, people, small_pieces, two_threads
    ):
        """Two threads get five of six pieces before the first is taken: one of them never begins."""
        run = replays()
        begun = []
        number = itertools.count()
        first = run.model.complete
        closing = threading.Event()

        def slow(*arguments):
            mine = next(number)
            begun.append(mine)
            assert mine < 2 or closing.wait(60)  # either thread may have the first piece
            return first(*arguments)

        run.model.complete = slow
        pieces = completion.Completing(run, people, CompleteConfig("centre", 1)).pieces()
        next(pieces)
        threading.Timer(0.5, closing.set).start()  # those that have begun end while close waits
        pieces.close()
        assert len(begun) <= 4
        assert torch.get_num_threads() == 2

    def test_progress_counts_profiles(self, people, tmp_path, small_pieces):
        told = []
        complete_to(
            tmp_path / "made",
            replays(),
            people,
            CompleteConfig("centre", 1),
            on_progress=lambda done, total, stage: told.append((done, total)),
        )
        assert told == [(done, 40) for done in (7, 14, 21, 28, 35, 40)]


class TestOnDisk:
    @settings(max_examples=60, deadline=None)
    @given(data=st.data())
    def test_unpacked_is_what_was_packed(self, data):
        users = data.draw(st.integers(1, 5))
        samples = data.draw(st.integers(1, 4))
        axes = Axes(MONDAY, 3, 720, ("a", "b"), unit=data.draw(st.sampled_from(["count", "peak"])))
        rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
        fixed = data.draw(st.booleans())
        missing = rng.random((1 if fixed else users, axes.cells)) < data.draw(st.floats(0, 1))
        missing = np.broadcast_to(missing, (users, axes.cells))
        row, cell = np.nonzero(missing)
        draws = rng.poisson(0.5, (samples, len(row))).astype(np.float32) / (
            1 if axes.unit == "count" else 8
        )
        mean = (rng.random(len(row)) ** 8).astype(np.float32)
        filled = Filled(users, row, cell, mean, draws)
        piece = CompletedPiece(Profiles.from_dense(axes, np.zeros((users, *axes.shape))), filled)
        table = pack(piece, with_gaps=not fixed)
        again = unpack(table, runs(missing[0]) if fixed else None, samples, missing[0].size)
        assert again.profiles == users
        for name in ("row", "cell", "draws"):
            np.testing.assert_array_equal(getattr(again, name), getattr(filled, name))
        largest = np.array([mean[row == each].max(initial=0) for each in row], np.float32)
        np.testing.assert_array_equal(again.mean, np.where(mean > MEAN_FLOOR * largest, mean, 0))

    def test_one_huge_user_leaves_the_others_their_expected_values(self, tmp_path):
        counts = np.ones((3, *AXES.shape), np.int64)
        counts[1] = 10**6
        made = complete_to(
            tmp_path / "made",
            replays(),
            Profiles.from_dense(AXES, counts),
            CompleteConfig("last:3", 1),
        )
        mean = joined(made)[0].reshape(3, -1)
        np.testing.assert_array_equal(
            mean, np.broadcast_to([[1.5], [10**6 + 0.5], [1.5]], mean.shape)
        )

    def test_runs(self):
        for seed in range(50):
            missing = np.random.default_rng(seed).random(30) < 0.5
            found = np.zeros(30, bool)
            last = -1
            for start, stop in runs(missing):
                assert last < start < stop  # none touches the one before
                found[start:stop] = True
                last = stop
            np.testing.assert_array_equal(found, missing)

    def test_draws_are_unpacked_a_few_profiles_at_a_time(self, people, tmp_path, monkeypatch):
        made = complete_to(tmp_path / "made", replays(), people, CompleteConfig("last:3", 2))
        whole = joined(made)[1]
        monkeypatch.setattr("habitus.profiles.completed.DENSE_VALUES", 5 * 2 * 36)
        assert [piece.profiles for piece in made.pieces()] == [5] * 8
        np.testing.assert_array_equal(joined(made)[1], whole)

    def test_a_folder_of_completed_profiles_is_one_of_profiles(self, people, tmp_path):
        complete_to(tmp_path / "made", replays(), people, CompleteConfig("centre", 2))
        made = habitus.load(tmp_path / "made")
        assert isinstance(made, habitus.StoredCompleted)
        assert is_completed(tmp_path / "made")
        assert made.samples == 2
        assert made.gaps == runs(parse_mask("centre", AXES).fixed)
        plain = StoredProfiles.open(tmp_path / "made")
        np.testing.assert_array_equal(exact(plain.load()), exact(made.load()))
        assert plain.about["completed"]["mask"] == "centre"
        save(tmp_path / "people", [people], AXES)
        assert not is_completed(tmp_path / "people")
        assert type(open_profiles(tmp_path / "people")) is StoredProfiles

    def test_masks_that_differ_have_no_common_gaps(self, people, tmp_path):
        made = complete_to(tmp_path / "made", replays(), people, CompleteConfig("cells:0.2", 2))
        assert made.gaps is None

    def test_an_error_on_the_way_leaves_nothing(self, people, tmp_path, small_pieces):
        missing = np.zeros(people.shape, bool)
        missing[:, 0] = True
        missing[30] = True
        with pytest.raises(ValueError, match="hide every cell of profile 30"):
            complete_to(tmp_path / "made", replays(), people, CompleteConfig("mine", 2), missing)
        assert list(tmp_path.iterdir()) == []


class TestThreshold:
    def test_it_is_applied_to_what_is_drawn_only(self, people):
        run = replays(unit="peak", share=0.5)
        made = complete(run, people, "centre", samples=3, threshold=0.6)
        free = complete(run, people, "centre", samples=3, threshold=0)
        missing = hidden(made)
        draws = joined(made)[1]
        assert ((draws == 0) | (draws > 0.6)).all()
        np.testing.assert_array_equal(draws, np.where(joined(free)[1] > 0.6, joined(free)[1], 0))
        np.testing.assert_array_equal(joined(made)[0], joined(free)[0])
        known = exact(made.profiles)[~missing]
        assert ((known > 0) & (known < 0.6)).any()
        np.testing.assert_array_equal(known, exact(people.in_unit("peak"))[~missing])

    def test_it_is_fitted_so_that_as_many_are_active_as_in_training(self):
        people = random_profiles(AXES, 300, density=0.05)
        run = replays(unit="peak", share=0.5)
        made = complete(run, people, "last:4", samples=1)
        active = made.profiles.dense()[:, -4:].any((2, 3)).mean()
        assert 0.5 < made.profiles.about["zero_threshold"] < 1
        assert active == pytest.approx(0.3, abs=0.02)

    def test_models_with_true_zeros_have_none(self, people):
        assert (
            complete(replays(), people, "centre", samples=1).profiles.about["zero_threshold"] == 0
        )

    def test_binary_profiles_are_whole_where_there_is_a_threshold(self, people):
        run = untrained(BetaVAE, BetaVAEConfig(normalisation="binary", latents=2))
        for threshold in (None, 0.01):
            made = complete(run, people, "centre", samples=2, threshold=threshold)
            assert set(np.unique(joined(made)[1])) <= {0.0, 1.0}
            assert set(made.profiles.values.tolist()) == {1.0}

    @pytest.mark.parametrize("setting", [{"samples": 0}, {"threshold": 1.0}, {"threshold": -0.1}])
    def test_impossible_settings_are_refused(self, setting):
        with pytest.raises(ValueError, match=next(iter(setting))):
            CompleteConfig(**setting)


class TestDailyTotals:
    @pytest.mark.parametrize("mask", ["centre", "last:3", "cells:0.1", "any"])
    def test_they_are_those_of_a_loop(self, mask, tmp_path):
        people = random_profiles(AXES, 9, density=0.2)
        windows = pa.array([MONDAY + dt.timedelta(7 * (i % 3)) for i in range(9)])
        people = dataclasses.replace(
            people, users=people.users.append_column("window_start", windows)
        )
        made = complete_to(tmp_path / "made", replays(), people, CompleteConfig(mask, 5, 1))
        table = pq.read_table(tmp_path / "made" / TOTALS)
        assert table.column_names == [
            "user",
            "window_start",
            "day",
            "date",
            "known",
            "mean",
            *QUANTILES,
        ]
        rows = {(row["user"], row["day"]): row for row in table.to_pylist()}
        expected = slow_totals(made)
        assert rows.keys() == expected.keys()
        for (user, day), (known, mean, draws) in expected.items():
            row = rows[user, day]
            assert row["date"] == windows[user].as_py() + dt.timedelta(day)
            assert row["known"] == pytest.approx(known)
            assert row["mean"] == pytest.approx(known + mean, rel=1e-3)
            for name, level in QUANTILES.items():
                assert row[name] == pytest.approx(known + np.quantile(draws, level), rel=1e-6), name

    def test_nothing_missing_is_no_row(self, people):
        none = np.zeros(0, np.int64)
        filled = Filled(
            len(people), none, none, np.zeros(0, np.float32), np.zeros((4, 0), np.float32)
        )
        assert len(daily_totals(people, filled)) == 0


def test_attributes_of_the_same_names_do_no_harm(people, tmp_path):
    named = dataclasses.replace(
        people, users=people.users.append_column("day", pa.array(range(40)))
    )
    complete_to(tmp_path / "made", replays(), named, CompleteConfig("centre", 2))
    assert pq.read_table(tmp_path / "made" / TOTALS).column_names[:2] == ["user", "day"]


def slow_totals(made: StoredCompleted) -> dict[tuple[int, int], tuple[float, float, np.ndarray]]:
    """Known total, expected total of missing cells, and that of each draw, by profile and day."""
    values = exact(made.load())
    out = {}
    first = 0
    each_day = made.axes.cells // made.axes.days
    for piece in made.pieces():
        missing = defaultdict(list)
        for index, (row, cell) in enumerate(
            zip(piece.row.tolist(), piece.cell.tolist(), strict=True)
        ):
            missing[first + row, cell // each_day].append((index, cell))
        for (user, day), cells in missing.items():
            holes = {cell for _, cell in cells}
            known = sum(
                values[user, cell]
                for cell in range(day * each_day, (day + 1) * each_day)
                if cell not in holes
            )
            index = [i for i, _ in cells]
            drawn = piece.draws[:, index].sum(1, dtype=np.float64)
            out[user, day] = (known, drawn.mean(), drawn)
        first += piece.profiles
    return out


STOCKHOLM = Axes(
    dt.date(2018, 3, 23), 4, 120, ("web", "phone"), timezone="Europe/Stockholm", every=3
)
WINDOWS = [("a", 0), ("a", 3), ("b", 0), ("c", 3)]  # user, days after the first window's start


@pytest.fixture(scope="module")
def windowed() -> Profiles:
    users = pa.table(
        {
            "user": [user for user, _ in WINDOWS],
            "window_start": pa.array(
                [STOCKHOLM.start + dt.timedelta(after) for _, after in WINDOWS], pa.date32()
            ),
        }
    )
    return Profiles.from_dense(
        STOCKHOLM, np.ones((len(WINDOWS), *STOCKHOLM.shape), np.uint8), users
    )


def slow_gaps(gaps, zone: str | None = None) -> np.ndarray:
    """Missing cells [U, D, S, C]: every slot against every gap, in local time."""
    out = np.zeros((len(WINDOWS), *STOCKHOLM.shape), bool)
    length = dt.timedelta(minutes=STOCKHOLM.slot_minutes)
    for number, (user, after) in enumerate(WINDOWS):
        start = dt.datetime.combine(STOCKHOLM.start + dt.timedelta(after), dt.time())
        for name, first, last, channel in gaps:
            if zone:
                first, last = (
                    t.replace(tzinfo=dt.UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
                    for t in (first, last)
                )
            for day in range(STOCKHOLM.days):
                for slot in range(STOCKHOLM.slots):
                    begins = start + dt.timedelta(day) + slot * length
                    if name == user and first < begins + length and begins < last:
                        which = slice(None) if not channel else STOCKHOLM.channels.index(channel)
                        out[number, day, slot, which] = True
    return out


def at(day: int, hour: int, minute: int = 0, second: int = 0) -> dt.datetime:
    return dt.datetime(2018, 3, day, hour, minute, second)


GAPS = [
    ("a", at(24, 3, 59), at(24, 8, 1), ""),
    ("a", at(24, 6), at(24, 12), "phone"),  # overlaps the one before
    ("a", at(26, 22), at(27, 4), ""),  # the end of one window, within another
    ("a", at(22, 1), at(23, 5), "web"),  # begins before the window
    ("b", at(26, 23, 30), at(29, 1), ""),  # ends after it
    ("b", at(24, 10), at(24, 10, 0, 1), "phone"),  # a second, at a slot's start
    ("b", at(24, 13, 59, 59), at(24, 14), "web"),  # a second, at a slot's end
    ("c", at(1, 0), at(2, 0), ""),  # in no window
    ("c", at(26, 0), at(26, 2), "web"),
]


def gaps_file(path, gaps, kind: str = "csv", zone: str | None = None):
    columns = dict(
        zip(("user", "from", "to", "channel"), map(list, zip(*gaps, strict=True)), strict=True)
    )
    table = pa.table(columns)
    if zone:
        for name in ("from", "to"):
            index = table.column_names.index(name)
            table = table.set_column(index, name, table[name].cast(pa.timestamp("us", "UTC")))
    if kind == "csv":
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([columns.keys(), *(zip(*columns.values(), strict=True))])
    else:
        pq.write_table(table, path)
    return path


class TestGaps:
    @pytest.mark.parametrize("kind", ["csv", "parquet"])
    def test_every_slot_of_which_a_part_lies_within(self, windowed, tmp_path, kind):
        found = read_missing(gaps_file(tmp_path / f"gaps.{kind}", GAPS, kind), windowed)
        assert found.shape == windowed.shape
        np.testing.assert_array_equal(found[:], slow_gaps(GAPS))
        np.testing.assert_array_equal(found[1:3], slow_gaps(GAPS)[1:3])
        assert not found[2:2].size

    def test_times_with_a_zone_are_those_instants(self, windowed, tmp_path):
        """Across the clock change of 25 March 2018."""
        gaps = [*GAPS, ("a", at(25, 0, 30), at(25, 1, 30), "")]
        found = read_missing(
            gaps_file(tmp_path / "gaps.parquet", gaps, "parquet", zone="UTC"), windowed
        )
        np.testing.assert_array_equal(found[:], slow_gaps(gaps, zone=STOCKHOLM.timezone))
        text = tmp_path / "gaps.csv"
        text.write_text("user,from,to\na,2018-03-24T10:00:00Z,2018-03-24T11:00:00Z\n")
        one = [("a", at(24, 10), at(24, 11), "")]
        np.testing.assert_array_equal(
            read_missing(text, windowed)[:], slow_gaps(one, zone=STOCKHOLM.timezone)
        )

    @pytest.mark.parametrize(
        "text",
        [
            "user,from,to\na,2018-03-24,2018-03-25\n",
            "user,from,to\na,2018-03-24 00:00,2018-03-25 00:00\n",
            "user,from,to\na,2018-03-24T00:00:00,2018-03-25\n",
            "note,to,from,user,channel\nill,2018-03-25,2018-03-24,a,\n",
            "user,from,to,channel\na,2018-03-24,2018-03-25,web\na,2018-03-24,2018-03-25,phone\n",
        ],
    )
    def test_ways_of_writing_one_day(self, windowed, tmp_path, text):
        path = tmp_path / "gaps.csv"
        path.write_text(text)
        np.testing.assert_array_equal(
            read_missing(path, windowed)[:], slow_gaps([("a", at(24, 0), at(25, 0), "")])
        )

    @pytest.mark.parametrize(
        "kind",
        [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())],
        ids=str,
    )
    def test_types_of_text(self, windowed, tmp_path, kind):
        texts = {"user": "a", "from": "2018-03-24", "to": "2018-03-25"}
        table = {name: pa.array([text]).cast(kind) for name, text in texts.items()}
        pq.write_table(pa.table(table), tmp_path / "gaps.parquet")
        found = read_missing(tmp_path / "gaps.parquet", windowed)
        np.testing.assert_array_equal(found[:], slow_gaps([("a", at(24, 0), at(25, 0), "")]))

    def test_users_that_are_numbers(self, tmp_path):
        people = random_profiles(AXES, 12)
        (tmp_path / "gaps.csv").write_text(
            "user,from,to\n11,2018-02-06,2018-02-07\n3,2018-02-05,2018-02-06\n"
        )
        missing = read_missing(tmp_path / "gaps.csv", people)[:]
        assert np.argwhere(missing.all((2, 3))).tolist() == [[3, 0], [11, 1]]
        assert missing.any((2, 3)).sum() == 2

    def test_names_of_another_type_than_in_the_profiles(self, windowed, tmp_path):
        (tmp_path / "gaps.csv").write_text("user,from,to\n7,2018-03-24,2018-03-25\n")
        with pytest.raises(
            ValueError, match="no profile of user '7'; name users as in the profiles"
        ):
            read_missing(tmp_path / "gaps.csv", windowed)

    def test_a_table_without_a_user_or_with_words_for_numbers(self, tmp_path):
        (tmp_path / "gaps.csv").write_text("user,from,to\nabc,2018-02-06,2018-02-07\n")
        with pytest.raises(ValueError, match="users are string, in the profiles int64"):
            read_missing(tmp_path / "gaps.csv", random_profiles(AXES, 3))

    def test_several_arrays_are_not_one(self, windowed, tmp_path):
        np.savez(tmp_path / "two.npz", a=np.ones(1), b=np.ones(1))
        (tmp_path / "two.npz").rename(tmp_path / "two.npy")
        with pytest.raises(ValueError, match="holds several arrays"):
            read_missing(tmp_path / "two.npy", windowed)

    def test_an_array(self, windowed, tmp_path):
        for shape in (windowed.axes.shape, windowed.shape):
            missing = np.random.default_rng(0).random(shape) < 0.5
            np.save(tmp_path / "mask.npy", missing)
            np.testing.assert_array_equal(read_missing(tmp_path / "mask.npy", windowed)[:], missing)

    def test_profiles_completed_where_their_gaps_are(self, windowed, tmp_path):
        run = untrained(ContextMixture, ContextMixtureConfig(width=8, heads=2), STOCKHOLM)
        missing = read_missing(gaps_file(tmp_path / "gaps.csv", GAPS), windowed)
        made = complete_to(tmp_path / "made", run, windowed, CompleteConfig("own gaps", 3), missing)
        np.testing.assert_array_equal(hidden(made).reshape(windowed.shape), slow_gaps(GAPS))
        assert (exact(made.load())[~hidden(made)] == 1).all()
        days = pq.read_table(tmp_path / "made" / TOTALS)
        assert set(days["user"].to_pylist()) == {"a", "b", "c"}


class TestWindows:
    def test_later_and_cut_are_slices_of_the_dense_array(self, people):
        dense = exact(people).reshape(people.shape)
        for days in (1, 7, 15):
            moved = later(people, days)
            expected = np.concatenate([dense[:, days:], np.zeros_like(dense[:, :days])], 1)
            np.testing.assert_array_equal(exact(moved).reshape(people.shape), expected)
            assert moved.axes.start == MONDAY + dt.timedelta(days)
            np.testing.assert_array_equal(
                exact(cut(people, days)).reshape(40, days, 6, 2), dense[:, :days]
            )
            assert cut(people, days).axes == dataclasses.replace(AXES, days=days)

    def test_a_population_moved_group_by_group(self, people, monkeypatch):
        monkeypatch.setattr("habitus.profiles.sparse.CHUNK", 9)
        moved = Later(people, 5)
        assert (len(moved), moved.groups, moved.axes.shape) == (40, 5, AXES.shape)
        parts = np.concatenate([exact(part) for part in moved.chunks()])
        np.testing.assert_array_equal(parts, exact(later(people, 5)))
        np.testing.assert_array_equal(exact(moved.read_group(4)), parts[36:])

    def test_windows_of_their_own_move_too(self, windowed):
        moved = later(windowed, 2)
        before, after = (each.users["window_start"].to_pylist() for each in (windowed, moved))
        assert after == [day + dt.timedelta(2) for day in before]
        assert moved.users.schema == windowed.users.schema
        assert Later(windowed, 2).users.equals(moved.users)


class TestForecast:
    @pytest.mark.parametrize("days", [1, 5, 7])
    def test_the_window_moves_by_whole_weeks_and_ends_so_many_days_later(self, people, days):
        made = forecast(replays(), people, days, samples=4)
        dense = exact(made.profiles)
        source = exact(people).reshape(people.shape)
        assert made.axes.days == 16 - 7 + days
        assert made.axes.start == MONDAY + dt.timedelta(7)
        assert made.axes.weekday(0) == AXES.weekday(0)
        shaped = dense.reshape(40, made.axes.days, 6, 2)
        np.testing.assert_array_equal(shaped[:, :9], source[:, 7:])
        missing = hidden(made).reshape(shaped.shape)
        assert missing[:, 9:].all()
        assert not missing[:, :9].any()
        np.testing.assert_array_equal(dense[missing.reshape(dense.shape)], joined(made)[1][0])
        last_week = source[:, 9 : 9 + days].astype(np.float32)
        np.testing.assert_allclose(joined(made)[0], last_week.ravel() + 0.5, rtol=1e-6)

    def test_on_disk_it_is_the_same(self, people, tmp_path):
        memory = forecast(replays(), people, 3, samples=4, seed=5)
        disk = forecast_to(tmp_path / "ahead", replays(), people, 3, 4, 5)
        np.testing.assert_array_equal(exact(memory.profiles), exact(disk.load()))
        np.testing.assert_array_equal(joined(memory)[1], joined(disk)[1])
        assert memory.axes == disk.axes
        for made in (memory.profiles, disk):
            assert made.about["completed"]["mask"] == "last:3"
        table = pq.read_table(tmp_path / "ahead" / TOTALS)
        assert set(table["date"].to_pylist()) == {
            dt.date(2018, 2, 21) + dt.timedelta(i) for i in range(3)
        }
        assert set(table["day"].to_pylist()) == {9, 10, 11}

    def test_shares_are_of_the_peak_of_the_days_before(self):
        """The truth is judged on the same scale, however busy the coming week is."""
        quiet, busy = np.zeros((2, *AXES.shape), np.float32)
        quiet[9:, 0, 0] = 1
        busy[:9, 0, 0] = 1
        busy[9:, 0, 0] = 10
        run = untrained(ContextVAE, ContextVAEConfig(mask="last:7", latents=2))
        made = forecast(run, Profiles.from_dense(AXES, quiet[None]), 7, samples=2)
        assert made.users["peak"].to_pylist() == [1]
        truth = Profiles.from_dense(made.axes.with_unit("count"), busy[None])
        pair = next(paired(made, truth))
        np.testing.assert_array_equal(pair.pictures[0].reshape(AXES.shape), busy)

    def test_windows_must_begin_on_the_weekday_of_the_fit(self, people):
        later = dataclasses.replace(AXES, start=MONDAY + dt.timedelta(2))
        with pytest.raises(ValueError, match="begin on Mon, and these begin on Wed"):
            complete(replays(), dataclasses.replace(people, axes=later), "centre")

    def test_more_than_a_week_is_two(self):
        axes = dataclasses.replace(AXES, days=30)
        made = forecast(replays(axes), random_profiles(axes, 5), 9, samples=1)
        assert (made.axes.days, made.axes.start) == (30 - 14 + 9, MONDAY + dt.timedelta(14))

    def test_windows_that_start_on_any_weekday_move_by_what_is_asked(self, windowed):
        assert windowed.axes.weekday(0) is None
        made = forecast(replays(STOCKHOLM), windowed, 2, samples=1)
        assert made.axes.days == 4
        assert made.users["window_start"].to_pylist()[0] == STOCKHOLM.start + dt.timedelta(2)

    def test_a_run_fitted_to_the_last_days(self, people):
        run = untrained(ContextVAE, ContextVAEConfig(mask="last:7", latents=2))
        assert forecast(run, people, 7, samples=1).axes.days == 16
        assert forecast(run, people, 2, samples=1).axes.days == 11
        run = untrained(ContextMixture, ContextMixtureConfig(width=8, heads=2))
        assert forecast(run, people, 2, samples=1).axes.days == 11

    @pytest.mark.parametrize(
        ("mask", "days", "says"),
        [
            (
                "last:7",
                8,
                "fitted with mask=last:7, can look 7 days ahead, got 8; fit a context-mixture",
            ),
            ("centre", 1, "can look 0 days ahead"),
            ("cells:0.3", 1, "can look 0 days ahead"),
            ("any", 9, "can look 8 days ahead, got 9"),
            ("any", 8, "moves them by whole weeks; 8 days with mask=any would move them by 14"),
            ("last:5", 3, "would move them by 5; fit with --set mask=last:7"),
            ("any", 0, "days must be at least 1"),
        ],
    )
    def test_what_a_run_cannot_look_ahead(self, people, mask, days, says):
        run = untrained(ContextVAE, ContextVAEConfig(mask=mask, latents=2))
        with pytest.raises(ValueError, match=says):
            forecast(run, people, days)


def test_a_model_that_cannot_and_profiles_that_do_not_fit(people):
    with pytest.raises(ValueError, match="expected profiles to complete, got none"):
        complete(replays(), people.slice(0, 0))
    with pytest.raises(ValueError, match="days differ: 9 against 16"):
        complete(replays(dataclasses.replace(AXES, days=9)), people)
    with pytest.raises(ValueError, match="slot_minutes differ: 120 against 240"):
        complete(replays(dataclasses.replace(AXES, slot_minutes=120)), people)
    with pytest.raises(ValueError, match=r"shape .* or \(40, 16, 6, 2\), got \(39, 16, 6, 2\)"):
        complete(replays(), people, np.ones((39, *AXES.shape), bool))
    with pytest.raises(ValueError, match=r"got \(16, 6\)"):
        complete(replays(), people, np.ones((16, 6), bool))
    with pytest.raises(ValueError, match="fitted to fill the mask centre, got bottom"):
        complete(untrained(ContextVAE, ContextVAEConfig()), people, "bottom")
    with pytest.raises(ValueError, match="expected profiles of unit count, got peak"):
        complete(
            untrained(ContextMixture, ContextMixtureConfig()), people.in_unit("peak"), "bottom"
        )
