"""Compare the outputs of two versions of habitus: the same commands, file by file, byte for byte.

    python benchmarks/same_outputs.py                        # 25c7a5a against the working tree
    python benchmarks/same_outputs.py --before REV --after REV
    python benchmarks/same_outputs.py --keep DIR             # keep what the version before gives
    python benchmarks/same_outputs.py --only rhythm,explain  # jobs so named, and what they need
    python benchmarks/same_outputs.py --list                 # the jobs
    python benchmarks/same_outputs.py --quick                # a few jobs, this version twice

Jobs are command lines (JOBS), so that nothing here depends on where code lives: seeds are fixed,
numbers are float32, and a single thread computes. Each runs in a process of its own, forked from
one that has loaded what habitus depends on (loading it takes longer than most jobs do).

Exit codes are compared, and every file that a job writes. Files whose bytes differ are compared by
content: JSON, Parquet and arrays by value, safetensors by tensor. Pages (.html) and the words that
commands print are not compared, nor what tells of a run rather than of a result (IGNORED_KEYS).
The exit code is 1 if anything differs.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import inspect
import json
import os
import platform
import resource
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parents[1]
BEFORE = "25c7a5a"

# Keys, old -> new, of JSON files and of tables' columns that were renamed since `--before`.
RENAMED_KEYS = {
    "rivals": "baselines",
}

# Keys of JSON files, at any depth, that tell of a run rather than of a result.
IGNORED_KEYS = {
    "baselines_learn_from",  # words for readers, in evaluations; it was rivals_learn_from
    "note",  # the same
    "rivals_learn_from",
    "seconds",  # how long a fit took
    "threads",  # of a fit, which earlier versions did not record
    "versions",  # of Python, habitus, torch and NumPy
}

# Files that are made, but never compared.
NOT_COMPARED = {
    ".html": "a page, whose words may change",
    ".db": "a database of times and process numbers; the results of a sweep are files beside it",
}

# Libraries on which numbers depend: what was kept is made again where one of them is another.
LIBRARIES = (
    "duckdb",
    "lightning_fabric",
    "matplotlib",
    "numba",
    "numpy",
    "optuna",
    "pyarrow",
    "scikit-learn",
    "scipy",
    "statsmodels",
    "torch",
)

MOST_SECONDS = 300  # of processor time, for one job
PLACES = 3  # shown of a file that differs


class Job(NamedTuple):
    """One command line.

    Attributes:
        name: Its name in reports and for `--only`.
        line: Arguments of `python -m habitus`, in a folder with the files of `make_inputs`.
        after: Arguments for the version after, where they must be others.
        printed: File for what the command prints, of commands whose result is printed.
        slow: It takes minutes, so that it runs only where it is named by `--only`.
    """

    name: str
    line: str
    after: str | None = None
    printed: str | None = None
    slow: bool = False

    def arguments(self, *, after: bool) -> list[str]:
        """Arguments for one of the two versions."""
        line = self.line if self.after is None or not after else self.after
        return line.split()


LOG = (
    "--user user --time time --channel channel --start 2018-02-01 --days 16 --slot 4h"
    " --timezone Europe/Brussels --holidays holidays.csv --unobserved unobserved.csv"
)
SMALL = "--precision float32 --seed 3"
VAE = f"--set latents=4 --set beta=0.001 --epochs 4 --batch 50 {SMALL}"
RHYTHM = (
    "--model rhythm --set latents=4 --set day_latents=3 --set components=3 --set hidden=16"
    f" --set channel_width=8 --batch 50 {SMALL}"
)
STEPS = f"--column load --scale 0.1 --train-share 0.8 --set hidden=8 --batch 16 {SMALL}"
SERIES_MODELS = {
    "lstm": "--set window=16 --epochs 1",
    "gru": "--set window=16 --epochs 2 --set likelihood=mixture --set components=3",
    "dlgm": "--set window=16 --set latents=3 --epochs 2",
    "tdlgm": "--set window=16 --set latents=3 --epochs 2",
    "vrnn": "--set window=16 --set latents=3 --epochs 1",
    "timegan": "--set window=12 --set layers=1 --epochs 1",
}


def series_jobs(model: str) -> list[Job]:
    """List the jobs of one model of series; some kinds of evaluation for two models only."""
    run = f"{model}-run"
    jobs = [
        Job(
            f"fit {model}",
            f"fit real.csv --model {model} {STEPS} {SERIES_MODELS[model]} --out {run}",
        ),
        Job(
            f"generate {model}",
            f"generate {run} --series 6 --steps 40 --seed 1 --out {model}.parquet",
        ),
        Job(
            f"evaluate {model}",
            f"evaluate {model}.parquet --against real.csv --train-share 0.8 --steps 1,3"
            f" --json {model}.json",
        ),
        Job(
            f"forecast {model}",
            f"forecast {run} real.csv --steps 8 --samples 8 --after 0.9 --every 8"
            f" --out {model}-ahead.parquet",
        ),
        Job(f"complete {model}", f"complete {run} noisy.csv --out {model}-cleaned.parquet"),
    ]
    if model in ("lstm", "tdlgm"):
        jobs += [
            Job(
                f"evaluate {model} ahead",
                f"evaluate {model}-ahead.parquet --against real.csv --train-share 0.8 --steps 1,4"
                f" --json {model}-ahead.json",
            ),
            Job(
                f"evaluate {model} cleaned",
                f"evaluate {model}-cleaned.parquet --against clean.csv --noisy noisy.csv"
                f" --json {model}-cleaned.json",
            ),
        ]
    return jobs


JOBS = [
    Job("simulate", "simulate --users 300 --days 15 --seed 5 --out simulated.parquet"),
    Job(
        "profile simulated",
        "profile simulated.parquet --user user_id --time timestamp --channel platform"
        " --start 2018-02-01 --days 15 --slot 3h --out simulated",
    ),
    Job("profile log", f"profile log.parquet {LOG} --attribute plan --out profiles"),
    Job(
        "profile windows",
        "profile log.csv --user user --time time --channel channel --offset offset --days 7"
        " --window-every 3 --align monday --slot 30m --channels web,phone --min-events 3"
        " --min-days 2 --out windows",
    ),
    Job("describe", "describe profiles --json", printed="describe.json"),
    Job("split", "split profiles --test 0.3 --seed 1 --out train test"),
    Job("split simulated", "split simulated --test 0.3 --out simulated-train simulated-test"),
    Job("export", "export profiles --seed 1 --out exported.parquet"),
    Job("export part", "export profiles --seed 1 --shard 2/3 --out exported.csv"),
    # Models of pictures
    Job("fit beta-vae", f"fit train --model beta-vae {VAE} --out beta-run"),
    Job(
        "fit beta-vae simulated",
        "fit simulated-train --model beta-vae --set likelihood=poisson --set normalisation=count"
        f" --set architecture=strided {VAE} --out beta-poisson-run",
    ),
    Job("generate beta-vae", "generate beta-run --users 150 --seed 1 --out beta-mixture"),
    Job(
        "generate beta-vae normal",
        "generate beta-run --users 150 --prior normal --threshold off --out beta-normal",
    ),
    Job("generate beta-vae like", "generate beta-run --users 50 --like test --out beta-like"),
    Job(
        "generate beta-vae poisson",
        "generate beta-poisson-run --users 50 --as events --out beta-events.csv",
    ),
    Job(
        "fit context-vae",
        f"fit train --model context-vae --set mask=centre {VAE} --out centre-run",
    ),
    Job(
        "complete context-vae",
        "complete centre-run test --samples 4 --seed 1 --out centre-completed",
    ),
    Job(
        "evaluate context-vae",
        "evaluate centre-completed --against test --region centre --most 8 --json centre.json",
    ),
    Job(
        "fit context-mixture",
        f"fit train --model context-mixture --set width=16 --set features=12 {SMALL} --epochs 2"
        " --batch 50 --out mixture-run",
    ),
    Job(
        "complete context-mixture",
        "complete mixture-run test --mask bottom --samples 4 --seed 1 --out mixture-bottom",
    ),
    Job(
        "complete context-mixture missing",
        "complete mixture-run profiles --missing gaps.csv --samples 4 --seed 1 --out mixture-gaps",
    ),
    Job(
        "forecast context-mixture",
        "forecast mixture-run test --days 3 --samples 4 --out mixture-ahead",
    ),
    Job(
        "evaluate context-mixture",
        "evaluate mixture-bottom --against test --train train --region bottom --most 8"
        " --json mixture-bottom.json",
    ),
    Job(
        "evaluate context-mixture missing",
        "evaluate mixture-gaps --against profiles --most 8 --json mixture-gaps.json",
    ),
    # Rhythm
    Job("fit rhythm", f"fit train {RHYTHM} --set holidays=true --epochs 3 --out rhythm-run"),
    Job(
        "fit rhythm negative-binomial",
        f"fit train {RHYTHM} --set likelihood=negative-binomial --epochs 1 --out rhythm-nb-run",
    ),
    Job(
        "fit rhythm poisson",
        f"fit simulated-train {RHYTHM} --set likelihood=poisson --epochs 1"
        " --out rhythm-poisson-run",
    ),
    Job("generate rhythm", "generate rhythm-run --users 200 --seed 1 --out rhythm-profiles"),
    Job(
        "generate rhythm long",
        "generate rhythm-run --users 60 --days 45 --start 2018-03-05 --holidays later.csv --seed 2"
        " --out rhythm-long",
    ),
    Job(
        "generate rhythm where",
        "generate rhythm-run --users 60 --where plan=paid --inactive keep --out rhythm-paid",
    ),
    *(
        Job(
            f"generate rhythm events {part}",
            f"generate rhythm-run --users 90 --as events --shard {part}/2 --seed 4"
            f" --out rhythm-events-{part}.parquet",
        )
        for part in (1, 2)
    ),
    Job(
        "generate rhythm printed",
        "generate rhythm-run --users 20 --as events --seed 4 --out -",
        printed="rhythm-printed.csv",
    ),
    Job(
        "generate rhythm negative-binomial",
        "generate rhythm-nb-run --users 60 --out rhythm-nb-drawn",
    ),
    Job(
        "generate rhythm poisson",
        "generate rhythm-poisson-run --users 60 --out rhythm-poisson-drawn",
    ),
    Job(
        "complete rhythm",
        "complete rhythm-run test --mask last:4 --samples 4 --out rhythm-completed",
    ),
    Job("forecast rhythm", "forecast rhythm-run test --days 5 --samples 4 --out rhythm-ahead"),
    Job("score", "score rhythm-run test --against train --samples 3 --out scores.parquet"),
    Job("score beta-vae", "score beta-run test --samples 3 --out scores.csv"),
    # Latents
    Job(
        "explain",
        "explain beta-run train --factors factors.csv --hours hour --walks 8 --json explained.json",
    ),
    Job(
        "explain simulated",
        "explain beta-poisson-run simulated-train --factors simulated.factors.parquet --walks 8"
        " --hours preferred_hour --prior mixture --json factors.json --html factors.html",
    ),
    Job("explain rhythm", "explain rhythm-run train --walks 4 --json explained-rhythm.json"),
    Job("cluster", "cluster beta-poisson-run simulated-train --k auto --seed 1 --out cohorts"),
    Job(
        "generate cohorts",
        "generate beta-poisson-run --users 50 --cohorts 1:0.7,2:0.3 --cohorts-from cohorts"
        " --out beta-cohorts",
    ),
    Job(
        "traverse",
        "traverse beta-poisson-run --points 4 --dims 0,1 --channel all --out traversal.png",
    ),
    # Evaluation of populations
    Job(
        "evaluate beta-vae",
        "evaluate beta-mixture --against test --train train --two-sample --privacy"
        " --json beta.json",
    ),
    Job(
        "evaluate rhythm",
        "evaluate rhythm-profiles --against test --train train --two-sample --privacy"
        " --json rhythm.json",
    ),
    Job("evaluate without training", "evaluate beta-normal --against test --json beta-normal.json"),
    Job("page", "evaluate beta-normal --against test --train train --html beta-normal.html"),
    Job(
        "sweep",
        "sweep train --against test --model beta-vae --search beta=0.01:1:log --trials 2"
        f" --set latents=4 --epochs 1 --batch 50 {SMALL} --users 60 --out sweep",
    ),
    # Series
    *(job for model in SERIES_MODELS for job in series_jobs(model)),
    Job(
        "fit pair",
        "fit homes.csv --model lstm --column load --column heat --time when --series-id home"
        f" --set hidden=8 --set window=16 --epochs 2 {SMALL} --out pair-run",
    ),
    Job("generate pair", "generate pair-run --steps 30 --series 30 --out pair.parquet"),
    Job(
        "forecast pair",
        "forecast pair-run homes.csv --steps 4 --samples 8 --out pair-ahead.parquet",
    ),
    Job(
        "evaluate pair",
        "evaluate pair.parquet --against homes.csv --json pair.json --html pair.html",
    ),
    Job(
        "evaluate pair two-sample",
        "evaluate pair.parquet --against homes.csv --two-sample --json pair-two-sample.json",
        slow=True,
    ),
    # Papers
    Job(
        "reproduce time-pictures",
        "reproduce time-pictures --data train test --table 6.1 --betas 0,0.1 --epochs 1"
        " --profiles 30 --out time-pictures",
    ),
    # What is refused
    Job("refused run", "generate train --users 5 --out refused"),
    Job("refused option", "fit train --model rhythm --set likelihood=nothing --out refused"),
    Job("refused value", "profile log.parquet --user nobody --time time --out refused"),
]
QUICK = (
    "simulate",
    "profile log",
    "describe",
    "split",
    "fit beta-vae",
    "generate beta-vae normal",
    "evaluate without training",
    "fit lstm",
    "generate lstm",
    "refused run",
)


def make_inputs(folder: Path) -> None:
    """Write a log with an attribute, dates, gaps, factors and series, all drawn with one seed."""
    rng = np.random.default_rng(7)
    users, days = 300, 16
    start = np.datetime64("2018-02-01", "s")

    hour = rng.normal(15, 4, users)
    paid = rng.random(users) < 0.4
    active = rng.random((users, days)) < np.where(paid, 0.7, 0.4)[:, None]
    active[:, 3] = True
    counts = active * (1 + rng.poisson(rng.gamma(2.0, 1.5, users)[:, None], (users, days)))
    user, day = (
        np.repeat(index, counts.ravel()) for index in np.divmod(np.arange(users * days), days)
    )
    second = (rng.normal(hour[user], 3) % 24 * 3600).astype(np.int64)
    time_of_event = start + (day * 86_400 + second).astype("timedelta64[s]")
    favourite = rng.integers(0, 3, users)[user]
    other = rng.integers(0, 3, len(user))
    channel = np.array(["phone", "web", "tv"])[
        np.where(rng.random(len(user)) < 0.7, favourite, other)
    ]
    order = np.lexsort([user, time_of_event])
    names = np.array([f"u{number:03d}" for number in range(users)])
    log = {
        "user": names[user][order],
        "channel": channel[order],
        "plan": np.where(paid, "paid", "free")[user][order],
    }
    times = time_of_event[order]
    utc = pa.array(times.astype("datetime64[us]")).cast(pa.timestamp("us", tz="UTC"))
    pq.write_table(pa.table(log | {"time": utc}), folder / "log.parquet")
    # The same events on each user's own clock, which is one or two hours east of UTC.
    offset = (60 * (1 + user % 2))[order]
    local = np.datetime_as_string(times + offset.astype("timedelta64[m]"))
    _write_csv(folder / "log.csv", log | {"time": local, "offset": offset})

    _write_csv(folder / "holidays.csv", {"date": ["2018-02-05", "2018-02-12", "2018-02-19"]})
    _write_csv(folder / "later.csv", {"date": ["2018-03-12", "2018-04-02"]})
    _write_csv(folder / "unobserved.csv", {"date": ["2018-02-08"]})
    gaps = {
        "user": names,
        "from": np.datetime_as_string(start + rng.integers(0, 10, users) * np.timedelta64(1, "D")),
        "to": np.datetime_as_string(start + rng.integers(11, 16, users) * np.timedelta64(1, "D")),
        "channel": np.where(np.arange(users) % 3 == 0, "web", ""),
    }
    _write_csv(folder / "gaps.csv", gaps)
    _write_csv(folder / "factors.csv", {"user": names, "hour": hour % 24, "loyal": paid})

    rows = 400
    real = _walk(rng, rows)
    _write_csv(folder / "real.csv", {"load": real})
    clean = real[-120:]
    noisy = clean + rng.normal(0, 0.5, len(clean))
    _write_csv(folder / "clean.csv", {"load": clean})
    _write_csv(folder / "noisy.csv", {"load": [*noisy[:40], *[None] * 6, *noisy[46:]]})
    homes = {
        "home": np.repeat(["b", "a"], rows // 2),
        "when": np.datetime_as_string(
            start + np.tile(np.arange(rows // 2), 2) * np.timedelta64(1, "h")
        ),
        "load": real,
        "heat": _walk(rng, rows),
    }
    _write_csv(folder / "homes.csv", homes)


def _walk(rng: np.random.Generator, rows: int) -> np.ndarray:
    """Draw a series in which each value depends on the one before, with few distinct values."""
    values = np.zeros(rows)
    for row in range(1, rows):
        values[row] = 0.8 * values[row - 1] + rng.normal()
    return np.round(values + 10, 1)


def _write_csv(path: Path, columns: dict[str, Any]) -> None:
    pyarrow.csv.write_csv(pa.table(columns), path)


# Running


def outputs_of(arguments: list[str]) -> set[str]:
    """Files and folders that a command line writes."""
    found: set[str] = set()
    option = ""
    for argument in arguments:
        if argument.startswith("--"):
            option = argument
        elif option in ("--out", "--json", "--html"):
            found.add(argument)
    return found


def with_needed(jobs: list[Job], words: list[str]) -> list[Job]:
    """Choose the jobs with one of some words in their names, and those whose outputs they read."""
    chosen: list[Job] = []
    read: set[str] = set()
    for job in reversed(jobs):
        arguments = job.arguments(after=False)
        written = outputs_of(arguments)
        if written & read or any(word in job.name for word in words):
            chosen.insert(0, job)
            read |= set(arguments) - written
    return chosen


@contextmanager
def checkout(revision: str | None) -> Iterator[Path]:
    """Give a folder with the code of a revision, in a worktree for a while, or this checkout."""
    if revision is None:
        yield ROOT
        return
    folder = Path(tempfile.mkdtemp(prefix="same-"))
    # Whoever ends this process by a signal shall not leave a worktree behind.
    earlier = signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        _git("worktree", "add", "--quiet", "--detach", str(folder / "tree"), revision)
        yield folder / "tree"
    finally:
        subprocess.run(
            ["git", "-C", str(ROOT), "worktree", "remove", "--force", str(folder / "tree")],
            check=False,
        )
        shutil.rmtree(folder, ignore_errors=True)
        signal.signal(signal.SIGTERM, earlier)


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def run_side(
    tree: Path,
    folders: list[Path],
    jobs: list[Job],
    compiled: Path,
    *,
    after: bool,
    here: bool = False,
) -> None:
    """Run the jobs with one version, in each of some folders, and leave a record in each.

    A folder then has what was written in `outputs`, what was printed in `printed`, and exit code,
    processor time and files of each job in `record.json`.

    Args:
        tree: Folder with the code of the version.
        folders: New folders.
        jobs: The jobs, in order.
        compiled: Folder for what Numba compiles.
        after: True for the version after.
        here: True to fork the jobs from this process, with what it has loaded, instead of from
            one that is started for them.
    """
    plan = [(job.name, job.arguments(after=after), job.printed) for job in jobs]
    single = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS", "NUMBA")}
    for folder in folders:
        (folder / "outputs").mkdir(parents=True)
        (folder / "printed").mkdir()
        make_inputs(folder / "outputs")
    if here:
        perform(folders, plan)
        return
    environment = {
        **os.environ,
        **single,
        "PYTHONPATH": str(tree / "src"),
        "CUDA_VISIBLE_DEVICES": "",
        "NUMBA_CACHE_DIR": str(compiled),
    }
    subprocess.run(
        [sys.executable, __file__, "--perform", *map(str, folders)],
        input=json.dumps(plan),
        text=True,
        env=environment,
        check=True,
    )


def perform(folders: list[Path], plan: list[tuple[str, list[str], str | None]]) -> None:
    """Run each command line of a plan in a process of its own; the code is that of PYTHONPATH."""
    load_dependencies()
    for folder in folders:
        outputs = folder / "outputs"
        record: dict[str, Any] = {}
        seen = _files(outputs)
        for number, (name, arguments, printed) in enumerate(plan):
            said = folder / "printed" / f"{number:03d}"
            code, seconds = _in_child(arguments, outputs, said)
            if printed:
                shutil.copy(said.with_suffix(".out"), outputs / printed)
            now = _files(outputs)
            record[name] = {
                "code": code,
                "seconds": round(seconds, 2),
                "files": sorted(path for path in now if now[path] != seen.get(path)),
            }
            seen = now
            content = {"folder": str(outputs), "jobs": record}
            (folder / "record.json").write_text(json.dumps(content, indent=1) + "\n")
            _progress(f"{folder.name}: {number + 1} of {len(plan)}, {name}")
    _progress("")


def load_dependencies() -> None:
    """Load what habitus depends on, which takes longer than most jobs, once for all processes."""
    for name in (
        "ibis.backends.duckdb",
        "jinja2",
        "lightning_fabric",
        "matplotlib.figure",
        "numba",
        "optuna",
        "pandas",
        "pyarrow.parquet",
        "safetensors.torch",
        "scipy.stats",
        "sklearn.ensemble",
        "sklearn.linear_model",
        "sklearn.mixture",
        "sqlalchemy",
        "statsmodels.tsa.api",
        "torch.utils.data",
        "typer",
    ):
        # A version of habitus may do without one.
        with suppress(ImportError):
            importlib.import_module(name)
    # Earlier versions import the same package as a part of lightning, which brings much more.
    sys.modules.setdefault("lightning", ModuleType("lightning"))
    sys.modules.setdefault("lightning.fabric", sys.modules["lightning_fabric"])


def _in_child(arguments: list[str], folder: Path, said: Path) -> tuple[int, float]:
    """Run `python -m habitus` in a fork of this process; its exit code and seconds of processor."""
    child = os.fork()
    if child:
        _, status, usage = os.wait4(child, 0)
        return os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime
    code = 1
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))
        os.chdir(folder)
        for stream, number in (("out", 1), ("err", 2)):
            os.dup2(os.open(said.with_suffix(f".{stream}"), os.O_WRONLY | os.O_CREAT), number)
        sys.argv = ["habitus", *arguments]
        runpy.run_module("habitus", run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _files(folder: Path) -> dict[str, int]:
    """Find the files below a folder, and when each was written."""
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file()
    }


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


# Comparing

SAME, CONTENT, SKIPPED, DIFFERS = "same", "same content", "not compared", "differs"


class Verdict(NamedTuple):
    """How two files compare: SAME, CONTENT, SKIPPED or DIFFERS, and why or where."""

    verdict: str
    where: str = ""


class Sides(NamedTuple):
    """Folders of outputs, and where each was when commands ran in it (paths may be in outputs)."""

    before: Path
    after: Path
    ran_before: str
    ran_after: str


def compare_files(name: str, sides: Sides) -> Verdict:
    """Compare one file of both sides."""
    before = sides.before / name
    after = sides.after / name
    for path, side in ((before, "before"), (after, "after")):
        if not path.is_file():
            return Verdict(DIFFERS, f"is not made by the version {side}")
    suffix = before.suffix
    if suffix in NOT_COMPARED:
        return Verdict(SKIPPED, NOT_COMPARED[suffix])
    if before.read_bytes() == after.read_bytes():
        return Verdict(SAME)
    compare = {
        ".json": _compare_json,
        ".parquet": _compare_parquet,
        ".csv": _compare_csv,
        ".safetensors": _compare_safetensors,
        ".npy": _compare_npy,
    }.get(suffix, _compare_bytes)
    return compare(before, after, sides)


def _verdict(differences: Iterator[str], otherwise: str) -> Verdict:
    """Tell where content differs or, where it does not, why bytes do."""
    places = list(islice(differences, PLACES + 1))
    if not places:
        return Verdict(CONTENT, otherwise)
    more = "; ..." if len(places) > PLACES else ""
    return Verdict(DIFFERS, "; ".join(places[:PLACES]) + more)


def _compare_json(before: Path, after: Path, sides: Sides) -> Verdict:
    old = _comparable(json.loads(before.read_text()), sides.ran_before)
    new = _comparable(json.loads(after.read_text()), sides.ran_after)
    return _verdict(_json_differences(old, new), "ignored or renamed keys, order or spacing")


def _comparable(content: Any, ran: str) -> Any:
    """Rename keys, leave out ignored ones, and make paths relative to where commands ran."""
    if isinstance(content, dict):
        return {
            RENAMED_KEYS.get(key, key): _comparable(value, ran)
            for key, value in content.items()
            if key not in IGNORED_KEYS
        }
    if isinstance(content, list):
        return [_comparable(value, ran) for value in content]
    return content.replace(ran, ".") if isinstance(content, str) else content


def _json_differences(old: Any, new: Any, at: str = "") -> Iterator[str]:
    """Yield each place at which two JSON values differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in old | new:
            place = f"{at}.{key}" if at else key
            if key not in new:
                yield f"{place} is gone"
            elif key not in old:
                yield f"{place} is new"
            else:
                yield from _json_differences(old[key], new[key], place)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, pair in enumerate(zip(old, new, strict=True)):
            yield from _json_differences(*pair, f"{at}[{index}]")
    elif type(old) is not type(new) or old != new:
        yield f"{at}: {str(old)[:60]!r} -> {str(new)[:60]!r}"


