"""Work of ``habitus simulate``."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from habitus.cli._console import bar, out
from habitus.cli._shared.texts import date_of, names_of
from habitus.simulate import START, factors_path, write_log


def execute(
    out_: Path, users: int, days: int, seed: int, start: dt.datetime | None, channels: str
) -> None:
    """Make an event log of users whose true factors are known."""
    with bar("Simulating", "users") as advance:
        events = write_log(
            out_,
            users,
            days,
            seed,
            start=date_of(start) or START,
            channels=names_of(channels) or (),
            on_progress=advance,
        )
    out(
        f"{out_}: {events:,} events of {users:,} users over {days} days, {events / users:,.1f} "
        f"per user"
    )
    out(f"{factors_path(out_)}: the true factors of each user")
