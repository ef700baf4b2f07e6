"""Bad input gives one clear line and exit code 2, no traceback and no half-written output."""

import datetime as dt
import resource
import shutil
import signal
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import safetensors.numpy

from command_line import call
from habitus.models.context_mixture.model import ContextMixture, ContextMixtureConfig
from habitus.models.pictures.beta_vae import BetaVAE, BetaVAEConfig
from habitus.models.pictures.context_vae import ContextVAE, ContextVAEConfig
from habitus.profiles.sparse import Profiles
from habitus.profiles.store import StoredProfiles, save
from habitus.schema import Axes
from habitus.training.config import FitConfig
from habitus.training.fit import fit

DAY = dt.datetime(2018, 2, 1, 12, tzinfo=dt.UTC)
COLUMNS = ("--user", "user", "--time", "time", "--channel", "channel")
USERS = 40


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    """Run a command in an empty folder; return exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    return partial(call, capsys)


@pytest.fixture
def refused(run):
    """Run a command that must end with one line and leave every file as it was; return the line."""

    def call(*args: str) -> str:
        before = files()
        code, _, err = run(*args)
        assert code == 2, err
        assert err.startswith("habitus: ")
        assert err.count("\n") == 1, err
        assert "Traceback" not in err
        assert files() == before
        return err

    return call


def files() -> dict[str, tuple[int, int]]:
    """Every file and folder here, with its size and when it was last changed."""
    return {str(p): (p.stat().st_size, p.stat().st_mtime_ns) for p in Path().rglob("*")}


def write(name: str = "log.parquet", **columns: object) -> str:
    users = columns.pop("user", ["a", "b", "a"])
    times = columns.pop("time", [DAY, DAY + dt.timedelta(hours=1), DAY + dt.timedelta(days=1)])
    channels = columns.pop("channel", ["web", "phone", "web"])
    pq.write_table(pa.table({"user": users, "time": times, "channel": channels, **columns}), name)
    return name


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A folder with profiles, a run fitted to them, and profiles on other axes."""
    folder = tmp_path_factory.mktemp("fitted")
    axes = Axes(dt.date(2018, 2, 1), 4, 360, ("web", "phone"))
    counts = np.random.default_rng(0).poisson(0.4, (USERS, *axes.shape))
    profiles = Profiles.from_dense(axes, counts)
    save(folder / "profiles", [profiles], axes)
    longer = Axes(dt.date(2018, 2, 1), 5, 360, ("web", "phone"))
    save(folder / "longer", [Profiles.from_dense(longer, np.ones((3, *longer.shape)))], longer)
    how = FitConfig(epochs=1, batch=20, precision="float32", accelerator="cpu")
    fit(BetaVAE, profiles, BetaVAEConfig(latents=2), fit=how, out=folder / "run")
    fit(ContextVAE, profiles, ContextVAEConfig(latents=2), fit=how, out=folder / "centre")
    fit(
        ContextMixture,
        profiles,
        ContextMixtureConfig(width=8, heads=2),
        fit=how,
        out=folder / "any",
    )
    others = {
        "channels": Axes(dt.date(2018, 2, 1), 4, 360, ("web", "tv")),
        "slots": Axes(dt.date(2018, 2, 1), 4, 180, ("web", "phone")),
    }
    for name, other in others.items():
        save(
            folder / f"other_{name}",
            [Profiles.from_dense(other, np.ones((3, *other.shape)))],
            other,
        )
    save(folder / "peaks", [profiles.in_unit("peak")], axes.with_unit("peak"))
    return folder


@pytest.fixture
def here(fitted, tmp_path):
    """A copy of that folder that a test may damage, in the folder that commands run in."""
    shutil.copytree(fitted, tmp_path, dirs_exist_ok=True)
    return tmp_path


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


