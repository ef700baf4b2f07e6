"""A completed set against the truth: figures of the filled cells, beside baselines that learn no model.

completed ──pieces──▶ filled cells ┐
                                   ├─RegionTally──▶ figures, calibration
reference ──rows────▶ true cells ──┘
    └──── the same cells hidden ──▶ CompletionBaseline.fill ──▶ the baselines' figures
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from habitus.evaluation.baselines.completion import (
    COMPLETION_BASELINES,
    CompletionBaseline,
    Training,
)
from habitus.evaluation.blocks import Binarised, is_binary
from habitus.evaluation.completion.missing_region import (
    Calibration,
    RegionFigures,
    RegionTally,
    base_rates,
    inside,
)
from habitus.evaluation.completion.paired import Example, Pair, examples, paired
from habitus.evaluation.floor import draw
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
PROFILES_AT_ONCE = 256  # that baselines fill before progress is told
_IDENTITY = ("user", "window_start")  # what says whose profile it is, in a users table


@dataclass(frozen=True)
class CompletionEvaluation:
    """What :func:`evaluate_completion` found.

    Attributes:
        figures: Figures of the completed set over all its profiles
            (:class:`~habitus.evaluation.completion.missing_region.RegionFigures`).
        calibration: Its coverage at every level.
        baselines: The same figures of each baseline, by name, on a random sample of the profiles; and under
            ``completed`` what the completed set scores on that very sample {squared_error, crps, coverage_90,
            log_likelihood}.
        note: In words: how many profiles the baselines ran on.
        cells: Cells that were judged in a profile, on average.
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
        """The parts ``region`` and ``baselines`` of ``metrics.json``; JSON can hold both."""
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
    """Score filled cells against what was there, beside baselines that fill the same cells ("Time pictures" 5.3.3).

    Args:
        completed: Profiles whose missing cells were filled, with draws.
        reference: The same profiles, in the same order, with nothing hidden.
        train: Real profiles for base rates and for the baselines that need some; without it base rates are the
            reference's, and those baselines are left out.
        region: Cells to score, [D, S, C]; all missing cells by default. What is known inside it adds nothing.
        seed: Seed of the sample of profiles, of the baselines' draws and of the ranks of ties.
        most: The most profiles that baselines are run on, drawn at random; slow ones have a lower limit of their own.
        on_progress: Called with profiles done, profiles in all, and ``score`` or ``baselines``.

    Returns:
        Figures, calibration and baselines.

    Raises:
        ValueError: if the sets are not of the same profiles, or units or region do not fit.
    """
    _check(completed, reference)
    if train is not None:
        _check_axes(train, reference, "the training set")
    if is_binary(completed.axes):
        reference = Binarised(reference)
        train = None if train is None else Binarised(train)
    rates = base_rates(reference if train is None else train)
    scoring = _Scoring(completed, reference, _checked(region, completed.axes), rates, seed)
    ours = _completed(scoring, on_progress)
    training = None if train is None else Training.of(train, seed)
    baselines = _baselines(scoring, training, _samples(len(completed), most, seed), on_progress)
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
    """What is scored, and how: every figure of the set and of its baselines is found in the same way."""

    source: CompletedSource
    reference: ProfileSource
    region: BoolArray
    rates: FloatArray
    seed: int

    def tally(self) -> RegionTally:
        """An empty tally; the same ranks of ties for all."""
        return RegionTally(self.source.axes, self.rates, self.seed)

    def add(self, tally: RegionTally, filled: Filled, piece: Pair) -> None:
        """Add filled cells of a piece's profiles, as far as they are in the region."""
        scored = inside(filled, self.region)
        tally.add(scored, piece.pictures[scored.row, scored.cell], piece.peaks)

    def pieces(self) -> Iterator[Pair]:
        """The completed pieces beside the truth."""
        return paired(self.source, self.reference)