def _compare_parquet(before: Path, after: Path, sides: Sides) -> Verdict:
    old = pq.read_table(before)
    new = pq.read_table(after)
    metadata = (
        _parquet_metadata(old.schema.metadata, sides.ran_before),
        _parquet_metadata(new.schema.metadata, sides.ran_after),
    )
    changes = _table_differences(old, new), _json_differences(*metadata, "metadata")
    same_groups = pq.read_metadata(before).num_row_groups == pq.read_metadata(after).num_row_groups
    return _verdict(
        (place for each in changes for place in each),
        "ignored or renamed keys, or encoding" if same_groups else "other groups of rows",
    )


def _parquet_metadata(metadata: dict[bytes, bytes] | None, ran: str) -> dict[str, Any]:
    """Read a table's metadata, whose values are JSON where they can be."""
    found = {}
    for key, value in (metadata or {}).items():
        try:
            found[key.decode()] = _comparable(json.loads(value), ran)
        except ValueError:
            found[key.decode()] = value.hex()
    return found


def _compare_csv(before: Path, after: Path, sides: Sides) -> Verdict:
    tables = pyarrow.csv.read_csv(before), pyarrow.csv.read_csv(after)
    return _verdict(
        _table_differences(*tables), "ignored or renamed columns, or how values are written"
    )


