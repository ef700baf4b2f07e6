"""The command line: the whole flow, what each command says, and how it stops."""

import contextlib
import io
import json
import os
import pty
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import habitus
from background import Background
from command_line import call
from habitus.cli import COMMANDS, main
from habitus.models.pictures.beta_vae import BetaVAEConfig
from habitus.models.pictures.context_vae import ContextVAEConfig
from habitus.profiles.store import StoredProfiles, save
from habitus.run import CHECKPOINT, load
from habitus.settings import settings_of

COLUMNS = ("--user", "user_id", "--time", "timestamp", "--channel", "platform")
PYTHON = (sys.executable, "-m", "habitus")
FLOW = (
    "simulate --users 300 --days 32 --seed 0 --out events.parquet",
    "profile events.parquet --user user_id --time timestamp --channel platform --start 2018-02-01 "
    "--days 32"
    " --timezone UTC --out profiles",
    "split profiles --test 0.26 --seed 0 --out train test",
    "fit train --model beta-vae --set beta=0.1 --set latents=4 --epochs 2 --batch 50 --seed 0 "
    "--out runs/vae",
    "generate runs/vae --users 200 --seed 1 --out generated",
    "evaluate generated --against test --train train --json metrics.json --html report.html",
    "describe profiles",
    "fit train --model context-vae --set mask=centre --set latents=4 --epochs 1 --batch 50 --out "
    "runs/centre",
    "complete runs/centre test --mask centre --samples 3 --out filled",
    "fit train --model context-mixture --set mask=last:7 --set width=16 --epochs 1 --batch 50 "
    "--out runs/week",
    "forecast runs/week test --days 7 --samples 3 --out ahead",
)


@pytest.fixture(scope="module")
def flow(tmp_path_factory):
    """The folder in which the commands of the flow ran, and the lines that each printed."""
    folder = tmp_path_factory.mktemp("flow")
    said = {}
    with contextlib.chdir(folder):
        for line in FLOW:
            with (
                contextlib.redirect_stdout(io.StringIO()) as out,
                pytest.raises(SystemExit) as stop,
            ):
                main(line.split())
            assert not stop.value.code
            said[line.split()[0]] = out.getvalue().splitlines()
    return folder, said


@pytest.fixture
def here(flow, monkeypatch):
    monkeypatch.chdir(flow[0])
    return flow[0]


