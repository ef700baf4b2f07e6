"""Signals that stop a program: one exception each, and steps that are finished first."""

import signal
import threading

import pytest
from typer.core import TyperGroup

from command_line import call
from habitus.interrupts import Interrupted, exit_code, interrupts_deferred, signals_raised


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_each_is_raised_with_the_exit_code_of_a_shell(number, code):
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt) as stop, signals_raised():
        signal.raise_signal(number)
    assert exit_code(stop.value) == code
    assert signal.getsignal(number) is before


def test_ctrl_c_without_a_handler_of_ours_has_its_exit_code():
    assert exit_code(KeyboardInterrupt()) == 130


def test_impatience_does_not_disturb_the_clearing_up():
    cleared = []

    def stopped() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGTERM)
            cleared.append(True)

    with pytest.raises(Interrupted), signals_raised():
        stopped()
    assert cleared


def test_a_second_signal_is_heard_later(monkeypatch):
    monkeypatch.setattr("habitus.interrupts.DEAF_SECONDS", 0.0)
    with signals_raised():
        for _ in range(2):
            with pytest.raises(Interrupted):
                signal.raise_signal(signal.SIGTERM)


def test_what_is_ignored_stays_ignored(monkeypatch):
    """nohup starts programs with SIGHUP ignored, a shell its background jobs with SIGINT."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals_raised(), interrupts_deferred() as raise_if_arrived:
            signal.raise_signal(signal.SIGHUP)
            raise_if_arrived()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_handlers_of_a_program_that_habitus_is_part_of_are_left_alone():
    seen = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
    try:
        with signals_raised(), interrupts_deferred():
            signal.raise_signal(signal.SIGTERM)
        assert seen == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_step_is_finished_before_the_signal_that_came_first_is_raised():
    steps = []

    def take_steps() -> None:
        with interrupts_deferred() as raise_if_arrived:
            for step in range(3):
                if step == 1:
                    signal.raise_signal(signal.SIGTERM)
                    signal.raise_signal(signal.SIGINT)
                steps.append(step)
                raise_if_arrived()

    with pytest.raises(Interrupted) as stop, signals_raised():
        take_steps()
    assert steps == [0, 1]
    assert exit_code(stop.value) == 143


def test_a_signal_after_the_last_look_is_not_lost():
    def look_once() -> None:
        with interrupts_deferred() as raise_if_arrived:
            raise_if_arrived()
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted):
        look_once()


def test_ctrl_c_stays_ignored_where_it_was():
    """A shell starts background jobs with SIGINT ignored: Ctrl-C is for the foreground."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupts_deferred() as raise_if_arrived:
            signal.raise_signal(signal.SIGINT)
            raise_if_arrived()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_threads_which_take_no_signals_are_let_through():
    passed = []

    def work() -> None:
        with signals_raised(), interrupts_deferred() as raise_if_arrived:
            raise_if_arrived()
            passed.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert passed


def test_an_interruption_while_the_program_reads_its_own_options(capsys, monkeypatch):
    def interrupted(*args: object, **settings: object) -> None:
        raise Interrupted(signal.SIGTERM)

    monkeypatch.setattr(TyperGroup, "make_context", interrupted)
    assert call(capsys, "describe", "absent") == (143, "", "habitus: stopped\n")
