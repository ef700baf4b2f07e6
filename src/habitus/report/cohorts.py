"""The page about cohorts: which there are, what each is like, and how their number was chosen."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from habitus.evaluation.naming import habit_text
from habitus.report import figures
from habitus.report.page import Article, Easel, Section, Table, write_article

if TYPE_CHECKING:
    from habitus.synthesis.latents.cohorts.cohort import Cohort, Cohorts

SURE = 0.75
DOUBTFUL = 0.6  # Hennig 2007
NONE = "–"
UNITS = {
    "count": "events",
    "peak": "shares of each user's busiest cell",
    "binary": "cells with any activity",
}


def write_cohort_page(path: Path | str, found: Cohorts, about: Mapping[str, str]) -> None:
    """Write the page; ``about`` says where the cohorts come from, by name."""
    write_article(path, cohort_article(found, about))


def cohort_article(found: Cohorts, about: Mapping[str, str]) -> Article:
    """Everything that the page holds."""
    easel = Easel()
    return Article(
        f"{len(found.groups)} cohorts of {found.users:,} users",
        "Groups of users with like habits, found as clusters in the model's latent space.",
        _tiles(found),
        [_summary(found), *map(sentence, found.groups)],
        [_pictures(easel, found), _habits(found), _choice(found)],
        {**about, "seed": str(found.seed), "habitus": version("habitus")},
    )


def sentence(group: Cohort) -> str:
    """One cohort in words, with a warning where it may not be real (after Hennig 2007)."""
    heading = f"Cohort {group.number}, {group.name}: {group.size:,} users ({group.share:.1%})"
    stability = f"stability {group.stability:.2f}"
    if _is_sure(group):
        return f"{heading}."
    if group.stability >= DOUBTFUL:
        return f"{heading}; a pattern, but who belongs to it is doubtful ({stability})."
    return f"{heading}; not to be trusted, it falls apart when users are drawn again ({stability})."


def _summary(found: Cohorts) -> str:
    """Sentence on how many of the cohorts come back."""
    sure = sum(map(_is_sure, found.groups))
    count = len(found.groups)
    many = (
        f"All {count} cohorts come" if sure == count else f"{sure} of {count} cohorts {_come(sure)}"
    )
    sure = f"their stability is at least {SURE}"
    return f"{many} back when other users are drawn: {sure}. {found.reason}"


def _is_sure(group: Cohort) -> bool:
    """True where the stability, rounded to two digits as shown, is sure."""
    return round(group.stability, 2) >= SURE


def _come(count: int) -> str:
    return "comes" if count == 1 else "come"


def _tiles(found: Cohorts) -> list[tuple[str, str]]:
    sure = sum(map(_is_sure, found.groups))
    return [
        ("Users", f"{found.users:,}"),
        ("Cohorts", str(len(found.groups))),
        ("Of them stable", str(sure)),
        ("Largest", f"{found.groups[0].share:.1%}"),
        ("Smallest", f"{found.groups[-1].share:.1%}"),
        ("Latent dimensions in use", str(len(found.dims))),
    ]


def _pictures(easel: Easel, found: Cohorts) -> Section:
    names = [group.name for group in found.groups]
    pictures = [group.picture.sum(-1) for group in found.groups]
    sizes = [group.size for group in found.groups]
    stability = np.array([group.stability for group in found.groups])
    plates = [
        easel.plate(
            "Mean pictures",
            f"Days downward, hours across, summed over channels, in {UNITS[found.axes.unit]}. Each "
            "picture has its own colour scale.",
            figures.cohort_pictures(found.axes, pictures, names, sizes),
            wide=True,
        ),
        easel.plate(
            "Sizes and stability",
            "Stability is how alike the nearest cluster is, in members, when only a random half of "
            f"the users is clustered (mean best Jaccard similarity): from {SURE} on a cohort is "
            f"stable, below {DOUBTFUL} it is not to be trusted.",
            figures.cohort_sizes(
                names, np.array([group.share for group in found.groups]), stability
            ),
            wide=True,
        ),
    ]
    return Section("What they look like", "", plates)


def _habits(found: Cohorts) -> Section:
    columns = ["Habit", "Everybody", *(str(group.number) for group in found.groups)]
    rows = [
        [
            habit,
            habit_text(habit, usual),
            *(habit_text(habit, group.habits[habit]) for group in found.groups),
        ]
        for habit, usual in found.usual.items()
    ]
    note = (
        "The typical user of each cohort: the median, and of hours the mean around the clock. "
        f"Total activity is in {UNITS[found.axes.unit]}. A cohort is named after the habits in "
        "which it is farthest from everybody, measured in standard deviations of all users."
    )
    caption = "A column for each cohort, by number. " + "; ".join(
        f"{group.number}: {group.name}" for group in found.groups
    )
    return Section("What they do", note, tables=[Table(f"{caption}.", columns, rows)])


def _choice(found: Cohorts) -> Section:
    columns = [
        "Cohorts (k)",
        "Stability",
        "Weakest cohort",
        "Silhouette",
        "Sum of squared distances",
    ]
    rows = [
        [
            f"{each.k}{' (chosen)' if each.k == len(found.groups) else ''}",
            f"{each.stability:.2f}",
            f"{each.weakest:.2f}",
            NONE if each.silhouette is None else f"{each.silhouette:.2f}",
            f"{each.inertia:,.0f}",
        ]
        for each in found.tried
    ]
    caption = (
        "Weakest cohort: of the two clusterings of a pair of halves, the cohort with the least "
        "similar counterpart (Jaccard), mean over pairs. Silhouette: 1 where cohorts lie far "
        "apart, near 0 where they touch, so that users on their borders could be in either."
    )
    return Section(
        "How their number was chosen",
        f"{found.rule} {found.reason}",
        tables=[Table(caption, columns, rows)],
    )
