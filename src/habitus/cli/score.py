"""``habitus score``: how likely each user is under a run, and how odd."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

import habitus
from habitus.cli._console import bar, out, out_table, plain
from habitus.cli._options import Overwrite, RunFolder, Seed, Stored, command
from habitus.cli._options.types import POSITIVE, WHOLE
from habitus.files import check_outputs

if TYPE_CHECKING:
    from habitus.synthesis import Scores

Out = Annotated[
    Path, typer.Option("--out", help="The scores, a .parquet or .csv file.", show_default=False)
]
Against = Annotated[
    Path | None,
    typer.Option(
        help="Folder of profiles whose users they are compared with.", show_default="each other"
    ),
]
Samples = Annotated[
    int, typer.Option(help="Draws of the latents; more make the bound tighter.", **POSITIVE)
]
Top = Annotated[int, typer.Option(help="How many of the oddest users to show.", **WHOLE)]


@command("Example: habitus score demo/runs/rhythm demo/test --out demo/scores.parquet")
def score(
    run: RunFolder,
    profiles: Stored,
    out_: Out,
    against: Against = None,
    samples: Samples = 10,
    seed: Seed = 0,
    top: Top = 10,
    overwrite: Overwrite = False,
) -> None:
    """Score how likely each user is under a run, and how odd.

    The file has a row per profile with its log-likelihood in nats (a bound) and its oddness: the
    negative log-likelihood per active slot, in robust standard deviations above the median of users
    who are about as active. Further columns give the oddness of hours, channels and amounts, and of
    the least likely day. A very negative oddness marks an unusually regular user.
    """
    from habitus.cli._shared.holidays import warn_of_own_holidays
    from habitus.profiles.store import StoredProfiles
    from habitus.run import load
    from habitus.synthesis.scoring import scores_format, write_scores

    check_outputs("score", {"scores": out_}, [run, profiles, against], overwrite=overwrite)
    scores_format(out_)
    fitted = load(run)
    source = StoredProfiles.open(profiles)
    others = None if against is None else StoredProfiles.open(against)
    warn_of_own_holidays(fitted.model, source, *([others] if others else []))
    with bar("Scoring", "profiles") as advance:
        found = habitus.score(
            fitted, source, against=others, samples=samples, seed=seed, on_progress=advance
        )
    write_scores(out_, found, overwrite=overwrite)
    if top:
        out_table(_oddest(found, top))
    nats = -found.likelihoods.log_likelihood.mean()
    out(f"{out_}: {len(source):,} profiles, {nats:,.1f} nats each on average")


def _oddest(found: Scores, top: int) -> Table:
    """Table of the oddest users."""
    from habitus.profiles.sparse import USER, WINDOW

    who = [USER, *([WINDOW] if WINDOW in found.users.column_names else [])]
    table = Table(
        "rank", USER, *(name.replace("_", " ") for name in who[1:]), "oddness", "log-likelihood",
        "active slots", "events", "most of all in", "least likely day", box=None,
    )  # fmt: skip
    of = found.likelihoods
    for row in found.rank.argsort()[:top].tolist():
        part = found.oddest_part[row]
        table.add_row(
            str(found.rank[row]),
            *(plain(str(found.users[name][row].as_py())) for name in who),
            f"{found.oddness[row]:.1f}",
            f"{of.log_likelihood[row]:,.1f}",
            f"{of.active_slots[row]:,}",
            f"{of.events[row]:,.0f}",
            f"{part.replace('_', ' ')}, {found.oddness_of[part][row]:.1f}",
            str(found.date[row]),
        )
    return table
