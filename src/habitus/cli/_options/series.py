"""Options of commands that take files of series."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from habitus.cli._options.types import FACTOR, POSITIVE_SHARE

SERIES = "Series (a file instead of a folder)"


def series_option(help: str, default: str | bool, *names: str, **rest: Any) -> Any:
    """Option of series only; ``default`` says what holds where it is not given."""
    return typer.Option(*names, help=help, rich_help_panel=SERIES, show_default=default, **rest)


Column = Annotated[
    list[str] | None,
    series_option("A variable; repeatable.", "every column of numbers", "--column"),
]
Scale = Annotated[
    float | None,
    series_option("What values are multiplied by; undone when they are written.", "1", **FACTOR),
]
Time = Annotated[str | None, series_option("Column of times.", "the order of the rows")]
SeriesId = Annotated[
    str | None, series_option("Column that says which series a row is of.", "one series")
]
TrainShare = Annotated[
    float | None,
    series_option(
        "Share of each series, from its beginning, that is fitted to.", "1", **POSITIVE_SHARE
    ),
]