def _table_differences(old: pa.Table, new: pa.Table) -> Iterator[str]:
    """Yield how two tables differ: in their columns, rows, types and values."""
    old, new = (
        table.select([name for name in table.column_names if name not in IGNORED_KEYS])
        for table in (old, new)
    )
    old = old.rename_columns([RENAMED_KEYS.get(name, name) for name in old.column_names])
    if old.column_names != new.column_names:
        yield f"columns {old.column_names} -> {new.column_names}"
    if old.num_rows != new.num_rows:
        yield f"{old.num_rows} rows -> {new.num_rows}"
        return
    for name in old.column_names:
        if name not in new.column_names:
            continue
        if old[name].type != new[name].type:
            yield f"column {name}: {old[name].type} -> {new[name].type}"
            continue
        values = old[name].to_pylist(), new[name].to_pylist()
        rows = [row for row, pair in enumerate(zip(*values, strict=True)) if _unequal(*pair)]
        if rows:
            pair = " -> ".join(str(column[rows[0]])[:60] for column in values)
            yield f"column {name}: {len(rows)} of {old.num_rows} rows, first row {rows[0]}: {pair}"


def _unequal(one: Any, other: Any) -> bool:
    both_nan = isinstance(one, float) and isinstance(other, float) and one != one and other != other
    return not both_nan and one != other


