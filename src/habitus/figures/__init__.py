"""Numbers in, matplotlib figures out: the figures of "Time pictures", for any population.

Every function takes plain arrays, or what an evaluation found, and returns a ``matplotlib.figure.Figure``; none
touches pyplot.
"""

from habitus.figures.curves import (
    MOST_SMALL_PANELS,
    day_curves,
    loss_curves,
    ratio_dots,
    share_curves,
    slot_shapes,
    total_cdf,
    weekday_shapes,
)
from habitus.figures.pictures import mean_pictures, overlap_matrices, sample_pictures, shown_channels
from habitus.figures.regions import completion_pictures, daily_intervals
from habitus.figures.scores import PlaceError, SizeError, calibration, region_errors
from habitus.figures.style import LABELS
from habitus.figures.sweeps import score_curves
from habitus.figures.traversal import traversal_grid

__all__ = [
    "LABELS",
    "MOST_SMALL_PANELS",
    "PlaceError",
    "SizeError",
    "calibration",
    "completion_pictures",
    "daily_intervals",
    "day_curves",
    "loss_curves",
    "mean_pictures",
    "overlap_matrices",
    "ratio_dots",
    "region_errors",
    "sample_pictures",
    "score_curves",
    "share_curves",
    "shown_channels",
    "slot_shapes",
    "total_cdf",
    "traversal_grid",
    "weekday_shapes",
]
