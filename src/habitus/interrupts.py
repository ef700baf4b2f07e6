"""Ends of programs: SIGTERM and SIGHUP as twins of SIGINT (Ctrl-C), and of a parent's children.

Nothing here takes long to load.
"""

from __future__ import annotations

import ctypes
import math
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

Handler = Callable[[int, FrameType | None], None]

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that ask a program to stop: of keyboards, supervisors, and terminals that close."""

PR_SET_PDEATHSIG = 1  # of prctl(2)
DEAF_SECONDS = 1.0  # after a signal, in which others do not disturb the clearing up


class Interrupted(KeyboardInterrupt):
    """Interruption by one of ``SIGNALS``.

    Attributes:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def exit_code(error: KeyboardInterrupt) -> int:
    """Exit code of a program that a signal stopped: 130 for SIGINT, 143 for SIGTERM."""
    return 128 + (error.number if isinstance(error, Interrupted) else signal.SIGINT)


class _Raising:
    """Handler that raises ``Interrupted``."""

    def __init__(self) -> None:
        self.raised = -math.inf

    def __call__(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if now - self.raised >= DEAF_SECONDS:
            self.raised = now
            raise Interrupted(number)


@contextmanager
def signals_raised() -> Iterator[None]:
    """Have every one of ``SIGNALS`` raise ``Interrupted``, so that what is begun is cleared up.

    It is for programs: a library leaves the handlers of the program that it is part of alone. A
    signal that was ignored when the program was started, as by ``nohup`` and for a shell's
    background jobs, stays ignored.
    """
    handler = _Raising()
    with _handled({number: handler for number in SIGNALS if _is_default(number)}):
        yield


@contextmanager
def interrupts_deferred() -> Iterator[Callable[[], None]]:
    """Record signals instead of raising; yield a function that raises if one has arrived.

    The caller calls the function between steps. SIGINT is deferred unless it is ignored, the other
    signals only where they would raise ``Interrupted``.

    Raises:
        Interrupted: at the end of a block that raised nothing, if a signal has arrived.
    """
    arrived: list[int] = []

    def raise_if_arrived() -> None:
        if arrived:
            raise Interrupted(arrived[0])

    def is_deferred(number: int) -> bool:
        handler = signal.getsignal(number)
        raising = isinstance(handler, _Raising)
        return raising or (number == signal.SIGINT and handler is not signal.SIG_IGN)

    def record(number: int, frame: FrameType | None) -> None:
        arrived.append(number)

    with _handled({number: record for number in SIGNALS if is_deferred(number)}):
        yield raise_if_arrived
    raise_if_arrived()


def signals_ignored() -> None:
    """Have a program whose work is done end with its own exit code, whatever arrives meanwhile."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def die_with_parent(parent_in_main: bool = True) -> None:
    """Have this process, which ``multiprocessing`` started, killed when its parent dies.

    Args:
        parent_in_main: Whether the parent started it from its main thread. Linux kills it at the
            end of the thread that started it, which for another thread is not the parent's.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None, "multiprocessing started this process"
    if sys.platform == "linux" and parent_in_main:
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent.pid:  # it died before
            os._exit(1)
        return

    def watch() -> None:
        parent.join()  # waits for the end of a pipe that the parent holds open
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _is_default(number: int) -> bool:
    return signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler)


@contextmanager
def _handled(
    handlers: dict[signal.Signals, Callable[[int, FrameType | None], None]],
) -> Iterator[None]:
    """Set handlers of signals, which the main thread alone may do."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
