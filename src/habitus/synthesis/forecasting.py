"""The days ahead, per user: the window moves on, and its last days are filled."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from habitus.models.parts.masks import parse_mask
from habitus.profiles.batches import Population
from habitus.profiles.completed import Completed, CompletedPiece, StoredCompleted, save_completed
from habitus.profiles.sparse import concat
from habitus.profiles.windows import Later, cut
from habitus.run import Run
from habitus.schema import DAYS_PER_WEEK, Axes, Progress, no_progress
from habitus.synthesis.completion import CompleteConfig, Completing, completing_model


@dataclass(frozen=True)
class _Plan:
    """How a forecast is made: the window moves by ``shift`` days, which are filled, and the first ``days`` kept."""

    days: int
    shift: int
    axes: Axes  # of the outcome


def forecast(
    run: Run, profiles: Population, days: int = 7, *, samples: int = 50, seed: int = 0
) -> Completed:
    """The days after each profile's window, in memory.

    Args:
        run: A run fitted to the mask last:K or any.
        profiles: The profiles; their last days are the context.
        days: How many days ahead.
        samples: Draws of each, K.
        seed: Decides the draws.

    Returns:
        Profiles whose window ends ``days`` days later than the given ones' and whose last ``days`` are forecast.

    Raises:
        ValueError: for more days than the run was fitted for, or as :func:`habitus.complete`.
    """
    plan, work = _work(run, profiles, days, samples, seed)
    pieces = [_cut(piece, plan) for piece in work.pieces()]
    whole = replace(concat([piece.profiles for piece in pieces]), about=_about(work, days))
    return Completed(whole, tuple(piece.filled for piece in pieces))


def forecast_to(
    path: Path | str,
    run: Run,
    profiles: Population,
    days: int = 7,
    samples: int = 50,
    seed: int = 0,
    on_progress: Progress = no_progress,
) -> StoredCompleted:
    """The same into a folder, in bounded memory; ``on_progress`` is called with how many profiles are done.

    Raises:
        ValueError: as :func:`forecast`.
    """
    plan, work = _work(run, profiles, days, samples, seed)
    missing = parse_mask(f"last:{days}", plan.axes).fixed

    def forecasting(done: int, total: int, stage: str) -> None:
        on_progress(done, total, "forecasting")

    pieces = (_cut(piece, plan) for piece in work.pieces(forecasting))
    return save_completed(
        path, pieces, plan.axes.with_unit(work.axes.unit), missing, _about(work, days)
    )


def _work(
    run: Run, profiles: Population, days: int, samples: int, seed: int
) -> tuple[_Plan, Completing]:
    shift = _shift(run, profiles.axes, days)
    source = Later(profiles, shift)
    axes = replace(source.axes, days=source.axes.days - shift + days)
    return _Plan(days, shift, axes), Completing(
        run, source, CompleteConfig(f"last:{shift}", samples, seed)
    )


def _about(work: Completing, days: int) -> dict[str, Any]:
    """How the forecast came to be; the mask is that of its own window."""
    about = work.about
    return {**about, "completed": {**about["completed"], "mask": f"last:{days}"}}


def _shift(run: Run, axes: Axes, days: int) -> int:
    """By how many days the window moves: as many as the run fills; by whole weeks where weekdays stay in place."""
    most = completing_model(run).forecast_days
    mask = getattr(run.model.config, "mask", None)
    told = f"mask={mask or 'none'}"
    if days < 1:
        raise ValueError(f"days must be at least 1, got {days}")
    if days > most:
        raise ValueError(
            f"this run, fitted with {told}, can look {most} days ahead, got {days}; fit a context-mixture, "
            "which looks half a window ahead, or with --set mask=last:K"
        )
    anywhere = axes.weekday(0) is None or run.model.conditions_on_calendar
    week = 1 if anywhere else DAYS_PER_WEEK
    shift = -(-days // week) * week if mask in (None, "any") else most
    if shift > most or shift % week:
        raise ValueError(
            f"windows start on the same weekday, so a forecast moves them by whole weeks; {days} days with {told} "
            f"would move them by {shift}; fit with --set mask=last:{-(-days // week) * week}"
        )
    return shift


def _cut(piece: CompletedPiece, plan: _Plan) -> CompletedPiece:
    """Only the days that were asked for."""
    if plan.days == plan.shift:
        return piece
    first_days = piece.filled.select(piece.filled.cell < plan.axes.cells)
    return CompletedPiece(cut(piece.profiles, plan.axes.days), first_days)
