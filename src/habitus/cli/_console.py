"""Output of commands: results on stdout, progress and one-line errors on stderr."""

from __future__ import annotations

import logging
import os
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from habitus.databases import masked, note_typed
from habitus.extras import how_to_install
from habitus.files import NO_SPACE
from habitus.interrupts import exit_code

if TYPE_CHECKING:
    from habitus.schema import Progress as OnProgress

DEBUG = "HABITUS_DEBUG"
PIPE_WIDTH = 160  # so that a table in a file or a pipe is not folded
USER_ERROR = 2
LONGEST_WORD = 300  # characters of a name or path in a message
LONGEST_LINE = 800  # characters of a message
# Typer shows the error, whose class it exports under the names of its subclasses only.
UsageError: Any = typer.BadParameter.__mro__[1]


def out(line: str) -> None:
    """Print a line of results, whole and without colours or markup."""
    _stdout().print(line, markup=False, highlight=False, soft_wrap=True)


def warn(line: str) -> None:
    """Print a line to stderr, marked as ours and without credentials."""
    print(f"habitus: {masked(line)}", file=sys.stderr)


def out_table(table: Table) -> None:
    """Print a table of results."""
    _stdout().print(table)


def plain(text: str) -> Text:
    """Text for a table cell in which nothing is markup."""
    return Text(text)


