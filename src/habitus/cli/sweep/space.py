"""Settings that the trials of a sweep begin from, and the space of those that vary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from habitus.cli._shared.fitting import adjusted, resolve_recipe
from habitus.models.base import Model
from habitus.recipes import RECIPES, SWEEPS, Recipe
from habitus.sweeps import Grid, Search, grid_of, read_grid, read_search, types_of_settings


def first_settings(
    model: str | None, recipe: str | None, pairs: Sequence[str], asked: dict[str, Any]
) -> tuple[Recipe, Grid | None]:
    """Settings that all trials begin from, and the grid of a named sweep.

    Raises:
        ValueError: for an unknown model, recipe or setting, or both a model and a recipe.
    """
    if recipe in SWEEPS and model is None:
        base, values = SWEEPS[recipe]()
        return adjusted(base, pairs, asked), grid_of(values)
    if recipe is not None and recipe not in {**RECIPES, **SWEEPS}:
        raise ValueError(
            f"unknown recipe {recipe!r}; --recipe must be one of {', '.join((*SWEEPS, *RECIPES))}"
        )
    return resolve_recipe(model, recipe, pairs, asked), None


def space_of(
    kind: type[Model],
    named: Grid | None,
    grid: Sequence[str],
    search: Sequence[str],
    trials: int | None,
) -> Grid | Search:
    """Read --grid, or --search and --trials; a named sweep has a grid to begin with.

    Raises:
        ValueError: for a setting or value that cannot be, and options that do not go together.
    """
    types = types_of_settings(kind)
    if search:
        if grid or named:
            raise ValueError("give a grid or --search, not both")
        if trials is None:
            raise ValueError("--search needs --trials, how many trials to make")
        return read_search(types, search, trials)
    if trials is not None:
        raise ValueError("--trials is for --search; a grid has a trial for every combination")
    if not grid and named is None:
        raise ValueError(
            f"give --grid, --search, or one of the named grids: --recipe {' or '.join(SWEEPS)}"
        )
    given = read_grid(types, grid).choices if grid else {}
    known = named.choices if named else {}
    if twice := known.keys() & given.keys():
        raise ValueError(
            f"the recipe's grid has {min(twice)} already; give --model and all of --grid instead"
        )
    return Grid({**known, **given})
