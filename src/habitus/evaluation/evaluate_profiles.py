"""Comparison of two sets of profiles: scores, their floor, and baselines without learning."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from habitus.evaluation.baselines.independent_cells import independent_cells
from habitus.evaluation.blocks import Binarised, is_binary
from habitus.evaluation.comparable import check_sets
from habitus.evaluation.evaluate_completion import CompletionEvaluation
from habitus.evaluation.floor import floor_from_halves, floor_from_train
from habitus.evaluation.metrics.compare import Figures, compare
from habitus.evaluation.metrics.summary import Summary, summarise
from habitus.schema import ProfileSource


@dataclass(frozen=True)
class Evaluation:
    """Scores of a set of profiles, found by :func:`evaluate_profiles`.

    Attributes:
        generated: Summary of the set that is evaluated.
        reference: Summary of the set that it is compared with.
        floor_sample: Summary of one of the real samples that give the floor.
        floor_reference: Summary of what that sample is compared with.
        figures: Figures of the generated set (see
            :func:`~habitus.evaluation.metrics.compare.compare`).
        floor: The same figures of real samples of that size, each the median over them.
        baselines: The same figures of each population without learning, by name.
        baseline_summaries: Their summaries, by name.
        floor_note: In words: where the floor's samples are from, and their size.
        zero_threshold: The threshold that was applied when the set was generated, or None.
        completion: Scores of the filled cells, where the set is a completed one and they were
            asked for.
    """

    generated: Summary
    reference: Summary
    floor_sample: Summary
    floor_reference: Summary
    figures: Figures
    floor: Figures
    baselines: dict[str, Figures]
    baseline_summaries: dict[str, Summary]
    floor_note: str
    zero_threshold: float | None
    completion: CompletionEvaluation | None = None

    def to_json(self) -> dict[str, Any]:
        """Content of ``metrics.json``; what is infinite or undefined becomes null."""
        floor = {**self.floor, "zero_threshold": None, "note": self.floor_note}
        baselines = {
            name: {**figures, "zero_threshold": None} for name, figures in self.baselines.items()
        }
        ours = {**self.figures, "zero_threshold": self.zero_threshold}
        content = {**ours, "floor": floor, "baselines": baselines}
        if self.completion is not None:
            parts = self.completion.to_json_parts()
            baselines |= parts["baselines"]
            content["region"] = parts["region"]
        return _finite(content)

    def rows(self) -> list[tuple[str, float | None, float | None]]:
        """Rows of a table: name, figure of the generated set, its floor.

        Names are keys joined by dots (``daily_mean.kld``); figures may be ``inf``, and None where
        there is none.
        """
        floor = dict(_flat(self.floor))
        return [(name, figure, floor.get(name)) for name, figure in _flat(self.figures)]


def evaluate_profiles(
    generated: ProfileSource,
    reference: ProfileSource,
    train: ProfileSource | None = None,
    *,
    zero_threshold: float | None = None,
    seed: int = 0,
) -> Evaluation:
    """Compare two sets of profiles, beside a floor and baselines ("Time pictures" 5.3).

    Args:
        generated: The set that is evaluated.
        reference: Real profiles to compare it with, by best practice ones that no model has seen.
        train: Real profiles for the floor and the baselines; without it the reference is split in
            two for the floor, and there are no baselines.
        zero_threshold: What was applied when the set was generated, by default what the set itself
            says; it is noted, not applied again.
        seed: Seed of the random draws of floor and baselines.

    Returns:
        Summaries and figures.

    Raises:
        ValueError: if a set is empty, or the sets cannot be compared.
    """
    check_sets(generated, reference, train)
    if is_binary(generated.axes):
        reference = Binarised(reference)
        train = None if train is None else Binarised(train)
    ours = summarise(generated)
    theirs = summarise(reference)
    rng = np.random.default_rng(seed)
    if train is None:
        floor = floor_from_halves(reference, ours.users, rng)
        baselines = {}
    else:
        floor = floor_from_train(train, theirs, ours.users, rng)
        baselines = {"independent_cells": summarise(independent_cells(train, ours.users, seed))}
    if zero_threshold is None:
        zero_threshold = getattr(generated, "about", {}).get("zero_threshold")
    return Evaluation(
        generated=ours,
        reference=theirs,
        floor_sample=floor.sample,
        floor_reference=floor.reference,
        figures=compare(ours, theirs),
        floor=floor.figures,
        baselines={name: compare(baseline, theirs) for name, baseline in baselines.items()},
        baseline_summaries=baselines,
        floor_note=floor.note,
        zero_threshold=zero_threshold,
    )


def _flat(figures: Figures, prefix: str = "") -> Iterator[tuple[str, float | None]]:
    """Every single figure with its dotted name; tables of figures are left out."""
    for key, value in figures.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        elif not isinstance(value, list):
            yield f"{prefix}{key}", value


def _finite(content: Any) -> Any:
    """Same content with None for what JSON cannot hold."""
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content