class TestOutputs:
    """What is read is never replaced."""

    @pytest.mark.parametrize(
        "args",
        [
            ("fit", "profiles", "--model", "beta-vae", "--out", "profiles"),
            ("complete", "any", "profiles", "--mask", "centre", "--out", "profiles"),
            ("complete", "any", "profiles", "--mask", "centre", "--out", "any"),
            ("forecast", "any", "profiles", "--days", "1", "--out", "./profiles"),
            ("profile", "log.parquet", *COLUMNS, "--out", "log.parquet"),
        ],
    )
    def test_the_input_as_output(self, refused, here, args):
        write()
        assert "is read and would be replaced; choose another --out" in refused(*args)


class TestLogs:
    def test_no_such_file(self, refused):
        assert "no such file" in refused("profile", "absent.parquet", *COLUMNS, "--out", "p")

    def test_an_empty_log(self, refused, run):
        none = pa.array([], "string")
        log = write(user=none, time=pa.array([], pa.timestamp("us")), channel=none)
        assert "no rows" in refused("profile", log, *COLUMNS, "--out", "p")
        assert "no rows" in refused("profile", log, *COLUMNS, "--start", "2018-02-01", "--out", "p")

    def test_an_empty_csv(self, refused, run):
        Path("log.csv").write_text("user,time,channel\n")
        assert "no rows" in refused("profile", "log.csv", *COLUMNS, "--out", "p")
        Path("blank.csv").write_text("")
        refused("profile", "blank.csv", *COLUMNS, "--out", "p")

    def test_a_missing_column(self, refused, run):
        err = refused("profile", write(), "--user", "who", "--time", "time", "--out", "p")
        assert "no column 'who'" in err
        assert "user, time, channel" in err

    def test_times_as_iso_text_work(self, run):
        log = write(time=["2018-02-01T12:00:00", "2018-02-01 13:00:00", "2018-02-02"])
        code, out, err = run("profile", log, *COLUMNS, "--days", "2", "--out", "p")
        assert (code, err) == (0, "")
        assert "3 counted, none left out" in out

    def test_times_that_are_nonsense(self, refused, run):
        err = refused("profile", write(time=["monday", "noon", "later"]), *COLUMNS, "--out", "p")
        assert "no time in column 'time' could be read" in err

    def test_a_time_that_is_nonsense_is_counted_or_refused(self, refused, run):
        log = write(time=["2018-02-01", "noon", "2018-02-02"])
        _, out, _ = run("profile", log, *COLUMNS, "--days", "2", "--out", "p")
        assert "2 counted, 1 because the time is missing or unreadable left out" in out
        assert "unreadable" in refused(
            "profile", log, *COLUMNS, "--days", "2", "--strict", "--out", "q"
        )

    def test_a_user_column_of_nulls(self, refused, run):
        log = write(user=pa.nulls(3, "string"))
        assert "the user is missing" in refused("profile", log, *COLUMNS, "--out", "p")
        log = write(user=pa.nulls(3))
        assert "the user is missing" in refused("profile", log, *COLUMNS, "--out", "p")

    def test_a_count_above_65_535_works(self, run):
        many = 70_001
        log = write(user=["a"] * many, time=[DAY] * many, channel=["web"] * many)
        code, *_ = run("profile", log, *COLUMNS, "--days", "1", "--min-users", "1", "--out", "p")
        assert code == 0
        assert StoredProfiles.open("p").load().values.tolist() == [many]
        assert "70,001 events: a program" in run("describe", "p")[1]

    def test_a_window_with_no_events(self, refused, run):
        err = refused("profile", write(), *COLUMNS, "--start", "2020-01-01", "--out", "p")
        assert "outside the window" in err
        assert "2018-02-01 to 2018-02-02" in err

    def test_two_channels_that_are_one_after_trimming(self, refused, run):
        err = refused("profile", write(channel=["web", "web ", "phone"]), *COLUMNS, "--out", "p")
        assert "'web'" in err
        assert "'web '" in err

    def test_a_truncated_parquet_file(self, refused, run):
        truncate(Path(write()))
        assert "log.parquet" in refused("profile", "log.parquet", *COLUMNS, "--out", "p")

    def test_a_text_file_by_the_name_of_parquet(self, refused, run):
        Path("log.parquet").write_text("user,time,channel\n")
        assert "log.parquet" in refused("profile", "log.parquet", *COLUMNS, "--out", "p")

    def test_a_filter_that_is_not_sql(self, refused, run):
        assert "the filter" in refused(
            "profile", write(), *COLUMNS, "--filter", "event !!= 3", "--out", "p"
        )

    @pytest.mark.parametrize(
        ("option", "value", "says"),
        [
            ("--timezone", "Mars/Olympus", "unknown time zone"),
            ("--slot", "7h", "--slot must be a length that divides a day"),
            ("--align", "someday", "--align must be a weekday"),
            ("--channels", "web,,phone", "--channels must be distinct names"),
            ("--channels", "radio", "no channel 'radio'"),
            ("--days", "0", "days must be at least 1"),
            ("--window-every", "0", "--window-every must be at least 1, got '0'"),
            ("--end", "2018-03-01", "--end without --window-every needs --start"),
            ("--min-events", "9", "lower --min-events"),
            ("--memory", "much", "memory"),
            ("--offset", "channel", "must hold minutes"),
        ],
    )
    def test_options_that_make_no_sense(self, refused, run, option, value, says):
        assert says in refused("profile", write(), *COLUMNS, option, value, "--out", "p")

    def test_an_output_that_is_not_ours_stays(self, refused, run):
        Path("mine").mkdir()
        Path("mine/letter.txt").write_text("dear")
        assert "did not write" in refused(
            "profile", write(), *COLUMNS, "--days", "2", "--out", "mine"
        )

    def test_an_output_below_a_file(self, refused, run):
        Path("file").write_text("")
        assert "file" in refused("profile", write(), *COLUMNS, "--days", "2", "--out", "file/p")


