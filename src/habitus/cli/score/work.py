"""Work of ``habitus score``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.table import Table

from habitus.cli._console import bar, out, out_table, plain
from habitus.cli._shared.holidays import warn_of_own_holidays
from habitus.files import check_apart
from habitus.profiles.sparse import USER, WINDOW
from habitus.profiles.store import StoredProfiles
from habitus.run import load
from habitus.synthesis.scoring import Scores, score, scores_format, write_scores


def execute(
    run: Path, profiles: Path, out_: Path, against: Path | None, samples: int, seed: int, top: int
) -> None:
    """Score how likely each user is under a run, and how odd."""
    check_apart(out_, run, profiles, against)
    scores_format(out_)
    fitted = load(run)
    source = StoredProfiles.open(profiles)
    others = None if against is None else StoredProfiles.open(against)
    warn_of_own_holidays(fitted.model, source, *([others] if others else []))
    with bar("Scoring", "profiles") as advance:
        found = score(
            fitted, source, against=others, samples=samples, seed=seed, on_progress=advance
        )
    write_scores(out_, found)
    if top:
        out_table(_table(found, top))
    nats = -found.likelihoods.log_likelihood.mean()
    out(f"{out_}: {len(source):,} profiles, {nats:,.1f} nats each on average")


def _table(found: Scores, top: int) -> Table:
    """Table of the oddest users."""
    windows = [WINDOW] if WINDOW in found.users.column_names else []
    names = (
        "oddness",
        "log-likelihood",
        "active slots",
        "events",
        "most of all in",
        "least likely day",
    )
    table = Table("rank", USER, *(name.replace("_", " ") for name in windows), *names, box=None)
    parts = found.oddest_part
    of = found.likelihoods
    for row in np.argsort(found.rank)[:top].tolist():
        who = (plain(str(found.users[name][row].as_py())) for name in (USER, *windows))
        numbers = (
            f"{found.oddness[row]:.1f}",
            f"{of.log_likelihood[row]:,.1f}",
            f"{of.active_slots[row]:,}",
        )
        part = f"{parts[row].replace('_', ' ')}, {found.oddness_of[parts[row]][row]:.1f}"
        table.add_row(
            str(found.rank[row]),
            *who,
            *numbers,
            f"{of.events[row]:,.0f}",
            part,
            str(found.date[row]),
        )
    return table
