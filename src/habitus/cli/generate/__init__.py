"""Options of ``habitus generate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from habitus.cli._options import RunFolder, Seed, command
from habitus.cli._options.logs import Format, Shard, Start
from habitus.cli._options.series import SERIES

PROFILES = "profiles"

Out = Annotated[
    Path,
    typer.Option(
        "--out",
        help="Folder for the population; of events a .parquet or .csv file, or - for standard "
        "output.",
        show_default=False,
    ),
]
As = Annotated[
    str,
    typer.Option(
        "--as",
        help="What to write: profiles, or events, a log with the columns and types of the one "
        "that the model "
        "learned from; profiling it gives the same counts. Events need a model of counts.",
        metavar="profiles|events",
    ),
]
Count = Annotated[
    int | None,
    typer.Option(
        "--series",
        min=1,
        help="How many, from a run of series.",
        rich_help_panel=SERIES,
        show_default="1",
    ),
]
Steps = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="How long each is.",
        rich_help_panel=SERIES,
        show_default="the window it was fitted to",
    ),
]
Users = Annotated[
    int | None, typer.Option(help="How many.", show_default="as many as the model was fitted to")
]
Prior = Annotated[
    str | None,
    typer.Option(
        help="mixture (fitted to the training users' latents) or normal, N(0, I).",
        show_default="mixture",
    ),
]
Mix = Annotated[
    str | None,
    typer.Option(
        "--cohorts",
        help="Users of these cohorts only, by number, with weights where they are not equal: 3 "
        "or 3:0.7,5:0.3. "
        "habitus cluster finds cohorts.",
        metavar="N[:WEIGHT],...",
        show_default=False,
    ),
]
From = Annotated[
    Path | None,
    typer.Option(help="Folder of the cohorts.", show_default="the run's latest"),
]
Like = Annotated[
    Path | None,
    typer.Option(help="Users around those of this folder of profiles.", show_default=False),
]
Threshold = Annotated[
    str,
    typer.Option(
        help="Generated values up to it become zero: auto (fitted to the daily activity of the "
        "training users, or "
        "of those that --cohorts and --like name), off, or a number.",
        metavar="auto|off|NUMBER",
    ),
]
Inactive = Annotated[
    str,
    typer.Option(
        help="Users without any activity or, of counts, with fewer events or days than the "
        "training users had at "
        "least (--min-events, --min-days of habitus profile): redraw or keep.",
    ),
]


Where = Annotated[
    list[str] | None,
    typer.Option(
        help="Users with this value of an attribute only; repeatable. For runs of a rhythm, "
        "fitted to profiles "
        "that have it.",
        metavar="ATTRIBUTE=VALUE",
        show_default=False,
    ),
]
Days = Annotated[
    int | None,
    typer.Option(
        help="Length of the window; a rhythm draws any.", show_default="as many as it was fitted to"
    ),
]
Holidays = Annotated[
    Path | None,
    typer.Option(
        help="Dates of holidays, a CSV or Parquet file with a column date: in place of those "
        "that the run "
        "knows. For runs of a rhythm, fitted to profiles with holidays.",
        metavar="FILE",
        show_default=False,
    ),
]


@command("Example: habitus generate demo/runs/vae --users 5000 --seed 1 --out demo/generated")
def generate(
    run: RunFolder,
    out_: Out,
    users: Users = None,
    seed: Seed = 0,
    prior: Prior = None,
    cohorts: Mix = None,
    cohorts_from: From = None,
    like: Like = None,
    threshold: Threshold = "auto",
    inactive: Inactive = "redraw",
    as_: As = PROFILES,
    format: Format = None,
    start: Start = None,
    shard: Shard = None,
    where: Where = None,
    days: Days = None,
    holidays: Holidays = None,
    series: Count = None,
    steps: Steps = None,
) -> None:
    """Draw users, or series, that never existed from a fitted model.

    Users are like all that it was fitted to, or like some of them (--cohorts, --like). They come
    as profiles or as a log of events (--as events), and for the same seed are the same however
    many shards they are made in.
    """