class TestFolders:
    @pytest.mark.parametrize(
        "command",
        [
            ("describe", "profiles"),
            ("split", "profiles", "--out", "a", "b"),
            ("fit", "profiles", "--model", "beta-vae", "--epochs", "1", "--out", "r"),
            ("evaluate", "profiles", "--against", "profiles", "--json", "m.json"),
        ],
    )
    def test_a_truncated_profiles_file(self, here, refused, command):
        truncate(here / "profiles" / "profiles.parquet")
        assert "profiles.parquet is missing or damaged" in refused(*command)

    def test_damage_in_the_middle_of_profiles(self, here, refused):
        path = here / "profiles" / "profiles.parquet"
        content = bytearray(path.read_bytes())
        content[4:400] = bytes(396)
        path.write_bytes(content)
        assert "profiles.parquet" in refused("describe", "profiles")

    def test_a_header_that_is_not_json(self, here, refused):
        (here / "profiles" / "habitus.json").write_text("{")
        assert "not readable JSON" in refused("describe", "profiles")

    @pytest.mark.parametrize(
        "header", ["[]", '{"kind": "profiles"}', '{"kind": "profiles", "version": 1}']
    )
    def test_a_header_without_its_content(self, here, refused, header):
        (here / "profiles" / "habitus.json").write_text(header)
        assert "profiles" in refused("describe", "profiles")

    def test_a_run_header_without_its_content(self, here, refused):
        (here / "run" / "habitus.json").write_text('{"kind": "run", "version": 1, "about": []}')
        assert "habitus.json is damaged or foreign" in refused("generate", "run", "--out", "g")

    def test_a_run_where_profiles_are_expected(self, here, refused):
        assert "expected a folder of habitus profiles" in refused("describe", "run")
        assert "expected a folder of habitus run" in refused("generate", "profiles", "--out", "g")

    def test_damaged_weights(self, here, refused):
        truncate(here / "run" / "weights.safetensors")
        err = refused("generate", "run", "--users", "9", "--out", "g")
        assert "weights.safetensors is missing or damaged" in err

    def test_weights_of_another_model(self, here, refused):
        safetensors.numpy.save_file(
            {"layer": np.zeros(3, np.float32)}, here / "run" / "weights.safetensors"
        )
        assert "weights.safetensors is of another model" in refused(
            "generate", "run", "--users", "9", "--out", "g"
        )

    def test_a_damaged_history(self, here, refused):
        (here / "run" / "history.parquet").write_text("no")
        command = (
            "evaluate",
            "profiles",
            "--against",
            "profiles",
            "--run",
            "run",
            "--html",
            "r.html",
        )
        assert "history.parquet is missing or damaged" in refused(*command)

    def test_sets_on_other_axes(self, here, refused):
        err = refused(
            "evaluate", "longer", "--against", "profiles", "--json", "m.json", "--html", "r.html"
        )
        assert "days differ: 5 against 4" in err

    def test_a_split_that_leaves_nobody(self, here, refused):
        assert "must be above 0" in refused("split", "profiles", "--test", "0", "--out", "a", "b")
        assert "must be below 1" in refused("split", "profiles", "--test", "1", "--out", "a", "b")
        assert "expected different outputs" in refused("split", "profiles", "--out", "a", "a")

    @pytest.mark.parametrize(
        ("options", "says"),
        [
            (
                ("--model", "crystal-ball"),
                "unknown model 'crystal-ball'; --model must be one of rhythm, beta-vae",
            ),
            (("--set", "gamma=1"), "no setting 'gamma'; --set takes beta (float), latents (int)"),
            (("--set", "beta"), "--set must be key=value"),
            (("--set", "beta=abc"), "setting beta must be a number (float), got 'abc'"),
            (("--set", "beta=nan"), "setting beta must be a number (float), got 'nan'"),
            (("--set", "beta=-1"), "setting beta must be at least 0, got '-1'"),
            (("--set", "latents=1.5"), "setting latents must be a whole number (int), got '1.5'"),
            (("--set", "batch_norm=perhaps"), "setting batch_norm must be true or false (bool)"),
            (("--epochs", "0"), "epochs must be at least 1"),
            (
                ("--precision", "float8"),
                "precision must be one of auto, float32, bfloat16; got 'float8'",
            ),
            (("--learning-rate", "0"), "--learning-rate must be above 0"),
            (("--resume",), "no unfinished run in r"),
            (("--accelerator", "abacus"), "abacus"),
        ],
    )
    def test_fit_options_that_make_no_sense(self, here, refused, options, says):
        assert says in refused("fit", "profiles", "--model", "beta-vae", *options, "--out", "r")

    def test_fit_on_a_run_that_exists(self, here, refused):
        assert "run exists" in refused("fit", "profiles", "--out", "run")

    @pytest.mark.parametrize(
        ("options", "says"),
        [
            (("--users", "0"), "--users must be at least 1, got '0'"),
            (("--threshold", "high"), "--threshold must be auto, off or a number"),
            (("--threshold", "1.5"), "threshold must be below 1, got 1.5"),
            (("--prior", "flat"), "prior must be one of mixture, normal; got 'flat'"),
        ],
    )
    def test_generate_options_that_make_no_sense(self, here, refused, options, says):
        assert says in refused("generate", "run", *options, "--out", "g")

    def test_simulate_where_no_log_can_be(self, refused):
        assert "ends in .parquet" in refused("simulate", "--users", "5", "--out", "log.csv")
        assert "users must be at least 1" in refused(
            "simulate", "--users", "0", "--out", "log.parquet"
        )


