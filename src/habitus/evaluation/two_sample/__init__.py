"""Two-sample tests: classify users as generated or real, and rank the features that differ.

profiles ──features──▶ [U, F] ──trees────▶ area under the curve, and importances of the features
    └─────────── pictures ────network──▶ area under the curve

It takes seconds to load (torch, scikit-learn).
"""

from habitus.evaluation.metrics.auc import Auc, auc
from habitus.evaluation.two_sample.features import features
from habitus.evaluation.two_sample.test import (
    ClassifierScore,
    FeatureDifference,
    TwoSample,
    two_sample,
)

__all__ = [
    "Auc",
    "ClassifierScore",
    "FeatureDifference",
    "TwoSample",
    "auc",
    "features",
    "two_sample",
]
