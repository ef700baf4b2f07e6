"""Options of ``habitus sweep``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from habitus.cli._options import Stored, command
from habitus.cli._options.fitting import (
    MODEL,
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
    ScheduleName,
    Seed,
    Set,
)
from habitus.cli._options.names import RECIPES, SWEEP_NAME, SWEEPS

VARIED = "What varies"
REFERENCE = "Against what"
SHARED = "Who takes part"

Out = Annotated[
    Path, typer.Option("--out", help="Folder for runs and results.", show_default=False)
]
Against = Annotated[
    Path,
    typer.Option(
        help="Real profiles, best ones that no model has seen.",
        rich_help_panel=REFERENCE,
        show_default=False,
    ),
]
Users = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="How many to generate in each trial.",
        rich_help_panel=REFERENCE,
        show_default="as many as in --against",
    ),
]
Metric = Annotated[
    str | None,
    typer.Option(
        help="Figure to sort by, and that a search makes small, by its key in metrics.json; or "
        "held_out_loss, "
        "seconds, parameters.",
        rich_help_panel=REFERENCE,
        show_default="daily_mean.kld, or held_out_loss of models that draw no whole users",
    ),
]
RecipeName = Annotated[
    str | None,
    typer.Option(
        "--recipe",
        help=f"A named grid: {', '.join(SWEEPS)}; or named settings to begin from: "
        f"{', '.join(RECIPES)}.",
        rich_help_panel=MODEL,
        show_default=False,
    ),
]
GridTexts = Annotated[
    list[str] | None,
    typer.Option(
        "--grid",
        help="Values of a setting of the model or the fit; repeatable, every combination is a "
        "trial. With | "
        "between them, values may hold commas.",
        metavar="KEY=VALUE,...",
        rich_help_panel=VARIED,
    ),
]
SearchTexts = Annotated[
    list[str] | None,
    typer.Option(
        "--search",
        help="Where to look for the best value of a setting: LOW:HIGH, LOW:HIGH:log, or "
        "VALUE|VALUE; repeatable.",
        metavar="KEY=RANGE",
        rich_help_panel=VARIED,
    ),
]
TrialCount = Annotated[
    int | None,
    typer.Option("--trials", min=1, help="How many trials a search has.", rich_help_panel=VARIED),
]
Storage = Annotated[
    str | None,
    typer.Option(
        help="URL of the database that processes share, such as sqlite:///sweep.db or "
        "postgresql://host/sweeps.",
        rich_help_panel=SHARED,
        show_default="SQLite in --out",
    ),
]
Name = Annotated[
    str, typer.Option(help="Tells sweeps in one database apart.", rich_help_panel=SHARED)
]


@command(
    "Example: habitus sweep demo/train --against demo/test --model beta-vae --grid beta=0,0.1,1,10 "
    "--epochs 10 --out demo/sweep"
)
def sweep(
    profiles: Stored,
    out_: Out,
    against: Against,
    grid: GridTexts = None,
    search: SearchTexts = None,
    trials: TrialCount = None,
    users: Users = None,
    metric: Metric = None,
    storage: Storage = None,
    name: Name = SWEEP_NAME,
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
    precision: PrecisionName = None,
    accelerator: Accelerator = None,
    devices: Devices = None,
    chunk: Chunk = None,
) -> None:
    """Fit a model with many settings, and evaluate each.

    The same command in another terminal, or on another machine that sees --out and --storage,
    shares the trials. Given again after Ctrl-C or a kill, it goes on; once all trials are done, it
    sorts them anew.
    """
