"""Completion: missing cells of profiles and missing values of series, filled by a fitted model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import Any, overload

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Generator

from habitus.files import check_outputs
from habitus.memory import check_memory
from habitus.models.base import CompletingModel, ProfileModel
from habitus.models.parts.masks import FixedMask, Mask, parse_mask
from habitus.profiles.batches import Population
from habitus.profiles.calendar import Calendar
from habitus.profiles.completed import Completed, CompletedPiece, StoredCompleted, save_completed
from habitus.profiles.gaps import MissingCells
from habitus.profiles.sparse import Profiles, concat, offsets
from habitus.profiles.totals import known_cells, known_totals
from habitus.run import Run
from habitus.schema import PEAK, WEEKDAYS, Axes, BoolArray, Filled, Progress, no_progress
from habitus.series import Series
from habitus.settings import Positive, Seed, Share, configuration
from habitus.synthesis.capabilities import completing_model
from habitus.synthesis.cleaning import CleanConfig, clean
from habitus.synthesis.noise import Noise
from habitus.synthesis.threads import in_order
from habitus.synthesis.zero_threshold import fit_zero_threshold
from habitus.training.encoding import examples_of, known_to
from habitus.training.precision import in_memory_format, keep_freed_memory, quick_inference

PIECE_VALUES = 1 << 23  # draws made together: 32 MiB
MOST_PROFILES = 128  # in a processor's cache
THRESHOLD_PROFILES = 4096


@configuration
class CompleteConfig:
    """Settings of a completion.

    Attributes:
        mask: Missing cells, named as in :mod:`habitus.models.parts.masks`.
        samples: Draws of each missing cell.
        seed: Decides the draws, and the masks that differ by profile.
        threshold: Drawn values up to it become zero; None fits it to the training users' daily
            activity ("Time pictures" 5.3.2) where the model cannot draw true zeros; 0 turns it off.
            Expected values stay.
    """

    mask: str = "centre"
    samples: Positive = 20
    seed: Seed = 0
    threshold: Share | None = None


@overload
def complete(
    run: Run,
    data: Population,
    mask: str | MissingCells = "centre",
    *,
    samples: int = 20,
    seed: int = 0,
    threshold: float | None = None,
    on_progress: Progress = no_progress,
) -> Completed: ...
@overload
def complete(
    run: Run,
    data: Series,
    *,
    samples: int = 64,
    seed: int = 0,
    on_progress: Progress = no_progress,
) -> Series: ...
def complete(
    run: Run,
    data: Population | Series,
    mask: str | MissingCells = "centre",
    *,
    samples: int | None = None,
    seed: int = 0,
    threshold: float | None = None,
    on_progress: Progress = no_progress,
) -> Completed | Series:
    """Fill missing cells of profiles or values of series, in memory (large sets: complete_to).

    Args:
        run: A run whose model completes; of series, one whose model continues a past.
        data: Profiles or series. Values of missing cells are not read, with one exception: for a
            run of unit ``peak`` they count in the peak that a profile is divided by, as in "Time
            pictures".
        mask: Text of a mask of profiles, or their missing cells, bool [D, S, C] or [U, D, S, C].
            Series are filled where their values are NaN.
        samples: Draws of each missing cell, K, 20 unless given; fillings that the mean of a gap is
            taken over in series, 64 unless given.
        seed: Seed of the draws.
        threshold: See :class:`CompleteConfig`; of profiles.
        on_progress: Called with profiles or steps done, and all of them.

    Raises:
        ValueError: for a run that cannot complete, profiles on other axes, a mask that does not
            fit, or series of other variables.
    """
    if isinstance(data, Series):
        fill_only = CleanConfig(Noise(0.0), 64 if samples is None else samples, seed)
        return clean(run, data, fill_only, on_progress).series
    text = mask if isinstance(mask, str) else "given"
    config = CompleteConfig(text, 20 if samples is None else samples, seed, threshold)
    work = Completing(run, data, config, None if isinstance(mask, str) else mask)
    pieces = list(work.pieces(on_progress))
    whole = replace(concat([piece.profiles for piece in pieces]), about=work.about)
    return Completed(whole, tuple(piece.filled for piece in pieces))


def complete_to(
    path: Path | str,
    run: Run,
    profiles: Population,
    config: CompleteConfig,
    missing: MissingCells | None = None,
    on_progress: Progress = no_progress,
    *,
    overwrite: bool = False,
) -> StoredCompleted:
    """Fill missing cells into a folder, in bounded memory.

    Args:
        path: The folder.
        run: A run whose model completes.
        profiles: The profiles.
        config: Settings; its mask is only a name where ``missing`` is given.
        missing: Missing cells, bool [D, S, C] or [U, D, S, C], instead of the config's mask.
        on_progress: Called with profiles done, and profiles in all.
        overwrite: Replace whatever folder stands there, not only earlier completed profiles.

    Raises:
        ValueError: as :func:`complete`; or if run or profiles lie at ``path``, or something else
            stands there and ``overwrite`` is not given.
    """
    reads = [run.path, getattr(profiles, "path", None)]
    check_outputs("complete", {"profiles": path}, reads, overwrite=overwrite)
    work = Completing(run, profiles, config, missing)
    return save_completed(
        path, work.pieces(on_progress), work.axes, work.fixed, work.about,
        command="complete", overwrite=overwrite,
    )  # fmt: skip


class Completing:
    """Completion of profiles piece by piece; a piece's draws depend on seed and number only."""

    def __init__(
        self,
        run: Run,
        profiles: Population,
        config: CompleteConfig,
        missing: MissingCells | None = None,
    ) -> None:
        self.run = run
        self.profiles = profiles
        self.config = config
        model = completing_model(run.model)
        check_axes(model, profiles.axes)
        if not len(profiles):
            raise ValueError("expected profiles to complete, got none")
        self.mask, self.given = _mask(model, profiles, config.mask, missing)
        self.known = known_to(model, profiles)
        keep_freed_memory()
        self.model = in_memory_format(model, torch.channels_last).eval()
        self.axes = profiles.axes.with_unit(model.unit)
        missing_each = self.axes.cells if self.fixed is None else int(self.fixed.sum())
        check_memory(
            16 * config.samples * missing_each,
            f"{config.samples:,} draws of {missing_each:,} missing cells of a profile",
            f"samples ({config.samples:,})",
        )
        self.size = min(MOST_PROFILES, max(1, PIECE_VALUES // (config.samples * missing_each)))

    @property
    def fixed(self) -> BoolArray | None:
        """Missing cells [D, S, C], where they are the same for all profiles."""
        return None if self.mask is None else self.mask.fixed

    @property
    def about(self) -> dict[str, Any]:
        """Provenance of the completed profiles."""
        how = {"mask": self.config.mask, "samples": self.config.samples, "seed": self.config.seed}
        calendar = Calendar.of(self.profiles.about).to_json()
        return {
            "zero_threshold": self.threshold,
            "completed": how,
            **calendar,
            "run": str(self.run.path),
        }

    def pieces(self, on_progress: Progress = no_progress) -> Iterator[CompletedPiece]:
        """Yield the profiles, completed."""
        done = 0
        _ = self.threshold  # which is fitted first
        for profiles, filled in self._filled():
            filled = replace(filled, draws=self._thresholded(filled.draws))
            yield CompletedPiece(with_first_draw(profiles, filled), filled)
            done += len(profiles)
            on_progress(done, len(self.profiles), "completing")

    @cached_property
    def threshold(self) -> float:
        """Threshold to apply: given, 0 where zeros are exact, or fitted to the first profiles."""
        if self.config.threshold is not None:
            return self.config.threshold
        if self.model.exact_zeros:
            return 0.0
        with_gaps = (piece for piece in self._filled() if len(piece[1].row))
        pieces = islice(with_gaps, -(-THRESHOLD_PROFILES // self.size))
        return _fitted_threshold(list(pieces), np.asarray(self.run.about["active_share"]))

    def _thresholded(self, draws: NDArray[np.float32]) -> NDArray[np.float32]:
        """Apply the threshold to draws; in binary profiles values above it become 1."""
        if not self.threshold:
            return draws
        one = np.float32(1)
        return np.where(
            draws > self.threshold, one if self.axes.unit == "binary" else draws, np.float32(0)
        )

    def _filled(self) -> Iterator[tuple[Profiles, Filled]]:
        """Yield the profiles and their filled cells, in order."""
        return in_order(
            partial(self._fill, number, *region)
            for number, region in enumerate(self._missing_regions())
        )

    def _missing_regions(self) -> Iterator[tuple[Profiles, BoolArray]]:
        """Yield profiles in the model's unit, and their missing cells [B, D, S, C]."""
        first = 0
        for chunk in self.profiles.chunks():
            chunk, missing = _in_unit(chunk, self.model.unit), self._missing(first, len(chunk))
            for start in range(0, len(chunk), self.size):
                stop = min(start + self.size, len(chunk))
                yield chunk.slice(start, stop), missing[start:stop]
            first += len(chunk)

    def _missing(self, first: int, count: int) -> BoolArray:
        if self.given is not None:
            return _with_something_known(self.given[first : first + count], first)
        assert self.mask is not None
        return self.mask.draw(count, np.random.default_rng([self.config.seed, 1, first]))

    def _fill(self, number: int, profiles: Profiles, missing: BoolArray) -> tuple[Profiles, Filled]:
        """Draw the missing cells of one piece."""
        seed = np.random.SeedSequence([self.config.seed, 2, number]).generate_state(1)[0]
        missing = np.array(missing)
        mask = torch.from_numpy(missing)
        x: Any = examples_of(profiles, self.known)  # as the model takes it
        with torch.no_grad(), quick_inference():
            found = self.model.complete(
                x, mask, self.config.samples, Generator().manual_seed(int(seed))
            )
        row, cell = np.nonzero(missing.reshape(len(profiles), -1))
        return profiles, Filled(
            len(profiles), row, cell, found.mean.float().numpy(), found.draws.float().numpy()
        )


def _in_unit(profiles: Profiles, unit: str) -> Profiles:
    """Convert profiles to another unit; a column of users keeps the peak of counts."""
    made = profiles.in_unit(unit)
    if unit != "peak" or profiles.axes.unit == unit:
        return made
    others = made.users.drop_columns([PEAK]) if PEAK in made.users.column_names else made.users
    return replace(made, users=others.append_column(PEAK, pa.array(profiles.peaks())))


def _with_something_known(missing: BoolArray, first: int) -> BoolArray:
    """Check that each profile, numbered from ``first``, has a known cell; return missing cells."""
    hidden = missing.all((1, 2, 3))
    if hidden.any():
        row = first + int(hidden.argmax())
        raise ValueError(
            f"the gaps hide every cell of profile {row}; leave it out, or give it a known one"
        )
    return missing


def check_axes(model: ProfileModel, given: Axes) -> None:
    """Refuse profiles on axes, or with first weekdays, that a model was not fitted on.

    Raises:
        ValueError: naming the first difference.
    """
    if reason := model.axes.mismatch(given):
        raise ValueError(
            f"the profiles are not like those that the run was fitted on: {reason} (run against "
            "profiles); profile the log in the same way"
        )
    days = (model.axes.weekday(0), given.weekday(0))
    if not model.conditions_on_calendar and None not in days and days[0] != days[1]:
        names = [WEEKDAYS[day] for day in days if day is not None]
        raise ValueError(
            f"the run was fitted on windows that begin on {names[0]}, and these begin on "
            f"{names[1]}; profile the log with --align {names[0].lower()}"
        )


def with_first_draw(profiles: Profiles, filled: Filled) -> Profiles:
    """Put the first draw into the missing cells of profiles; known cells stay as they are."""
    known = known_cells(profiles, filled)
    drawn = np.flatnonzero(filled.draws[0])
    rows = np.concatenate([profiles.row_of_cell()[known], filled.row[drawn]])
    cells = np.concatenate([profiles.cells[known], filled.cell[drawn]])
    values = np.concatenate(
        [profiles.values[known], filled.draws[0][drawn].astype(profiles.values.dtype)]
    )
    order = np.argsort(rows * profiles.axes.cells + cells)
    indptr = offsets(rows, len(profiles))
    return replace(
        profiles, indptr=indptr, cells=cells[order].astype(np.int32), values=values[order]
    )


def _mask(
    model: CompletingModel, profiles: Population, text: str, missing: MissingCells | None
) -> tuple[Mask | None, MissingCells | None]:
    """Resolve a mask to a rule, or to missing cells of each profile [U, D, S, C]."""
    if missing is None or len(missing.shape) != 4:
        fixed = None if missing is None else np.array(missing[:])
        mask = (
            parse_mask(text, profiles.axes)
            if fixed is None
            else FixedMask(profiles.axes, text, fixed)
        )
        model.check_mask(mask.fixed, text)
        return mask, None
    if missing.shape != (len(profiles), *profiles.axes.shape):
        raise ValueError(
            f"expected missing cells of shape {profiles.axes.shape} or "
            f"{(len(profiles), *profiles.axes.shape)}, got {missing.shape}"
        )
    model.check_mask(None, text)
    return None, missing


def _fitted_threshold(pieces: list[tuple[Profiles, Filled]], share: NDArray[np.float64]) -> float:
    """Fit the threshold that keeps training's active share on days with missing cells."""
    maxima = []
    days = np.zeros(len(share), bool)
    for profiles, filled in pieces:
        _, slots, channels = profiles.axes.shape
        drawn = np.zeros((len(profiles), profiles.axes.cells), np.float32)
        drawn[filled.row, filled.cell] = filled.draws[0]
        active = (
            known_totals(profiles, filled) > 0
        )  # whatever the threshold, which leaves known cells alone
        maxima.append(np.where(active, 1, drawn.reshape(*active.shape, -1).max(2)))
        days[filled.cell // (slots * channels)] = True
    return fit_zero_threshold(share[days], np.concatenate(maxima)[:, days])
