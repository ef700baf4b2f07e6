"""What a fitted model makes: populations that never existed, missing cells filled, the days ahead."""

from habitus.synthesis.completion import CompleteConfig, complete, complete_to
from habitus.synthesis.forecasting import forecast, forecast_to
from habitus.synthesis.generation import GenerateConfig, generate, generate_to

__all__ = [
    "CompleteConfig",
    "GenerateConfig",
    "complete",
    "complete_to",
    "forecast",
    "forecast_to",
    "generate",
    "generate_to",
]