class TestFilling:
    @pytest.mark.parametrize(
        ("command", "says"),
        [
            (("complete", "any", "profiles", "--mask", "center"),
             "no mask 'center'; a mask is one of centre"),
            (("complete", "any", "profiles", "--mask", "last:4"),
             "expected 1 to 3 days, as profiles have 4"),
            (("complete", "any", "profiles", "--mask", "rectangle:0-4,0-4"), "hides every cell"),
            (("complete", "any", "profiles", "--mask", "channel:tv"),
             "the channels are web, phone"),
            (("complete", "any", "profiles", "--mask", "centre", "--threshold", "high"),
             "auto, off or a number"),
            (("complete", "any", "profiles", "--mask", "centre", "--threshold", "2"),
             "threshold must be below 1, got 2.0"),
            (("complete", "any", "longer", "--mask", "centre"),
             "days differ: 4 against 5 (run against profiles)"),
            (("complete", "any", "other_channels"),
             "channels differ: ('web', 'phone') against ('web', 'tv')"),
            (("complete", "any", "other_slots"), "slot_minutes differ: 360 against 180"),
            (("complete", "any", "peaks"), "expected profiles of unit count, got peak"),
            (("complete", "centre", "profiles", "--mask", "bottom"),
             "fitted to fill the mask centre, got bottom"),
            (("complete", "centre", "profiles", "--mask", "cells:0.5"),
             "fit one with --set mask=any"),
            (("complete", "profiles", "profiles"), "expected a folder of habitus run at profiles"),
            (("complete", "any", "run"), "expected a folder of habitus profiles at run"),
            (("forecast", "any", "profiles", "--days", "3"), "can look 2 days ahead, got 3"),
            (("forecast", "any", "profiles", "--days", "2"),
             "a forecast moves them by whole weeks"),
            (("forecast", "run", "profiles", "--days", "9"), "can look 2 days ahead, got 9"),
            (("forecast", "centre", "profiles", "--days", "1"),
             "fitted with mask=centre, can look 0 days ahead"),
            (("forecast", "any", "longer", "--days", "2"), "whole weeks"),
            (("generate", "centre"),
             "a ContextVAE fills what is missing and draws no whole users; use habitus"),
            (("generate", "any"), "a ContextMixture fills what is missing"),
            (("fit", "peaks", "--model", "context-mixture"),
             "expected profiles of unit count, got peak"),
            (("fit", "profiles", "--model", "context-vae", "--set", "mask=last:9"),
             "expected 1 to 3 days"),
            (("fit", "profiles", "--model", "context-vae", "--set", "adversarial=-1"),
             "adversarial must be at least 0"),
            (("fit", "profiles", "--model", "context-mixture", "--set", "heads=7"),
             "multiple of heads, got 64"),
            (("fit", "profiles", "--schedule", "cosine"),
             "schedule must be one of constant, one-cycle"),
        ],
    )  # fmt: skip
    def test_what_cannot_be_filled(self, here, refused, command, says):
        assert says in refused(*command, "--out", "made")

    @pytest.mark.parametrize("command", ["complete", "forecast"])
    def test_no_draws(self, here, run, command):
        code, _, err = run(command, "any", "profiles", "--samples", "0", "--out", "made")
        assert code == 2
        assert "--samples" in err
        assert not Path("made").exists()

    def test_two_masks(self, here, refused):
        Path("gaps.csv").write_text("user,from,to\n1,2018-02-01,2018-02-02\n")
        args = (
            "complete",
            "any",
            "profiles",
            "--mask",
            "centre",
            "--missing",
            "gaps.csv",
            "--out",
            "made",
        )
        assert "give --mask or --missing, not both" in refused(*args)

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("user,from,to\n99,2018-02-01,2018-02-02\n",
             "no profile of user 99; name users as in the profiles"),
            ("user,from,to\nann,2018-02-01,2018-02-02\n",
             "users are string, in the profiles int64; name users as"),
            ("user,from,to\n,2018-02-01,2018-02-02\n1,2018-02-01,2018-02-02\n",
             "row 0 has no user"),
            ("user,from,to,channel\n1,2018-02-01,2018-02-02,tv\n",
             "no channel 'tv'; the profiles have web, phone"),
            ("user,from,to\n1,2018-02-01,2018-02-02\n1,2018-02-03,2018-02-02\n",
             "row 1 ends before it begins"),
            ("user,from,to\n1,2018-02-01,2018-02-01\n", "row 0 ends before it begins"),
            ("user,from,to\n1,2018-02-01,2018-02-02\n1,2018-02-03,\n",
             "row 1 has no time; give both from and to"),
            ("user,from,to\n1,2018-02-01,2018-02-02\n1,noon,2018-02-02\n", "noon"),
            ("user,from,to\n1,3,4\n", "expected times in the columns from and to, got int64"),
            ("user,from,to\n1,2019-02-01,2019-02-02\n", "no gap lies within a window of its user"),
            ("user,from,to\n1,2018-01-01,2019-02-02\n", "the gaps hide every cell of profile 1"),
            ("user,begin,end\n1,2018-02-01,2018-02-02\n",
             "expected the columns user, from, to, got user, be"),
            ("user,from,to\n", "there is no gap in it; expected one per row"),
            ("", "gaps.csv is empty; expected a CSV or Parquet file"),
            ("user,from,to\n1,2\n", "gaps.csv is no readable CSV file"),
        ],
    )  # fmt: skip
    def test_gaps_that_make_no_sense(self, here, refused, text, says):
        Path("gaps.csv").write_text(text)
        assert says in refused(
            "complete", "any", "profiles", "--missing", "gaps.csv", "--out", "made"
        )

    def test_own_gaps_with_a_run_for_one_mask(self, here, refused):
        Path("gaps.csv").write_text("user,from,to\n1,2018-02-01,2018-02-02\n")
        err = refused("complete", "centre", "profiles", "--missing", "gaps.csv", "--out", "made")
        assert "fitted to fill the mask centre, got own gaps" in err

    @pytest.mark.parametrize(
        ("missing", "says"),
        [
            (
                np.ones((4, 4), bool),
                "expected a mask of shape (4, 4, 2) or (40, 4, 4, 2), got (4, 4)",
            ),
            (np.ones((39, 4, 4, 2), bool), "got (39, 4, 4, 2)"),
            (
                np.ones((4, 4, 2), np.uint8),
                "expected an array of bool, true where a cell is missing, got uint8",
            ),
            (np.ones((4, 4, 2), bool), "hides every cell"),
            (np.ones((40, 4, 4, 2), bool), "the gaps hide every cell of profile 0"),
            (np.zeros((4, 4, 2), bool), "hides no cell"),
            (np.zeros((40, 4, 4, 2), bool), "hides no cell"),
        ],
    )
    def test_arrays_that_are_no_mask(self, here, refused, missing, says):
        np.save("mask.npy", missing)
        assert says in refused(
            "complete", "any", "profiles", "--missing", "mask.npy", "--out", "made"
        )

    def test_files_of_gaps_that_cannot_be_read(self, here, refused):
        Path("mask.npy").write_text("no")
        Path("gaps.parquet").write_text("no")
        np.save("objects.npy", np.array([{}], object), allow_pickle=True)
        for name, says in (
            ("mask.npy", "is not a readable .npy array"),
            ("objects.npy", "is not a readable .npy array"),
            ("gaps.parquet", "is no readable Parquet file"),
            (
                "absent.csv",
                "no such file: absent.csv; expected a CSV or Parquet file of gaps, in the columns "
                "user",
            ),
            ("absent.npy", "absent.npy"),
        ):
            assert says in refused(
                "complete", "any", "profiles", "--missing", name, "--out", "made"
            )

    def test_damaged_draws(self, here, refused, run):
        complete = (
            "complete",
            "any",
            "profiles",
            "--mask",
            "any",
            "--samples",
            "2",
            "--out",
            "made",
        )
        assert run(*complete)[0] == 0
        path = here / "made" / "filled.parquet"
        whole = path.read_bytes()
        truncate(path)
        evaluate = ("evaluate", "made", "--against", "profiles", "--json", "m.json")
        assert "filled.parquet is missing or damaged" in refused(*evaluate)
        middle = len(whole) // 3
        path.write_bytes(whole[:4] + bytes(middle) + whole[4 + middle :])
        assert "filled.parquet is damaged" in refused(*evaluate)
        pq.write_table(pa.table({"mean": [1.0]}), path)
        err = refused(*evaluate)
        assert (
            "filled.parquet is damaged or foreign: expected a column 'gap_start', got mean" in err
        )
        path.write_bytes(whole)
        header = here / "made" / "habitus.json"
        header.write_text(header.read_text().replace('"completed"', '"finished"'))
        assert "habitus.json is damaged or foreign: expected about.completed" in refused(*evaluate)


