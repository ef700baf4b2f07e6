"""Numbered pieces of work on several processes, their results in order.

Work of many small operations holds the interpreter most of the time, so that threads would wait for
each other.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from multiprocessing.synchronize import Semaphore
from typing import Any, NamedTuple, TypeVar

import torch

from habitus.interrupts import SIGNALS, die_with_parent

T = TypeVar("T")

AHEAD = 2  # pieces that a process computes before the first of them is taken


@contextmanager
def _single_thread() -> Iterator[None]:
    """Use one thread: several that share such small operations mostly wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def by_number(work: Callable[[int], T], numbers: Sequence[int]) -> Iterator[T]:
    """Yield the result of work for each number, from one process per torch thread that has a core.

    Only a few pieces are computed in advance, which bounds the memory. Each process computes with a
    single thread. Processes are forked, so they share the data and imports of this one, and end
    when it ends, however that comes about.

    Raises:
        ChildProcessError: if a process dies, as it does where memory runs out.
    """
    cores = len(os.sched_getaffinity(0))
    count = min(torch.get_num_threads(), cores, len(numbers))
    if count < 2:
        for number in numbers:
            with _single_thread():
                result = work(number)
            yield result
        return
    with _workers(work, numbers, count) as workers:
        for place in range(len(numbers)):
            yield _receive(workers, place % count)


class _Worker(NamedTuple):
    """Process that computes every n-th piece, the pipe it sends them through, and its leave."""

    process: ForkProcess
    results: Connection
    ahead: Semaphore


def _receive(workers: list[_Worker], place: int) -> Any:
    """Receive the next result of one of the processes, or raise what was raised in its place.

    Raises:
        ChildProcessError: if any of them dies: none ends by itself.
    """
    worker = workers[place]
    sentinels = {each.process.sentinel: each.process for each in workers}
    ready = wait([worker.results, *sentinels])
    for sentinel, process in sentinels.items():
        if sentinel in ready:
            process.join()
            raise ChildProcessError(death_of(process.exitcode))
    try:
        result, error = worker.results.recv()
    except (EOFError, OSError):  # it dies while it sends
        worker.process.join()
        raise ChildProcessError(death_of(worker.process.exitcode)) from None
    worker.ahead.release()
    if error is not None:
        raise error
    return result


@contextmanager
def _workers(
    work: Callable[[int], Any], numbers: Sequence[int], count: int
) -> Iterator[list[_Worker]]:
    """Start processes that share the work, and end them with the block."""
    context = multiprocessing.get_context("fork")
    in_main = threading.current_thread() is threading.main_thread()
    workers: list[_Worker] = []
    try:
        # A signal that came between a fork and the settings of the forked process would be handled
        # in both.
        held = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            for first in range(count):
                results, sending = context.Pipe(duplex=False)
                ahead = context.Semaphore(AHEAD)
                inherited = [*(worker.results for worker in workers), results]
                arguments = (work, numbers[first::count], sending, ahead, inherited, in_main, held)
                process = context.Process(target=_compute, args=arguments, daemon=True)
                process.start()
                sending.close()
                workers.append(_Worker(process, results, ahead))
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, held)
        yield workers
    finally:
        for worker in workers:
            worker.process.kill()
        for worker in workers:
            worker.process.join()
            worker.results.close()


def _compute(
    work: Callable[[int], Any],
    numbers: Sequence[int],
    sending: Connection,
    ahead: Semaphore,
    inherited: Sequence[Connection],
    parent_in_main: bool,
    mask: set[signal.Signals],
) -> None:
    """Compute pieces in a forked process, few ahead of what is taken."""
    # Whoever stops the whole group of processes, as Ctrl-C does, leaves it to the parent to end its
    # workers and to say so.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    die_with_parent(parent_in_main)
    for connection in inherited:
        connection.close()
    torch.set_num_threads(1)
    for number in numbers:
        ahead.acquire()
        try:
            piece = work(number), None
        except Exception as error:
            piece = None, error
        sending.send(piece)
    signal.pause()  # torch sends tensors as handles to memory of this process, which must live


def death_of(code: int | None) -> str:
    """Message for a process that died with an exit code, or minus the signal that killed it."""
    if code == -signal.SIGKILL:
        return (
            "a process of this command was killed, most likely because memory ran out; free some, "
            "or use fewer processes: OMP_NUM_THREADS=1"
        )
    how = f"exit code {code}" if code is None or code >= 0 else signal.Signals(-code).name
    return f"a process of this command died ({how}); give the command again"
