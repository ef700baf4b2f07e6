"""What the commands that write a log have in common: its format, its place, its shard."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from habitus.cli.console import out, warn
from habitus.cli.options import DAY
from habitus.events.writing import file_format

STDOUT = Path("-")
LOG = "Logs of events"

Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="Of a log.",
        metavar="parquet|csv",
        show_default="as --out ends; csv to standard output",
        rich_help_panel=LOG,
    ),
]
Start = Annotated[
    dt.datetime | None,
    typer.Option(
        help="First day of the window, on the weekday that it was counted from; of a rhythm's run, on any.",
        formats=DAY,
        metavar="DATE",
        show_default="as it was counted",
    ),
]
Shard = Annotated[
    str | None,
    typer.Option(
        help="Make one of several parts, to be made side by side: 3/16 is the third of sixteen. Together they are "
        "the whole.",
        metavar="I/N",
        show_default=False,
    ),
]


def is_stdout(path: Path) -> bool:
    """Whether a path stands for standard output."""
    return path == STDOUT


def log_format_of(path: Path, wanted: str | None) -> str:
    """Parquet or CSV, as is wanted or as the name ends.

    Raises:
        ValueError: for another format, or a name that tells none.
    """
    return file_format(Path("-.csv") if is_stdout(path) else path, wanted)


def sink_of(path: Path) -> Path | BinaryIO:
    """The file, or standard output."""
    return sys.stdout.buffer if is_stdout(path) else path


def say(path: Path, line: str) -> None:
    """Print a line of results where the output itself does not go."""
    warn(line) if is_stdout(path) else out(line)
