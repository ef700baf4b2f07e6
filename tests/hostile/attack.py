"""Attack every command with hostile options, settings and files, and print what did not hold.

    python tests/hostile/attack.py --cases 2500 --seed 0

Each case is a command line in one process: it has to end with 0 and outputs that can be read, or
with one line and exit code 2, and with its inputs as they were.
"""

import argparse
import os
import random
import resource
import select
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import strategies
import world
from hypothesis import HealthCheck, Phase, given, seed, settings

ROOM = 2 << 30  # bytes that a case may allocate


@contextmanager
def little_memory() -> Iterator[None]:
    """Limit what the process may allocate beyond what it has."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + ROOM, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@contextmanager
def oddities() -> Iterator[None]:
    """Put things that are no plain files into the folder that commands run in.

    What is written into the pipe is read, since a writer would wait for a reader.
    """
    os.mkfifo("fifo")
    pipe = os.open("fifo", os.O_RDWR)
    ended = threading.Event()

    def drain() -> None:
        while not ended.is_set():
            if select.select([pipe], [], [], 0.1)[0]:
                os.read(pipe, 1 << 16)

    reader = threading.Thread(target=drain)
    reader.start()
    Path("endless").symlink_to("/dev/zero")
    Path("loop").symlink_to("loop")
    Path("dangling").symlink_to("nowhere")
    Path("empty").touch()
    Path("folder").mkdir()
    try:
        yield
    finally:
        ended.set()
        reader.join()
        os.close(pipe)


def attack(count: int, seed_: int, ended: Counter[str], slow: list[tuple[float, str]]) -> list[str]:
    """Run cases in the current folder; return those that did not hold, with the complaint."""
    before = world.contents(Path())
    remembered = {
        Path(name): Path(name).read_bytes()
        for name in before
        if Path(name).name in world.REMEMBERED
    }
    failed = list[str]()

    @seed(seed_)
    @settings(
        max_examples=count, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(strategies.cases)
    def one(case: strategies.Case) -> None:
        whole = None if case.path is None else case.path.read_bytes()
        if os.environ.get("HOSTILE_TRACE"):
            print(case, file=sys.stderr, flush=True)
        case.damage()
        now = before if case.path is None else world.contents(Path())
        outcome = world.run(*case.args)
        ended[str(outcome.code)] += 1
        if os.environ.get("HOSTILE_TRACE"):
            print(f"    {outcome.code} {outcome.seconds:.2f} {outcome.err[-300:]}", file=sys.stderr)
            print(*world.complaints(case.args, now, outcome), file=sys.stderr, flush=True)
        slow.append((outcome.seconds, str(case)))
        failed.extend(f"{case}\n    {what}" for what in world.complaints(case.args, now, outcome))
        if case.path is not None and whole is not None:
            if case.path.is_dir() and not case.path.is_symlink():
                case.path.rmdir()
            else:
                case.path.unlink(missing_ok=True)
            case.path.write_bytes(whole)
        world.clear(before)
        for path, content in remembered.items():
            path.write_bytes(content)
        after = world.contents(Path())
        if lost := [name for name in before if after.get(name) != before[name]]:
            raise AssertionError(f"{case} changed {lost}")

    one()
    return failed


def main() -> int:
    """Attack, and print a table of how the cases ended."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=2500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--world", type=Path, help="keep what is attacked here, and take it from here"
    )
    options = parser.parse_args()
    random.seed(options.seed)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "world"
        if options.world is not None and options.world.is_dir():
            shutil.copytree(options.world, folder)
        else:
            folder.mkdir()
            world.build(folder)
            if options.world is not None:
                shutil.copytree(folder, options.world)
        os.chdir(folder)
        before = world.contents(Path())
        for line in world.LINES:
            outcome = world.run(*line.split(), patience=60)
            assert outcome.code == 0, (line, outcome.err)
            world.clear(before)
        ended = Counter[str]()
        slow = list[tuple[float, str]]()
        begun = time.monotonic()
        with oddities(), little_memory():
            failed = attack(options.cases, options.seed, ended, slow)
        seconds = time.monotonic() - begun
        os.chdir("/")
    print(*failed, sep="\n")
    spent = Counter[str]()
    for duration, what in sorted(slow)[-8:]:
        print(f"{duration:5.1f} s  {what}")
    for duration, what in slow:
        spent[what.split()[0]] += duration
    print("seconds by command:", ", ".join(f"{k} {v:.0f}" for k, v in spent.most_common()))
    print(
        f"{len(slow)} cases in {seconds:.0f} s; by exit code: {dict(ended)}; {len(failed)} did not hold"
    )
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
