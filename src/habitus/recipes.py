"""Named settings: those of the papers, and recommended ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from habitus.models.base import Model
from habitus.models.context_mixture.model import ContextMixture, ContextMixtureConfig
from habitus.models.pictures.beta_vae import BetaVAE, BetaVAEConfig
from habitus.models.pictures.context_vae import ContextVAE, ContextVAEConfig
from habitus.models.pictures.nets import ARCHITECTURES
from habitus.training.config import PAPER_BATCH, FitConfig


class Recipe(NamedTuple):
    """A model, its settings and those of its fit, to be given to :func:`habitus.fit`."""

    kind: type[Model]
    config: Any
    fit: FitConfig


def time_pictures_modelling() -> Recipe:
    """Beta-VAE of "Time pictures" 5.2.3 for the modelling task, with its best beta (Table 6.1)."""
    return Recipe(BetaVAE, BetaVAEConfig(beta=0.1), _time_pictures())


def time_pictures_centre() -> Recipe:
    """Context encoder of "Time pictures" 5.2.3 for a missing centre (Fig 5.5a, Table 6.2)."""
    return Recipe(ContextVAE, ContextVAEConfig(beta=0.1, mask="centre"), _time_pictures())


def time_pictures_bottom() -> Recipe:
    """Context encoder of "Time pictures" 5.2.3 for missing last days (Fig 5.5b, Table 6.2)."""
    return Recipe(ContextVAE, ContextVAEConfig(beta=0.1, mask="bottom"), _time_pictures())


def fill_anything() -> Recipe:
    """Context mixture of habitus: one run that fills any missing region and forecasts."""
    return Recipe(
        ContextMixture, ContextMixtureConfig(mask="any"), FitConfig(**ContextMixture.fit_defaults)
    )


def readable_latents() -> Recipe:
    """Beta-VAE whose latents are nearest to a simulated population's known factors (RESULTS)."""
    return Recipe(BetaVAE, BetaVAEConfig(beta=1.0), FitConfig(epochs=10))


def _time_pictures() -> FitConfig:
    """Adam at 0.001, batches of 500, ten epochs (5.2.3)."""
    return FitConfig(epochs=10, batch=PAPER_BATCH, optimiser="adam", learning_rate=1e-3)


class SweepRecipe(NamedTuple):
    """Start of a sweep, and the values that it gives to some settings."""

    recipe: Recipe
    grid: dict[str, tuple[Any, ...]]


def time_pictures_beta() -> SweepRecipe:
    """Values of beta that "Time pictures" 5.2.3 tries for modelling (Figs 6.14 and 6.15)."""
    betas = (0.0, 0.001, 0.01, 0.1, 0.5, 0.9, 1.0, 2.0, 4.0, 5.0, 10.0, 100.0)
    return SweepRecipe(time_pictures_modelling(), {"beta": betas})


def time_pictures_architectures() -> SweepRecipe:
    """Architectures of "Time pictures" Table A.1, each with the latents of 5.2.2."""
    grid = {"architecture": tuple(ARCHITECTURES), "latents": (2, 5, 7, 10, 100)}
    return SweepRecipe(time_pictures_modelling(), grid)


RECIPES: dict[str, Callable[[], Recipe]] = {
    "time-pictures-modelling": time_pictures_modelling,
    "time-pictures-centre": time_pictures_centre,
    "time-pictures-bottom": time_pictures_bottom,
    "fill-anything": fill_anything,
    "readable-latents": readable_latents,
}

SWEEPS: dict[str, Callable[[], SweepRecipe]] = {
    "time-pictures-beta": time_pictures_beta,
    "time-pictures-architectures": time_pictures_architectures,
}
