"""What a fitted model makes: populations that never existed, missing cells filled, the days ahead."""

from habitus.synthesis.completion import CompleteConfig, complete, complete_to
from habitus.synthesis.forecasting import forecast, forecast_to
from habitus.synthesis.generation import GenerateConfig, generate, generate_log_to, generate_to
from habitus.synthesis.latents.cohorts import Cohorts, load_cohorts

__all__ = [
    "Cohorts",
    "CompleteConfig",
    "GenerateConfig",
    "complete",
    "complete_to",
    "forecast",
    "forecast_to",
    "generate",
    "generate_log_to",
    "generate_to",
    "load_cohorts",
]
