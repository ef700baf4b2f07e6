"""Tests pass however they are started: in the background, on one core, without a terminal."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from command_line import call

TESTS = Path(__file__).parent
SELECTION = (
    "test_circumstances.py::test_child_processes_take_signals",
    "test_interrupts.py",
    "test_circumstances.py::test_usage_errors_are_as_wide_as_on_an_ordinary_terminal",
    "events/test_events.py::test_each_event_has_its_own_clock",
    "test_processes.py",
)
ENVIRONMENT = {
    "COLUMNS": "20",
    "FORCE_COLOR": "1",
    "HABITUS_DEBUG": "1",
    "HOME": "/nonexistent",
    "LC_ALL": "C",
    "TZ": "Asia/Kolkata",
}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_child_processes_take_signals(number):
    program = f"import os; os.kill(os.getpid(), {int(number)})"
    done = subprocess.run([sys.executable, "-c", program], stderr=subprocess.PIPE, check=False)
    assert done.returncode == -number
    assert (b"KeyboardInterrupt" in done.stderr) == (number == signal.SIGINT)


def test_usage_errors_are_as_wide_as_on_an_ordinary_terminal(capsys):
    code, _, err = call(capsys, "simulat")
    assert code == 2
    assert (
        err == "habitus: no such command 'simulat'; did you mean 'simulate'? See habitus --help\n"
    )


def test_a_selection_passes_in_all_circumstances_at_once():
    def restrict() -> None:
        """Ignore SIGINT and SIGHUP as ``nohup ... &`` does, keep one core, and close stdin."""
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        os.umask(0o077)
        os.close(0)

    environment = {**os.environ, **ENVIRONMENT}
    del environment["TERM"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "0"]
    done = subprocess.run(
        [*command, *(str(TESTS / each) for each in SELECTION)],
        cwd="/",
        env=environment,
        preexec_fn=restrict,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
