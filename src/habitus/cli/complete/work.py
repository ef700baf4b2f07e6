"""Work of ``habitus complete``."""

from __future__ import annotations

from pathlib import Path

from habitus.cli._console import bar, out
from habitus.cli._shared.holidays import warn_of_own_holidays
from habitus.cli._shared.series import check_no_series_options, is_series_run
from habitus.cli._shared.texts import threshold_of
from habitus.cli.complete import series as series_command
from habitus.files import check_apart
from habitus.profiles.gaps import read_missing
from habitus.profiles.store import StoredProfiles
from habitus.run import load
from habitus.synthesis import CompleteConfig, complete_to

PARTICLES = 64  # fillings of a series' gap, at least


def execute(
    run: Path,
    profiles: Path,
    out_: Path,
    mask: str | None,
    missing: Path | None,
    samples: int,
    seed: int,
    threshold: str,
    noise: str,
    noise_share: float | None,
) -> None:
    """Fill what is missing in profiles, or in series, from what is known."""
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
    applied = made.about["zero_threshold"]
    zeros = f", values up to {applied:.3g} are zero" if applied else ""
    out(f"{out_}: {len(made):,} profiles, {text} filled with {samples} draws each{zeros}")
