"""Work of ``habitus complete`` for series."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from habitus.cli._console import bar, out
from habitus.cli._shared.series import about, read_for
from habitus.run import Run
from habitus.series import write_series
from habitus.synthesis import CleanConfig, Noise, clean


def complete(
    run: Run, source: Path, path: Path, noise: str, share: float | None, samples: int, seed: int
) -> None:
    """Fill gaps and remove noise into a file."""
    series = read_for(run.model.axes, source)
    config = CleanConfig(noise_of(noise, share), samples, seed)
    with bar("Completing", "steps") as advance:
        made = clean(run, series, config, advance)
    found = [asdict(each) for each in made.noise]
    write_series(
        path, made.series, about(run, "completed", seed=seed, source=str(source), noise=found)
    )
    out(
        f"{path}: {made.filled:,} missing values filled; "
        f"{noise_in_words(made.noise, run.model.axes.scale)}"
    )


def noise_of(text: str, share: float | None) -> Noise | None:
    """Parse --noise and --noise-share to a noise; None for auto.

    Raises:
        ValueError: for what is neither auto, none nor a number.

    >>> noise_of("auto", None), noise_of("none", None), noise_of("0.1", 0.5)
    (None, Noise(sigma=0.0, share=1.0), Noise(sigma=0.1, share=0.5))
    """
    if text in ("auto", "none"):
        if share is not None:
            raise ValueError("--noise-share needs the noise itself: give --noise NUMBER")
        return None if text == "auto" else Noise(0.0)
    try:
        return Noise(float(text), 1.0 if share is None else share)
    except ValueError as error:
        if "could not convert" in str(error):
            raise ValueError(
                f"--noise must be auto, none or a standard deviation, got {text!r}"
            ) from None
        raise


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