def _compare_safetensors(before: Path, after: Path, sides: Sides) -> Verdict:
    old, old_header = _tensors(before)
    new, new_header = _tensors(after)

    def differences() -> Iterator[str]:
        for name in old | new:
            if name not in old or name not in new:
                yield f"tensor {name} is {'new' if name in new else 'gone'}"
            elif old[name] != new[name]:
                yield f"tensor {name}: {_how_far(old[name], new[name])}"

    same_header = old_header == new_header
    return _verdict(differences(), "other order" if same_header else "only the header's metadata")


def _tensors(path: Path) -> tuple[dict[str, tuple[str, list[int], bytes]], dict[str, str]]:
    """Read type, shape and bytes of each tensor, and the header's metadata."""
    content = path.read_bytes()
    begin = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:begin])
    metadata = header.pop("__metadata__", {})
    data = content[begin:]
    return {
        name: (tensor["dtype"], tensor["shape"], data[slice(*tensor["data_offsets"])])
        for name, tensor in header.items()
    }, metadata


def _how_far(old: tuple[str, list[int], bytes], new: tuple[str, list[int], bytes]) -> str:
    if old[:2] != new[:2]:
        return f"{old[0]} {old[1]} -> {new[0]} {new[1]}"
    if old[0] != "F32":
        return "other values"
    difference = np.abs(np.frombuffer(old[2], np.float32) - np.frombuffer(new[2], np.float32))
    count = np.count_nonzero(difference)
    return f"{count} of {difference.size} values, by {difference.max():.2g} at most"


