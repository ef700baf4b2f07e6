"""Work of ``habitus explain``."""

from __future__ import annotations

import shlex
from pathlib import Path

from rich.table import Table

from habitus.cli._console import bar, out, out_table, plain, spinner
from habitus.evaluation.habits import HOURS
from habitus.evaluation.latents import (
    LEAST_USERS,
    Disentanglement,
    disentanglement,
    factors_from_columns,
)
from habitus.files import write_json
from habitus.history import versions
from habitus.profiles.factors import Columns, attributes, factors_file, of_rows
from habitus.profiles.store import StoredProfiles
from habitus.report.explained import (
    changes_in_words,
    left_out_in_words,
    scores_in_words,
    write_explanation,
)
from habitus.report.wording import number
from habitus.run import load
from habitus.synthesis.latents.explanation import Explanation, explain

MOST_SCORED = 8000  # users drawn to compare known factors on: more take time, change little


def execute(
    run: Path,
    profiles: Path,
    json: Path | None,
    html: Path | None,
    factors: Path | None,
    user: str | None,
    hours: list[str] | None,
    walks: int,
    prior: str,
    seed: int,
) -> None:
    """Say in words and figures what each latent dimension of a run does."""
    fitted = load(run)
    data = StoredProfiles.open(profiles)
    columns = attributes(data.users) | (factors_file(factors, data.users, user) if factors else {})
    check_hours(hours or [], columns)
    with bar("Explaining", "dimensions") as advance:
        found = explain(fitted, data, seed=seed, walks=walks, prior=prior, on_progress=advance)
    with spinner("Comparing with known factors"):
        scores, left_out = known_factors(found, columns, hours or [], seed)
    if json:
        known = {"factors": None if scores is None else scores.to_json(), "left_out": left_out}
        write_json(json, {**found.to_json(), **known})
    if html:
        given = {
            "factors": factors,
            "user": user,
            "walks": walks,
            "prior": prior,
            "seed": seed,
            "json": json,
        }
        command = _command(run, profiles, hours or [], {**given, "html": html})
        made = ", ".join(f"{name} {version}" for name, version in versions()["versions"].items())
        origin = {"Command": command, "Versions": made}
        write_explanation(html, found, factors=scores, left_out=left_out, provenance=origin)
    _report(found, scores, left_out)
    for path in filter(None, (json, html)):
        out(f"{path}: written")


def _command(run: Path, profiles: Path, hours: list[str], options: dict[str, object]) -> str:
    """Format the command line, with every option that was given or has a default."""
    words = ["habitus", "explain", str(run), str(profiles)]
    for name, value in [*(("hours", name) for name in hours), *options.items()]:
        words += [f"--{name}", str(value)] if value is not None else []
    return shlex.join(words)


def check_hours(hours: list[str], columns: Columns) -> None:
    """Refuse what is no hour before anything takes long.

    Raises:
        ValueError: for a name that is no column, or one of a column of other things than numbers.
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


def _report(found: Explanation, scores: Disentanglement | None, left_out: dict[str, str]) -> None:
    table = Table(title="Dimensions, the one that says most first", title_justify="left")
    for name in ("dimension", "KL", "variance"):
        table.add_column(name, justify="left" if name == "dimension" else "right")
    table.add_column("high end against low end")
    table.add_column("what changes most, low end to high end")
    for each in found.dimensions:
        cells = (
            f"z{each.number}",
            number(each.kl),
            number(each.variance),
            each.name,
            changes_in_words(each),
        )
        table.add_row(*map(plain, cells))
    out_table(table)
    out(
        f"{found.in_use} of {len(found.dimensions)} dimensions are in use (KL of a hundredth of "
        f"a nat and more)"
    )
    if scores is not None:
        shares = ", ".join(f"{name} {value:.2f}" for name, value in scores.prediction.items())
        out(f"share of known factors explained by the latents: {shares}")
        out(scores_in_words(scores))
    for line in left_out_in_words(left_out):
        out(line)
