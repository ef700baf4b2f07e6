"""Two-sample and privacy scores of profiles, which load torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from habitus.cli._console import bar, out, warn
from habitus.evaluation.privacy import Privacy, privacy
from habitus.evaluation.two_sample import TwoSample, two_sample
from habitus.profiles.store import StoredProfiles
from habitus.report.two_sample import area_text
from habitus.report.wording import number

SHOWN = 5  # features that gave most away


@dataclass(frozen=True)
class Compared:
    """Results of the comparisons that were asked for."""

    two_sample: TwoSample | None
    privacy: Privacy | None

    def to_json(self) -> dict[str, Any]:
        """Scores as parts of ``metrics.json``."""
        parts = {"two_sample": self.two_sample, "privacy": self.privacy}
        return {name: part.to_json() for name, part in parts.items() if part is not None}

    def report(self) -> None:
        """Print the two-sample scores and the privacy figures, as far as they were asked for."""
        if self.two_sample is not None:
            _report_two_sample(self.two_sample)
        if self.privacy is not None:
            _report_privacy(self.privacy)


def run_tests(
    ours: StoredProfiles,
    reference: StoredProfiles,
    train: StoredProfiles | None,
    *,
    classify: bool,
    leaks: bool,
    seed: int,
) -> Compared:
    """Train classifiers, look for training users, or both, each with a bar.

    Raises:
        ValueError: as the two do.
    """
    found = None
    if classify:
        with bar("Classifying generated and real users", "steps") as advance:
            found = two_sample(ours, reference, train, seed=seed, on_progress=advance)
    if not leaks or train is None:
        return Compared(found, None)
    with bar("Looking for training users", "steps") as advance:
        return Compared(found, privacy(ours, reference, train, seed=seed, on_progress=advance))


def _report_two_sample(found: TwoSample) -> None:
    for name, scored in (("features", found.trees), ("pictures", found.convolutional)):
        if scored is not None:
            ours = area_text(scored.auc)
            floor = area_text(scored.floor)
            out(
                f"distinguished from real users by {name}: AUC {ours}; another real sample "
                f"{floor}; chance 0.5"
            )
    out("what gave them away most:")
    for each in found.features[:SHOWN]:
        means = " against ".join(
            "none" if value is None else number(value) for value in (each.generated, each.real)
        )
        out(f"  {each.name}: {means} on average; AUC alone {each.auc_alone:.3f}")


def _report_privacy(found: Privacy) -> None:
    out(
        f"near copies of training profiles: {found.near_copies:.2%} of generated profiles, "
        f"{found.near_copies_floor:.2%} of held-out ones; exact copies: {found.exact_copies:.2%}, "
        f"{found.exact_copies_floor:.2%}"
    )
    out(
        f"training users distinguished from held-out ones: AUC {area_text(found.membership)}, "
        f"chance 0.5; "
        f"{found.found:.2%} found at 1 % false alarms"
    )
    if found.warning:
        warn(f"warning: {found.warning}")