def _compare_npy(before: Path, after: Path, sides: Sides) -> Verdict:
    old = np.load(before, allow_pickle=False)
    new = np.load(after, allow_pickle=False)
    if old.shape != new.shape or old.dtype != new.dtype:
        return Verdict(DIFFERS, f"{old.dtype} {old.shape} -> {new.dtype} {new.shape}")
    unequal = (old != new) & ~((old != old) & (new != new))
    if not unequal.any():
        return Verdict(CONTENT, "other header")
    return Verdict(DIFFERS, f"{np.count_nonzero(unequal)} of {old.size} values")


def _compare_bytes(before: Path, after: Path, sides: Sides) -> Verdict:
    old = before.read_bytes()
    new = after.read_bytes()
    place = next(
        (index for index, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1]),
        min(len(old), len(new)),
    )
    return Verdict(DIFFERS, f"{len(old)} bytes -> {len(new)}, first at byte {place}")


def report(before: Path, after: Path, jobs: list[Job], *, every_file: bool) -> bool:
    """Print how each job's exit code and files compare; tell whether nothing differs."""
    records = [json.loads((folder / "record.json").read_text()) for folder in (before, after)]
    sides = Sides(before / "outputs", after / "outputs", *(record["folder"] for record in records))
    counts = dict.fromkeys((SAME, CONTENT, SKIPPED, DIFFERS), 0)
    wrong = []
    for job in jobs:
        old, new = (record["jobs"][job.name] for record in records)
        lines = []
        ok = old["code"] == new["code"]
        if not ok:
            lines.append(f"exit code {old['code']} -> {new['code']}")
        files = dict.fromkeys([*old["files"], *new["files"]])
        for name in files:
            found = compare_files(name, sides)
            counts[found.verdict] += 1
            ok &= found.verdict != DIFFERS
            if every_file or found.verdict in (CONTENT, DIFFERS):
                lines.append(f"{name}: {found.verdict}{f' ({found.where})' if found.where else ''}")
        if not ok:
            wrong.append(job.name)
        if not ok or lines:
            seconds = f"{old['seconds']:.1f} s -> {new['seconds']:.1f} s"
            print(f"{job.name}: {'same' if ok else 'DIFFERS'}, exit code {new['code']}, {seconds}")
        for line in lines:
            print(f"    {line}")
    summary = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    print(f"{len(jobs)} jobs, {sum(counts.values())} files: {summary}")
    if wrong:
        print(f"jobs that differ: {', '.join(wrong)}")
    return not wrong


