"""Work in a fork of the test's process, which a test interrupts, kills or waits for."""

import os
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable

import torch


class Background:
    """Process that does some work, without the seconds of an interpreter's imports.

    Attributes:
        returncode: Its exit code; minus the signal that killed it; None as long as it runs.
    """

    def __init__(self, work: Callable[[], object]) -> None:
        self.returncode: int | None = None
        self._out = tempfile.TemporaryFile()  # noqa: SIM115 (communicate closes it)
        self._err = tempfile.TemporaryFile()  # noqa: SIM115
        with warnings.catch_warnings():  # of Python 3.12, about threads
            warnings.simplefilter("ignore", DeprecationWarning)
            self.pid = os.fork()
        if not self.pid:
            _work(work, self._out.fileno(), self._err.fileno())

    def poll(self) -> int | None:
        """Exit code, or None as long as it runs."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def communicate(self, timeout: float = 60) -> tuple[str, str]:
        """Wait for its end; what it wrote to stdout and stderr."""
        end = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > end:
                self.send_signal(signal.SIGKILL)
                raise TimeoutError(f"expected an end within {timeout:g} seconds")
            time.sleep(0.01)
        with self._out as out, self._err as err:
            out.seek(0)
            err.seek(0)
            return out.read().decode(), err.read().decode()


def _work(work: Callable[[], object], out: int, err: int) -> None:
    code: object = 1
    try:
        os.dup2(out, 1)
        os.dup2(err, 2)
        sys.stdout = os.fdopen(1, "w", closefd=False)
        sys.stderr = os.fdopen(2, "w", closefd=False)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        torch.set_num_threads(1)  # the threads of the parent are not there
        work()
        code = 0
    except SystemExit as stop:
        code = stop.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 1)
