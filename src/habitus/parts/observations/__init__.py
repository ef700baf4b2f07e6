"""From features to the distribution of a series' values, one class per likelihood.

An observation model says how many features a step takes, how a value is told to a network, and how one is drawn.
"""

from habitus.parts.observations.autoregressive import AutoregressiveMixture, AutoregressiveObservation
from habitus.parts.observations.base import LEAST_SCALE, Observation, drawn_index, mean_and_scale
from habitus.parts.observations.buckets import BucketObservation, Histogram
from habitus.parts.observations.counts import CountObservation, ZeroInflated
from habitus.parts.observations.gaussians import GaussianObservation, MixtureObservation

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
    "drawn_index", "mean_and_scale",
]  # fmt: skip
