"""Completed profiles against the truth, beside baselines that fill the same cells.

completed ──pieces──▶ filled cells ┐
                                   ├─RegionTally──▶ figures, calibration
reference ──rows────▶ true cells ──┘
    └──── the same cells hidden ──▶ CompletionBaseline.fill ──▶ the baselines' figures
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from habitus.evaluation.baselines.completion import (
    COMPLETION_BASELINES,
    CompletionBaseline,
    Training,
)
from habitus.evaluation.blocks import Binarised, is_binary
from habitus.evaluation.comparable import check_same_axes
from habitus.evaluation.completion.missing_region import (
    Calibration,
    RegionFigures,
    RegionTally,
    base_rates,
)
from habitus.evaluation.completion.paired import Example, Pair, examples, paired
from habitus.evaluation.draws import random_rows
from habitus.evaluation.metrics.compare import Figures
from habitus.schema import (
    Axes,
    BoolArray,
    CompletedSource,
    Filled,
    FloatArray,
    IntArray,
    ProfileSource,
    Progress,
    no_progress,
)

MOST_BASELINE_PROFILES = 4000
COMPARED = ("squared_error", "crps", "coverage_90", "log_likelihood")
PROFILES_AT_ONCE = 256  # that baselines fill before progress is reported
_IDENTITY = ("user", "window_start")  # columns of a users table that identify a profile


@dataclass(frozen=True)
class CompletionEvaluation:
    """Scores of a completed set, found by :func:`evaluate_completion`.

    Attributes:
        figures: Figures of the completed set over all its profiles
            (:class:`~habitus.evaluation.completion.missing_region.RegionFigures`).
        calibration: Its coverage at every level.
        baselines: The same figures of each baseline, by name, on a random sample of the profiles;
            and under ``completed`` what the completed set scores on that very sample
            {squared_error, crps, coverage_90, log_likelihood}.
        note: In words: how many profiles the baselines ran on.
        cells: Cells that were scored in a profile, on average.
        samples: Draws of each missing cell.
        examples: Three profiles to be shown, from a median user to a very busy one.
    """

    figures: Figures
    calibration: Calibration
    baselines: dict[str, Figures]
    note: str
    cells: float
    samples: int
    examples: tuple[Example, ...]

    def to_json_parts(self) -> dict[str, Any]:
        """Parts ``region`` and ``baselines`` of ``metrics.json``; JSON can hold both."""
        about = {"note": self.note, "cells": self.cells, "samples": self.samples}
        region = {**self.figures, "calibration": self.calibration.to_json(), **about}
        return {"region": region, "baselines": self.baselines}


def evaluate_completion(
    completed: CompletedSource,
    reference: ProfileSource,
    train: ProfileSource | None = None,
    *,
    region: BoolArray | None = None,
    seed: int = 0,
    most: int = MOST_BASELINE_PROFILES,
    on_progress: Progress = no_progress,
) -> CompletionEvaluation:
    """Score filled cells against the truth, beside baselines ("Time pictures" 5.3.3).

    Args:
        completed: Profiles whose missing cells were filled, with draws.
        reference: The same profiles, in the same order, with nothing hidden.
        train: Real profiles for base rates and for the baselines that need some; without it base
            rates are the reference's, and those baselines are left out.
        region: Mask of the cells to score, [D, S, C]; all missing cells by default. What is known
            inside it adds nothing.
        seed: Seed of the sample of profiles, of the baselines' draws and of the ranks of ties.
        most: The most profiles that baselines are run on, drawn at random; slow ones have a lower
            limit of their own.
        on_progress: Called with profiles done, profiles in all, and ``score`` or ``baselines``.

    Returns:
        Figures, calibration and baselines.

    Raises:
        ValueError: if the sets are not of the same profiles, or units or region do not fit.
    """
    _check(completed, reference)
    if train is not None:
        check_same_axes(train, reference, "the training set")
    if is_binary(completed.axes):
        reference = Binarised(reference)
        train = None if train is None else Binarised(train)
    rates = base_rates(reference if train is None else train)
    scoring = _Scoring(completed, reference, _checked(region, completed.axes), rates, seed)
    ours = _score(scoring, on_progress)
    training = None if train is None else Training.of(train, seed)
    baselines = _score_baselines(scoring, training, most, on_progress)
    return CompletionEvaluation(
        figures=ours.found.figures,
        calibration=ours.found.calibration,
        baselines=baselines,
        note=_note(baselines, len(completed)),
        cells=ours.cells / len(completed),
        samples=completed.samples,
        examples=examples(completed, scoring.reference, ours.known),
    )


@dataclass(frozen=True)
class _Scoring:
    """Truth and settings by which the completed set and its baselines are scored alike."""

    source: CompletedSource
    reference: ProfileSource
    region: BoolArray
    rates: FloatArray
    seed: int

    def tally(self) -> RegionTally:
        """Empty tally; the same ranks of ties for all."""
        return RegionTally(self.source.axes, self.rates, self.seed)

    def add(self, tally: RegionTally, filled: Filled, piece: Pair) -> None:
        """Add filled cells of a piece's profiles, as far as they are in the region."""
        scored = filled.select(self.region.reshape(-1)[filled.cell])
        tally.add(scored, piece.pictures[scored.row, scored.cell], piece.peaks)


