"""A folder with one of everything that habitus reads, and command lines that read all of it."""

import contextlib
import datetime as dt
import hashlib
import io
import json
import os
import signal
import time
import traceback
import warnings
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import typer

from habitus.cli import COMMANDS, main

USERS = 60
OUT = "OUT"  # stands for the output in a command line; nothing of that name is in the folder
LOG = ("--user", "user", "--time", "time", "--channel", "channel", "--attribute", "plan")
TINY = ("--epochs", "1", "--batch", "30", "--precision", "float32", "--accelerator", "cpu")
VAE = ("--model", "beta-vae", "--set", "latents=2")

MAKING = [
    f"profile log.parquet {' '.join(LOG)} --days 8 --slot 6h --holidays days.csv --out whole",
    f"profile log.parquet {' '.join(LOG)} --days 4 --window-every 4 --slot 6h --out tiled",
    "split whole --test 0.4 --out train test",
    f"fit train {' '.join(TINY)} {' '.join(VAE)} --epochs 20 --set beta=0 --out vae",
    f"fit train {' '.join(TINY)} --model context-mixture --set width=8 --set heads=2 --out mixture",
    f"fit train {' '.join(TINY)} --model rhythm --set hidden=8 --set latents=2 --set components=2"
    " --out rhythm",
    "cluster vae train --k 2 --out cohorts",
    "generate vae --users 40 --out generated",
    "complete mixture test --mask bottom --samples 2 --out completed",
    f"fit series.csv {' '.join(TINY)} --model lstm --set hidden=4 --set window=8 --time when"
    " --series-id name --out lstm",
    "generate lstm --series 3 --steps 9 --out made.parquet",
    "forecast lstm series.csv --steps 3 --after 0.5 --samples 2 --out ahead.parquet",
]
"""Commands that fill the folder from the files that :func:`write_sources` writes."""

LINES = [
    "simulate --users 20 --days 4 --out OUT.parquet",
    f"profile log.parquet {' '.join(LOG)} --days 8 --slot 6h --holidays days.csv --out OUT",
    f"profile log.csv {' '.join(LOG)} --days 4 --window-every 4 --slot 6h --out OUT",
    "split whole --out OUT OUT2",
    f"fit train {' '.join(TINY)} {' '.join(VAE)} --out OUT",
    f"fit train {' '.join(TINY)} --model context-mixture --set width=8 --set heads=2 --out OUT",
    f"fit series.csv {' '.join(TINY)} --model gru --set hidden=4 --set window=8 --time when"
    " --series-id name --out OUT",
    "generate vae --users 30 --out OUT",
    "generate vae --cohorts 0:0.5,1:0.5 --cohorts-from cohorts --users 20 --out OUT",
    "generate vae --like test --users 20 --out OUT",
    "generate rhythm --users 20 --where plan=free --holidays days.csv --out OUT",
    "generate rhythm --users 20 --as events --out OUT.csv",
    "generate lstm --series 2 --steps 5 --out OUT.parquet",
    "complete mixture test --mask bottom --samples 2 --out OUT",
    "complete mixture test --missing gaps.csv --samples 2 --out OUT",
    "complete mixture test --missing mask.npy --samples 2 --out OUT",
    "complete lstm series.csv --samples 2 --noise none --out OUT.parquet",
    "forecast rhythm test --days 2 --samples 2 --out OUT",
    "forecast lstm series.csv --steps 3 --after 0.5 --samples 2 --out OUT.parquet",
    "evaluate generated --against test --train train --json OUT.json",
    "evaluate completed --against test --train train --json OUT.json",
    "evaluate made.parquet --against series.csv --time when --series-id name --json OUT.json",
    "evaluate ahead.parquet --against series.csv --json OUT.json",
    f"sweep train --against test {' '.join(TINY)} --model beta-vae --grid latents=1,2 --users 9 --out OUT",
    "traverse vae --points 2 --out OUT.png",
    "explain vae train --walks 2 --factors factors.parquet --json OUT.json",
    "cluster vae train --k 2 --out OUT",
    "score rhythm whole --samples 2 --top 3 --out OUT.parquet",
    "describe whole",
    "describe tiled --json",
    "models beta-vae",
    "reproduce tdlgm --list",
    "export test --out OUT.parquet",
    "export tiled --out OUT.csv",
]
"""Command lines, all of which end well."""

