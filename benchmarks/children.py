"""Processes of benchmarks: a command line, or work in a fork of this process.

A measured process is a command line, so that it has nothing of this one. A quick run, whose figures
mean nothing, forks instead, and so starts no interpreter and imports nothing again.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from resource import struct_rusage


def run_child(
    work: Callable[[], object] | list[str], out: int, *, errors: bool = False
) -> tuple[int, struct_rusage]:
    """Run a process to its end; its exit code, and what it used.

    Args:
        work: A command line, or what a fork of this process does.
        out: File descriptor that takes what it prints to stdout.
        errors: True to let it take what is printed to stderr as well.
    """
    sys.stdout.flush()  # or a fork would print what waits there once more
    child = os.fork()
    if not child:
        _become(work, out, errors)
    _, status, usage = os.wait4(child, 0)
    return os.waitstatus_to_exitcode(status), usage


def _become(work: Callable[[], object] | list[str], out: int, errors: bool) -> None:
    code: object = 1
    try:
        os.dup2(out, 1)
        if errors:
            os.dup2(out, 2)
        if isinstance(work, list):
            os.execvp(work[0], work)
        sys.stdout = os.fdopen(1, "w", closefd=False)
        work()
        code = 0
    except SystemExit as stop:
        code = stop.code or 0
        if isinstance(code, str):
            print(code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 1)
