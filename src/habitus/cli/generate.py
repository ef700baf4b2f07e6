"""habitus generate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from habitus.cli.console import bar, out
from habitus.cli.options import RunFolder, Seed, command_app, threshold_of
from habitus.run import load
from habitus.synthesis import GenerateConfig, generate_to

app = command_app()

Out = Annotated[Path, typer.Option("--out", help="Folder for the population.", show_default=False)]
Users = Annotated[int | None, typer.Option(help="How many.", show_default="as many as the model was fitted to")]
Prior = Annotated[
    str,
    typer.Option(help="mixture (fitted to the training users' latents) or normal, N(0, I)."),
]
Threshold = Annotated[
    str,
    typer.Option(
        help="Generated values up to it become zero: auto (fitted to the training users' daily activity), off, "
        "or a number.",
        metavar="auto|off|NUMBER",
    ),
]
Inactive = Annotated[
    str,
    typer.Option(
        help="Users without any activity: redraw (a population holds users active at some point) or keep.",
    ),
]


@app.command(epilog="Example: habitus generate demo/runs/vae --users 5000 --seed 1 --out demo/generated")
def generate(
    run: RunFolder,
    out_: Out,
    users: Users = None,
    seed: Seed = 0,
    prior: Prior = "mixture",
    threshold: Threshold = "auto",
    inactive: Inactive = "redraw",
) -> None:
    """Draw users that never existed from a fitted model."""
    fitted = load(run)
    wanted = int(fitted.about["profiles"]) if users is None else users
    config = GenerateConfig(wanted, seed, prior, threshold_of(threshold), inactive)
    with bar("Generating", wanted, "users") as advance:
        made = generate_to(out_, fitted, config, advance)
    applied = made.about["zero_threshold"]
    zeros = f"values up to {applied:.3g} are zero" if applied else "no zero threshold"
    out(f"{out_}: {len(made):,} users, prior {prior}, {zeros}")
