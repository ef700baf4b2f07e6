"""Scores of time series, and baselines that learn nothing: arrays in, numbers out.

A panel is a sequence of arrays [T_n, V], one for each series of one sort; NaN is a missing value.

    generated panel ──evaluate_generated──▶ transitions, marginal, autocorrelation, cross-correlation
    cleaned values  ──evaluate_cleaned────▶ reconstruction
    draws           ──evaluate_forecast───▶ CRPS, coverage and transitions by horizon

each with the same scores of the baselines, and of another real sample (the floor) where there is one. The two-sample
scores of TimeGAN are in :mod:`habitus.evaluation.series.two_sample`, which is imported on its own: it loads torch.
"""

from habitus.evaluation.baselines.series import SERIES_BASELINES, SeriesBaseline
from habitus.evaluation.series.correlations import (
    autocorrelation,
    autocorrelation_mse,
    cross_correlation,
    cross_correlation_mse,
)
from habitus.evaluation.series.denoising import (
    READINGS,
    Histogram,
    mean_squared_error,
    noised,
    posterior_mean,
    reconstruction,
    sigma_of,
)
from habitus.evaluation.series.evaluate import (
    evaluate_cleaned,
    evaluate_forecast,
    evaluate_generated,
)
from habitus.evaluation.series.horizons import horizons
from habitus.evaluation.series.marginal import kolmogorov_smirnov, wasserstein
from habitus.evaluation.series.panels import Panel, complete_windows
from habitus.evaluation.series.transitions import (
    Overlap,
    forecast_paths,
    forecast_transitions,
    transitions,
)

__all__ = [
    "READINGS",
    "SERIES_BASELINES",
    "Histogram",
    "Overlap",
    "Panel",
    "SeriesBaseline",
    "autocorrelation",
    "autocorrelation_mse",
    "complete_windows",
    "cross_correlation",
    "cross_correlation_mse",
    "evaluate_cleaned",
    "evaluate_forecast",
    "evaluate_generated",
    "forecast_paths",
    "forecast_transitions",
    "horizons",
    "kolmogorov_smirnov",
    "mean_squared_error",
    "noised",
    "posterior_mean",
    "reconstruction",
    "sigma_of",
    "transitions",
    "wasserstein",
]
