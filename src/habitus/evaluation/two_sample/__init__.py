"""Can a classifier tell generated users from real ones, and what gave them away?

profiles ──features──▶ [U, F] ──trees────▶ area under the curve, and the features that told
    └─────────── pictures ────network──▶ area under the curve

It takes seconds to load (torch, scikit-learn).
"""

from habitus.evaluation.metrics.auc import Auc, auc
from habitus.evaluation.two_sample.features import features
from habitus.evaluation.two_sample.judge import Telling, Told, TwoSample, two_sample

__all__ = ["Auc", "Telling", "Told", "TwoSample", "auc", "features", "two_sample"]
