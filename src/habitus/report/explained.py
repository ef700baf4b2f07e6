"""The page that says what the latent dimensions of a run do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from habitus.evaluation.latents import Disentanglement
from habitus.evaluation.naming import habit_text
from habitus.files import Mark
from habitus.report import figures
from habitus.report.page import Article, Easel, Plate, Section, Table, write_article
from habitus.report.wording import number

if TYPE_CHECKING:
    from habitus.synthesis.latents.explanation import Dimension, Explanation

MOST_DRAWN = 20  # dimensions with a figure of their own
MOST_SUMMARISED = 5  # in the summary
MOST_NAMED = 3  # changes in a row of the table
KNOWN = "Known factors of the users"
UNITS = {
    "peak": " Total activity is in shares of a user's busiest cell.",
    "binary": " Total activity is a number of cells with any.",
}


def write_explanation(
    path: Path | str,
    found: Explanation,
    *,
    factors: Disentanglement | None = None,
    left_out: Mapping[str, str] | None = None,
    title: str = "What the latent dimensions do",
    provenance: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> None:
    """Write the page; the file appears whole or not at all.

    Args:
        path: The HTML file.
        found: What :func:`habitus.explain` found.
        factors: Scores of the latents against known factors of the users, if there are any.
        left_out: Columns that are no factor, and why.
        title: Heading.
        provenance: Where it comes from, by name.
        overwrite: Replace whatever file stands there, not only an earlier explanation.

    Raises:
        ValueError: if something else stands at ``path`` and ``overwrite`` is not given.
    """
    easel = Easel()
    sections = [_overview(easel, found), _walks(easel, found)]
    if factors is not None:
        sections.append(_factors(easel, factors, left_out or {}))
    elif left_out:
        sections.append(Section(KNOWN, " ".join(left_out_in_words(left_out))))
    lead = (
        f"{len(found.dimensions)} dimensions, {found.in_use} of them in use, walked {found.walks} "
        f"times each and compared with {found.users:,} real profiles."
    )
    verdict = [*_verdict(found), *(_recovered(factors) if factors is not None else [])]
    write_article(
        path,
        Article(title, lead, _tiles(found), verdict, sections, provenance or {}),
        Mark("explain", "page"),
        overwrite=overwrite,
    )


def changes_in_words(dimension: Dimension, most: int = MOST_NAMED) -> str:
    """The clear changes with most weight, each from its low to its high end."""
    clear = {habit: each for habit, each in dimension.changes.items() if each.clear}
    chosen = sorted(clear, key=lambda habit: -abs(clear[habit].weight))[:most]
    changes = [
        f"{habit} {habit_text(habit, clear[habit].low)} to {habit_text(habit, clear[habit].high)}"
        for habit in chosen
    ]
    return "; ".join(changes) or "nothing that goes the same way in nearly all walks"


def _tiles(found: Explanation) -> list[tuple[str, str]]:
    total = sum(each.kl for each in found.dimensions)
    return [
        ("Dimensions", f"{len(found.dimensions)}"),
        ("In use", f"{found.in_use}"),
        ("KL, all together", f"{number(total)} nats"),
        ("Profiles", f"{found.users:,}"),
    ]


def _verdict(found: Explanation) -> Iterator[str]:
    described = [each for each in found.dimensions if each.in_use]
    if not described:
        yield "No dimension tells anything about a user: every KL is below a hundredth of a nat."
    for each in described[:MOST_SUMMARISED]:
        yield f"z{each.number} ({number(each.kl)} nats): {each.name}."
    if len(described) > MOST_SUMMARISED:
        yield f"{len(described) - MOST_SUMMARISED} more are in use; the table has them all."


def _recovered(factors: Disentanglement) -> Iterator[str]:
    best = sorted(factors.prediction, key=lambda name: -factors.prediction[name])
    described = ", ".join(
        f"{name} {factors.prediction[name]:.0%}".replace("%", " %") for name in best[:4]
    )
    yield (
        f"Best predicted from the latents, of {len(best)} known factors: {described} of what there "
        "is to explain."
    )


def _overview(easel: Easel, found: Explanation) -> Section:
    rows = [
        [
            f"z{each.number}",
            each.name,
            changes_in_words(each),
            number(each.kl),
            number(each.variance),
        ]
        for each in found.dimensions
    ]
    columns = (
        "Dimension",
        "High end against low end",
        "What changes most",
        "KL, nats",
        "Learned variance",
    )
    caption = (
        "From the dimension that says most about a user. A change counts where it goes the same "
        "way in nine of ten walks, by its size against how much users differ and by how much real "
        "users differ in it too. Typical values at the low and at the high "
        f"end.{UNITS.get(found.axes.unit, '')}"
    )
    note = (
        "A dimension is walked from -3 to 3 while the others are held at a random draw. A KL near "
        "zero means that the model does not use a dimension; a learned variance near 1 means the "
        "same."
    )
    return Section(
        "All dimensions",
        note,
        [_associations(easel, found)],
        [Table(caption, columns, rows, words=3)],
    )


def _associations(easel: Easel, found: Explanation) -> Plate:
    habits = list(found.dimensions[0].changes)
    used = [each for each in found.dimensions if each.in_use] or found.dimensions
    values = np.array([[each.changes[habit].association for habit in habits] for each in used])
    figure = figures.association_matrix([f"z{each.number}" for each in used], habits, values)
    caption = (
        "Absolute rank correlation, over real users, of a dimension with the users' own habits; "
        "of hours circular."
    )
    return easel.plate(
        "Which habits of real users go with which dimension", caption, figure, wide=True
    )


def _walks(easel: Easel, found: Explanation) -> Section:
    used = [each for each in found.dimensions if each.in_use]
    drawn = used[:MOST_DRAWN]
    note = (
        f"Left: the expected profile at {len(found.points)} points, summed over channels and "
        f"averaged over {found.walks} walks. Right: how habits change from the low to the high "
        "end, with the range of nine in ten walks; grey where that includes no change."
    ) + (f" These are the first {MOST_DRAWN} of {len(used)}." if len(used) > len(drawn) else "")
    return Section(
        "Each dimension in use", note, [_dimension(easel, found, each) for each in drawn]
    )


def _dimension(easel: Easel, found: Explanation, each: Dimension) -> Plate:
    bars = {
        habit: (
            change.change / change.spread,
            change.q05 / change.spread,
            change.q95 / change.spread,
        )
        for habit, change in each.changes.items()
        if change.spread > 0
    }
    figure = figures.dimension_walk(found.axes, each.pictures, found.points, bars)
    words = changes_in_words(each)
    spread = f"KL {number(each.kl)} nats, variance {number(each.variance)}"
    caption = f"{words[0].upper()}{words[1:]}. {spread}."
    return easel.plate(f"z{each.number}: {each.name}", caption, figure, wide=True)


def _factors(easel: Easel, factors: Disentanglement, left_out: Mapping[str, str]) -> Section:
    names = list(factors.prediction)
    latents = [f"z{at}" for at in range(len(factors.correlation))]
    rows = [
        [
            name,
            latents[int(factors.correlation[:, at].argmax())],
            *map(number, _scores(factors, name, at)),
        ]
        for at, name in enumerate(names)
    ]
    columns = ("Factor", "Nearest dimension", "Explained", "Association", "MIG", "SAP")
    caption = (
        "Explained: share of the factor that forests on all latents explain of users that they "
        "have not seen, 0 for no better than its mean. MIG and SAP: how far the nearest dimension "
        "is ahead of the second."
    )
    plate = easel.plate(
        "Which factor goes with which dimension",
        "Association from 0 to 1, over users.",
        figures.association_matrix(latents, names, factors.correlation),
        wide=True,
    )
    note = " ".join(
        [f"Of {factors.users:,} users. {scores_in_words(factors)}", *left_out_in_words(left_out)]
    )
    return Section(KNOWN, note, [plate], [Table(caption, columns, rows, words=2)])


def _scores(factors: Disentanglement, name: str, at: int) -> tuple[float, ...]:
    nearest = float(factors.correlation[:, at].max())
    return (
        factors.prediction[name],
        nearest,
        factors.mig_by_factor[name],
        factors.sap_by_factor[name],
    )


def scores_in_words(factors: Disentanglement) -> str:
    """Scores over all factors in words; undefined ones are left out."""
    several = len(factors.prediction) > 1
    latents = len(factors.correlation)
    dci = {
        "disentanglement": factors.dci_disentanglement if several else None,
        "completeness": factors.dci_completeness if latents > 1 else None,
        "informativeness": factors.dci_informativeness,
    }
    described = ", ".join(
        f"{name} {number(value)}" for name, value in dci.items() if value is not None
    )
    chance = number(factors.beta_chance)
    beta = f"Higgins' beta metric {number(factors.beta_metric)}, where guessing scores {chance}"
    return (
        f"Over all factors: MIG {number(factors.mig)}, SAP {number(factors.sap)}, DCI {described}"
        f"{f'; {beta}' if several else ''}."
    )


def left_out_in_words(left_out: Mapping[str, str]) -> list[str]:
    """Why each column is no factor, a sentence each."""
    return [f"Left out: {name} ({why})." for name, why in left_out.items()]