def test_version_and_help(capsys):
    assert call(capsys, "--version") == (0, f"habitus {habitus.__version__}\n", "")
    code, out, _ = call(capsys, "--help")
    assert code == 0
    assert all(name in out for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_each_command_has_an_example_and_the_same_first_line(capsys, name):
    code, out, _ = call(capsys, name, "--help")
    assert code == 0
    words = " ".join(out.split())
    assert f"Example: habitus {name} " in words
    assert COMMANDS[name][1].rstrip(".") in words.replace("│", "")


def test_help_is_quick_because_it_loads_no_command():
    code = "import sys, habitus.cli; sys.exit('numpy' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_usage_errors_are_readable_and_exit_with_2(capsys):
    code, _, err = call(capsys, "simulat")
    assert code == 2
    assert "did you mean 'simulate'?" in err
    code, _, err = call(capsys, "fit")
    assert code == 2
    assert "missing argument 'profiles'; see habitus fit --help" in err
    assert call(capsys, "simulate", "--users", "many", "--out", "x.parquet")[0] == 2


def test_the_flow_leaves_what_it_says(flow):
    folder, said = flow
    for name in ("events.parquet", "events.factors.parquet", "metrics.json", "report.html"):
        assert (folder / name).is_file()
    assert len(StoredProfiles.open(folder / "profiles")) == 300
    assert len(StoredProfiles.open(folder / "train")) == 222
    assert len(StoredProfiles.open(folder / "test")) == 78
    assert len(StoredProfiles.open(folder / "generated")) == 200
    rows = pq.read_metadata(folder / "events.parquet").num_rows
    assert said["profile"][1] == f"rows: {rows:,} counted, none left out"
    assert said["split"] == ["train: 222 profiles", "test: 78 profiles"]
    assert said["generate"][0].startswith("generated: 200 users, prior mixture, values up to 0.")
    assert said["describe"][-1] == "odd           nothing"


def test_filled_and_forecast_profiles(flow):
    folder, said = flow
    filled, ahead, test = (habitus.load(folder / name) for name in ("filled", "ahead", "test"))
    assert (len(filled), filled.samples, len(ahead), ahead.samples) == (78, 3, 78, 3)
    assert (filled.axes.unit, ahead.axes.unit) == ("peak", "count")
    assert (ahead.axes.days, str(ahead.axes.start)) == (32, "2018-02-08")
    assert said["complete"][-1].startswith(
        "filled: 78 profiles, centre filled with 3 draws each, values up to 0."
    )
    assert said["forecast"][-1] == (
        "ahead: 78 profiles, 7 days ahead, 3 draws each; per user in ahead/daily_totals.parquet"
    )
    rows = [line.strip("│ ").split("│") for line in said["forecast"] if line.startswith("│")]
    assert [row[0].strip() for row in rows] == [f"+{day}" for day in range(1, 8)]
    totals = pq.read_table(folder / "ahead" / "daily_totals.parquet")
    assert len(totals) == 78 * 7
    assert {str(date) for date in totals["date"].to_pylist()} == {
        f"2018-03-{day:02d}" for day in range(5, 12)
    }
    first = np.array(totals["mean"].to_pylist()).reshape(78, 7)[:, 0].mean()
    assert float(rows[0][1]) == pytest.approx(first, rel=0.01)
    np.testing.assert_array_equal(ahead.load().dense()[:, :25], test.load().dense()[:, 7:])


def test_complete_takes_its_options(here, capsys, tmp_path):
    user = StoredProfiles.open("test").users["user"][4].as_py()
    (tmp_path / "gaps.csv").write_text(f"user,from,to\n{user},2018-02-10 06:30,2018-02-12\n")
    command = (
        "complete",
        "runs/vae",
        "test",
        "--missing",
        str(tmp_path / "gaps.csv"),
        "--samples",
        "2",
        "--seed",
        "3",
    )
    for threshold, says in (
        ("0.25", "values up to 0.25 are zero\n"),
        ("off", "own gaps filled with 2 draws each\n"),
    ):
        out = tmp_path / f"made{threshold}"
        code, said, err = call(capsys, *command, "--threshold", threshold, "--out", str(out))
        assert (code, err) == (0, "")
        assert said.endswith(says)
    (piece,) = habitus.load(out).pieces()
    assert set(piece.row.tolist()) == {4}
    assert len(piece.cell) == (18 + 24) * len(StoredProfiles.open("test").axes.channels)
    code, said, _ = call(
        capsys, "complete", "runs/centre", "test", "--samples", "1", "--out", str(tmp_path / "own")
    )
    assert "centre filled with 1 draws each" in said


def test_metrics_json_has_the_keys_of_the_issue(here):
    metrics = json.loads(Path("metrics.json").read_text())
    for part in (metrics, metrics["floor"], metrics["baselines"]["independent_cells"]):
        for curve in ("daily_mean", "daily_std"):
            assert set(part[curve]) == {"kld", "mse"}
        assert set(part["total_cdf"]) == {"ks"}
        for activity in ("dau", "wau", "mau"):
            assert set(part[activity]) == {"relative_error", "kld"}
        assert "zero_threshold" in part
    assert metrics["users"] == 200
    assert metrics["zero_threshold"] == StoredProfiles.open("generated").about["zero_threshold"]


def test_evaluate_prints_a_plain_table_and_the_activity(here, capsys):
    code, out, err = call(capsys, "evaluate", "generated", "--against", "test", "--train", "train")
    assert (code, err) == (0, "")
    for words in (
        "figure",
        "generated",
        "floor",
        "ratio",
        "independent cells",
        "Daily mean, shape (nats)",
    ):
        assert words in out
    for activity in ("DAU", "WAU", "MAU"):
        assert f"\n{activity}: " in out
    assert "\x1b" not in out


def test_the_report_has_loss_curves_where_the_run_is_known(here, capsys, tmp_path, undrawn):
    assert "Loss" in Path("report.html").read_text()
    args = ("evaluate", "generated", "--against", "test", "--html", str(tmp_path / "r.html"))
    Path("runs").rename("elsewhere")
    try:
        assert call(capsys, *args)[0] == 0
        assert "Loss on" not in (tmp_path / "r.html").read_text()
        assert call(capsys, *args, "--run", "elsewhere/vae")[0] == 0
    finally:
        Path("elsewhere").rename("runs")
    assert "habitus evaluate generated --against test" in (tmp_path / "r.html").read_text()


def test_describe_as_json(here, capsys):
    _, out, _ = call(capsys, "describe", "profiles", "--json")
    described = json.loads(out)
    assert described["profiles"] == 300
    assert described["rows"]["unusable"] == {}


def test_a_threshold_can_be_given_or_turned_off(here, capsys, tmp_path):
    for threshold, expected in (("off", 0.0), ("0.25", 0.25)):
        out = tmp_path / threshold
        call(
            capsys,
            "generate",
            "runs/vae",
            "--users",
            "20",
            "--inactive",
            "keep",
            "--threshold",
            threshold,
            "--out",
            str(out),
        )
        made = StoredProfiles.open(out)
        assert made.about["zero_threshold"] == expected
        assert (made.load().values > expected).all()


def test_generate_draws_as_many_as_the_model_was_fitted_to(here, capsys, tmp_path):
    call(capsys, "generate", "runs/vae", "--prior", "normal", "--out", str(tmp_path / "g"))
    made = StoredProfiles.open(tmp_path / "g")
    assert len(made) == load("runs/vae").about["profiles"]
    assert made.about["prior"] == "normal"


def test_profile_takes_its_options(here, capsys, tmp_path):
    code, out, err = call(
        capsys, "profile", "events.parquet", *COLUMNS, "--window-every", "7", "--days", "7",
        "--align", "monday",
        "--end", "2018-03-04", "--slot", "30m", "--channels", "web,phone", "--filter",
        "user_id < 150",
        "--min-events", "3", "--min-days", "2", "--out", str(tmp_path / "p"),
    )  # fmt: skip
    assert (code, err) == (0, "")
    made = StoredProfiles.open(tmp_path / "p")
    assert made.axes.shape == (7, 48, 3)
    assert made.axes.channels == ("web", "phone", "other")
    assert (str(made.axes.start), made.axes.every) == ("2018-02-05", 7)
    assert {str(day) for day in made.users["window_start"].to_pylist()} <= {
        "2018-02-05", "2018-02-12", "2018-02-19", "2018-02-26",
    }  # fmt: skip
    assert max(made.users["user"].to_pylist()) < 150
    assert "profiles: " in out
    assert "left out with fewer than 3 events or 2 days" in out


def test_start_and_end_make_a_window(here, capsys, tmp_path):
    dates = ("--start", "2018-02-05", "--end", "2018-02-18")
    _, out, _ = call(
        capsys, "profile", "events.parquet", *COLUMNS, *dates, "--out", str(tmp_path / "p")
    )
    assert StoredProfiles.open(tmp_path / "p").axes.days == 14
    assert "because the event is outside the window left out" in out


def test_attributes_come_along(here, capsys, tmp_path):
    log = (
        "events.factors.parquet",
        "--user",
        "user_id",
        "--time",
        "first_day",
        "--attribute",
        "type",
    )
    assert call(capsys, "profile", *log, "--days", "1", "--out", str(tmp_path / "p"))[0] == 0
    assert set(StoredProfiles.open(tmp_path / "p").users["type"].to_pylist()) <= {
        "morning",
        "day",
        "evening",
        "night",
    }


def test_split_is_by_user_and_reads_in_pieces(here, capsys, tmp_path, axes):
    made = habitus.Profiles.from_dense(axes, np.ones((20_000, *axes.shape), np.uint8))
    save(tmp_path / "many", [made], axes)
    call(
        capsys,
        "split",
        str(tmp_path / "many"),
        "--test",
        "0.3",
        "--out",
        str(tmp_path / "a"),
        str(tmp_path / "b"),
    )
    a, b = (set(StoredProfiles.open(tmp_path / name).users["user"].to_pylist()) for name in "ab")
    assert (len(a), len(b), a & b) == (14_000, 6_000, set())


def test_export_and_profile_give_the_same_profiles(here, capsys, tmp_path):
    log = str(tmp_path / "log.parquet")
    again = str(tmp_path / "again")
    _, out, _ = call(capsys, "export", "profiles", "--out", log)
    before = StoredProfiles.open("profiles").load()
    assert f"{before.values.sum():,} events of 300 profiles" in out
    columns = ("--user", "user_id", "--time", "timestamp", "--channel", "platform")
    call(capsys, "profile", log, *columns, "--start", "2018-02-01", "--days", "32", "--out", again)
    after = StoredProfiles.open(again).load()
    np.testing.assert_array_equal(before.cells, after.cells)
    np.testing.assert_array_equal(before.values, after.values)
    code, _, err = call(capsys, "export", "generated", "--out", log)
    assert (code, err.count("\n"), "expected profiles of unit count" in err) == (2, 1, True)


def test_load_opens_runs_and_profiles_alike(here):
    assert isinstance(habitus.load("runs/vae"), habitus.Run)
    assert isinstance(habitus.load("profiles"), habitus.StoredProfiles)
    assert isinstance(habitus.load("filled"), habitus.StoredCompleted)
    with pytest.raises(ValueError, match="expected a folder of habitus"):
        habitus.load("runs")


def test_settings_are_read_as_their_fields_are_typed():
    read = settings_of(ContextVAEConfig, ["beta=1e-2", "latents=3", "batch_norm=yes", "mask=a=b"])
    assert read == {"beta": 0.01, "latents": 3, "batch_norm": True, "mask": "a=b"}
    with pytest.raises(
        ValueError, match=r"setting latents must be a whole number \(int\), got 'x'"
    ):
        settings_of(BetaVAEConfig, ["latents=x"])


def test_ctrl_c_stops_a_fit_that_resume_takes_up(capsys, population, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save("train", [population], population.axes)
    command = (
        "fit",
        "train",
        "--model",
        "beta-vae",
        "--epochs",
        "6",
        "--set",
        "latents=2",
        "--batch",
        "20",
        "--out",
        "run",
    )
    process = Background(partial(main, list(command)))
    while not (tmp_path / "run" / CHECKPOINT).exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130
    assert err == "habitus: stopped; go on with --resume\n"
    code, _, err = call(capsys, "generate", "run", "--out", "g")
    assert code == 2
    assert "is not finished" in err
    code, _, err = call(capsys, "fit", "train", "--epochs", "7", "--resume", "--out", "run")
    assert code == 2
    assert "was begun with epochs=6, got 7" in err
    code, said, err = call(capsys, "fit", "train", "--resume", "--out", "run")
    assert (code, err) == (0, "")
    assert "latents=2" in said
    assert load("run").history["step"][-1] == 6 * 6


def test_a_debugger_sees_the_traceback(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("HABITUS_DEBUG", "1")
    with pytest.raises(ValueError, match="expected a folder of habitus profiles"):
        main(["describe", str(tmp_path)])


def test_whoever_reads_may_go_away(here):
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*PYTHON, "describe", "profiles"], stdout=writing, stderr=subprocess.PIPE, check=False
    )
    os.close(writing)
    assert done.stderr == b""


def test_progress_is_shown_on_a_terminal_only(here, capsys, tmp_path):
    command = ["simulate", "--users", "20000", "--out", str(tmp_path / "e.parquet")]
    assert call(capsys, *command)[2] == ""
    ours, theirs = pty.openpty()
    with subprocess.Popen([*PYTHON, *command], stderr=theirs, stdout=subprocess.DEVNULL) as process:
        os.close(theirs)
        shown = b""
        while process.poll() is None or not shown:
            shown += read(ours)
    assert b"Simulating" in shown
    assert b"20,000 users" in shown


def read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # what Linux says when the other end of a terminal is closed
        return b""
