"""Numbers in, matplotlib figures out: the figures of "Time pictures", for any population.

Every function takes plain arrays, or what an evaluation found, and returns a
``matplotlib.figure.Figure``; none touches pyplot.
"""

from habitus.report.figures.cohorts import cohort_pictures, cohort_sizes
from habitus.report.figures.curves import (
    MOST_SMALL_PANELS,
    day_curves,
    loss_curves,
    ratio_dots,
    share_curves,
    slot_shapes,
    total_cdf,
    weekday_shapes,
)
from habitus.report.figures.explanation import association_matrix, dimension_walk
from habitus.report.figures.pictures import (
    mean_pictures,
    overlap_matrices,
    sample_pictures,
    shown_channels,
)
from habitus.report.figures.regions import completion_pictures, daily_intervals
from habitus.report.figures.reproduction import (
    Losses,
    losses_by_setting,
    reconstructions,
    setting_styles,
)
from habitus.report.figures.rhythms import (
    autocorrelation_curves,
    retention_curves,
    silence_curves,
    week_pictures,
)
from habitus.report.figures.scores import PlaceError, SizeError, calibration, region_errors
from habitus.report.figures.series import Slice, series_slices
from habitus.report.figures.series_scores import (
    MOST_VARIABLES,
    Fan,
    Stretch,
    autocorrelations,
    baseline_label,
    cleaned_stretches,
    error_bars,
    fan_charts,
    forecast_scores,
    stretches,
    value_distributions,
)
from habitus.report.figures.style import LABELS
from habitus.report.figures.sweeps import score_curves
from habitus.report.figures.traversal import traversal_grid
from habitus.report.figures.two_sample import Interval, area_intervals, distance_curves

__all__ = [
    "LABELS",
    "MOST_SMALL_PANELS",
    "MOST_VARIABLES",
    "Fan",
    "Interval",
    "Losses",
    "PlaceError",
    "SizeError",
    "Slice",
    "Stretch",
    "area_intervals",
    "association_matrix",
    "autocorrelation_curves",
    "autocorrelations",
    "baseline_label",
    "calibration",
    "cleaned_stretches",
    "cohort_pictures",
    "cohort_sizes",
    "completion_pictures",
    "daily_intervals",
    "day_curves",
    "dimension_walk",
    "distance_curves",
    "error_bars",
    "fan_charts",
    "forecast_scores",
    "loss_curves",
    "losses_by_setting",
    "mean_pictures",
    "overlap_matrices",
    "ratio_dots",
    "reconstructions",
    "region_errors",
    "retention_curves",
    "sample_pictures",
    "score_curves",
    "series_slices",
    "setting_styles",
    "share_curves",
    "shown_channels",
    "silence_curves",
    "slot_shapes",
    "stretches",
    "total_cdf",
    "traversal_grid",
    "value_distributions",
    "week_pictures",
    "weekday_shapes",
]
