"""Series from fitted models: drawn anew, continued, or with what is missing or noisy put right."""

from __future__ import annotations

from habitus.synthesis.series.cleaning import CleanConfig, Cleaned, clean
from habitus.synthesis.series.drawing import (
    forecast_series,
    generate_series,
    last_rows,
    rolling_rows,
)

__all__ = [
    "CleanConfig",
    "Cleaned",
    "clean",
    "forecast_series",
    "generate_series",
    "last_rows",
    "rolling_rows",
]
