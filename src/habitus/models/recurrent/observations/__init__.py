"""Observation models: from features to the distribution of a series' values, one per likelihood.

An observation model also encodes values as inputs of a network, and draws them.
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
    "LEAST_SCALE", "OBSERVATIONS", "AutoregressiveMixture", "AutoregressiveObservation",
    "BucketObservation", "CountObservation", "GaussianObservation", "Histogram",
    "MixtureObservation", "Observation", "ZeroInflated", "mean_and_scale",
]  # fmt: skip