def test_names_that_fill_pages_are_shortened(run):
    write(**{"x" * 5000: [1, 2, 3], "y " * 5000: [1, 2, 3]})
    code, _, err = run("profile", "log.parquet", "--user", "nobody", "--time", "time", "--out", "p")
    assert code == 2
    assert err.startswith("habitus: no column 'nobody' in the log; it has user, time, channel, xxx")
    assert err.count("\n") == 1
    assert len(err) < 900


def test_a_password_where_a_message_is_shortened_is_not_shown_in_part(run, monkeypatch):
    def refuse(*args: object, **rest: object) -> None:
        raise ValueError(f"cannot read postgres://{'b' * 272}:secretpassword@host/x")

    monkeypatch.setattr("habitus.profiles.build.profile_to", refuse)
    code, _, err = run("profile", write(), "--user", "user", "--time", "time", "--out", "p")
    assert (code, "secret" in err) == (2, False)


def test_an_interruption_that_a_library_makes_an_error_of_its_own(run, monkeypatch):
    def interrupted(*args: object, **rest: object) -> None:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as error:
            raise RuntimeError("Query interrupted") from error

    monkeypatch.setattr("habitus.profiles.build.profile_to", interrupted)
    code, _, err = run("profile", write(), "--user", "user", "--time", "time", "--out", "p")
    assert (code, err) == (130, "habitus: stopped\n")


