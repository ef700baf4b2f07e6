"""habitus sweep: what it says, what it refuses, and how it stops."""

import contextlib
import datetime as dt
import math
import signal
import time
from functools import partial
from pathlib import Path

import pytest

from background import Background
from command_line import call
from conftest import random_profiles
from habitus.cli import main
from habitus.models.pictures.beta_vae import BetaVAE
from habitus.profiles.store import save
from habitus.run import CHECKPOINT
from habitus.schema import Axes

AXES = Axes(dt.date(2018, 2, 1), 4, 360, ("web", "phone"))
QUICK = ("--set", "latents=2", "--epochs", "1", "--batch", "20", "--precision", "float32")
MODEL = ("--model", "beta-vae")
GRID = ("train", "--against", "test", *MODEL, "--grid", "beta=0,0.5", *QUICK)


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A folder with profiles and a finished sweep over them."""
    folder = tmp_path_factory.mktemp("swept")
    save(folder / "train", [random_profiles(AXES, 60, density=0.3)], AXES)
    save(folder / "test", [random_profiles(AXES, 30, seed=1, density=0.3)], AXES)
    with contextlib.chdir(folder), pytest.raises(SystemExit) as stop:
        main(["sweep", *GRID, "--out", "sweep"])
    assert not stop.value.code
    return folder


@pytest.fixture
def run(swept, capsys, monkeypatch):
    """Run a sweep in that folder; exit code, stdout and stderr."""
    monkeypatch.chdir(swept)
    return partial(call, capsys, "sweep")


def rows(said: str) -> list[list[str]]:
    return [
        [cell.strip() for cell in line.strip("│").split("│")]
        for line in said.splitlines()
        if line[0] == "│"
    ]


def test_a_finished_sweep_is_printed_sorted_by_any_metric(run):
    for metric in ("daily_mean.kld", "daily_std.mse", "parameters"):
        code, said, err = run(*GRID, "--metric", metric, "--out", "sweep")
        assert (code, err) == (0, "")
        assert said.startswith(f"By {metric}, lower is better")
        first, second, floor = rows(said)
        assert {first[1], second[1]} == {"0", "0.5"}
        assert float(first[2].replace(",", "")) <= float(second[2].replace(",", ""))
        assert floor[0] == "floor"
        assert said.splitlines()[-4:] == [
            f"sweep/{name}: written"
            for name in ("results.parquet", "results.csv", "kld.png", "mse.png")
        ]


def test_a_named_grid_multiplies_with_another(run, tmp_path, monkeypatch):
    plain = BetaVAE.loss

    def loss(self, *args):
        found = plain(self, *args)
        return found._replace(total=found.total * math.nan)

    monkeypatch.setattr(BetaVAE, "loss", loss)
    args = ("--recipe", "time-pictures-beta", "--grid", "learning_rate=0.002", *QUICK)
    code, said, err = run("train", "--against", "test", *args, "--out", str(tmp_path / "s"))
    assert (code, err) == (0, "")
    assert [float(row[1]) for row in rows(said)] == [
        0,
        0.001,
        0.01,
        0.1,
        0.5,
        0.9,
        1,
        2,
        4,
        5,
        10,
        100,
    ]
    assert all("the loss is not finite after" in row[-1] for row in rows(said))


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (("--grid", "beta=0,x"), "setting beta must be a number (float), got 'x'"),
        (("--grid", "latents=2.5"), "setting latents must be a whole number (int), got '2.5'"),
        (("--grid", "beta="), "--grid beta must be values with , between them, at least one"),
        (("--grid", "beta=1,"), "--grid beta must be values with , between them"),
        (("--grid", "beta"), "--grid must be key=value,value, got 'beta'"),
        (("--grid", "beta=1,1.0"), "--grid beta: expected different values"),
        (("--grid", "beta=1", "--grid", "beta=2"), "--grid was given beta twice"),
        (("--grid", "bta=1"), "no setting 'bta'; --grid takes beta (float), "),
        (("--grid", "beta=-1"), "setting beta must be at least 0, got '-1'"),
        (("--grid", "beta=1", "--set", "beta=2"), "beta is varied and fixed at once"),
        (("--grid", "epochs=1,2", "--epochs", "3"), "epochs is varied and fixed at once"),
        (("--grid", "beta=1", "--trials", "3"), "--trials is for --search"),
        (("--search", "beta=0:1"), "--search needs --trials"),
        (("--search", "beta=0:1:log", "--trials", "3"),
         "--search beta: expected a range above 0 for log, got 0:1"),
        (("--search", "beta=1:0", "--trials", "3"),
         "--search beta: expected a range from a lower to a higher"),
        (("--search", "beta=1", "--trials", "3"),
         "--search beta must be low:high, low:high:log or value|value"),
        (("--search", "beta=0:1", "--grid", "latents=2", "--trials", "3"),
         "give a grid or --search, not both"),
        ((), "give --grid, --search, or one of the named grids"),
        (("--recipe", "soup"), "unknown recipe 'soup'"),
        (("--recipe", "time-pictures-beta", "--model", "beta-vae"),
         "give --model or --recipe, not both"),
        (("--recipe", "time-pictures-beta", "--grid", "beta=1"),
         "the recipe's grid has beta already"),
        (("--grid", "beta=1", "--metric", "soup"),
         "unknown metric 'soup'; --metric must be one of daily_mean.kld"),
        (("--grid", "beta=1", "--storage", "soup"),
         "--storage must be the URL of a database, got 'soup'"),
        (("--grid", "beta=1", "--storage", "soup://x"), "cannot use the storage soup://x: "),
        (("--grid", "beta=1", "--storage", "sqlite://"), "--storage must be a database on disk"),
        (("--grid", "beta=1", "--storage", "sqlite:///absent/a.db"),
         "absent/a.db: unable to open database file"),
        (("--grid", "beta=1", "--storage", "postgresql://me:secret@host/x"),
         "//me:***@host/x needs the"),
        (("--grid", "beta=1", "--storage", "sqlite:///sweep/sweep.db"),
         "another sweep called 'sweep' (beta-"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_line_and_leaves_nothing(run, args, expected):
    model = () if "--recipe" in args else MODEL
    code, said, err = run("train", "--against", "test", *model, *args, "--out", "none")
    assert (code, said) == (2, "")
    assert err.startswith("habitus: ")
    assert expected in err
    assert err.count("\n") == 1
    assert not Path("none").exists()


def test_the_folder_of_another_sweep_or_of_something_else_is_left_alone(run):
    for out, expected in (
        ("sweep", "sweep holds another sweep (beta-vae"),
        ("train", "is read and would be replaced"),
    ):
        code, _, err = run("train", "--against", "test", *MODEL, "--grid", "beta=3", "--out", out)
        assert (code, err.count("\n"), expected in err) == (2, 1, True)


@pytest.mark.slow
def test_ctrl_c_leaves_what_the_same_command_takes_up(run, tmp_path):
    many = (
        "train",
        "--against",
        "test",
        *MODEL,
        "--grid",
        "beta=0.1,0.5",
        *QUICK[:2],
        "--epochs",
        "15",
        *QUICK[4:],
    )
    process = Background(partial(main, ["sweep", *many, "--out", str(tmp_path / "s")]))
    while not list(tmp_path.glob(f"s/trials/*/{CHECKPOINT}")):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    said = process.communicate()
    assert (process.returncode, *said) == (130, "", "habitus: stopped; the same command goes on\n")
    code, said, err = run(*many, "--out", str(tmp_path / "s"))
    assert (code, err) == (0, "")
    assert len(rows(said)) == 3
