"""``habitus complete``: profiles or series whose missing values are filled."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from habitus.cli._console import bar, out
from habitus.cli._options import Overwrite, RunFolder, Samples, Seed, Stored, command
from habitus.cli._options.names import MASKS
from habitus.cli._options.series import series_option
from habitus.cli._options.types import POSITIVE_SHARE
from habitus.files import check_outputs

if TYPE_CHECKING:
    from habitus.synthesis import Noise

PARTICLES = 64  # fillings of a series' gap, at least

Out = Annotated[
    Path, typer.Option("--out", help="Folder for the completed profiles.", show_default=False)
]
MaskText = Annotated[
    str | None,
    typer.Option(
        "--mask", help=f"What is missing: {', '.join(MASKS)}.", show_default="the run's own"
    ),
]
Missing = Annotated[
    Path | None,
    typer.Option(
        help="The users' own gaps: a .csv or .parquet with the columns user, from, to and, if "
        "need be, channel; or a .npy array of bool, true where a cell is missing.",
        show_default=False,
    ),
]
NoiseLevel = Annotated[
    str,
    series_option(
        "Standard deviation of the noise in a series, scaled as its values are: auto "
        "(estimated), none, or a number.",
        True, "--noise", metavar="auto|none|NUMBER",
    ),
]  # fmt: skip
NoiseShare = Annotated[
    float | None, series_option("Share of values that have such noise.", "1", **POSITIVE_SHARE)
]
Threshold = Annotated[
    str,
    typer.Option(
        help="Drawn values up to it become zero, for models without true zeros: auto, off, or a "
        "number.",
        metavar="auto|off|NUMBER",
    ),
]


@command(
    "Example: habitus complete demo/runs/centre demo/test --mask centre --samples 20 --out "
    "demo/completed"
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
    overwrite: Overwrite = False,
) -> None:
    """Fill what is missing in profiles, or in series, from what is known.

    Known cells stay as they are. The folder holds the profiles with the first draw, all draws, the
    expected values, and each day's total with its interval. Of a series, which becomes a file,
    noise is removed as well.
    """
    from habitus.cli._shared.holidays import warn_of_own_holidays
    from habitus.cli._shared.series import about, is_series_run, read_for
    from habitus.cli._shared.texts import refuse_options_of, threshold_of
    from habitus.profiles.gaps import read_missing
    from habitus.profiles.store import StoredProfiles
    from habitus.run import load
    from habitus.series import check_table_path, write_series
    from habitus.synthesis import CleanConfig, CompleteConfig, clean, complete_to

    if mask and missing:
        raise ValueError("give --mask or --missing, not both")
    fitted = load(run)
    of_series = is_series_run(fitted)
    reads = [run, profiles, missing]
    what = "series" if of_series else "profiles"
    check_outputs("complete", {what: out_}, reads, overwrite=overwrite)
    if of_series:
        check_table_path(out_, "series")
        series = read_for(fitted.model.axes, profiles)
        cleaning = CleanConfig(noise_of(noise, noise_share), max(samples, PARTICLES), seed)
        with bar("Completing", "steps") as advance:
            cleaned = clean(fitted, series, cleaning, advance)
        removed = [asdict(each) for each in cleaned.noise]
        origin = about(fitted, "completed", seed=seed, source=str(profiles), noise=removed)
        write_series(out_, cleaned.series, origin, command="complete", overwrite=overwrite)
        words = noise_in_words(cleaned.noise, fitted.model.axes.scale)
        out(f"{out_}: {cleaned.filled:,} missing values filled; {words}")
        return
    given = noise if noise != "auto" else None
    refuse_options_of("series", noise_share=noise_share, noise=given)
    source = StoredProfiles.open(profiles)
    text = "own gaps" if missing else mask or str(getattr(fitted.model.config, "mask", "centre"))
    config = CompleteConfig(text, samples, seed, threshold_of(threshold))
    gaps = read_missing(missing, source) if missing else None
    warn_of_own_holidays(fitted.model, source)
    with bar("Completing", "profiles") as advance:
        made = complete_to(out_, fitted, source, config, gaps, advance, overwrite=overwrite)
    applied = made.about["zero_threshold"]
    zeros = f", values up to {applied:.3g} are zero" if applied else ""
    out(f"{out_}: {len(made):,} profiles, {text} filled with {samples} draws each{zeros}")


def noise_of(text: str, share: float | None) -> Noise | None:
    """Parse --noise and --noise-share to a noise; None for auto.

    Raises:
        ValueError: for what is neither auto, none nor a number.

    >>> noise_of("auto", None), noise_of("none", None), noise_of("0.1", 0.5)
    (None, Noise(sigma=0.0, share=1.0), Noise(sigma=0.1, share=0.5))
    """
    from habitus.synthesis import Noise

    if text in ("auto", "none"):
        if share is not None:
            raise ValueError("--noise-share needs the noise itself: give --noise NUMBER")
        return None if text == "auto" else Noise(0.0)
    try:
        sigma = float(text)
    except ValueError:
        raise ValueError(
            f"--noise must be auto, none or a standard deviation, got {text!r}"
        ) from None
    return Noise(sigma, 1.0 if share is None else share)


def noise_in_words(noises: tuple[Noise, ...], scale: float) -> str:
    """Description of the removed noise."""
    found = [noise for noise in noises if noise.sigma]
    if not found:
        return "no noise removed"
    typical = sorted(found, key=lambda noise: noise.sigma)[len(found) // 2]
    unit = "" if scale == 1 else f" (values times {scale:g})"
    return (
        f"noise of standard deviation {typical.sigma:.3g}{unit} in {typical.share:.0%} of values "
        "removed"
    )
