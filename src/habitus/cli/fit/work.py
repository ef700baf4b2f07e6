"""Work of ``habitus fit``."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean
from typing import Any

import typer

from habitus.cli._console import INTERRUPTED, bar, out, quiet_libraries, warn
from habitus.cli._shared.fitting import fit_settings, kind_of, listed, resolve_recipe
from habitus.cli._shared.series import FIRST as SERIES_MODEL
from habitus.cli._shared.series import (
    check_kind,
    check_no_series_options,
    fitted_part,
    is_series,
    is_series_run,
)
from habitus.files import check_apart
from habitus.models.base import Model
from habitus.profiles.store import StoredProfiles
from habitus.run import CHECKPOINT, Run, read_run_header
from habitus.series import Series, read_series
from habitus.settings import settings_of
from habitus.training.config import FitConfig
from habitus.training.fit import fit

RECENT = 50  # rows of the history whose mean loss is shown
COLLAPSED = (
    "this run says no more of a step than one distribution for all steps would: either the "
    "series has no habits, "
    "or the fit has collapsed; then try more --epochs, a smaller --learning-rate or another --seed"
)


def execute(
    profiles: Path,
    out_: Path,
    model: str | None,
    recipe: str | None,
    set_: list[str] | None,
    epochs: int | None,
    batch: int | None,
    optimiser: str | None,
    learning_rate: float | None,
    schedule: str | None,
    seed: int | None,
    held_out: float | None,
    resume: bool,
    column: list[str] | None,
    scale: float | None,
    time: str | None,
    series_id: str | None,
    train_share: float | None,
    precision: str | None,
    accelerator: str | None,
    devices: int | None,
    chunk: int | None,
) -> None:
    """Fit a model to profiles, or to the series in a file."""
    asked = fit_settings(locals())
    check_apart(out_, profiles)
    default = SERIES_MODEL if is_series(profiles) and recipe is None else None
    kind, config, settings = (
        _begun(out_, model, set_ or [], asked)
        if resume
        else resolve_recipe(model or default, recipe, set_ or [], asked)
    )
    how = {"column": column, "scale": scale, "time": time, "series_id": series_id}
    run = _run(_data(profiles, kind, train_share, how), kind, config, settings, out_, resume)
    _report(out_, run)


def _data(
    path: Path, kind: type[Model], share: float | None, how: dict[str, Any]
) -> StoredProfiles | Series:
    """Open the training data: profiles, or the training part of series."""
    check_kind(kind, path)
    if not is_series(path):
        check_no_series_options(**how, train_share=share)
        return StoredProfiles.open(path)
    column, *rest = how.values()
    return fitted_part(
        read_series(path, column, scale=rest[0], time=rest[1], series_id=rest[2]), share
    )


def _begun(
    path: Path, model: str | None, pairs: list[str], asked: dict[str, Any]
) -> tuple[type[Model], Any, FitConfig]:
    """Model and settings that the run was begun with; the fit checks that those given agree."""
    if not (path / CHECKPOINT).is_file():
        raise ValueError(f"there is no unfinished run in {path}; leave --resume out to begin one")
    header = read_run_header(path)
    kind = kind_of(model or header.model)
    config = kind.Config(**{**header.config, **settings_of(kind.Config, pairs)})
    return kind, config, FitConfig(**{**header.fit, **asked})


def _run(
    data: StoredProfiles | Series,
    kind: type[Model],
    config: Any,
    settings: FitConfig,
    path: Path,
    resume: bool,
) -> Run:
    quiet_libraries()
    unit = "windows" if isinstance(data, Series) else "profiles"
    with bar("Fitting", unit) as advance:
        try:
            return fit(
                kind, data, config, fit=settings, out=path, resume=resume,
                on_progress=advance,
            )  # fmt: skip
        except KeyboardInterrupt:
            begun = (path / CHECKPOINT).is_file()
            warn("stopped; go on with --resume" if begun else "stopped before the first step")
            raise typer.Exit(INTERRUPTED) from None


def _report(path: Path, run: Run) -> None:
    parameters = sum(parameter.numel() for parameter in run.model.parameters())
    out(
        f"{path}: {type(run.model).__name__}, {parameters:,} parameters; {listed(run.model.config)}"
    )
    losses, held_out = (
        [loss for loss in run.history.get(name, []) if loss is not None]
        for name in ("loss", "held_out_loss")
    )
    best = min(held_out, default=0.0) if run.fit["keep"] == "best" else (held_out or [0.0])[-1]
    examples = "steps" if is_series_run(run) else "users"
    held_out_text = f", {best:.4g} on held-out {examples}" if held_out else ""
    if run.about.get("collapsed"):
        warn(COLLAPSED)
    out(
        f"loss: {fmean(losses[-RECENT:]):.4g} on the last training steps{held_out_text}; "
        f"{run.about['precision']}"
    )