@contextmanager
def bar(what: str, unit: str, total: int | None = None) -> Iterator[OnProgress]:
    """Show a bar with rate and time left; yield the callback that moves it.

    Args:
        what: Title of the bar; a stage of the same name is not repeated beside it.
        unit: Unit of the count.
        total: Total, where it is known before the callback gives it.
    """
    columns = (
        BarColumn(),
        _Done(unit),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with _progress(what, *columns) as progress:
        task = progress.add_task(what, total=total, note="")

        def advance(done: int, total: int, stage: str) -> None:
            note = "" if stage.lower() == what.lower() else stage
            progress.update(task, completed=done, total=total or None, note=note)

        yield advance


@contextmanager
def spinner(what: str, unit: str = "") -> Iterator[OnProgress]:
    """Show that something goes on whose end is not known; yield the callback that counts."""
    with _progress(what, *([_Done(unit)] if unit else []), TimeElapsedColumn()) as progress:
        task = progress.add_task(what, total=None)

        def advance(done: int, total: int, stage: str) -> None:
            progress.update(task, completed=done)

        yield advance


@contextmanager
def one_line_errors() -> Iterator[None]:
    """End the program with one line and exit code 2 on an error that the user can mend."""
    try:
        yield
    except KeyboardInterrupt as interruption:
        fail_stopped(interruption)
    except UsageError as error:
        _fail(_usage_message(error), USER_ERROR)
    except BrokenPipeError:
        # The reader of stdout has gone; Python must not complain when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None
    except ModuleNotFoundError as error:
        message = how_to_install(error)
        if message is None or os.environ.get(DEBUG):
            raise
        _fail(message, USER_ERROR)
    except (ValueError, OSError, MemoryError) as error:
        if os.environ.get(DEBUG):
            raise
        _fail(_message(error), USER_ERROR)
    except (typer.Exit, typer.Abort):
        raise
    except Exception as error:
        # A library that is interrupted may raise an error of its own, as DuckDB does.
        if (interruption := _interruption_behind(error)) is None:
            raise
        fail_stopped(interruption)


@contextmanager
def masked_reports(typed: Sequence[str]) -> Iterator[None]:
    """Mask credentials in what Python and libraries report: warnings, log records, tracebacks.

    Args:
        typed: Words of the command line, which messages may repeat.
    """
    for word in typed:
        note_typed(word)
    plain_warning = warnings.formatwarning
    plain_record = logging.getLogRecordFactory()

    def record(*args: Any, **rest: Any) -> logging.LogRecord:
        made = plain_record(*args, **rest)
        made.msg = masked(made.getMessage())
        made.args = ()
        if made.exc_info and made.exc_info[0]:
            made.exc_text = masked("".join(traceback.format_exception(*made.exc_info)).rstrip())
        return made

    def report(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        sys.stderr.write(masked("".join(traceback.format_exception(kind, error, trace))))

    warnings.formatwarning = lambda *args, **rest: masked(plain_warning(*args, **rest))
    logging.setLogRecordFactory(record)
    try:
        yield
    except Exception:
        sys.excepthook = report  # Python's own would print it as it is
        raise
    finally:
        warnings.formatwarning = plain_warning
        logging.setLogRecordFactory(plain_record)


def fail_stopped(interruption: KeyboardInterrupt, next_step: str = "") -> NoReturn:
    """End the program that Ctrl-C or another signal stopped, with one line and the signal's code.

    Args:
        interruption: What the signal raised.
        next_step: What to do to go on.
    """
    warn(f"stopped{next_step}")
    raise typer.Exit(exit_code(interruption)) from None


def quiet_libraries() -> None:
    """Keep Lightning from reporting its settings on every fit, and torch that processes end."""
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    logging.getLogger("torch.multiprocessing.spawn").setLevel(logging.ERROR)


class _Done(ProgressColumn):
    """``12,000 / 20,000 users, 3,400/s``."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit

    def render(self, task: Task) -> Text:
        of = f" / {task.total:,.0f}" if task.total else ""
        rate = f", {task.speed:,.0f}/s" if task.speed and task.speed >= 1 else ""
        return Text(f"{task.completed:,.0f}{of} {self.unit}{rate}")


def _progress(what: str, *columns: ProgressColumn) -> Progress:
    console = Console(stderr=True)
    first = (SpinnerColumn(), TextColumn(what, markup=False))
    return Progress(
        *first, *columns, console=console, transient=True, disable=not console.is_terminal
    )


def _stdout() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=PIPE_WIDTH)


def _fail(message: str, code: int) -> None:
    warn(_shortened(masked(message)))  # a password that is cut in two would not be known as one
    raise typer.Exit(code)


def _interruption_behind(error: BaseException | None) -> KeyboardInterrupt | None:
    """Find the interruption that an error was raised for, or None."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return error
        error = error.__cause__ or error.__context__
    return None


def _shortened(message: str) -> str:
    """Message without most of what a file or an option may have put into it, in one line."""
    words = message.split()
    for number, word in enumerate(words):
        if len(word) > LONGEST_WORD:
            words[number] = f"{word[: LONGEST_WORD - 10]}...{word[-7:]}"
    text = " ".join(words)
    if len(text) > LONGEST_LINE:
        text = f"{text[: LONGEST_LINE - LONGEST_WORD - 5]} ... {text[-LONGEST_WORD:]}"
    return text


def _usage_message(error: Any) -> str:
    """Message of options or arguments that the command does not take, in one line."""
    parameter = getattr(error, "param", None)
    if parameter is not None and error.message.startswith("must "):  # of a type of options
        text = f"{parameter.opts[0]} {error.message}"
    else:
        text = error.format_message().rstrip(".").replace(". Did you mean", "; did you mean")
        text = text[:1].lower() + text[1:]
    command = error.ctx.command_path if error.ctx else "habitus"
    see = " See" if text.endswith("?") else "; see"
    return f"{text}{see} {command} --help"


def _message(error: Exception) -> str:
    """Message of an error, in one line."""
    if isinstance(error, MemoryError):
        return "out of memory; use fewer users, a smaller --batch, or a machine with more"
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, OSError) and error.errno in NO_SPACE:
        name = error.filename or "the output"
        return f"no space left for {name} ({error.strerror}); free some, or change --out"
    if isinstance(error, OSError) and error.errno is not None and error.filename is not None:
        return f"{error.filename}: {(error.strerror or text).lower()}"
    return text
