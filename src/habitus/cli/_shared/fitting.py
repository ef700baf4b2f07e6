"""Model, settings and fit that options stand for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from habitus.models import MODELS
from habitus.models.base import Model
from habitus.recipes import RECIPES, Recipe
from habitus.run import CHECKPOINT, read_run_header
from habitus.settings import settings_of
from habitus.training.config import FitConfig, as_asked

FIRST = "rhythm"
FIT_OPTIONS = tuple(field.name for field in fields(FitConfig))


def fit_settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a fit among a command's arguments, where they were given."""
    return as_asked({name: given[name] for name in FIT_OPTIONS if given.get(name) is not None})


def resolve_recipe(
    model: str | None, recipe: str | None, pairs: Iterable[str], asked: dict[str, Any]
) -> Recipe:
    """Resolve --model or --recipe, --set and the settings of the fit to a recipe.

    Raises:
        ValueError: for a model, recipe or setting that there is not, or both a model and a recipe.
    """
    if recipe is None:
        kind = kind_of(model or FIRST)
        config = kind.Config(**settings_of(kind.Config, pairs))
        return Recipe(kind, config, FitConfig(**{**kind.fit_defaults, **asked}))
    if model is not None:
        raise ValueError("give --model or --recipe, not both")
    if recipe not in RECIPES:
        raise ValueError(f"unknown recipe {recipe!r}; --recipe must be one of {', '.join(RECIPES)}")
    return adjusted(RECIPES[recipe](), pairs, asked)


def adjusted(recipe: Recipe, pairs: Iterable[str], asked: dict[str, Any]) -> Recipe:
    """Recipe with given settings, which take precedence."""
    kind, config, how = recipe
    return Recipe(kind, replace(config, **settings_of(kind.Config, pairs)), replace(how, **asked))


def recipe_of_unfinished(
    path: Path, model: str | None, pairs: Iterable[str], asked: dict[str, Any]
) -> Recipe:
    """Recipe that an unfinished run was begun with; the fit checks that given settings agree.

    Raises:
        ValueError: if there is no unfinished run, or for a model or setting that there is not.
    """
    if not (path / CHECKPOINT).is_file():
        raise ValueError(f"there is no unfinished run in {path}; leave --resume out to begin one")
    header = read_run_header(path)
    kind = kind_of(model or header.model)
    config = kind.Config(**{**header.config, **settings_of(kind.Config, pairs)})
    return Recipe(kind, config, FitConfig(**{**header.fit, **asked}))


def kind_of(name: str) -> type[Model]:
    """Model class of a name.

    Raises:
        ValueError: if there is none.
    """
    if name not in MODELS:
        raise ValueError(f"unknown model {name!r}; --model must be one of {', '.join(MODELS)}")
    return MODELS[name]
