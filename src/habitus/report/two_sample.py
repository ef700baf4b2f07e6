"""Sections and findings of the two-sample test and of privacy."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import fill
from typing import TYPE_CHECKING

from habitus.report import figures
from habitus.report.page import Easel, Section, Table
from habitus.report.wording import number

if TYPE_CHECKING:  # they take seconds to load
    from habitus.evaluation.metrics.auc import Auc
    from habitus.evaluation.privacy import Privacy, Share
    from habitus.evaluation.two_sample import TwoSample

MOST_FEATURES = 20
LABEL = 24  # letters in a line of a label
TWO_SAMPLE_NOTE = (
    "Classifiers learnt to distinguish generated users from real ones, and were tested on users "
    "that they had not seen. The area under the ROC curve is the probability that they find the "
    "generated one of a pair: 0.5 is chance, and what another real sample scores is the floor. "
)
PRIVACY_NOTE = (
    "What attackers learn of the users that the model was trained on. Held-out users cannot have "
    "leaked: what they score is the floor. An attack gives each user a score; “found” is the share "
    "of training users above all but 1 % of the held-out ones, since an attack matters where it is "
    "sure, and not on average. The user is the unit: all windows of one user count once. "
)
COPIES_NOTE = (
    "A sanity check that proves nothing: whoever was moved by an hour is no near copy, and yet "
    "recognised. The distance of two profiles is 1 - 2 a·b / (|a|² + |b|²) on log(1 + value) of "
    "their cells; a profile is a near copy when it is nearer to a training profile than 99 in 100 "
    "held-out ones of its size."
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


def membership_rows(found: Privacy) -> list[tuple[str, ...]]:
    """Rows of attacks on membership: name, AUC, its floor, share found, and its floor, as text."""
    return [
        row
        for each in found.attacks
        for row in (
            (
                f"By {each.name}", area_text(each.area), area_text(each.floor_area),
                share_text(each.found), share_text(each.floor_found),
            ),
            (
                f"The {each.unusual.users:,} most unusual of them",
                area_text(each.unusual.area), "0.5", share_text(each.unusual.found), "–",
            ),
        )
    ]  # fmt: skip


def inference_rows(found: Privacy) -> list[tuple[str, ...]]:
    """Rows of inferences: attribute, guessed from generated, from real, and of held-out users."""
    return [
        row
        for each in found.inferences
        for row in (
            (
                each.name, share_text(each.guessed), share_text(each.floor),
                share_text(each.held_out),
            ),
            (
                "The most unusual of them", share_text(each.unusual),
                share_text(each.unusual_floor), "–",
            ),
        )
    ]  # fmt: skip


def privacy_section(easel: Easel, found: Privacy) -> Section:
    """Section on privacy: attacks with their floors, inferences, and copies."""
    areas = [
        (fill(each.name, LABEL), _interval(each.area), _interval(each.floor_area))
        for each in found.attacks
    ]
    plates = [
        easel.plate(
            "Training users distinguished from held-out ones",
            "Areas under the curve with 95 % intervals; the floor is the same attack on held-out "
            "users alone.",
            figures.area_intervals(areas),
        ),
        easel.plate(
            "Distance to training users",
            "Generated profiles, and real ones that were held out, by their nearest training "
            "profile.",
            figures.distance_curves(
                {"reference": found.copies.held_out, "generated": found.copies.generated},
                "distance to the nearest training profile",
            ),
        ),
    ]
    copies = [
        ("Near copies of training profiles", f"{found.copies.near:.2%}",
         f"{found.copies.near_floor:.2%}"),
        ("Exact copies of training profiles", f"{found.copies.exact:.2%}",
         f"{found.copies.exact_floor:.2%}"),
    ]  # fmt: skip
    tables = [
        Table(
            "Membership: training users against held-out ones, with 95 % intervals.",
            ("Attack", "AUC", "Floor", "Found at 1 % false alarms", "Floor"),
            membership_rows(found),
        ),
        Table(
            "Attributes, guessed from the nearest user; the floor is a guess from other real "
            "users. A leak is a better guess of training than of held-out users.",
            ("Attribute", "From generated users", "From other real users", "Of held-out users"),
            inference_rows(found),
        ),
        Table(COPIES_NOTE, ("", "Generated", "Floor"), copies),
    ]
    protection = "" if found.protection is None else f"Rare values: {found.protection}. "
    note = (
        f"{found.guarantee} {PRIVACY_NOTE}{_sentence(found.note)} Likelihood: "
        f"{found.likelihood_note}. {protection}"
    )
    return Section("Does it give training users away?", note, plates, tables)


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
    if leaks is not None:
        yield leaks.guarantee


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


def share_text(share: Share) -> str:
    """Format a share of users and its interval."""
    return f"{share.value:.1%} ({share.low:.1%} to {share.high:.1%})"


def _interval(area: Auc) -> figures.Interval:
    return figures.Interval(area.value, area.low, area.high)