@dataclass(frozen=True)
class _Contest:
    """Baselines that run on the same profiles, beside the completed set on these."""

    rows: BoolArray
    ours: RegionTally
    baselines: list[tuple[CompletionBaseline, RegionTally, np.random.Generator]]

    def add(self, scoring: _Scoring, piece: Pair) -> None:
        """Let the baselines fill what is missing in a piece, and score all."""
        scoring.add(self.ours, piece.filled, piece)
        shape = (-1, *scoring.source.axes.shape)
        missing = piece.missing
        hidden = np.where(missing, 0, piece.pictures).reshape(shape)
        for baseline, tally, rng in self.baselines:
            scoring.add(
                tally,
                baseline.fill(hidden, missing.reshape(shape), scoring.source.samples, rng),
                piece,
            )

    def figures(self) -> dict[str, Figures]:
        """Figures of each baseline, with the completed set's."""
        ours = self.ours.result().figures
        beside = {"completed": {name: ours[name] for name in COMPARED}}
        return {
            baseline.name: {**tally.result().figures, **beside}
            for baseline, tally, _ in self.baselines
        }


@dataclass(frozen=True)
class _Completed:
    """The completed set's figures, how many cells were judged, and how active each profile is [U]."""

    found: RegionFigures
    cells: int
    known: IntArray


def _completed(scoring: _Scoring, on_progress: Progress) -> _Completed:
    """Score all profiles of the completed set.

    Raises:
        ValueError: if some cell of the region is missing in no profile.
    """
    tally = scoring.tally()
    done = 0
    known = []
    missing = np.zeros(scoring.region.size, np.int64)
    for piece in scoring.pieces():
        missing += np.bincount(piece.filled.cell, minlength=len(missing))
        known.append(piece.known)
        scoring.add(tally, piece.filled, piece)
        done += piece.filled.profiles
        on_progress(done, len(scoring.source), "score")
    region = scoring.region.reshape(-1)
    _check_missing(region, missing > 0)
    return _Completed(tally.result(), int(missing[region].sum()), np.concatenate(known))


def _baselines(
    scoring: _Scoring,
    train: Training | None,
    samples: dict[int | None, BoolArray],
    on_progress: Progress,
) -> dict[str, Figures]:
    """Run the baselines, those that share a sample together, and give their figures in the order of the registry."""
    contests = [_contest(scoring, train, limit, rows) for limit, rows in samples.items()]
    done = 0
    for piece in (part for pair in scoring.pieces() for part in pair.split(PROFILES_AT_ONCE)):
        for contest in contests:
            rows = contest.rows[done : done + piece.filled.profiles]
            if rows.any():
                contest.add(scoring, piece.of(rows))
        done += piece.filled.profiles
        on_progress(done, len(scoring.source), "baselines")
    figures = {name: found for contest in contests for name, found in contest.figures().items()}
    return {name: figures[name] for name in COMPLETION_BASELINES if name in figures}


def _contest(
    scoring: _Scoring, train: Training | None, limit: int | None, rows: BoolArray
) -> _Contest:
    """The baselines with this limit; each draws from a stream of its own, so that none changes another's figures."""
    baselines = [
        (
            kind(scoring.source.axes, train),
            scoring.tally(),
            np.random.default_rng([scoring.seed, number]),
        )
        for number, kind in enumerate(COMPLETION_BASELINES.values())
        if kind.sample == limit and (train is not None or not kind.needs_train)
    ]
    return _Contest(rows, scoring.tally(), baselines)


def _samples(profiles: int, most: int, seed: int) -> dict[int | None, BoolArray]:
    """The profiles for each limit that some baseline has; a smaller sample is part of a larger one.

    Raises:
        ValueError: if there would be none.
    """
    if most < 1:
        raise ValueError(f"most must be at least 1 profile, got {most}")
    limits = dict.fromkeys(kind.sample for kind in COMPLETION_BASELINES.values())
    sizes = {limit: min(most, limit or most) for limit in limits}
    return {
        limit: draw(profiles, size, np.random.default_rng(seed)) for limit, size in sizes.items()
    }


