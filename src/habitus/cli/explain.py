"""``habitus explain``: what each latent dimension of a run does, in words and figures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

import habitus
from habitus.cli._console import bar, out, out_table, plain, spinner
from habitus.cli._options import Overwrite, RunFolder, Seed, Stored, command
from habitus.cli._options.names import WALKS
from habitus.cli._options.types import SEVERAL
from habitus.files import Mark, check_outputs, write_json

if TYPE_CHECKING:
    from habitus.evaluation.latents import Disentanglement
    from habitus.profiles.factors import Columns
    from habitus.synthesis.latents.explanation import Explanation

MOST_SCORED = 8000  # users drawn to compare known factors on: more take time, change little

KNOWN = "Known factors"
WRITTEN = "What is written"

Json = Annotated[
    Path | None, typer.Option("--json", help="Write what was found here.", rich_help_panel=WRITTEN)
]
Html = Annotated[
    Path | None, typer.Option("--html", help="Write a page with figures.", rich_help_panel=WRITTEN)
]
Walks = Annotated[
    int,
    typer.Option(help="Random draws of the other dimensions that intervals are over.", **SEVERAL),
]
Prior = Annotated[
    str, typer.Option(help="What the other dimensions are drawn from: normal or mixture.")
]
Factors = Annotated[
    Path | None,
    typer.Option(
        help="Parquet or CSV table with a row per user whose other columns are true of them, "
        "such as a simulation's; attributes of the profiles are taken as well.",
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
    overwrite: Overwrite = False,
) -> None:
    """Say in words and figures what each latent dimension of a run does.

    A dimension is walked from its low to its high end while the others are held at random draws;
    what changes in nearly every walk, and differs between real users too, gives it its name.
    """
    from habitus.cli._shared.provenance import command_line, versions_line
    from habitus.profiles.factors import attributes, factors_file
    from habitus.profiles.store import StoredProfiles
    from habitus.report.explained import left_out_in_words, scores_in_words, write_explanation
    from habitus.run import load

    outputs = {"explanation": json, "page": html}
    check_outputs("explain", outputs, [run, profiles, factors], overwrite=overwrite)
    fitted = load(run)
    data = StoredProfiles.open(profiles)
    columns = attributes(data.users) | (factors_file(factors, data.users, user) if factors else {})
    check_hours(hours or [], columns)
    with bar("Explaining", "dimensions") as advance:
        found = habitus.explain(
            fitted, data, seed=seed, walks=walks, prior=prior, on_progress=advance
        )
    with spinner("Comparing with known factors"):
        scores, left_out = known_factors(found, columns, hours or [], seed)
    if json:
        known = {"factors": None if scores is None else scores.to_json(), "left_out": left_out}
        mark = Mark("explain", "explanation")
        write_json(json, {**found.to_json(), **known}, mark, overwrite=overwrite)
    if html:
        typed = command_line(
            "explain", run, profiles, hours=hours, factors=factors, user=user, walks=walks,
            prior=prior, seed=seed, json=json, html=html, overwrite=overwrite,
        )  # fmt: skip
        origin = {"Command": typed, "Versions": versions_line()}
        write_explanation(
            html, found, factors=scores, left_out=left_out, provenance=origin, overwrite=overwrite
        )
    out_table(_dimensions(found))
    out(
        f"{found.in_use} of {len(found.dimensions)} dimensions are in use (KL of a hundredth of "
        "a nat and more)"
    )
    if scores is not None:
        shares = ", ".join(f"{name} {value:.2f}" for name, value in scores.prediction.items())
        out(f"share of known factors explained by the latents: {shares}")
        out(scores_in_words(scores))
    for line in left_out_in_words(left_out):
        out(line)
    for path in filter(None, (json, html)):
        out(f"{path}: written")


def check_hours(hours: list[str], columns: Columns) -> None:
    """Check early, before slow work, that each column of --hours exists and holds numbers.

    Raises:
        ValueError: for an unknown column, or one with strings or booleans.
    """
    for name in hours:
        if name not in columns:
            raise ValueError(
                f"--hours {name} is no known factor; there are: {', '.join(columns) or 'none'}"
            )
        other = next((value for value in columns[name] if isinstance(value, str | bool)), None)
        if other is not None:
            raise ValueError(f"--hours {name} must be numbers from 0 to 24, got {other!r}")


def known_factors(
    found: Explanation, columns: Columns, hours: list[str], seed: int
) -> tuple[Disentanglement | None, dict[str, str]]:
    """Scores of the latents against known factors, and why other columns are none, by name."""
    from habitus.evaluation.habits import HOURS
    from habitus.evaluation.latents import LEAST_USERS, disentanglement, factors_from_columns
    from habitus.profiles.factors import of_rows

    if not columns:
        return None, {}
    known = factors_from_columns(of_rows(columns, found.rows), dict.fromkeys(hours, HOURS))
    codes = found.latents[known.users]
    if len(codes) < LEAST_USERS:
        why = f"with all others known of {len(codes)} users, {LEAST_USERS} are needed"
        return None, known.left_out | {factor.name: why for factor in known.factors}
    if not known.factors:
        return None, known.left_out
    return disentanglement(codes, known.factors, seed=seed, most=MOST_SCORED), known.left_out


def _dimensions(found: Explanation) -> Table:
    """Table of the dimensions and what they change."""
    from habitus.report.explained import changes_in_words
    from habitus.report.wording import number

    table = Table(title="Dimensions, the one that says most first", title_justify="left")
    table.add_column("dimension")
    table.add_column("KL", justify="right")
    table.add_column("variance", justify="right")
    table.add_column("high end against low end")
    table.add_column("what changes most, low end to high end")
    for each in found.dimensions:
        numbers = (number(each.kl), number(each.variance))
        cells = (f"z{each.number}", *numbers, each.name, changes_in_words(each))
        table.add_row(*map(plain, cells))
    return table
