"""Work in processes of its own: in order, the same as in one, errors as they were raised, no orphans."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import typer

from background import Background
from habitus.cli._console import one_line_errors
from habitus.interrupts import signals_raised
from habitus.parallel import by_number


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """As many threads of torch, on a machine of two cores."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1})
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def drawn(number: int) -> tuple[int, np.ndarray]:
    return os.getpid(), np.random.default_rng(number).normal(size=1000 * (7 - number))


def test_in_order_and_the_same_as_in_one(threads):
    found = list(by_number(drawn, range(1, 7)))
    for number, (_, values) in enumerate(found, 1):
        np.testing.assert_array_equal(values, drawn(number)[1])
    processes = {process for process, _ in found}
    assert (
        (processes == {os.getpid()})
        if threads == 1
        else (len(processes) == 2 and os.getpid() not in processes)
    )
    assert torch.get_num_threads() == threads


def test_threads_without_a_core_of_their_own_get_no_process(monkeypatch):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3})
    assert {process for process, _ in by_number(drawn, range(4))} == {os.getpid()}
    torch.set_num_threads(before)


def test_an_error_is_the_one_that_was_raised(threads):
    def failing(number: int) -> int:
        if number == 2:
            raise ValueError("only 3 of 20,480 users")
        return number

    pieces = by_number(failing, range(4))
    assert [next(pieces), next(pieces)] == [0, 1]
    with pytest.raises(ValueError, match=r"^only 3 of 20,480 users$"):
        next(pieces)


def test_few_are_begun_ahead(threads, tmp_path):
    """Whoever takes three of many finds few more begun: memory holds for any number."""

    def told(number: int) -> int:
        (tmp_path / str(number)).touch()
        return number

    pieces = by_number(told, range(1000))
    assert [next(pieces) for _ in range(3)] == [0, 1, 2]
    pieces.close()
    assert len(list(tmp_path.iterdir())) < 20


def endless(folder: Path, number: int) -> None:
    """Work without end, whose process leaves a file with its number as its name."""
    (folder / str(os.getpid())).touch()
    time.sleep(600)


def in_main(folder: Path) -> None:
    """Share endless work between two processes, as a command would."""
    os.sched_getaffinity = lambda process: {0, 1}
    torch.set_num_threads(2)
    try:
        with one_line_errors(), signals_raised():
            list(by_number(partial(endless, folder), range(4)))
    except typer.Exit as stop:  # as Typer does
        sys.exit(stop.exit_code)


def in_thread(folder: Path) -> None:
    """Do so from a thread other than the main one, whose end is not that of the process."""
    thread = threading.Thread(target=in_main, args=(folder,))
    thread.start()
    thread.join()


def ended(pids: list[int], seconds: float = 3) -> bool:
    """Whether all of some processes end within a while."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not any(Path(f"/proc/{pid}").exists() for pid in pids):
            return True
        time.sleep(0.01)
    return False


def with_workers(work: Callable[[Path], None], folder: Path) -> tuple[Background, list[int]]:
    """Start work in the background, and wait for its two processes."""
    process = Background(partial(work, folder))
    while len(found := list(folder.iterdir())) < 2:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    return process, sorted(int(path.name) for path in found)


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        (signal.SIGINT, 130, "habitus: stopped\n"),
        (signal.SIGTERM, 143, "habitus: stopped\n"),
        (signal.SIGHUP, 129, "habitus: stopped\n"),
        (signal.SIGKILL, -signal.SIGKILL, ""),
    ],
)
def test_processes_end_with_their_parent(tmp_path, number, code, said):
    process, workers = with_workers(in_main, tmp_path)
    process.send_signal(number)
    assert process.communicate(timeout=10) == ("", said)
    assert process.returncode == code
    assert ended(workers)


def test_processes_end_with_their_parent_where_a_thread_began_them(tmp_path):
    """Through a pipe, as on systems that cannot signal the death of a parent."""
    process, workers = with_workers(in_thread, tmp_path)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert ended(workers)


def test_ctrl_c_in_a_terminal_reaches_all_and_is_said_once(tmp_path):
    process, workers = with_workers(in_main, tmp_path)
    for pid in workers:
        os.kill(pid, signal.SIGINT)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=10) == ("", "habitus: stopped\n")
    assert ended(workers)


@pytest.mark.parametrize("which", [0, 1])
def test_a_process_that_dies_is_one_line(tmp_path, which):
    process, workers = with_workers(in_main, tmp_path)
    os.kill(workers[which], signal.SIGKILL)
    said = process.communicate(timeout=10)
    assert said[0] == ""
    assert said[1].startswith("habitus: a process of this command was killed, most likely because")
    assert said[1].count("\n") == 1
    assert process.returncode == 2
    assert ended(workers)


def test_tensors_outlive_the_processes_that_made_them(threads):
    made = list(by_number(lambda number: torch.full((3,), number), range(4)))
    assert [tensor.tolist() for tensor in made] == [[number] * 3 for number in range(4)]
