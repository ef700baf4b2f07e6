"""How many of 40 fits of a tDLGM collapse: the paper had to restart one run in four.

    python benchmarks/restarts.py openb_pod_list_default.csv
    python benchmarks/restarts.py --quick

Seeds 0 to 39, fitted to the first 80 % of gpu_milli / 1000, with the settings of habitus reproduce tdlgm. A run
counts as collapsed where it tells no more of held-out steps than one distribution for all of them would.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from statistics import mean, stdev

import numpy as np

from habitus.models.recurrent.tdlgm import TDLGM, TDLGMConfig
from habitus.series import Series, read_series
from habitus.training.config import FitConfig
from habitus.training.fit import fit
from machine import describe


def made_up() -> Series:
    values = np.random.default_rng(0).choice([0.0, 0.5, 1.0], (600, 1))
    return Series.from_arrays([np.repeat(values, 2, axis=0)], ["a"])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--quick", action="store_true")
    settings = parser.parse_args()
    logging.disable(logging.INFO)
    seeds, given = (1, {"epochs": 1, "batch": 8}) if settings.quick else (settings.seeds, {})
    series = read_series(settings.file, ["gpu_milli"], scale=0.001) if settings.file else made_up()
    train = series.split(0.8)[0]
    config = TDLGMConfig(likelihood="buckets", hidden=32)
    print(describe())
    found = []
    for seed in range(seeds):
        run = fit(
            TDLGM, train, config, fit=FitConfig(**{**TDLGM.fit_defaults, **given, "seed": seed})
        )
        found.append(run.about)
        told = {name: round(run.about[name], 4) for name in ("log_likelihood", "constant")}
        print(f"seed {seed}: {told}, collapsed: {run.about['collapsed']}", flush=True)
    gains = [about["log_likelihood"] - about["constant"] for about in found]
    spread = stdev(gains) if len(gains) > 1 else 0.0
    print(f"collapsed: {sum(about['collapsed'] for about in found)} of {seeds}")
    print(
        f"gain over a constant distribution, nats a step: {mean(gains):.3f} +- {spread:.3f}, least {min(gains):.3f}"
    )


if __name__ == "__main__":
    main()
