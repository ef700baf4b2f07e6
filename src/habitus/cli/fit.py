"""habitus fit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from habitus.cli.console import INTERRUPTED, bar, out, quiet_libraries, warn
from habitus.cli.fitting import (
    FITTING,
    Accelerator,
    Batch,
    Chunk,
    Devices,
    Epochs,
    HeldOut,
    ModelName,
    Optimiser,
    Precision,
    Rate,
    RecipeName,
    Schedule,
    Seed,
    Set,
    chosen,
    fit_settings,
    kind_of,
    listed,
)
from habitus.cli.options import Stored, command_app
from habitus.models.base import Model
from habitus.profiles.store import StoredProfiles, header_errors, read_header
from habitus.run import CHECKPOINT, KIND, VERSION, Run, config_from
from habitus.settings import settings_of
from habitus.training import FitConfig, fit

app = command_app()

Out = Annotated[Path, typer.Option("--out", help="Folder for the run.", show_default=False)]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with the stopped run in --out.", rich_help_panel=FITTING)
]


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
    asked = fit_settings(locals())
    kind, config, settings = (
        _begun(out_, model, set_ or [], asked) if resume else chosen(model, recipe, set_ or [], asked)
    )
    run = _run(StoredProfiles.open(profiles), kind, config, settings, out_, resume)
    _report(out_, run)


def _begun(
    path: Path, model: str | None, pairs: list[str], asked: dict[str, Any]
) -> tuple[type[Model], Any, FitConfig]:
    """What the run was begun with; what is asked for now as well has to agree, which the fit checks."""
    if not (path / CHECKPOINT).is_file():
        raise ValueError(f"there is no unfinished run in {path}; leave --resume out to begin one")
    header = read_header(path, KIND, VERSION)
    with header_errors(path):
        name, begun, how = header["model"], dict(header["config"]), dict(header["fit"])
    kind = kind_of(model or name)
    config = config_from(kind.Config, {**begun, **settings_of(kind.Config, pairs)})
    return kind, config, config_from(FitConfig, {**how, **asked})


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
    out(f"{path}: {type(run.model).__name__}, {parameters:,} parameters; {listed(run.model.config)}")
    held_out = [loss for loss in run.history.get("held_out_loss", []) if loss is not None]
    judged = f", {held_out[-1]:.4g} on held-out users" if held_out else ""
    out(f"loss: {run.history['loss'][-1]:.4g} on the last training steps{judged}; {run.about['precision']}")
