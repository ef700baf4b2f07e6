"""From features to the distribution of a series' values, one class per likelihood.

An observation model says how many features a step takes, how a value is told to a network, and how one is drawn.
"""

from habitus.models.recurrent.observations.autoregressive import (
    AutoregressiveMixture,
    AutoregressiveObservation,
)
from habitus.models.recurrent.observations.base import (
    LEAST_SCALE,
    Observation,
    mean_and_scale,
)
from habitus.models.recurrent.observations.buckets import BucketObservation, Histogram
from habitus.models.recurrent.observations.counts import CountObservation, ZeroInflated
from habitus.models.recurrent.observations.gaussians import GaussianObservation, MixtureObservation

OBSERVATIONS: dict[str, type[Observation]] = {
    "gaussian": GaussianObservation,
    "mixture": MixtureObservation,
    "autoregressive": AutoregressiveObservation,
    "buckets": BucketObservation,
    "counts": CountObservation,
}

__all__ = [
    "LEAST_SCALE", "OBSERVATIONS", "AutoregressiveMixture", "AutoregressiveObservation", "BucketObservation",
    "CountObservation", "GaussianObservation", "Histogram", "MixtureObservation", "Observation", "ZeroInflated",
    "mean_and_scale",
]  # fmt: skip
