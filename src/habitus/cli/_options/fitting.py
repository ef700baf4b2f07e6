"""Options of commands that fit models."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from habitus.cli._options.names import (
    ACCELERATORS,
    FIT_DEFAULTS,
    OPTIMISERS,
    PRECISIONS,
    RECIPES,
    SCHEDULES,
)  # fmt: skip
from habitus.cli._options.types import POSITIVE, RATE, SEED, SHARE
from habitus.models import MODELS

MODEL = "The model"
FITTING = "Fitting (models have defaults of their own: habitus models MODEL)"
MACHINE = "The machine"


def _option(panel: str, name: str, help: str, **rest: Any) -> Any:
    """Option that is None where it is not given; its default is the model's or FitConfig's."""
    return typer.Option(
        f"--{name.replace('_', '-')}", help=help, rich_help_panel=panel,
        show_default=FIT_DEFAULTS[name], **rest,
    )  # fmt: skip


ModelName = Annotated[
    str | None,
    typer.Option(
        "--model", help=f"One of: {', '.join(MODELS)}; see habitus models.", rich_help_panel=MODEL,
        show_default="rhythm; of series tdlgm",
    ),
]  # fmt: skip
RecipeName = Annotated[
    str | None,
    typer.Option(
        "--recipe", help=f"Named settings to begin from, instead of --model: {', '.join(RECIPES)}.",
        rich_help_panel=MODEL, show_default=False,
    ),
]  # fmt: skip
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="A setting of the model; repeatable. habitus models MODEL lists them.",
        metavar="KEY=VALUE", rich_help_panel=MODEL,
    ),
]  # fmt: skip
Epochs = Annotated[
    int | None,
    _option(
        FITTING, "epochs",
        "Times that each profile, or step of a series, is seen (more often where there are few).",
        **POSITIVE,
    ),
]  # fmt: skip
Batch = Annotated[
    int | None,
    _option(
        FITTING, "batch",
        "Profiles, or windows, per step; on small sets fewer, for about 1,000 steps in all.",
        **POSITIVE,
    ),
]  # fmt: skip
OptimiserName = Annotated[
    str | None, _option(FITTING, "optimiser", f"One of: {', '.join(OPTIMISERS)}.")
]
Rate = Annotated[float | None, _option(FITTING, "learning_rate", "Step size.", **RATE)]
ScheduleName = Annotated[
    str | None, _option(FITTING, "schedule", f"Of the step size: {' or '.join(SCHEDULES)}.")
]
Seed = Annotated[
    int | None,
    _option(
        FITTING, "seed",
        "Decides weights, order and noise. Same seed, machine and number of threads, same result.",
        **SEED,
    ),
]  # fmt: skip
HeldOut = Annotated[
    float | None,
    _option(
        FITTING, "held_out", "Share of users, or of steps, held out to monitor the loss.", **SHARE
    ),
]
PrecisionName = Annotated[
    str | None,
    _option(
        MACHINE, "precision",
        f"One of: {', '.join(PRECISIONS)}; auto is bfloat16 where the hardware has it.",
    ),
]  # fmt: skip
Accelerator = Annotated[
    str | None, _option(MACHINE, "accelerator", f"One of: {', '.join(ACCELERATORS)}.")
]
Devices = Annotated[
    int | None, _option(MACHINE, "devices", "Processes, each on its own device.", **POSITIVE)
]
Chunk = Annotated[
    int | None,
    _option(MACHINE, "chunk", "Profiles computed together; fewer take less memory.", **POSITIVE),
]
