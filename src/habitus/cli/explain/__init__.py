"""Options of ``habitus explain``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from habitus.cli._options import RunFolder, Seed, Stored, command
from habitus.cli._options.names import WALKS

KNOWN = "Known factors"
WRITTEN = "What is written"

Json = Annotated[
    Path | None, typer.Option("--json", help="Write what was found here.", rich_help_panel=WRITTEN)
]
Html = Annotated[
    Path | None, typer.Option("--html", help="Write a page with figures.", rich_help_panel=WRITTEN)
]
Walks = Annotated[
    int, typer.Option(min=2, help="Random draws of the other dimensions that intervals are over.")
]
Prior = Annotated[
    str, typer.Option(help="What the other dimensions are drawn from: normal or mixture.")
]
Factors = Annotated[
    Path | None,
    typer.Option(
        help="Parquet or CSV table with a row per user whose other columns are true of them, "
        "such as a "
        "simulation's; attributes of the profiles are taken as well.",
        rich_help_panel=KNOWN,
    ),
]
Key = Annotated[
    str | None,
    typer.Option(
        "--user",
        help="The table's column of users.",
        rich_help_panel=KNOWN,
        show_default="user_id, user or the first",
    ),
]
Hours = Annotated[
    list[str] | None,
    typer.Option(
        help="A factor that is an hour of the day, where 23 and 1 are near; repeatable.",
        rich_help_panel=KNOWN,
    ),
]


@command(
    "Example: habitus explain demo/runs/vae demo/train --factors demo/events.factors.parquet "
    "--hours preferred_hour --html demo/explained.html"
)
def explain(
    run: RunFolder,
    profiles: Stored,
    json: Json = None,
    html: Html = None,
    factors: Factors = None,
    user: Key = None,
    hours: Hours = None,
    walks: Walks = WALKS,
    prior: Prior = "normal",
    seed: Seed = 0,
) -> None:
    """Say in words and figures what each latent dimension of a run does.

    A dimension is walked from its low to its high end while the others are held at random draws;
    what changes in nearly every walk, and differs between real users too, gives it its name.
    """
