"""Settings of a reproduction of the tDLGM paper."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from habitus.models.recurrent.step import FIT
from habitus.papers.tdlgm.paper import COLUMN, SCALE, TRAIN_SHARE
from habitus.settings import Factor, OpenShare, Positive, Seed, Several, configuration

FREE = (
    "seeds",
)  # what may change from call to call in one folder: it decides which runs there are


@configuration
class LabSettings:
    """Settings of a reproduction.

    Attributes:
        column: The variable.
        scale: What its values are multiplied by.
        seed: Of the first fit of each model; decides its weights, batches, noise and draws.
        seeds: Fits of each model.
        epochs: Times that the training part is gone through.
        window: Steps of the windows that models are fitted to.
        train_share: Share of the series, from its beginning, that is fitted to.
        samples: Draws of the steps ahead of each origin.
        every: Steps from one origin to the next.
        latent_samples: Draws of latents for a reconstruction or a bound.
    """

    column: str = COLUMN
    scale: Factor = SCALE
    seed: Seed = 0
    seeds: Positive = 5
    epochs: Positive = FIT["epochs"]
    window: Several = 64
    train_share: OpenShare = TRAIN_SHARE
    samples: Positive = 20
    every: Positive = 1
    latent_samples: Positive = 32

    @property
    def each_seed(self) -> range:
        """Seeds of the fits of each model."""
        return range(self.seed, self.seed + self.seeds)

    def fixed(self) -> dict[str, Any]:
        """Settings that have to stay the same in one folder, as JSON can hold them."""
        return {name: value for name, value in asdict(self).items() if name not in FREE}
