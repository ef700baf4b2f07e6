"""Named settings: those of the papers, and recommended ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, get_args, get_type_hints

from habitus.models import MODELS
from habitus.models.base import Model
from habitus.training.config import PAPER_BATCH, FitConfig


class Recipe(NamedTuple):
    """A model, its settings and those of its fit, to be given to :func:`habitus.fit`."""

    kind: type[Model]
    config: Any
    fit: FitConfig


def time_pictures_modelling() -> Recipe:
    """Beta-VAE of "Time pictures" 5.2.3 for the modelling task, with its best beta (Table 6.1)."""
    return _recipe("beta-vae", _time_pictures(), beta=0.1)


def time_pictures_centre() -> Recipe:
    """Context encoder of "Time pictures" 5.2.3 for a missing centre (Fig 5.5a, Table 6.2)."""
    return _recipe("context-vae", _time_pictures(), beta=0.1, mask="centre")


def time_pictures_bottom() -> Recipe:
    """Context encoder of "Time pictures" 5.2.3 for missing last days (Fig 5.5b, Table 6.2)."""
    return _recipe("context-vae", _time_pictures(), beta=0.1, mask="bottom")


def fill_anything() -> Recipe:
    """Context mixture of habitus: one run that fills any missing region and forecasts."""
    fit = FitConfig(**MODELS["context-mixture"].fit_defaults)
    return _recipe("context-mixture", fit, mask="any")


def readable_latents() -> Recipe:
    """Beta-VAE whose latents are nearest to a simulated population's known factors (RESULTS)."""
    return _recipe("beta-vae", FitConfig(epochs=10), beta=1.0)


def _recipe(model: str, fit: FitConfig, **settings: Any) -> Recipe:
    """Recipe of a model by its name in the registry."""
    kind = MODELS[model]
    return Recipe(kind, kind.Config(**settings), fit)


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
    recipe = time_pictures_modelling()
    architectures = get_args(get_type_hints(recipe.kind.Config)["architecture"])
    return SweepRecipe(recipe, {"architecture": architectures, "latents": (2, 5, 7, 10, 100)})


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
