"""Tables and lines of the scores of profiles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from habitus.cli._console import plain
from habitus.evaluation import ACTIVITIES, CompletionEvaluation, Evaluation, active_users
from habitus.report.filled import methods, multiple
from habitus.report.meaning import REGION
from habitus.report.two_sample import area_text, inference_rows, membership_rows
from habitus.report.wording import baseline_name, number, rows_of, times

if TYPE_CHECKING:
    from habitus.evaluation.privacy import Privacy
    from habitus.evaluation.two_sample import TwoSample

SHOWN = 5  # features that gave most away


def scores_table(found: Evaluation) -> Table:
    """Table of figures beside their floor and baselines; ratio 1 is as good as a real sample."""
    baselines = list(found.baselines)
    table = Table(
        title="Lower is better; the floor is what another real sample scores", title_justify="left"
    )
    table.add_column("figure")
    for name in ("generated", "floor", "ratio", *map(baseline_name, baselines)):
        table.add_column(name, justify="right")
    for row in rows_of(found.to_json()):
        unit = row.unit.partition(",")[0]
        shown = f" ({unit})" if row.unit and row.unit not in row.text(1) else ""
        others = (row.text(row.baselines.get(baseline)) for baseline in baselines)
        cells = (row.name + shown, row.text(row.generated), row.text(row.floor), times(row.ratio))
        table.add_row(*map(plain, (*cells, *others)))
    return table


def activity_lines(found: Evaluation) -> list[str]:
    """Empty cells, and active users as a share of all over the days whose window is full."""
    empty = found.figures["empty_cells"]
    lines = [
        f"empty cells: {empty['generated']:.2%} of generated profiles, {empty['reference']:.2%} "
        "of real ones"
    ]
    for activity in ACTIVITIES:
        error, floor = (
            part[activity.name]["relative_error"] for part in (found.figures, found.floor)
        )
        if error is not None:
            ours, theirs = (
                active_users(each.active, activity.window)[activity.first_day :].mean()
                for each in (found.generated, found.reference)
            )
            lines.append(
                f"{activity.name.upper()}: {ours:.1%} of generated users, {theirs:.1%} of real "
                f"ones; relative error {error:.2%}, floor {floor:.2%}"
            )
    return lines


def filled_table(found: CompletionEvaluation) -> Table:
    """Table of the filled cells' scores, of the completed set and of its baselines."""
    title = (
        "Filled cells, means over profiles; smaller is better, but for coverage and log-likelihood"
    )
    table = Table(title=title, title_justify="left")
    table.add_column("method")
    names = [column.name.lower().replace("crps", "CRPS") for column in REGION.values()]
    for name in (*names, "CRPS, multiple", "profiles"):
        table.add_column(name, justify="right")
    for method in methods(found):
        cells = (method.name, *method.texts, multiple(method.over), f"{method.profiles:,}")
        table.add_row(*map(plain, cells))
    return table


def two_sample_lines(found: TwoSample) -> list[str]:
    """Lines on how well classifiers separate generated from real users, and by which features."""
    lines = list[str]()
    for name, scored in (("features", found.trees), ("pictures", found.convolutional)):
        if scored is not None:
            lines.append(
                f"distinguished from real users by {name}: AUC {area_text(scored.auc)}; another "
                f"real sample {area_text(scored.floor)}; chance 0.5"
            )
    lines.append("what gave them away most:")
    for each in found.features[:SHOWN]:
        means = " against ".join(
            "none" if value is None else number(value) for value in (each.generated, each.real)
        )
        lines.append(f"  {each.name}: {means} on average; AUC alone {each.auc_alone:.3f}")
    return lines


def privacy_tables(found: Privacy) -> list[Table]:
    """Tables of the attacks on training users, each with its floor."""
    members = Table(
        title="Training users against held-out ones; AUC 0.5 is chance, found: at 1 % false alarms",
        title_justify="left",
    )
    guesses = Table(
        title="Attributes of training users, guessed from the nearest user", title_justify="left"
    )
    parts = (
        (members, ("attack", "AUC", "floor", "found", "floor"), membership_rows(found)),
        (
            guesses,
            ("attribute", "from generated", "floor, from real", "of held-out users"),
            inference_rows(found),
        ),
    )
    for table, (first, *others), rows in parts:
        table.add_column(first)
        for name in others:
            table.add_column(name, justify="right")
        for row in rows:
            table.add_row(*map(plain, row))
    return [table for table, _, rows in parts if rows]


def privacy_lines(found: Privacy) -> list[str]:
    """Lines on copies of training users, and on what was attacked and what that means."""
    copies = found.copies
    lines = [
        f"near copies of training profiles: {copies.near:.2%} of generated profiles, "
        f"{copies.near_floor:.2%} of held-out ones; exact copies: {copies.exact:.2%}, "
        f"{copies.exact_floor:.2%} (a sanity check)",
        f"likelihood: {found.likelihood_note}",
    ]
    if found.protection is not None:
        lines.append(f"rare values of the training profiles: {found.protection}")
    return [*lines, found.guarantee]
