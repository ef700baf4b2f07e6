"""Completing profiles with 20 draws each: profiles a second and peak memory, from 10,000 to 1,000,000.

    python benchmarks/complete_throughput.py                      # about half an hour on two cores
    python benchmarks/complete_throughput.py --sizes 10000 100000
    python benchmarks/complete_throughput.py --quick              # 20 and 40 profiles

A context mixture is fitted to simulated profiles for one epoch. Larger sets repeat 10,000 of them, which is nothing
to a model that looks at one profile at a time. Each size is ``habitus complete`` in a process of its own, so that
its time holds everything (start, reading, writing) and its peak memory (ru_maxrss) is its own; with --quick
it is a fork of this process.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from fit_throughput import simulated
from habitus.models.context_mixture.model import ContextMixture
from habitus.profiles.sparse import Profiles, numbered
from habitus.profiles.store import save
from habitus.training.config import FitConfig
from habitus.training.fit import fit
from machine import describe
from scale import GIB, measure

ONCE = 10_000


def repeated(profiles: Profiles, size: int) -> Iterator[Profiles]:
    """The profiles again and again, as so many different users."""
    for first in range(0, size, len(profiles)):
        part = profiles.slice(0, min(len(profiles), size - first))
        yield replace(part, users=numbered(len(part), first))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--mask", default="centre")
    parser.add_argument("--samples", type=int, default=20)
    parser.add_argument("--quick", action="store_true")
    settings = parser.parse_args()
    logging.disable(logging.INFO)
    sizes = [20, 40] if settings.quick else settings.sizes
    few = simulated(min(ONCE, max(sizes)))
    print(describe())
    print(f"{settings.mask} of 32 days x 24 hours x 5 channels, {settings.samples} draws each")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fit(
            ContextMixture,
            few,
            fit=FitConfig(**{**ContextMixture.fit_defaults, "epochs": 1}),
            out=folder / "run",
        )
        for size in sizes:
            save(folder / "profiles", repeated(few, size), few.axes)
            command = [
                "complete",
                str(folder / "run"),
                str(folder / "profiles"),
                "--mask",
                settings.mask,
            ]
            cost = measure(
                [*command, "--samples", str(settings.samples), "--out", str(folder / "completed")],
                fork=settings.quick,
            )
            written = sum(path.stat().st_size for path in (folder / "completed").iterdir())
            print(
                f"{size:,} profiles: {cost.seconds:.1f} s, {size / cost.seconds:,.0f} profiles/s, "
                f"{size * settings.samples / cost.seconds:,.0f} draws/s, peak {cost.peak_bytes / GIB:.2f} GiB, "
                f"{written / size:,.0f} bytes a profile on disk",
                flush=True,
            )


if __name__ == "__main__":
    main()
