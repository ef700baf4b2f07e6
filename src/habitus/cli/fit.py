"""habitus fit."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from habitus.cli.console import INTERRUPTED, bar, out, quiet_libraries, warn
from habitus.cli.options import Stored, command_app, settings_of
from habitus.models import MODELS
from habitus.models.base import Model
from habitus.profiles.store import StoredProfiles, header_errors, read_header
from habitus.recipes import RECIPES
from habitus.run import CHECKPOINT, KIND, VERSION, Run, config_from
from habitus.training import OPTIMISERS, PRECISIONS, SCHEDULES, FitConfig, fit

app = command_app()
DEFAULT = FitConfig()
MODEL, FITTING, MACHINE = "The model", "Fitting", "The machine"
FIRST = next(iter(MODELS))


def _option(panel: str, name: str, help: str, **rest: Any) -> Any:
    """An option that is None where it is not given; its default is the one in FitConfig."""
    default = getattr(DEFAULT, name)
    others = [
        f"{kind.fit_defaults[name]} for {model}" for model, kind in MODELS.items() if name in kind.fit_defaults
    ]
    shown = "500, fewer on small sets" if default is None else ", ".join([str(default), *others])
    return typer.Option(f"--{name.replace('_', '-')}", help=help, rich_help_panel=panel, show_default=shown, **rest)


def _settings() -> str:
    """What --set takes, with the defaults of each model."""
    kinds = (f"{name}: {_listed(kind.Config())}" for name, kind in MODELS.items())
    return f"A setting of the model; repeatable. {'; '.join(kinds)}."


def _listed(config: Any) -> str:
    return ", ".join(f"{name}={value}" for name, value in asdict(config).items())


Out = Annotated[Path, typer.Option("--out", help="Folder for the run.", show_default=False)]
ModelName = Annotated[
    str | None,
    typer.Option("--model", help=f"One of: {', '.join(MODELS)}.", rich_help_panel=MODEL, show_default=FIRST),
]
RecipeName = Annotated[
    str | None,
    typer.Option(
        "--recipe",
        help=f"Named settings to begin from, instead of --model: {', '.join(RECIPES)}.",
        rich_help_panel=MODEL,
        show_default=False,
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help=_settings(), metavar="KEY=VALUE", rich_help_panel=MODEL),
]
Epochs = Annotated[int | None, _option(FITTING, "epochs", "Times that each profile is seen.")]
Batch = Annotated[
    int | None,
    _option(FITTING, "batch", "Profiles per step; on small sets fewer than 500, for about 1,000 steps in all."),
]
Optimiser = Annotated[str | None, _option(FITTING, "optimiser", f"One of: {', '.join(OPTIMISERS)}.")]
Rate = Annotated[float | None, _option(FITTING, "learning_rate", "Step size.")]
Schedule = Annotated[str | None, _option(FITTING, "schedule", f"Of the step size; one of: {', '.join(SCHEDULES)}.")]
Seed = Annotated[int | None, _option(FITTING, "seed", "Decides weights, order and noise.", min=0)]
HeldOut = Annotated[
    float | None, _option(FITTING, "held_out", "Share of users to judge on while learning; not fitted to.")
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with the stopped run in --out.", rich_help_panel=FITTING)
]
Precision = Annotated[
    str | None,
    _option(MACHINE, "precision", f"auto, {' or '.join(PRECISIONS)}; auto is bfloat16 where the hardware has it."),
]
Accelerator = Annotated[str | None, _option(MACHINE, "accelerator", "auto, cpu or cuda.")]
Devices = Annotated[int | None, _option(MACHINE, "devices", "Processes, each on its own device.")]
Chunk = Annotated[int | None, _option(MACHINE, "chunk", "Profiles computed together; fewer take less memory.")]


@app.command(
    epilog="Example: habitus fit demo/train --model beta-vae --set beta=0.1 --epochs 10 --out demo/runs/vae"
)
def _fit(
    profiles: Stored,
    out_: Out,
    model: ModelName = None,
    recipe: RecipeName = None,
    set_: Set = None,
    epochs: Epochs = None,
    batch: Batch = None,
    optimiser: Optimiser = None,
    learning_rate: Rate = None,
    schedule: Schedule = None,
    seed: Seed = None,
    held_out: HeldOut = None,
    resume: Resume = False,
    precision: Precision = None,
    accelerator: Accelerator = None,
    devices: Devices = None,
    chunk: Chunk = None,
) -> None:
    """Fit a model to profiles.

    Ctrl-C, or a kill, leaves a run that the same command with --resume takes up where it was.
    """
    asked: dict[str, Any] = {
        "epochs": epochs, "batch": batch, "optimiser": optimiser, "learning_rate": learning_rate,
        "schedule": schedule, "seed": seed, "held_out": held_out, "precision": precision,
        "accelerator": accelerator, "devices": devices, "chunk": chunk,
    }  # fmt: skip
    asked = {name: value for name, value in asked.items() if value is not None}
    kind, config, settings = (
        _begun(out_, model, set_ or [], asked) if resume else _new(model, recipe, set_ or [], asked)
    )
    run = _run(StoredProfiles.open(profiles), kind, config, settings, out_, resume)
    _report(out_, run)


def _new(
    model: str | None, recipe: str | None, pairs: list[str], asked: dict[str, Any]
) -> tuple[type[Model], Any, FitConfig]:
    if recipe is None:
        kind = _kind(model or FIRST)
        return kind, kind.Config(**settings_of(kind.Config, pairs)), FitConfig(**{**kind.fit_defaults, **asked})
    if model is not None:
        raise ValueError("give --model or --recipe, not both")
    if recipe not in RECIPES:
        raise ValueError(f"unknown recipe {recipe!r}; --recipe must be one of {', '.join(RECIPES)}")
    kind, config, how = RECIPES[recipe]()
    return kind, replace(config, **settings_of(kind.Config, pairs)), replace(how, **asked)


def _begun(
    path: Path, model: str | None, pairs: list[str], asked: dict[str, Any]
) -> tuple[type[Model], Any, FitConfig]:
    """What the run was begun with; what is asked for now as well has to agree, which the fit checks."""
    if not (path / CHECKPOINT).is_file():
        raise ValueError(f"there is no unfinished run in {path}; leave --resume out to begin one")
    header = read_header(path, KIND, VERSION)
    with header_errors(path):
        name, begun, how = header["model"], dict(header["config"]), dict(header["fit"])
    kind = _kind(model or name)
    config = config_from(kind.Config, {**begun, **settings_of(kind.Config, pairs)})
    return kind, config, config_from(FitConfig, {**how, **asked})


def _kind(name: str) -> type[Model]:
    if name not in MODELS:
        raise ValueError(f"unknown model {name!r}; --model must be one of {', '.join(MODELS)}")
    return MODELS[name]


def _run(
    data: StoredProfiles, kind: type[Model], config: Any, settings: FitConfig, path: Path, resume: bool
) -> Run:
    quiet_libraries()
    with bar("Fitting", settings.epochs * len(data), "profiles") as advance:
        try:
            return fit(
                kind, data, config, fit=settings, out=path, resume=resume,
                on_progress=lambda done, total, loss: advance(done, f"loss {loss:.4g}", total),
            )  # fmt: skip
        except KeyboardInterrupt:
            begun = (path / CHECKPOINT).is_file()
            warn("stopped; go on with --resume" if begun else "stopped before the first step")
            raise typer.Exit(INTERRUPTED) from None


def _report(path: Path, run: Run) -> None:
    parameters = sum(parameter.numel() for parameter in run.model.parameters())
    out(f"{path}: {type(run.model).__name__}, {parameters:,} parameters; {_listed(run.model.config)}")
    held_out = [loss for loss in run.history.get("held_out_loss", []) if loss is not None]
    judged = f", {held_out[-1]:.4g} on held-out users" if held_out else ""
    out(f"loss: {run.history['loss'][-1]:.4g} on the last training steps{judged}; {run.about['precision']}")
