"""Options of commands that take files of series."""

from __future__ import annotations

from typing import Annotated

import typer

SERIES = "Series (a file instead of a folder)"

Column = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        help="A variable; repeatable.",
        rich_help_panel=SERIES,
        show_default="every column of numbers",
    ),
]
Scale = Annotated[
    float | None,
    typer.Option(help="What values are multiplied by; undone when they are "
    "written.", rich_help_panel=SERIES,
                 show_default="1"),
]  # fmt: skip
Time = Annotated[
    str | None,
    typer.Option(
        help="Column of times.", rich_help_panel=SERIES, show_default="the order of the rows"
    ),
]
SeriesId = Annotated[
    str | None,
    typer.Option(
        help="Column that says which series a row is of.",
        rich_help_panel=SERIES,
        show_default="one series",
    ),
]
TrainShare = Annotated[
    float | None,
    typer.Option(
        help="Share of each series, from its beginning, that is fitted to.",
        rich_help_panel=SERIES,
        show_default="1",
    ),
]
