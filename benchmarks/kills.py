"""What is left when a command is stopped: SIGKILL, SIGTERM and SIGINT at moments all over its run.

    python benchmarks/kills.py                              # 20 moments, three signals, all commands
    python benchmarks/kills.py --only generate,fit --moments 5
    python benchmarks/kills.py --quick

Each command runs in a session of its own, forked from a process that has loaded what habitus
depends on; one starts as an interpreter, so that moments fall into its imports. First it runs
undisturbed, which gives its time and its outputs. Then, for each signal, it is begun again where an
earlier output stands, and the signal is sent to its first process alone at moments evenly spread over
that time. Counted are
- orphans: processes of its session that are still there 3 seconds after its first one ended;
- harmed: earlier outputs that are neither as they were nor replaced by the whole new one;
- untold: an end by SIGTERM or SIGINT that is not one line and exit code 143 or 130;
- leftovers: files and folders that nobody asked for, after the command was given again;
- unequal: outputs, after the command was given again, or with --resume, that are not those of the
  undisturbed run: weights and tables byte for byte, JSON but for times.

The exit code is 1 if any of these is not 0.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import torch

from machine import describe
from same_outputs import DIFFERS, SKIPPED, Sides, compare_files, load_dependencies

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
ORPHAN_SECONDS = 3.0
LONGEST = 600.0  # seconds, for one run
COLUMNS = "--user user_id --time timestamp --channel platform --start 2018-02-01 --days 32"
CPU = "--precision float32 --seed 0"


class Command(NamedTuple):
    """A command that is stopped, in a folder beside the one with its inputs.

    Attributes:
        name: Its name in the table.
        line: Arguments; what it writes begins with ``out``.
        earlier: Arguments that give the earlier output; empty where there may be none.
        again: Arguments added when it is given again after a stop that left a checkpoint.
        copied: Inputs that it adds to, and of which it so has a copy.
        interpreter: True to start an interpreter instead of a fork.
        lines: How many lines libraries may print before.
    """

    name: str
    line: str
    earlier: str = ""
    again: str = ""
    copied: str = ""
    interpreter: bool = False
    lines: int = 0


PREPARE = (
    "simulate --users {users} --days 32 --seed 0 --out log.parquet",
    f"profile log.parquet {COLUMNS} --timezone UTC --out profiles",
    "split profiles --test 0.3 --seed 0 --out train test",
    f"fit train --model rhythm --set hidden=32 --epochs 1 {CPU} --out rhythm",
    f"fit train --model context-mixture --epochs 1 {CPU} --out mixture",
    f"fit train --model beta-vae --epochs 1 {CPU} --out vae",
    "generate rhythm --users 500 --seed 1 --out generated",
)
COMMANDS = (
    Command("describe, from its first import", "describe ../in/profiles", interpreter=True),
    Command(
        "profile",
        f"profile ../in/log.parquet {COLUMNS} --timezone UTC --out out",
        f"profile ../in/log.parquet {COLUMNS} --timezone UTC --min-events 3 --out out",
    ),
    Command(
        "fit",
        f"fit ../in/train --model rhythm --set hidden=32 --epochs 2 {CPU} --out out",
        again="--resume",
    ),
    Command(
        "fit in two processes",
        f"fit ../in/train --model beta-vae --epochs 2 --devices 2 {CPU} --out out",
        again="--resume",
        lines=7,
    ),
    Command(
        "generate",
        "generate ../in/rhythm --users {many} --seed 1 --out out",
        "generate ../in/rhythm --users 50 --seed 9 --out out",
    ),
    Command(
        "generate --as events",
        "generate ../in/rhythm --users {many} --seed 1 --as events --out out.parquet",
        "generate ../in/rhythm --users 50 --seed 9 --as events --out out.parquet",
    ),
    Command(
        "complete",
        "complete ../in/mixture ../in/test --mask centre --samples 20 --seed 0 --out out",
        "complete ../in/mixture ../in/test --mask last:7 --samples 1 --seed 0 --out out",
    ),
    Command(
        "forecast",
        "forecast ../in/mixture ../in/test --days 7 --samples 20 --seed 0 --out out",
        "forecast ../in/mixture ../in/test --days 2 --samples 1 --seed 0 --out out",
    ),
    Command(
        "evaluate",
        "evaluate ../in/generated --against ../in/test --train ../in/train --two-sample"
        " --json out.json",
        "evaluate ../in/generated --against ../in/test --json out.json",
    ),
    Command(
        "sweep",
        "sweep ../in/train --against ../in/test --model beta-vae --grid beta=0,0.1 --epochs 1"
        f" {CPU} --out out",
    ),
    Command(
        "cluster",
        "cluster vae ../in/train --k 3 --seed 0 --out out",
        "cluster vae ../in/train --k 2 --seed 0 --out out",
        copied="vae",
    ),
)
QUICK = {  # commands, with lines that need little
    "profile": {},
    "generate": {"../in/rhythm": "../in/vae"},
}


@dataclass
class Tally:
    """What was found for one command and signal; numbers of stops, and seconds to the end."""

    stopped: int = 0
    late: int = 0
    longest: float = 0.0
    orphans: int = 0
    harmed: int = 0
    untold: int = 0
    leftovers: int = 0
    unequal: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def faults(self) -> int:
        """Number of all that should not be."""
        return self.orphans + self.harmed + self.untold + self.leftovers + self.unequal

    def row(self) -> list[str]:
        """Cells of the table."""
        counts = (self.orphans, self.harmed, self.untold, self.leftovers, self.unequal)
        return [str(self.stopped), str(self.late), f"{self.longest:.1f}", *map(str, counts)]


class Process:
    """Command line of habitus in a session of its own."""

    def __init__(self, line: str, folder: Path, threads: int, interpreter: bool = False) -> None:
        self.printed = folder.parent / f"{folder.name}.err"
        self.began = time.monotonic()
        self.pid = os.fork()
        if not self.pid:
            _become(line.split(), folder, self.printed, threads, interpreter)

    def wait(self, seconds: float = LONGEST) -> int | None:
        """Wait for its end; its exit code, or None where it still runs."""
        until = time.monotonic() + seconds
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            if time.monotonic() > until:
                return None
            time.sleep(0.005)

    def orphans(self) -> list[int]:
        """Processes of its session that are still there after a while; they are ended."""
        until = time.monotonic() + ORPHAN_SECONDS
        while (left := _session(self.pid)) and time.monotonic() < until:
            time.sleep(0.02)
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return left


def _become(
    arguments: list[str], folder: Path, printed: Path, threads: int, interpreter: bool
) -> None:
    code: object = 1
    try:
        os.setsid()
        os.chdir(folder)
        null = os.open(os.devnull, os.O_RDWR)
        error = os.open(printed, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for old, new in ((null, 0), (null, 1), (error, 2)):
            os.dup2(old, new)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if interpreter:
            os.execv(sys.executable, [sys.executable, "-m", "habitus", *arguments])
        torch.set_num_threads(threads)
        sys.argv = ["habitus", *arguments]
        import_module("habitus.__main__").main()
        code = 0
    except SystemExit as stop:
        code = stop.code or 0
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 1)


def _session(number: int) -> list[int]:
    """Processes of a session that have not ended."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, _, session = stat.read_text().rpartition(") ")[2].split()[:4]
            if int(session) == number and state not in "ZX":
                found.append(int(stat.parent.name))
    return found


