"""Destination of a log of events, and its format."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import BinaryIO

from habitus.cli._console import out, warn
from habitus.events.writing import file_format

STDOUT = Path("-")


def is_stdout(path: Path) -> bool:
    """Check for the path that stands for standard output."""
    return path == STDOUT


def log_format_of(path: Path, wanted: str | None) -> str:
    """Parquet or CSV, as is wanted or as the name ends.

    Raises:
        ValueError: for another format, or a name without one.
    """
    return file_format(Path("-.csv") if is_stdout(path) else path, wanted)


def sink_of(path: Path) -> Path | BinaryIO:
    """Sink of a log: the file, or standard output."""
    return sys.stdout.buffer if is_stdout(path) else path


def say(path: Path, line: str) -> None:
    """Print a line of results where the output itself does not go."""
    warn(line) if is_stdout(path) else out(line)
