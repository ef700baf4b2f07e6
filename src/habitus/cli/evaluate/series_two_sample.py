"""Two-sample scores of series: networks that separate generated from real ones."""

from __future__ import annotations

import numpy as np

from habitus.cli.evaluate.files import Json, panel
from habitus.evaluation.panels import complete_windows
from habitus.evaluation.two_sample.series import (
    Discriminator,
    Predictor,
    discriminate,
    predictive_score,
)
from habitus.schema import FloatArray
from habitus.series import Series

DISCRIMINATOR = Discriminator()
PREDICTOR = Predictor()
WINDOW = 24
MOST_WINDOWS = 10_000


def add_two_sample(
    metrics: Json, ours: Series, real: Series, train: Series | None, seed: int
) -> None:
    """Add the scores of TimeGAN's paper, of the generated series and of another real sample.

    Args:
        metrics: Scores, with a floor.
        ours: Generated series.
        real: Real ones.
        train: Others for the floor; None for two parts of the real ones.
        seed: Seed of the networks.

    Raises:
        ValueError: for fewer than 10 windows, or where none is complete.
    """
    length = int(min(WINDOW, ours.lengths.max(), real.lengths.max()))
    fake, true = (_windows(each, length, seed) for each in (ours, real))
    metrics["two_sample"] = _scores(fake, true, seed)
    one, other = _halves(real) if train is None else (train, real)
    metrics["floor"]["two_sample"] = _scores(
        _windows(one, length, seed), _windows(other, length, seed), seed
    )


def _windows(series: Series, length: int, seed: int) -> FloatArray:
    return complete_windows(panel(series), length, MOST_WINDOWS, seed)


def _scores(generated: FloatArray, real: FloatArray, seed: int) -> Json:
    return {
        "discriminative": discriminate(generated, real, DISCRIMINATOR, seed=seed).score,
        "predictive": predictive_score(generated, real, PREDICTOR, seed=seed),
    }


def _halves(real: Series) -> tuple[Series, Series]:
    """Split into every second series and the others; a single series into disjoint halves."""
    if len(real) == 1:
        return real.split(0.5)
    even = np.arange(len(real)) % 2 == 0
    return real.take(even), real.take(~even)