@dataclass(frozen=True)
class _Scored:
    """Figures of the completed set, cells that were scored, and known cells of each profile [U]."""

    found: RegionFigures
    cells: int
    known: IntArray


def _score(scoring: _Scoring, on_progress: Progress) -> _Scored:
    """Score all profiles of the completed set.

    Raises:
        ValueError: if some cell of the region is missing in no profile, unless the region is the
            whole picture, which means whatever is missing.
    """
    tally = scoring.tally()
    done = 0
    known = []
    missing = np.zeros(scoring.region.size, np.int64)
    for piece in paired(scoring.source, scoring.reference):
        missing += np.bincount(piece.filled.cell, minlength=len(missing))
        known.append(piece.known)
        scoring.add(tally, piece.filled, piece)
        done += piece.filled.profiles
        on_progress(done, len(scoring.source), "score")
    region = scoring.region.reshape(-1)
    never = region & (missing == 0)
    if not missing.any() if region.all() else never.any():
        raise ValueError(f"expected each cell of the region to be missing in some profile, but "
                         f"{np.sum(never):,} of {np.sum(region):,} are known in all; give a region "
                         "that was hidden")  # fmt: skip
    return _Scored(tally.result(), int(missing[region].sum()), np.concatenate(known))


@dataclass(frozen=True)
class _BaselineSample:
    """Baselines that run on the same profiles, marked in [U], beside the completed set on these."""

    rows: BoolArray
    ours: RegionTally
    baselines: list[tuple[CompletionBaseline, RegionTally, np.random.Generator]]