def test_a_channel_called_script_works(run, fitted):
    log = write(
        user=[f"u{i % 9}" for i in range(90)],
        time=[DAY + dt.timedelta(hours=i // 2) for i in range(90)],
        channel=["<script>", "[bold]x", "a & b"] * 30,
    )
    rare = ("--min-users", "1")  # each channel has three users
    assert run("profile", log, *COLUMNS, "--days", "4", *rare, "--out", "p")[0] == 0
    _, out, _ = run("describe", "p")
    assert "<script>: 30 events" in out
    assert "[bold]x: 30 events" in out
    code, out, err = run("evaluate", "p", "--against", "p", "--train", "p", "--html", "r.html")
    assert (code, err) == (0, "")
    page = Path("r.html").read_text()
    assert "&lt;script&gt;" in page
    assert "<script>" not in page


@pytest.mark.parametrize(
    "command",
    [
        ("simulate", "--users", "3000", "--out", "fresh.parquet"),
        ("profile", "log.parquet", *COLUMNS, "--days", "9", "--out", "fresh"),
        ("split", "profiles", "--out", "fresh", "fresh2"),
        ("fit", "profiles", "--model", "beta-vae", "--epochs", "1", "--out", "fresh"),
        ("generate", "run", "--users", "2000", "--threshold", "off", "--out", "fresh"),
        ("complete", "any", "profiles", "--mask", "any", "--out", "fresh"),
        ("export", "profiles", "--out", "fresh.parquet"),
        ("export", "profiles", "--out", "fresh.csv"),
        ("evaluate", "profiles", "--against", "profiles", "--html", "fresh.html"),
    ],
)
def test_a_disk_that_fills_up(here, monkeypatch, capsys, undrawn, command):
    """No file may grow beyond 1 kB, as on a full disk."""
    monkeypatch.chdir(here)
    rng = np.random.default_rng(0)
    write(
        user=rng.integers(500, size=5000),
        time=[DAY] * 5000,
        channel=rng.choice(["web", "phone"], 5000).tolist(),
    )
    before = files()
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    assert signal.getsignal(signal.SIGXFSZ) is signal.SIG_IGN, "Python ignores it from its start"
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        code, _, err = call(capsys, *command)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert code == 2, err
    assert err.startswith("habitus: no space left for fresh"), err
    assert err.count("\n") == 1, err
    assert files() == before
