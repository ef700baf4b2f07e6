"""Verbs of a fitted model, of profiles and series: generate, complete, clean, forecast, score."""

from habitus.synthesis.cleaning import CleanConfig, Cleaned, clean
from habitus.synthesis.completion import CompleteConfig, complete, complete_to
from habitus.synthesis.forecasting import forecast, forecast_to, last_rows, rolling_rows
from habitus.synthesis.generation import GenerateConfig, generate, generate_log_to, generate_to
from habitus.synthesis.latents.cohorts import Cohorts, load_cohorts
from habitus.synthesis.noise import Noise
from habitus.synthesis.scoring import Scores, score

__all__ = [
    "CleanConfig", "Cleaned", "Cohorts", "CompleteConfig", "GenerateConfig", "Noise", "Scores",
    "clean", "complete", "complete_to", "forecast", "forecast_to", "generate", "generate_log_to",
    "generate_to", "last_rows", "load_cohorts", "rolling_rows", "score",
]  # fmt: skip