COSTLY = ("profile", "fit", "cluster", "sweep", "evaluate")
"""Commands that take a second where they end well: they are attacked less often than others."""
OFTEN = 4  # times as often as these

SLOW = {
    "vae",
    "rhythm",
    "cohorts",
    "generated",
    "log.csv",
    "sweep",
}  # words of lines that take seconds
PATIENCE = 3.0  # seconds of computing, after which a command is interrupted as by Ctrl-C
HUNG = 60.0  # seconds after which one is that does not compute
KEPT = ("fit", "sweep", "reproduce")  # whose output may remain where they failed, to go on with


ALARMS = (signal.SIGPROF, signal.SIGALRM)


class Outcome(NamedTuple):
    """How a command ended."""

    code: int | None  # None for an exception that nobody caught
    out: str
    err: str
    seconds: float


def run(*args: str, patience: float = PATIENCE) -> Outcome:
    """Run a command in this process, with warnings as errors."""
    streams = [io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2)]
    begun = time.process_time()
    code: int | None = 0
    before = [signal.signal(each, _interrupt) for each in ALARMS]
    with contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                warnings.filterwarnings("ignore", "fetch_(record_batch|arrow_table)")
                signal.setitimer(signal.ITIMER_PROF, patience, 1.0)
                signal.setitimer(signal.ITIMER_REAL, max(HUNG, 20 * patience), 1.0)
                main(list(args))
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 0
        except BaseException:
            code = None
            traceback.print_exc(limit=-4)
        finally:
            for timer in (signal.ITIMER_PROF, signal.ITIMER_REAL):
                signal.setitimer(timer, 0)
            for each, handler in zip(ALARMS, before, strict=True):
                signal.signal(each, handler)
    out, err = (stream.buffer.getvalue().decode(errors="replace") for stream in streams)
    return Outcome(code, out, err, time.process_time() - begun)


def _interrupt(number: int, _: object) -> None:
    raise KeyboardInterrupt if number == signal.SIGPROF else TimeoutError("hung")


def commands() -> dict[str, typer.core.TyperCommand]:
    """Every command with its parameters, from the Typer applications themselves."""
    return {
        name: typer.main.get_command(getattr(import_module(f"habitus.cli.{name}"), name))
        for name in COMMANDS
    }


def write_sources(folder: Path) -> None:
    """Write the files of logs and series that everything else is made from."""
    rng = np.random.default_rng(0)
    first = dt.datetime(2018, 2, 1)
    rows = 900
    who = rng.integers(USERS, size=rows)
    log = pa.table(
        {
            "user": [f"u{number}" for number in who],
            "time": [
                first + dt.timedelta(minutes=int(m)) for m in rng.integers(8 * 1440, size=rows)
            ],
            "channel": rng.choice(["web", "tv"], rows),
            "plan": [("free", "paid")[number % 2] for number in who],
        }
    )
    pq.write_table(log, folder / "log.parquet")
    pa.csv.write_csv(log, folder / "log.csv")
    (folder / "days.csv").write_text("date\n2018-02-03\n2018-02-06\n")
    (folder / "gaps.csv").write_text("user,from,to\nu1,2018-02-02,2018-02-03\n")
    mask = np.zeros((8, 4, 2), bool)
    mask[5:] = True
    np.save(folder / "mask.npy", mask)
    names = [f"u{number}" for number in range(USERS)]
    pq.write_table(
        pa.table({"user": names, "hour": rng.random(USERS) * 24}), folder / "factors.parquet"
    )
    days = [dt.date(2018, 2, 1) + dt.timedelta(days=n) for n in range(30)]
    series = pa.table(
        {
            "name": [name for name in "ab" for _ in days],
            "when": days * 2,
            "load": rng.random(60).cumsum(),
            "heat": rng.random(60),
        }
    )
    pa.csv.write_csv(series, folder / "series.csv")


def build(folder: Path, slow: bool = True) -> None:
    """Fill a folder with one of everything, or with what is made quickly."""
    write_sources(folder)
    with contextlib.chdir(folder):
        for line in MAKING:
            if not slow and SLOW & set(line.split()):
                continue
            made = run(*line.split(), patience=400)
            assert made.code == 0, (line, made.err)
    # A command may replace its own earlier output, and these inputs have to stay.
    for path in folder.rglob("habitus.json"):
        content = json.loads(path.read_text())
        if "written" in content:
            content["written"]["command"] = "of somebody else"
            path.write_text(json.dumps(content))