def _score_baselines(
    scoring: _Scoring, train: Training | None, most: int, on_progress: Progress
) -> dict[str, Figures]:
    """Run the baselines, and give their figures in the order of the registry.

    Those that share a limit run on the same profiles; a smaller sample is part of a larger one.
    Each draws from a stream of its own, so that none changes another's figures.

    Raises:
        ValueError: if there would be no profile.
    """
    if most < 1:
        raise ValueError(f"most must be at least 1 profile, got {most}")
    samples: dict[int | None, _BaselineSample] = {}
    for number, kind in enumerate(COMPLETION_BASELINES.values()):
        if kind.sample not in samples:
            size = min(most, kind.sample or most)
            rows = random_rows(len(scoring.source), size, np.random.default_rng(scoring.seed))
            samples[kind.sample] = _BaselineSample(rows, scoring.tally(), [])
        if train is not None or not kind.needs_train:
            rng = np.random.default_rng([scoring.seed, number])
            baseline = kind(scoring.source.axes, train)
            samples[kind.sample].baselines.append((baseline, scoring.tally(), rng))
    shape = (-1, *scoring.source.axes.shape)
    done = 0
    for pair in paired(scoring.source, scoring.reference):
        for part in pair.split(PROFILES_AT_ONCE):
            for sample in samples.values():
                rows = sample.rows[done : done + part.filled.profiles]
                if not rows.any():
                    continue
                piece = part.of(rows)
                scoring.add(sample.ours, piece.filled, piece)
                missing = piece.missing
                hidden = np.where(missing, 0, piece.pictures).reshape(shape)
                missing = missing.reshape(shape)
                for baseline, tally, rng in sample.baselines:
                    filled = baseline.fill(hidden, missing, scoring.source.samples, rng)
                    scoring.add(tally, filled, piece)
            done += part.filled.profiles
            on_progress(done, len(scoring.source), "baselines")
    figures = {}
    for sample in samples.values():
        ours = sample.ours.result().figures
        beside = {"completed": {name: ours[name] for name in COMPARED}}
        for baseline, tally, _ in sample.baselines:
            figures[baseline.name] = {**tally.result().figures, **beside}
    return {name: figures[name] for name in COMPLETION_BASELINES if name in figures}


def _note(baselines: dict[str, Figures], profiles: int) -> str:
    """Sample in words: "baselines on 4,000 of 15,000 profiles drawn at random (ets on 200)"."""
    sizes = {name: figures["profiles"] for name, figures in baselines.items()}
    most = max(sizes.values())
    fewer = [name for name, size in sizes.items() if size < most]
    slow = f" ({', '.join(fewer)} on {sizes[fewer[0]]:,})" if fewer else ""
    drawn = f"{most:,} of {profiles:,} profiles drawn at random"
    return f"baselines on {drawn if most < profiles else f'all {profiles:,} profiles'}{slow}"


def _check(completed: CompletedSource, reference: ProfileSource) -> None:
    """Refuse sets whose profiles are not the same ones, and units that do not fit together."""
    check_same_axes(completed, reference, "the completed set")
    if len(completed) != len(reference) or not len(reference):
        raise ValueError(
            f"expected the same profiles in both sets, at least one, got {len(completed):,} "
            f"completed ones and {len(reference):,} of the reference; give the set that was "
            "completed"
        )
    unit = completed.axes.unit
    theirs = reference.axes.unit
    if theirs not in (unit, "count") and not is_binary(completed.axes):
        raise ValueError(
            f"expected a reference of counts or of unit {unit}, as completed, got unit {theirs}; "
            "profile the reference again"
        )
    tables: list[Any] = [getattr(source, "users", None) for source in (completed, reference)]
    columns = [() if table is None else table.column_names for table in tables]
    shared = [name for name in _IDENTITY if all(name in names for names in columns)]
    starts = completed.axes.start, reference.axes.start
    if starts[0] != starts[1] and "window_start" not in shared:
        raise ValueError(
            f"the completed profiles begin on {starts[0]} and the reference on {starts[1]}; "
            "profile the days that were completed, or forecast"
        )
    for name in shared:
        ours, others = (table[name].to_pylist() for table in tables)
        for row, (one, other) in enumerate(zip(ours, others, strict=True)):
            if one != other:
                raise ValueError(
                    f"expected the same users in the same order, but profile {row} is {one} in the "
                    f"completed set and {other} in the reference; give the set that was completed"
                )


def _checked(region: BoolArray | None, axes: Axes) -> BoolArray:
    """Mask of the cells to score, by default every cell."""
    if region is None:
        return np.ones(axes.shape, bool)
    if region.shape != axes.shape or not region.any():
        raise ValueError(
            f"expected a region of shape (days, slots, channels) {axes.shape} with at least one "
            f"cell, got shape {region.shape} with {np.count_nonzero(region)}"
        )
    return region