def _note(baselines: dict[str, Figures], profiles: int) -> str:
    """Such as "baselines on 4,000 of 15,000 profiles drawn at random (arima, ets on 200)"."""
    sizes = {name: figures["profiles"] for name, figures in baselines.items()}
    most = max(sizes.values())
    fewer = [name for name, size in sizes.items() if size < most]
    slow = f" ({', '.join(fewer)} on {sizes[fewer[0]]:,})" if fewer else ""
    drawn = (
        f"{most:,} of {profiles:,} profiles drawn at random"
        if most < profiles
        else f"all {profiles:,} profiles"
    )
    return f"baselines on {drawn}{slow}"


def _check(completed: CompletedSource, reference: ProfileSource) -> None:
    """Refuse sets whose profiles are not the same ones, and units that cannot be brought together."""
    _check_axes(completed, reference, "the completed set")
    if len(completed) != len(reference) or not len(reference):
        raise ValueError(
            f"expected the same profiles in both sets, at least one, got {len(completed):,} completed ones and "
            f"{len(reference):,} of the reference; give the set that was completed"
        )
    ours = completed.axes.unit
    theirs = reference.axes.unit
    if theirs not in (ours, "count") and not is_binary(completed.axes):
        raise ValueError(
            f"expected a reference of counts or of unit {ours}, as completed, got unit {theirs}; "
            "profile the reference again"
        )
    if completed.axes.start != reference.axes.start and not _tiled(completed, reference):
        raise ValueError(
            f"the completed profiles begin on {completed.axes.start} and the reference on {reference.axes.start}; "
            "profile the days that were completed, or forecast"
        )
    for row, (mine, other) in enumerate(_identities(completed, reference)):
        if mine != other:
            raise ValueError(
                f"expected the same users in the same order, but profile {row} is {mine} in the completed set and "
                f"{other} in the reference; give the set that was completed"
            )


def _tiled(*sources: ProfileSource) -> bool:
    """Whether each profile says when its own window begins."""
    tables: list[Any] = [getattr(source, "users", None) for source in sources]
    return all(table is not None and "window_start" in table.column_names for table in tables)


def _identities(completed: CompletedSource, reference: ProfileSource) -> Iterator[tuple[Any, Any]]:
    """Whose profile each is in both sets, as far as both say so."""
    tables: list[Any] = [getattr(source, "users", None) for source in (completed, reference)]
    if any(table is None for table in tables):
        return
    for name in _IDENTITY:
        if all(name in table.column_names for table in tables):
            mine, other = (table[name].to_pylist() for table in tables)
            yield from zip(mine, other, strict=True)


def _check_axes(source: ProfileSource, reference: ProfileSource, name: str) -> None:
    if mismatch := source.axes.mismatch(reference.axes):
        raise ValueError(
            f"{name} and the reference must have the same days, slots and channels, but {mismatch}; "
            "profile both in the same way"
        )


def _checked(region: BoolArray | None, axes: Axes) -> BoolArray:
    """The region, by default every cell."""
    if region is None:
        return np.ones(axes.shape, bool)
    if region.shape != axes.shape or not region.any():
        raise ValueError(
            f"expected a region of shape (days, slots, channels) {axes.shape} with at least one cell, got shape "
            f"{region.shape} with {np.count_nonzero(region)}"
        )
    return region


def _check_missing(region: BoolArray, missing: BoolArray) -> None:
    """A whole picture means whatever is missing; a chosen region has to have been hidden."""
    wanted = missing.any() if region.all() else not (region & ~missing).any()
    if not wanted:
        raise ValueError(
            f"expected each cell of the region to be missing in some profile, but {np.sum(region & ~missing):,} of "
            f"{np.sum(region):,} are known in all; give a region that was hidden"
        )
