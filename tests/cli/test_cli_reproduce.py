"""habitus reproduce: what it writes and says, and how it refuses."""

import datetime as dt
from functools import partial

import numpy as np
import pytest

import command_line
from conftest import random_profiles
from habitus.profiles.store import StoredProfiles, save
from habitus.schema import Axes

QUICK = ("--epochs", "1", "--profiles", "30")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder with two sets that go together, and one that does not."""
    folder = tmp_path_factory.mktemp("data")
    axes = Axes(dt.date(2018, 2, 1), 9, 240, ("web", "phone"))
    for name, users, seed in (("train", 60, 0), ("test", 40, 1)):
        save(folder / name, [random_profiles(axes, users, seed)], axes)
    other = Axes(dt.date(2018, 2, 1), 9, 240, ("web", "tv"))
    save(folder / "other", [random_profiles(other, 10)], other)
    return folder


@pytest.fixture
def call(data, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return partial(command_line.call, capsys, "reproduce")


def sets(data, *, second="test"):
    return "--data", str(data / "train"), str(data / second)


def test_a_table_and_a_figure(call, data, tmp_path):
    asked = (
        "time-pictures",
        "--table",
        "6.1",
        "--figure",
        "6.14",
        *sets(data),
        "--betas",
        "0,0.1",
        *QUICK,
        "--out",
        "out",
    )
    code, out, err = call(*asked)
    assert (code, err) == (0, "")
    written = {path.name for path in (tmp_path / "out").iterdir() if path.is_file()}
    tables = {"table-6.1.csv", "table-6.1-2.csv"}
    assert written == {
        *tables,
        "figure-6.14a.png",
        "figure-6.14b.png",
        "index.html",
        "habitus.json",
    }
    assert all(f"out/{name}" in out for name in written - {"habitus.json"})
    assert "another real sample" in out
    assert "Table 6.1: The best β of each column" in out
    page = (tmp_path / "out" / "index.html").read_text()
    assert "habitus reproduce time-pictures --table 6.1 --figure 6.14 --data" in page
    assert len(StoredProfiles.open(tmp_path / "out" / "sets" / "vae-0.1-normal")) == 30
    before = (tmp_path / "out" / "table-6.1.csv").read_bytes()
    assert call(*asked)[0] == 0
    assert (tmp_path / "out" / "table-6.1.csv").read_bytes() == before


def test_one_item_has_no_page_and_real_users_are_marked(call, data, tmp_path):
    code, out, _ = call(
        "time-pictures", "--figure", "5.1", *sets(data), "--channel", "phone", "--out", "out"
    )
    assert code == 0
    assert "Figure 5.1: shows single users: not to be published where they are real people." in out
    assert not (tmp_path / "out" / "index.html").exists()
    assert not (tmp_path / "out" / "runs").exists()


def test_what_may_be_published_shows_no_single_user(call, data, tmp_path):
    asked = ("--figure", "5.1", "--figure", "5.2", *sets(data), "--out", "out", "--publishable")
    code, out, _ = call("time-pictures", *asked)
    assert code == 0
    assert {path.name for path in (tmp_path / "out").glob("*.png")} == {"figure-5.2b.png"}
    assert "not to be published" not in out + (tmp_path / "out" / "index.html").read_text()
    assert "--publishable" in (tmp_path / "out" / "index.html").read_text()


def test_the_list(call):
    code, out, _ = call("time-pictures", "--list")
    lines = out.splitlines()
    assert code == 0
    assert len(lines) == 39
    assert lines[0].startswith("Figure 5.1: ")
    assert any(line.startswith("Table A.1: ") for line in lines)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("paintings", "--all"), "unknown paper 'paintings'; there is time-pictures, tdlgm"),
        (
            ("time-pictures", "--table", "9.9"),
            "there is no table 9.9; --table takes 5.1, 5.2, 6.1, 6.2, A.1",
        ),
        (("time-pictures", "--figure", "6.28"), "there is no figure 6.28; --figure takes 5.1, "),
        (("time-pictures",), "give --table or --figure with a number, or --all"),
        (
            ("time-pictures", "--all"),
            "--data takes two folders, of training and of test profiles; got none",
        ),
        (("time-pictures", "--all", "--data", "a", "b", "c"), "--data takes two folders"),
        (("time-pictures", "--all", "--data", "a", "b"), "give --out"),
        (("time-pictures", "--all", "--data", "a", "--out", "out"), "--data takes two folders"),
        (
            ("time-pictures", "--all", "--seeds", "2"),
            "time-pictures has no --seeds; it has --profiles, --epochs",
        ),
        (
            ("tdlgm", "--all", "--betas", "1"),
            "tdlgm has no --betas; it has --epochs, --seed, --seeds, --column",
        ),
        (("tdlgm", "--table", "9"), "there is no table 9; --table takes 1, 2, 3"),
        (("tdlgm", "--all"), "--data takes one file, CSV or Parquet, of a series; got none"),
        (
            ("tdlgm", "--all", "--data", "a", "b"),
            "--data takes one file, CSV or Parquet, of a series; got a b",
        ),
        (("tdlgm", "--all", "--data", "a"), "give --out"),
        (("tdlgm", "--all", "--data", "a", "--out", "out"), "no such file: a"),
    ],
)
def test_what_is_asked_wrongly_is_one_line(call, tmp_path, args, said):
    code, out, err = call(*args)
    assert (code, out) == (2, "")
    assert err.startswith("habitus: ")
    assert err.count("\n") == 1
    assert said in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--channel", "tv"), "there is no channel 'tv'; --channel takes web, phone"),
        (("--betas", "0,x"), "--betas must be numbers separated by commas, got '0,x'"),
        (("--betas", "1,1"), "betas must be distinct numbers of 0 or more"),
        (("--betas", "nan"), "betas.0 must be a number (float), got nan"),
        (("--prior", "flat"), "prior must be one of normal, mixture; got 'flat'"),
    ],
)
def test_settings_that_cannot_be_are_one_line(call, data, tmp_path, options, said):
    code, out, err = call("time-pictures", "--all", *sets(data), "--out", "out", *options)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert said in err
    assert not (tmp_path / "out").exists()


def test_sets_and_folders_that_do_not_fit(call, data, tmp_path):
    ask = ("time-pictures", "--table", "5.1", "--out", "out")
    assert "channels differ" in call(*ask, *sets(data, second="other"))[2]
    assert "expected a folder of habitus profiles at" in call(*ask, *sets(data, second="none"))[2]
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    assert "is a folder that habitus did not write" in call(*ask, *sets(data))[2]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]
    code, _, err = call(*ask[:-1], str(data / "other"), *sets(data))
    assert code == 2
    assert "expected a folder of habitus reproduction" in err


def test_a_folder_keeps_to_its_settings(call, data):
    ask = ("time-pictures", "--table", "5.1", *sets(data), "--out", "out")
    assert call(*ask)[0] == 0
    code, _, err = call(*ask, "--seed", "1")
    assert code == 2
    assert "out was begun with seed=0, got 1; keep to that, or choose another --out" in err


def test_ctrl_c_says_how_to_go_on(call, data, monkeypatch):
    from habitus.papers.time_pictures import Lab

    def interrupted(lab, beta, *rest):
        raise KeyboardInterrupt

    monkeypatch.setattr(Lab, "vae", interrupted)
    code, _, err = call("time-pictures", "--figure", "6.3", *sets(data), "--out", "out")
    assert code == 130
    assert err == "habitus: stopped; the same command goes on where it was\n"


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    """A file of a series that stays where it is for a while."""
    rng = np.random.default_rng(0)
    values = np.repeat(rng.choice([0, 250, 500, 1000], 110), rng.integers(1, 9, 110))
    path = tmp_path_factory.mktemp("series") / "jobs.csv"
    path.write_text("gpu_milli,load\n" + "".join(f"{value},{value / 500}\n" for value in values))
    return path


@pytest.mark.usefixtures("_few_steps")
def test_a_table_and_a_figure_of_a_series(call, jobs, tmp_path):
    asked = (
        "tdlgm",
        "--figure",
        "8",
        "--figure",
        "9",
        "--data",
        str(jobs),
        "--out",
        "out",
        "--epochs",
        "1",
    )
    code, out, err = call(*asked, "--seeds", "1")
    assert (code, err) == (0, "")
    names = {f"figure-{number}.{kind}" for number in (8, 9) for kind in ("png", "csv")}
    assert {path.name for path in (tmp_path / "out").iterdir() if path.is_file()} == {
        *names, "index.html", "habitus.json",
    }  # fmt: skip
    assert all(f"out/{name}" in out for name in names)
    assert "not to be published" not in out
    page = (tmp_path / "out" / "index.html").read_text()
    assert f"--data {jobs} --out out --epochs 1 --seeds 1" in page
    assert {path.name for path in (tmp_path / "out" / "runs").iterdir()} == {
        "noisy-dlgm-0",
        "noisy-lstm-0",
    }
    code, _, err = call(*asked, "--column", "load")
    assert code == 2
    assert "out was begun with column=gpu_milli, got load" in err
    code, _, err = call("time-pictures", "--all", "--data", "a", "b", "--out", "out")
    assert (code, err.count("\n")) == (2, 1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--column", "cpu"), "no column 'cpu'; columns of numbers are: gpu_milli, load"),
        (("--seeds", "0"), "--seeds"),
    ],
)
def test_a_series_that_cannot_be_is_one_line(call, jobs, tmp_path, options, said):
    code, out, err = call("tdlgm", "--all", "--data", str(jobs), "--out", "out", *options)
    assert (code, out) == (2, "")
    assert said in err
    assert not (tmp_path / "out").exists()


@pytest.fixture
def _few_steps(monkeypatch):
    monkeypatch.setattr("habitus.training.windows.FEWEST_BATCHES", 2)


def test_help_names_each_papers_defaults(call):
    code, out, _ = call("--help")
    assert code == 0
    told = " ".join(out.replace("│", " ").split())
    assert "How (tdlgm)" in told
    assert "gpu_milli" in told
    assert "10 for time-pictures, 20 for tdlgm" in told
