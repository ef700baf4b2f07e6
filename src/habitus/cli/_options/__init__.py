"""Options that several commands share, and the decorator that declares a command.

Nothing here loads numpy or torch, so that ``--help`` is quick: a command imports what takes long
in its body.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from habitus.cli._options.types import POSITIVE, SEED

Stored = Annotated[Path, typer.Argument(help="Folder of profiles.", show_default=False)]
RunFolder = Annotated[
    Path, typer.Argument(metavar="RUN", help="Folder of a fitted run.", show_default=False)
]
Samples = Annotated[int, typer.Option(help="Draws of each missing cell.", **POSITIVE)]
Seed = Annotated[int, typer.Option(help="Same seed, same result.", **SEED)]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite",
        help="Replace what stands where the output goes, whatever it is, except what is read. "
        "Without it an earlier output of the same command is replaced.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def command(epilog: str) -> Callable[[Callable[..., None]], typer.Typer]:
    """Make the Typer application of a command's function; its help ends with ``epilog``."""

    def declare(function: Callable[..., None]) -> typer.Typer:
        app = typer.Typer(
            rich_markup_mode="rich", add_completion=False, pretty_exceptions_enable=False
        )
        app.command(epilog=epilog)(function)
        return app

    return declare
