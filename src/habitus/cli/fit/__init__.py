"""Options of ``habitus fit``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from habitus.cli._options import Stored, command
from habitus.cli._options.fitting import (
    FITTING,
    Accelerator,
    Batch,
    Chunk,
    Devices,
    Epochs,
    HeldOut,
    ModelName,
    OptimiserName,
    PrecisionName,
    Rate,
    RecipeName,
    ScheduleName,
    Seed,
    Set,
)
from habitus.cli._options.series import Column, Scale, SeriesId, Time, TrainShare

Out = Annotated[Path, typer.Option("--out", help="Folder for the run.", show_default=False)]
Resume = Annotated[
    bool,
    typer.Option("--resume", help="Go on with the stopped run in --out.", rich_help_panel=FITTING),
]


@command(
    "Example: habitus fit demo/train --out demo/runs/rhythm; or another model, with a setting: "
    "habitus fit demo/train --model beta-vae --set beta=0.1 --out demo/runs/vae"
)
def fit(
    profiles: Stored,
    out_: Out,
    model: ModelName = None,
    recipe: RecipeName = None,
    set_: Set = None,
    epochs: Epochs = None,
    batch: Batch = None,
    optimiser: OptimiserName = None,
    learning_rate: Rate = None,
    schedule: ScheduleName = None,
    seed: Seed = None,
    held_out: HeldOut = None,
    resume: Resume = False,
    column: Column = None,
    scale: Scale = None,
    time: Time = None,
    series_id: SeriesId = None,
    train_share: TrainShare = None,
    precision: PrecisionName = None,
    accelerator: Accelerator = None,
    devices: Devices = None,
    chunk: Chunk = None,
) -> None:
    """Fit a model to profiles, or to the series in a file.

    Ctrl-C, or a kill, leaves a run that the same command with --resume takes up where it was.
    """
