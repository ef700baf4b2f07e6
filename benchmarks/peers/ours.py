"""habitus itself: ``habitus fit --model rhythm`` and ``habitus generate`` with their defaults, no limit of time.

With less than a minute it is a trial of the script: one epoch of a small network.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

from profiles_io import Population, sample_rows
from protocol import Settings, Trained, main

from habitus.models.rhythm.config import RhythmConfig
from habitus.models.rhythm.model import Rhythm
from habitus.profiles.store import StoredProfiles
from habitus.synthesis import generate
from habitus.training.config import FitConfig, as_asked
from habitus.training.fit import fit


def train(real: Population, settings: Settings) -> Trained:
    """Fit Rhythm to the same profiles, with whose they are."""
    stored = StoredProfiles.open(settings.train).load()
    profiles = stored.take(sample_rows(len(stored), settings.profiles))
    how = FitConfig(**Rhythm.fit_defaults, seed=settings.seed)
    config = RhythmConfig()
    if settings.minutes < 1:
        how = replace(how, **as_asked({"epochs": 1}))
        config = replace(config, hidden=16)
    run = fit(Rhythm, profiles, config, fit=how)
    seeds = itertools.count(settings.seed)

    def draw(users: int) -> Population:
        made = generate(run, users, next(seeds))
        return Population(real.axes, made.indptr, made.cells, made.values)

    return Trained(draw, {"epochs": run.fit["epochs"]})


if __name__ == "__main__":
    main("habitus", train, __doc__)
