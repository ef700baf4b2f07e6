"""Arrays in, numbers out: what a model made against real data, beside a floor and baselines.

    profiles ──summarise──▶ Summary ┐
                                    ├─compare──▶ figures
    profiles ──summarise──▶ Summary ┘

:func:`evaluate` does that for a generated set, for a real sample of the same size (the floor), and
for populations without learning (the baselines); it takes completed profiles, series and forecasts
too. Nothing here knows of a model. Folders are by topic, for profiles and series alike:
``metrics``, ``baselines``, ``completion``, ``two_sample``, ``latents``.
"""

from habitus.evaluation.baselines.independent_cells import independent_cells
from habitus.evaluation.completion.missing_region import Calibration, RegionFigures
from habitus.evaluation.evaluate import evaluate
from habitus.evaluation.evaluate_completion import CompletionEvaluation, evaluate_completion
from habitus.evaluation.evaluate_profiles import Evaluation, evaluate_profiles
from habitus.evaluation.metrics.active_users import ACTIVITIES, active_users, relative_error
from habitus.evaluation.metrics.compare import Figures, compare, conditional_overlap
from habitus.evaluation.metrics.distances import (
    kl_divergence,
    kolmogorov_distance,
    mean_squared_error,
)
from habitus.evaluation.metrics.summary import Summary, summarise
from habitus.evaluation.metrics.totals import daily_mean, daily_std, total_cdf

__all__ = [
    "ACTIVITIES",
    "Calibration",
    "CompletionEvaluation",
    "Evaluation",
    "Figures",
    "RegionFigures",
    "Summary",
    "active_users",
    "compare",
    "conditional_overlap",
    "daily_mean",
    "daily_std",
    "evaluate",
    "evaluate_completion",
    "evaluate_profiles",
    "independent_cells",
    "kl_divergence",
    "kolmogorov_distance",
    "mean_squared_error",
    "relative_error",
    "summarise",
    "total_cdf",
]
