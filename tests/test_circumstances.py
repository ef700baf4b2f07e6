"""Tests pass however they are started: in the background, on one core, without a terminal."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from command_line import call

TESTS = Path(__file__).parent
SELECTION = (
    "test_circumstances.py::test_child_processes_take_ctrl_c",
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


def test_child_processes_take_ctrl_c():
    program = "import os, signal; os.kill(os.getpid(), signal.SIGINT)"
    done = subprocess.run([sys.executable, "-c", program], stderr=subprocess.PIPE, check=False)
    assert done.returncode == -signal.SIGINT
    assert b"KeyboardInterrupt" in done.stderr


def test_usage_errors_are_as_wide_as_on_an_ordinary_terminal(capsys):
    code, _, err = call(capsys, "simulat")
    assert code == 2
    assert "No such command 'simulat'. Did you mean 'simulate'?" in err


def test_a_selection_passes_in_all_circumstances_at_once():
    def restrict() -> None:
        """Ignore SIGINT as a shell's background job does, keep one core, and close stdin."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
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
