"""``habitus simulate``: an event log of users whose true factors are known."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from habitus.cli._console import bar, out
from habitus.cli._options import Overwrite, Seed, command
from habitus.cli._options.names import SIMULATED_CHANNELS, SIMULATED_START
from habitus.cli._options.types import DATE, DAYS, POSITIVE

Out = Annotated[Path, typer.Option("--out", help="The log, a .parquet file.", show_default=False)]
Users = Annotated[int, typer.Option(help="How many users.", **POSITIVE)]
Days = Annotated[int, typer.Option(help="Length of the window.", **DAYS)]
Start = Annotated[
    dt.date | None,
    typer.Option(help="First day.", show_default=SIMULATED_START, **DATE),
]
Channels = Annotated[
    str, typer.Option(metavar="A,B,C", help="Names of the channels, the most used first.")
]


@command("Example: habitus simulate --users 20000 --days 32 --seed 0 --out demo/events.parquet")
def simulate(
    out_: Out,
    users: Users = 20_000,
    days: Days = 32,
    seed: Seed = 0,
    start: Start = None,
    channels: Channels = SIMULATED_CHANNELS,
    overwrite: Overwrite = False,
) -> None:
    """Make an event log of users whose true factors are known.

    The log has the columns user_id, timestamp (UTC) and platform. Beside it, in
    NAME.factors.parquet, stands what is true of each user: hour of the day, weekend preference,
    rate, first and last day, regularity, channels.
    """
    from habitus.cli._shared.texts import names_of
    from habitus.simulate import START, factors_path, write_log

    first = start or START
    names = names_of(channels) or ()
    with bar("Simulating", "users") as advance:
        events = write_log(
            out_, users, days, seed, start=first, channels=names, on_progress=advance,
            overwrite=overwrite,
        )  # fmt: skip
    out(
        f"{out_}: {events:,} events of {users:,} users over {days} days, {events / users:,.1f} "
        "per user"
    )
    out(f"{factors_path(out_)}: the true factors of each user")