def lines() -> list[str]:
    """Command lines all of whose inputs are in the current folder."""
    names = {line.split()[-1] for line in MAKING} | {"test"}
    there = {name for name in names if Path(name).exists()}
    slow = SLOW if SLOW & names - there else set()
    return [line for line in LINES if not set(line.split()) & ((names - there) | slow)]


def weighted(chosen: list[str]) -> list[str]:
    """Command lines as often as each is to be attacked."""
    return [line for line in chosen for _ in range(1 if line.startswith(COSTLY) else OFTEN)]


def inputs(line: str) -> list[Path]:
    """Files that a command line reads, in a folder that was built."""
    found = list[Path]()
    for word in line.split():
        path = Path(word)
        found += sorted(path.iterdir()) if path.is_dir() else [path] if path.is_file() else []
    return found


MOST_CHARACTERS = 850  # characters of a message
REMEMBERED = ("cohorts.json", "cohorts.safetensors")
"""Files in a run with its latest cohorts, which cluster is there to change."""


@cache
def _digest(path: Path, *state: int) -> str:
    """Digest of a file; read again where its ``state`` has changed, as any writing changes it."""
    return hashlib.blake2b(path.read_bytes()).hexdigest()


def contents(folder: Path) -> dict[str, str]:
    """Digest of every file below a folder; of other things what they are."""
    found = dict[str, str]()
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"link to {os.readlink(path)}"
        elif path.is_file():
            state = path.stat()
            found[name] = _digest(path.absolute(), state.st_ino, state.st_size, state.st_ctime_ns)
        else:
            found[name] = "folder" if path.is_dir() else "other"
    return found


def clear(before: dict[str, str]) -> None:
    """Remove whatever was not there before."""
    for name in sorted(contents(Path()).keys() - before.keys(), reverse=True):
        path = Path(name)
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


def complaints(args: list[str], before: dict[str, str], outcome: Outcome) -> Iterator[str]:
    """What is wrong with how a command ended: nothing, for one line or a right result."""
    code, _, err, _ = outcome
    if code == 130 and "Exception ignored" in err:
        return  # the interruption met a callback of the garbage collector
    if code is None or "Traceback" in err:
        yield f"traceback: {err[-1500:]}"
        return
    yield from _wrong_words(outcome)
    after = contents(Path())
    changed = [name for name in before if after.get(name) != before[name]]
    if args[0] == "cluster":
        changed = [name for name in changed if Path(name).name not in REMEMBERED]
    if changed:
        yield f"changed: {', '.join(changed)}"
    made = sorted(after.keys() - before.keys())
    if code == 2 and args[0] not in KEPT and made:
        yield f"left behind: {', '.join(made)}"
    if hidden := [name for name in made if Path(name).name.startswith(".")]:
        yield f"hidden leftovers: {', '.join(hidden)}"
    if code == 0:
        yield from _unreadable(made)


def _wrong_words(outcome: Outcome) -> Iterator[str]:
    """What is wrong with the exit code, the message and the time of a command."""
    code, _, err, seconds = outcome
    if code not in (0, 2, 130):
        yield f"exit {code}: {err[-500:]}"
    lines = err.splitlines()
    if code and (not 1 <= len(lines) <= 2 or not all(x.startswith("habitus: ") for x in lines)):
        yield f"expected one line, got {err[-500:]!r}"
    if code == 2 and len(lines[-1]) > MOST_CHARACTERS:
        yield f"a line of {len(lines[-1])} characters: {lines[-1][:200]}"
    if code == 2 and "out of memory" in err:
        yield "memory was tried before it was estimated"
    if code != 130 and seconds > PATIENCE + 1:
        yield f"took {seconds:.1f} s"


def _unreadable(made: list[str]) -> Iterator[str]:
    """Outputs that cannot be read again, or that hold numbers that are not finite."""
    for name in made:
        path = Path(name)
        if path.suffix == ".json":
            json.loads(path.read_text(), parse_constant=_refuse)
        elif path.suffix == ".parquet":
            for column in pq.read_table(path).columns:
                while pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
                    column = pc.call_function("list_flatten", [column])
                if pa.types.is_floating(column.type):
                    values = column.drop_null().to_numpy()
                    if np.isinf(values).any():
                        yield f"infinity in {name}"


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} in JSON")
