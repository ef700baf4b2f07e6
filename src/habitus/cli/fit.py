"""``habitus fit``: a model fitted to profiles or series, as a run on disk."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Annotated

import typer

import habitus
from habitus.cli._console import bar, fail_stopped, out, quiet_libraries, warn
from habitus.cli._options import Overwrite, Stored, command, fitting
from habitus.cli._options.series import Column, Scale, SeriesId, Time, TrainShare

if TYPE_CHECKING:
    from habitus.models.base import Model
    from habitus.run import Run

RECENT = 50  # rows of the history whose mean loss is shown
SERIES_MODEL = "tdlgm"  # that is fitted to series where none is named
COLLAPSED = (
    "this run says no more of a step than one distribution for all steps would: either the "
    "series has no habits, or the fit has collapsed; then try more --epochs, a smaller "
    "--learning-rate or another --seed"
)

Out = Annotated[Path, typer.Option("--out", help="Folder for the run.", show_default=False)]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume", help="Go on with the stopped run in --out.", rich_help_panel=fitting.FITTING
    ),
]


@command(
    "Example: habitus fit demo/train --out demo/runs/rhythm; or another model, with a setting: "
    "habitus fit demo/train --model beta-vae --set beta=0.1 --out demo/runs/vae"
)
def fit(
    profiles: Stored,
    out_: Out,
    model: fitting.ModelName = None,
    recipe: fitting.RecipeName = None,
    set_: fitting.Set = None,
    epochs: fitting.Epochs = None,
    batch: fitting.Batch = None,
    optimiser: fitting.OptimiserName = None,
    learning_rate: fitting.Rate = None,
    schedule: fitting.ScheduleName = None,
    seed: fitting.Seed = None,
    held_out: fitting.HeldOut = None,
    resume: Resume = False,
    column: Column = None,
    scale: Scale = None,
    time: Time = None,
    series_id: SeriesId = None,
    train_share: TrainShare = None,
    precision: fitting.PrecisionName = None,
    accelerator: fitting.Accelerator = None,
    devices: fitting.Devices = None,
    chunk: fitting.Chunk = None,
    overwrite: Overwrite = False,
) -> None:
    """Fit a model to profiles, or to the series in a file.

    Ctrl-C, SIGTERM or a kill leaves a run that the same command with --resume takes up where it
    was. A fit whose loss is no longer finite leaves nothing, so that --out is free for another.
    """
    from habitus.cli._shared.fitting import fit_settings, recipe_of_unfinished, resolve_recipe
    from habitus.cli._shared.texts import refuse_options_of
    from habitus.profiles.store import StoredProfiles
    from habitus.run import CHECKPOINT, WEIGHTS
    from habitus.series import read_series
    from habitus.training.fit import check_out

    asked = fit_settings(locals())
    check_out(out_, resume, overwrite, [profiles])
    of_series = profiles.is_file()
    if resume:
        kind, config, how = recipe_of_unfinished(out_, model, set_ or [], asked)
    else:
        default = SERIES_MODEL if of_series and recipe is None else None
        kind, config, how = resolve_recipe(model or default, recipe, set_ or [], asked)
    _check_kind(kind, profiles)
    columns = {"scale": scale, "time": time, "series_id": series_id}
    if of_series:
        data = read_series(profiles, column, **columns)
        if train_share is not None and train_share != 1:
            data = data.split(train_share)[0]
    else:
        refuse_options_of("series", column=column, **columns, train_share=train_share)
        data = StoredProfiles.open(profiles)
    quiet_libraries()
    with bar("Fitting", "windows" if of_series else "profiles") as advance:
        try:
            run = habitus.fit(
                kind, data, config,
                fit=how, out=out_, resume=resume, overwrite=overwrite, on_progress=advance,
            )  # fmt: skip
        except KeyboardInterrupt as interruption:
            if (out_ / CHECKPOINT).is_file():
                fail_stopped(interruption, "; go on with --resume")
            whole = (out_ / WEIGHTS).is_file()
            fail_stopped(interruption, "; the run is whole" if whole else " before the first step")
    _report(out_, run, "steps" if of_series else "users")


def _check_kind(kind: type[Model], path: Path) -> None:
    """Refuse a model of profiles for a file, and one of series for a folder.

    Raises:
        ValueError: saying what the model takes.
    """
    from habitus.models.base import SeriesModel

    if issubclass(kind, SeriesModel) and not path.is_file():
        what = "a folder" if path.is_dir() else "not there"
        raise ValueError(
            f"a {kind.__name__} is fitted to a file of series (.csv or .parquet); {path} is {what}"
        )
    if path.is_file() and not issubclass(kind, SeriesModel):
        raise ValueError(
            f"a {kind.__name__} is fitted to a folder of profiles; {path} is a file; for it take "
            f"--model {SERIES_MODEL}"
        )


def _report(path: Path, run: Run, examples: str) -> None:
    """Print size, settings and losses of a run."""
    parameters = sum(parameter.numel() for parameter in run.model.parameters())
    settings = ", ".join(
        f"{name}={value}"
        for name, value in asdict(run.model.config).items()
        if not isinstance(value, dict)
    )
    out(f"{path}: {type(run.model).__name__}, {parameters:,} parameters; {settings}")
    losses, held_out = (
        [loss for loss in run.history.get(name, []) if loss is not None]
        for name in ("loss", "held_out_loss")
    )
    best = min(held_out, default=0.0) if run.fit["keep"] == "best" else (held_out or [0.0])[-1]
    held_out_text = f", {best:.4g} on held-out {examples}" if held_out else ""
    if run.about.get("collapsed"):
        warn(COLLAPSED)
    if len(threads := run.about["threads"]) > 1:
        counts = " and then ".join(map(str, threads))
        warn(
            f"fitted with {counts} threads (OMP_NUM_THREADS), so that the last digits may not be "
            "those of a fit that was never stopped"
        )
    out(
        f"loss: {fmean(losses[-RECENT:]):.4g} on the last training steps{held_out_text}; "
        f"{run.about['precision']}"
    )
