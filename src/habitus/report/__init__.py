"""Evaluation and figures in one HTML file that opens anywhere, without a network."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from habitus.evaluation import Evaluation
from habitus.report.filled import FilledPart, beaten, filled_part, multiple, percent
from habitus.report.gallery import overview, sections
from habitus.report.meaning import REGION
from habitus.report.page import REPORT, Easel, write_page
from habitus.report.two_sample import two_sample_findings, two_sample_sections
from habitus.report.wording import baseline_name, number, rows_of, summary, times
from habitus.schema import Axes, ProfileSource

if TYPE_CHECKING:
    from habitus.evaluation.evaluate_completion import CompletionEvaluation
    from habitus.evaluation.privacy import Privacy
    from habitus.evaluation.two_sample import TwoSample

__all__ = ["write_report"]

History = Mapping[str, Sequence[float]]
TITLE = "Generated population against the real one"
FILLED_TITLE = "Filled profiles against what was there"
PILLS = {"like real": "good", "close": "near", "apart": "fair", "far": "poor"}


def write_report(
    path: Path | str,
    evaluation: Evaluation,
    generated: ProfileSource,
    reference: ProfileSource,
    *,
    completion: CompletionEvaluation | None = None,
    two_sample: TwoSample | None = None,
    privacy: Privacy | None = None,
    history: History | None = None,
    title: str | None = None,
    provenance: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> None:
    """Write a report; the file appears whole or not at all.

    Args:
        path: The HTML file.
        evaluation: What :func:`~habitus.evaluation.evaluate` found for the two sets.
        generated: The set that was evaluated, for sample pictures.
        reference: The set that it was evaluated against, for sample pictures.
        completion: For a completed set, what
            :func:`~habitus.evaluation.evaluate_completion.evaluate_completion` found; the report
            then begins with what was filled in.
        two_sample: What :func:`~habitus.evaluation.two_sample.two_sample` found, if it was asked.
        privacy: What :func:`~habitus.evaluation.privacy.privacy` found, if it was asked.
        history: Training curves: ``step, loss, reconstruction, kl`` of equal length, and
            ``held_out_step, held_out_loss, held_out_reconstruction, held_out_kl`` of equal length;
            any may be absent.
        title: Heading of the report; None for one that names what is evaluated.
        provenance: Where the numbers come from (command, versions, seeds), by name.
        overwrite: Replace whatever file stands there, not only an earlier report.

    Raises:
        ValueError: if something else stands at ``path`` and ``overwrite`` is not given.
    """
    title = title or (TITLE if completion is None else FILLED_TITLE)
    easel = Easel()
    rows = rows_of(evaluation.to_json())
    findings = [*summary(rows), *two_sample_findings(two_sample, privacy)]
    part = _filled(easel, completion, generated.axes)
    first = list(two_sample_sections(easel, two_sample, privacy))
    write_page(
        path,
        "report.html.j2",
        REPORT,
        overwrite=overwrite,
        title=title,
        lead=_lead(evaluation, "generated" if completion is None else "filled"),
        tiles=_tiles(evaluation) if completion is None else _filled_tiles(evaluation, completion),
        verdict=findings if part is None else part.verdict,
        filled=part,
        region=REGION,
        findings=findings,
        overview=overview(easel, rows),
        rows=rows,
        baselines=list(evaluation.baselines),
        sections=[*first, *sections(easel, evaluation, generated, reference, history)],
        provenance={**(provenance or {}), **_origin(evaluation)},
        pills=PILLS,
        times=times,
        multiple=multiple,
        baseline_name=baseline_name,
    )


def _filled(easel: Easel, completion: CompletionEvaluation | None, axes: Axes) -> FilledPart | None:
    return None if completion is None else filled_part(easel, axes, completion)


def _lead(evaluation: Evaluation, made: str) -> str:
    """One sentence: who against whom, and when."""
    axes = evaluation.reference.axes
    people = "users" if axes.every is None else "profiles (a user in one window)"
    return (
        f"{evaluation.generated.users:,} {made} {people} against {evaluation.reference.users:,} "
        f"real ones, {_window(axes)}, {_plural(len(axes.channels), 'channel')}."
    )


def _window(axes: Axes) -> str:
    if axes.every is None:
        return f"{_date(axes.start)} to {_date(axes.start + dt.timedelta(days=axes.days - 1))}"
    every = _plural(axes.every, "day")
    return f"windows of {_plural(axes.days, 'day')}, one every {every} from {_date(axes.start)}"


def _date(day: dt.date) -> str:
    return f"{day.day} {day:%B %Y}"


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def _tiles(evaluation: Evaluation) -> list[tuple[str, str]]:
    """The numbers that a reader wants first."""
    ours = evaluation.generated
    theirs = evaluation.reference
    days, slots, channels = theirs.axes.shape
    return [
        ("Generated", f"{ours.users:,}"),
        ("Real", f"{theirs.users:,}"),
        ("Days × slots × channels", f"{days} × {slots} × {channels}"),
        ("Empty cells, generated", f"{ours.empty_share:.2%}"),
        ("Empty cells, real", f"{theirs.empty_share:.2%}"),
        ("Zero threshold", _threshold(evaluation.zero_threshold)),
    ]


def _filled_tiles(evaluation: Evaluation, found: CompletionEvaluation) -> list[tuple[str, str]]:
    """Key numbers of a completed set, as (name, value), for the tiles at the top of the report."""
    axes = evaluation.reference.axes
    wins, baselines = beaten(found)
    return [
        ("Profiles", f"{evaluation.generated.users:,}"),
        ("Days × slots × channels", " × ".join(map(str, axes.shape))),
        ("Cells evaluated, per profile", f"{found.cells:,.0f} of {axes.cells:,}"),
        ("Draws of each", f"{found.samples:,}"),
        ("Baselines beaten, by CRPS", f"{wins} of {baselines}"),
        ("Truths in the 90 % interval", percent(found.figures["coverage_90"])),
    ]


def _threshold(value: float | None) -> str:
    return "none" if value is None else number(value)


def _origin(evaluation: Evaluation) -> dict[str, str]:
    """Provenance that the evaluation itself knows."""
    axes = evaluation.reference.axes
    return {
        "Other real sample": evaluation.floor_note,
        "Zero threshold": f"{_threshold(evaluation.zero_threshold)} (generated values up to it "
        "count as empty)",
        "Channels": ", ".join(axes.channels),
        "Days and hours in": axes.timezone,
    }