def _files(folder: Path) -> set[str]:
    """Names of all files and folders below a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def _same(found: Path, expected: Path) -> bool:
    """Tell whether a folder holds what another does, hidden leftovers aside."""
    sides = Sides(expected, found, str(expected), str(found))
    names = {name for name in _files(expected) | _shown(found) if not (expected / name).is_dir()}
    verdicts = (compare_files(name, sides).verdict for name in names)
    return all(verdict != DIFFERS or verdict == SKIPPED for verdict in verdicts)


def _shown(folder: Path) -> set[str]:
    return {
        name
        for name in _files(folder)
        if not any(part.startswith(".") for part in Path(name).parts)
        and not (folder / name).is_dir()
    }


class Case:
    """One command: its undisturbed run, the earlier output, and the stops."""

    def __init__(self, command: Command, work: Path, threads: int, sizes: dict[str, int]) -> None:
        self.command = command
        self.line = command.line.format(**sizes)
        self.work = work
        self.threads = threads
        self.whole = self._folder("whole")
        self._run(self.line, self.whole)  # compiles what is not compiled yet
        shutil.rmtree(self.whole)
        self.whole = self._folder("whole")
        self.seconds = self._run(self.line, self.whole)
        self.earlier = self._folder("earlier")
        if command.earlier:
            self._run(command.earlier.format(**sizes), self.earlier)

    def _folder(self, name: str) -> Path:
        folder = self.work / name
        folder.mkdir()
        if self.command.copied:
            shutil.copytree(self.work / "in" / self.command.copied, folder / self.command.copied)
        return folder

    def _run(self, line: str, folder: Path) -> float:
        process = Process(line, folder, self.threads, self.command.interpreter)
        code = process.wait()
        if code != 0:
            raise SystemExit(f"habitus {line}: exit code {code}\n{process.printed.read_text()}")
        return time.monotonic() - process.began

    def stop(self, number: int, share: float, tally: Tally) -> None:
        """Stop the command after a share of its time, look around, and give it again."""
        folder = self.work / "stopped"
        shutil.copytree(self.earlier, folder)
        process = Process(self.line, folder, self.threads, self.command.interpreter)
        code = process.wait(share * self.seconds)
        if code is not None:
            tally.late += 1
            shutil.rmtree(folder)
            return
        sent = time.monotonic()
        os.kill(process.pid, number)
        code = process.wait()
        tally.stopped += 1
        tally.longest = max(tally.longest, time.monotonic() - sent)
        found = {
            "orphans": len(process.orphans()),
            "harmed": not (_same(folder, self.earlier) or _same(folder, self.whole))
            if self.command.earlier
            else 0,
            "untold": self._untold(number, code, process.printed.read_text()),
        }
        checkpoint = self.command.again and (folder / "out/checkpoint.safetensors").is_file()
        if not self.command.again or checkpoint or not (folder / "out").exists():
            self._run(f"{self.line} {self.command.again if checkpoint else ''}", folder)
        expected = _files(self.whole) | _files(self.earlier)
        found["leftovers"] = len(_files(folder) - expected)
        found["unequal"] = not _same(folder, self.whole)
        for name, count in found.items():
            if count:
                setattr(tally, name, getattr(tally, name) + int(count))
                tally.notes.append(f"{name} at {share:.0%}, exit code {code}")
        shutil.rmtree(folder)

    def _untold(self, number: int, code: int | None, said: str) -> bool:
        if number == signal.SIGKILL or code == 0:  # it was about to end
            return False
        if code == -number and not said:  # it had not begun
            return False
        most = 1 + self.command.lines
        return code != 128 + number or said.count("\n") > most or "habitus: stopped" not in said


def prepare(folder: Path, lines: tuple[str, ...], threads: int, sizes: dict[str, int]) -> None:
    """Make what the commands read."""
    folder.mkdir()
    for line in lines:
        process = Process(line.format(**sizes), folder, threads)
        if code := process.wait():
            raise SystemExit(f"habitus {line}: exit code {code}\n{process.printed.read_text()}")


def quick(command: Command) -> Command:
    """Change a command's lines so that they need no fit that takes long."""
    line = command.line
    earlier = command.earlier
    for old, new in QUICK[command.name].items():
        line = line.replace(old, new)
        earlier = earlier.replace(old, new)
    return command._replace(line=line, earlier=earlier)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--users", type=int, default=600)
    parser.add_argument("--many", type=int, default=60_000, help="of generated users")
    parser.add_argument("--moments", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", help="commands whose names hold one of these words")
    parser.add_argument("--quick", action="store_true")
    settings = parser.parse_args()
    chosen = list(COMMANDS)
    needed = PREPARE
    if settings.quick:
        chosen = [quick(command) for command in COMMANDS if command.name in QUICK]
        needed = tuple(line for line in PREPARE if "rhythm" not in line and "mixture" not in line)
        settings.users = 60
        settings.many = 300
        settings.moments = 1
    elif settings.only:
        words = settings.only.split(",")
        chosen = [each for each in COMMANDS if any(word in each.name for word in words)]
    sizes = {"users": settings.users, "many": settings.many}
    load_dependencies()
    print(describe())
    print(f"{settings.users} users, {settings.many} generated; {settings.threads} threads")
    print(
        "| command | seconds | signal | stopped | ended before | longest, s | orphans | harmed"
        " | untold | leftovers | unequal |"
    )
    print("|---" * 11 + "|")
    faults = 0
    with tempfile.TemporaryDirectory(prefix="kills-") as made:
        inputs = Path(made) / "in"
        prepare(inputs, needed, settings.threads, sizes)
        for place, command in enumerate(chosen):
            work = Path(made) / str(place)
            work.mkdir()
            (work / "in").symlink_to(inputs)
            case = Case(command, work, settings.threads, sizes)
            for number in SIGNALS:
                tally = Tally()
                for moment in range(settings.moments):
                    case.stop(number, (moment + 0.5) / settings.moments, tally)
                cells = [command.name, f"{case.seconds:.1f}", signal.Signals(number).name]
                print("| " + " | ".join([*cells, *tally.row()]) + " |", flush=True)
                for note in tally.notes:
                    print(f"  {command.name}, {cells[2]}: {note}", file=sys.stderr, flush=True)
                faults += tally.faults
            shutil.rmtree(work)
    print(json.dumps({"faults": faults}))
    if faults:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
