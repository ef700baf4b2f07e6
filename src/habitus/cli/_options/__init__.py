"""Options that several commands share, and how a command is declared.

Nothing here loads numpy or torch: ``--help`` shows the options of a command, and only its work
needs these.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

DAY = ["%Y-%m-%d"]

Stored = Annotated[Path, typer.Argument(help="Folder of profiles.", show_default=False)]
RunFolder = Annotated[
    Path, typer.Argument(metavar="RUN", help="Folder of a fitted run.", show_default=False)
]
Samples = Annotated[int, typer.Option(min=1, help="Draws of each missing cell.")]
Seed = Annotated[int, typer.Option(min=0, help="Same seed, same result.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def command(epilog: str) -> Callable[[Callable[..., None]], typer.Typer]:
    """Make a command of a function that declares its options and has no body.

    The work is done by ``execute`` in the module ``work`` beside the declaration, which takes the
    same arguments and is imported when the command runs.

    Args:
        epilog: Last line of its help: an example.

    Returns:
        Decorator that gives the Typer application of the command.
    """

    def declare(declared: Callable[..., None]) -> typer.Typer:
        @wraps(declared)
        def run(**options: Any) -> None:
            import_module(f"{declared.__module__}.work").execute(**options)

        app = typer.Typer(
            rich_markup_mode="rich", add_completion=False, pretty_exceptions_enable=False
        )
        app.command(epilog=epilog)(run)
        return app

    return declare
