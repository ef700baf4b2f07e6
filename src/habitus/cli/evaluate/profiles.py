"""Scores of a folder of profiles, generated or completed, and what is written and shown of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from habitus.cli._console import bar, out, out_table, warn
from habitus.cli.evaluate.tables import (
    activity_lines,
    filled_table,
    privacy_lines,
    privacy_tables,
    scores_table,
    two_sample_lines,
)
from habitus.evaluation import CompletionEvaluation, Evaluation, evaluate_completion
from habitus.history import HISTORY, curves, read_history
from habitus.models.parts.masks import parse_mask
from habitus.profiles.completed import StoredCompleted, open_profiles
from habitus.profiles.rare import protection_of
from habitus.profiles.store import StoredProfiles
from habitus.report import History, write_report

WEIGHTS = "weights.safetensors"  # of a complete run; its module loads torch

if TYPE_CHECKING:
    from habitus.evaluation.privacy import Privacy
    from habitus.evaluation.two_sample import TwoSample


class ProfileSets(NamedTuple):
    """The evaluated profiles, and real ones for reference and for floor and baselines."""

    generated: StoredProfiles
    reference: StoredProfiles
    train: StoredProfiles | None

    @classmethod
    def open(cls, generated: Path, against: Path, train: Path | None) -> Self:
        """Open the folders of the sets."""
        return cls(
            open_profiles(generated),
            StoredProfiles.open(against),
            StoredProfiles.open(train) if train else None,
        )


@dataclass(frozen=True)
class EvaluatedProfiles:
    """Scores of profiles.

    Attributes:
        sets: The profiles.
        scores: Scores of the population.
        filled: Scores of filled cells, where the profiles were completed.
        region: Cells of these that are scored, as asked for; None for all missing ones.
        two_sample: Results of the classifiers, if they were asked for.
        privacy: Attacks on training users, if they were asked for.
        history: Loss curves of the run that made the profiles, if it is known.
    """

    sets: ProfileSets
    scores: Evaluation
    filled: CompletionEvaluation | None
    region: str | None
    two_sample: TwoSample | None
    privacy: Privacy | None
    history: History | None

    def to_json(self) -> dict[str, Any]:
        """Content of ``metrics.json``; completed profiles add ``region`` and more ``baselines``."""
        metrics = self.scores.to_json()
        if self.filled is not None:
            parts = self.filled.to_json_parts()
            how = self.sets.generated.about["completed"]
            scope = {"mask": how["mask"], "judged": self.region or "all missing cells"}
            metrics["region"] = {**parts["region"], **scope}
            metrics["baselines"] |= parts["baselines"]
        tests = {"two_sample": self.two_sample, "privacy": self.privacy}
        return metrics | {name: test.to_json() for name, test in tests.items() if test is not None}

    def write_page(
        self, path: Path, provenance: Mapping[str, str], *, overwrite: bool = False
    ) -> None:
        """Write the report on these scores."""
        ours, theirs, _ = self.sets
        origin = dict(provenance)
        protection = protection_of(theirs.about)
        origin["Rare values"] = (
            "not known to be protected" if protection is None else protection.sentence()
        )
        if self.filled is not None:
            mask = ours.about["completed"]["mask"]
            origin["What was missing"] = f"{mask}; evaluated: {self.region or 'all missing cells'}"
            origin["Baselines"] = self.filled.note
            origin["Run that completed it"] = Path(ours.about.get("run", "")).name or "not known"
        write_report(
            path, self.scores, ours, theirs, completion=self.filled, two_sample=self.two_sample,
            privacy=self.privacy, history=self.history, provenance=origin,
            overwrite=overwrite,
        )  # fmt: skip

    def show(self) -> None:
        """Print the tables and lines of all scores."""
        if self.filled is not None:
            out_table(filled_table(self.filled))
        out_table(scores_table(self.scores))
        if self.privacy is not None:
            for table in privacy_tables(self.privacy):
                out_table(table)
        lines = activity_lines(self.scores)
        if self.two_sample is not None:
            lines += two_sample_lines(self.two_sample)
        if self.privacy is not None:
            lines += privacy_lines(self.privacy)
        for line in lines:
            out(line)
        if self.privacy is not None and self.privacy.warning:
            warn(f"warning: {self.privacy.warning}")


def read_curves(run: Path | None, generated: StoredProfiles) -> History | None:
    """Loss curves of the named run, or of the one that made the population if it is still there."""
    if run is not None:
        return curves(read_history(run))
    made_by = Path(generated.about.get("run", ""))
    return curves(read_history(made_by)) if (made_by / HISTORY).is_file() else None


def score_filled(
    sets: ProfileSets, region: str | None, most: int, seed: int
) -> CompletionEvaluation | None:
    """Score what was filled in, with a bar; None where nothing was.

    Raises:
        ValueError: for a region of a set that was not completed, and as ``evaluate_completion``.
    """
    completed = sets.generated
    if not isinstance(completed, StoredCompleted):
        if region is not None:
            raise ValueError(
                f"--region says which filled cells to score, but {completed.path} was not "
                "completed; leave it out, or give what habitus complete or forecast wrote"
            )
        return None
    cells = None if region is None else parse_mask(region, completed.axes).fixed
    if region is not None and cells is None:
        raise ValueError(
            f"--region {region} differs from profile to profile; give one such as centre, last:7 "
            "or rectangle:A-B,E-F, or leave it out to score all missing cells"
        )
    with bar("Evaluating filled cells", "profiles") as advance:
        return evaluate_completion(
            completed, *sets[1:], region=cells, seed=seed, most=most, on_progress=advance
        )


def run_two_sample(sets: ProfileSets, seed: int) -> TwoSample:
    """Train classifiers to separate generated from real users, with a bar."""
    from habitus.evaluation.two_sample import two_sample  # loads torch

    with bar("Classifying generated and real users", "steps") as advance:
        return two_sample(*sets, seed=seed, on_progress=advance)


def run_privacy(sets: ProfileSets, run: Path | None, references: int, seed: int) -> Privacy:
    """Attack the training users of the generated ones, with bars.

    Args:
        sets: The profiles.
        run: Run that generated; None for the one that the generated profiles name.
        references: Pairs of reference fits.
        seed: Seed of the draws and of the fits.
    """
    from habitus.evaluation.privacy import NO_RUN, privacy

    ours, theirs, train = sets
    assert train is not None, "the command refuses --privacy without --train"
    likelihoods = NO_RUN
    made_by = Path(ours.about.get("run") or "") if run is None else run
    if run is not None or (made_by / WEIGHTS).is_file():
        from habitus.run import load
        from habitus.synthesis.membership import membership_likelihoods

        with bar("Fitting and scoring for the attack by likelihood", "steps") as advance:
            likelihoods = membership_likelihoods(
                load(made_by), train, theirs, references=references, seed=seed,
                on_progress=advance,
            )  # fmt: skip
    known = protection_of(train.about)
    protection = "not known to be protected" if known is None else known.sentence()
    with bar("Attacking the training users", "steps") as advance:
        return privacy(
            ours, theirs, train, likelihoods=likelihoods, protection=protection, seed=seed,
            on_progress=advance,
        )  # fmt: skip