# The command line


def fingerprint(commit: str, jobs: list[Job]) -> str:
    """Name all that outputs depend on: commit, jobs, their inputs, libraries and processor."""
    processor = next(
        (
            line
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        "",
    )
    libraries = [f"{name} {version(name)}" for name in LIBRARIES]
    lines = [job.arguments(after=False) for job in jobs]
    inputs = inspect.getsource(make_inputs) + inspect.getsource(_walk)
    content = json.dumps([lines, inputs, processor, platform.python_version(), libraries])
    return f"{commit[:12]}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"


def outputs_before(settings: argparse.Namespace, jobs: list[Job], work: Path) -> Path:
    """Give the folder with what the version before gives, made now or kept from another time."""
    commit = _git("rev-parse", f"{settings.before}^{{commit}}")
    kept = settings.keep / fingerprint(commit, JOBS) if settings.keep else None
    if kept and (kept / "record.json").is_file():
        print(f"before: {commit[:12]}, kept in {kept}", flush=True)
        return kept
    folder = work / "before"
    started = time.perf_counter()
    with checkout(commit) as tree:
        run_side(tree, [folder], JOBS if kept else jobs, work / "compiled-before", after=False)
    print(f"before: {commit[:12]}, {time.perf_counter() - started:.0f} s", flush=True)
    if kept is None:
        return folder
    part = kept.with_name(f".{kept.name}.{os.getpid()}")
    shutil.copytree(folder, part)
    try:
        part.rename(kept)
    except OSError:  # another process was first
        shutil.rmtree(part)
    return kept


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--before", default=BEFORE, metavar="REV", help=f"default: {BEFORE}")
    parser.add_argument("--after", metavar="REV", help="default: the working tree")
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="keep what the version before gave"
    )
    parser.add_argument("--only", metavar="WORD,...", help="jobs with these words in their names")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="a new folder, which stays, for all"
    )
    parser.add_argument("--files", action="store_true", help="list every file")
    parser.add_argument("--list", action="store_true", help="list the jobs, and stop")
    parser.add_argument("--quick", action="store_true", help="a few jobs, this version twice")
    parser.add_argument("--perform", nargs="+", type=Path, help=argparse.SUPPRESS)
    settings = parser.parse_args()
    settings.keep = settings.keep and settings.keep.resolve()
    if settings.perform:
        perform(settings.perform, json.load(sys.stdin))
        return
    if settings.list:
        for job in JOBS:
            print(f"{job.name}{' (slow)' if job.slow else ''}: habitus {job.line}")
        return
    if settings.quick:
        jobs = [job for job in JOBS if job.name in QUICK]
    elif settings.only:
        jobs = with_needed(JOBS, settings.only.split(","))
    else:
        jobs = [job for job in JOBS if not job.slow]
    with tempfile.TemporaryDirectory(prefix="same-outputs-") as temporary:
        work = (settings.out or Path(temporary)).resolve()
        after = work / "after"
        if settings.quick:
            before = work / "again"
            run_side(ROOT, [before, after], jobs, work / "compiled", after=True, here=True)
        else:
            before = outputs_before(settings, jobs, work)
            # What Numba compiles is kept for the working tree only: earlier versions would go on
            # with functions whose sources have changed.
            compiled = settings.keep if settings.keep and not settings.after else work
            started = time.perf_counter()
            with checkout(settings.after) as tree:
                run_side(tree, [after], jobs, compiled / "compiled", after=True)
            print(
                f"after: {settings.after or ROOT}, {time.perf_counter() - started:.0f} s",
                flush=True,
            )
        same = report(before, after, jobs, every_file=settings.files)
    if not same:
        sys.exit(1)


if __name__ == "__main__":
    main()
