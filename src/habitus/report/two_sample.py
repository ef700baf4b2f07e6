"""Sections and findings of the two-sample test and of privacy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from habitus.report import figures
from habitus.report.page import Easel, Section, Table
from habitus.report.wording import number

if TYPE_CHECKING:  # they take seconds to load
    from habitus.evaluation.metrics.auc import Auc
    from habitus.evaluation.privacy import Privacy
    from habitus.evaluation.two_sample import TwoSample

MOST_FEATURES = 20
TWO_SAMPLE_NOTE = (
    "Classifiers learnt to distinguish generated users from real ones, and were tested on users "
    "that they had not seen. The area under the ROC curve is the probability that they find the "
    "generated one of a pair: 0.5 is chance, and what another real sample scores is the floor. "
)
PRIVACY_NOTE = (
    "How near generated profiles are to those that the model was trained on. Held-out users cannot "
    "have been copied: what they score is the floor. The distance of two profiles is "
    "1 - 2 a·b / (|a|² + |b|²) on log(1 + value) of their cells: 0 for equal ones, 1 where nothing "
    "is shared. A profile is a near copy when it is nearer to a training profile than 99 in 100 "
    "held-out ones of its size. "
)


def two_sample_section(easel: Easel, found: TwoSample) -> Section:
    """Section on the two-sample test: its scores, and the features that differ."""
    rows = [("by features", _interval(found.auc), _interval(found.floor))]
    if (network := found.convolutional) is not None:
        rows.append(("by pictures", _interval(network.auc), _interval(network.floor)))
    caption = (
        "Boosted trees on features of each user, and a convolutional network on the pictures; "
        "95 % intervals."
    )
    plate = easel.plate("Distinguished from real users", caption, figures.area_intervals(rows))
    title = "Can generated users be distinguished from real ones?"
    return Section(
        title, f"{TWO_SAMPLE_NOTE}{_sentence(found.note)}", [plate], [_feature_table(found)]
    )


def _feature_table(found: TwoSample) -> Table:
    """Table of the most important features."""
    rows = [
        (
            each.name,
            _mean(each.generated),
            _mean(each.real),
            f"{each.auc_alone:.3f}",
            f"{each.importance:.3f}",
        )
        for each in found.features[:MOST_FEATURES]
    ]
    caption = (
        "What gave them away, the most important first. “Alone” is the area under the curve of "
        "the single feature; the importance is by how much the trees' area falls without it, "
        "and near 0 where others say the same."
    )
    return Table(caption, ("Feature", "Generated, mean", "Real, mean", "Alone", "Importance"), rows)


def _sentence(note: str) -> str:
    return f"{note[0].upper()}{note[1:]}."


def _mean(value: float | None) -> str:
    return "–" if value is None else number(value)


def privacy_section(easel: Easel, found: Privacy) -> Section:
    """Section on privacy: copies, near copies and membership."""
    rows = [
        (
            "Near copies of training profiles",
            f"{found.near_copies:.2%}",
            f"{found.near_copies_floor:.2%}",
        ),
        (
            "Exact copies of training profiles",
            f"{found.exact_copies:.2%}",
            f"{found.exact_copies_floor:.2%}",
        ),
    ]
    member = (
        "Training users distinguished from held-out ones by the nearest generated profile",
        area_text(found.membership),
        "0.5",
    )
    detected = ("Training profiles found, at 1 % false alarms", f"{found.found:.2%}", "1.00%")
    table = Table("", ("", "Generated", "Floor"), [*rows, member, detected])
    distances = {"reference": found.held_out, "generated": found.generated}
    figure = figures.distance_curves(distances, "distance to the nearest training profile")
    caption = (
        "Generated profiles, and real ones that were held out, by their nearest training profile."
    )
    plate = easel.plate("Distance to training users", caption, figure)
    return Section(
        "Does it give training users away?",
        f"{PRIVACY_NOTE}{_sentence(found.note)}",
        [plate],
        [table],
    )


def two_sample_findings(test: TwoSample | None, leaks: Privacy | None) -> Iterator[str]:
    """Findings of the two-sample test and of privacy for the top of the page."""
    if test is not None:
        yield (
            "A classifier distinguishes generated users from real ones with an area under the "
            f"curve of {area_text(test.auc)}; for another real sample it is "
            f"{area_text(test.floor)}."
        )
    if leaks is not None and leaks.warning:
        yield f"Warning: {leaks.warning}."


def two_sample_sections(
    easel: Easel, test: TwoSample | None, leaks: Privacy | None
) -> Iterator[Section]:
    """Sections of the results that there are, two-sample test first."""
    if test is not None:
        yield two_sample_section(easel, test)
    if leaks is not None:
        yield privacy_section(easel, leaks)


def area_text(area: Auc) -> str:
    """Format an area and its interval."""
    return f"{area.value:.3f} ({area.low:.3f} to {area.high:.3f})"


def _interval(area: Auc) -> figures.Interval:
    return figures.Interval(area.value, area.low, area.high)
