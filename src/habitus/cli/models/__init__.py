"""Options of ``habitus models``."""

from __future__ import annotations

from typing import Annotated

import typer

from habitus.cli._options import AsJson, command

Name = Annotated[
    str | None,
    typer.Argument(
        metavar="[MODEL]", help="Its settings, with their defaults.", show_default=False
    ),
]


@command("Example: habitus models rhythm")
def models(name: Name = None, json_: AsJson = False) -> None:
    """List the models, or the settings of one.

    A setting is given to habitus fit with --set KEY=VALUE; the settings of a fit have options
    there.
    """
