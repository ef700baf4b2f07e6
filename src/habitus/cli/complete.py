"""habitus complete."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from habitus.cli import series as series_command
from habitus.cli.console import bar, out
from habitus.cli.holidays import warn_of_own_holidays
from habitus.cli.options import RunFolder, Samples, Seed, Stored, command_app, threshold_of
from habitus.cli.series import SERIES, check_no_series_options, is_series_run
from habitus.files import check_apart
from habitus.models.parts.masks import USAGE
from habitus.profiles.completed import StoredCompleted
from habitus.profiles.gaps import read_missing
from habitus.profiles.store import StoredProfiles
from habitus.run import load
from habitus.synthesis import CompleteConfig, complete_to

app = command_app()
PARTICLES = 64  # fillings of a series' gap, at least

Out = Annotated[
    Path, typer.Option("--out", help="Folder for the completed profiles.", show_default=False)
]
MaskText = Annotated[
    str | None,
    typer.Option(
        "--mask", help=f"What is missing: {', '.join(USAGE)}.", show_default="the run's own"
    ),
]
Missing = Annotated[
    Path | None,
    typer.Option(
        help="The users' own gaps: a .csv or .parquet with the columns user, from, to and, if need be, channel; or "
        "a .npy array of bool, true where a cell is missing.",
        show_default=False,
    ),
]
NoiseLevel = Annotated[
    str,
    typer.Option(
        "--noise",
        help="Standard deviation of the noise in a series, scaled as its values are: auto (estimated), none, or a "
        "number.",
        metavar="auto|none|NUMBER",
        rich_help_panel=SERIES,
    ),
]
NoiseShare = Annotated[
    float | None,
    typer.Option(
        help="Share of values that have such noise.", rich_help_panel=SERIES, show_default="1"
    ),
]
Threshold = Annotated[
    str,
    typer.Option(
        help="Drawn values up to it become zero, for models without true zeros: auto, off, or a number.",
        metavar="auto|off|NUMBER",
    ),
]


@app.command(
    epilog="Example: habitus complete demo/runs/centre demo/test --mask centre --samples 20 --out demo/completed"
)
def complete(
    run: RunFolder,
    profiles: Stored,
    out_: Out,
    mask: MaskText = None,
    missing: Missing = None,
    samples: Samples = 20,
    seed: Seed = 0,
    threshold: Threshold = "auto",
    noise: NoiseLevel = "auto",
    noise_share: NoiseShare = None,
) -> None:
    """Fill what is missing in profiles, or in series, from what is known.

    Known cells stay as they are. The folder holds the profiles with the first draw, all draws, the expected values,
    and each day's total with its interval. Of a series, which becomes a file, noise is removed as well.
    """
    if mask and missing:
        raise ValueError("give --mask or --missing, not both")
    check_apart(out_, run, profiles, missing)
    fitted = load(run)
    if is_series_run(fitted):
        series_command.complete(
            fitted, profiles, out_, noise, noise_share, max(samples, PARTICLES), seed
        )
        return
    check_no_series_options(noise_share=noise_share, noise=noise if noise != "auto" else None)
    source = StoredProfiles.open(profiles)
    text = "own gaps" if missing else mask or str(getattr(fitted.model.config, "mask", "centre"))
    config = CompleteConfig(text, samples, seed, threshold_of(threshold))
    gaps = read_missing(missing, source) if missing else None
    warn_of_own_holidays(fitted.model, source)
    with bar("Completing", "profiles") as advance:
        made = complete_to(out_, fitted, source, config, gaps, advance)
    out(f"{out_}: {len(made):,} profiles, {text} filled with {samples} draws each{_zeros(made)}")


def _zeros(made: StoredCompleted) -> str:
    applied = made.about["zero_threshold"]
    return f", values up to {applied:.3g} are zero" if applied else ""
