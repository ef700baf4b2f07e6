"""Named settings."""

from dataclasses import replace

import pytest

from habitus.cli._shared.fitting import resolve_recipe
from habitus.models import MODELS
from habitus.models.pictures.nets import ARCHITECTURES
from habitus.models.rhythm.model import Rhythm
from habitus.recipes import RECIPES, SWEEPS


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_names_a_known_model_and_its_settings(name):
    kind, config, fit = RECIPES[name]()
    assert kind in MODELS.values()
    assert isinstance(config, kind.Config)
    assert fit.epochs == 10


def test_those_of_the_paper_are_as_it_says():
    """5.2.3: beta 0.1, Adam at 0.001, batches of 500, cross-entropy, ten latents."""
    for name, mask in (("modelling", None), ("centre", "centre"), ("bottom", "bottom")):
        _, config, fit = RECIPES[f"time-pictures-{name}"]()
        assert (config.beta, config.latents, config.likelihood, config.normalisation) == (
            0.1,
            10,
            "cross-entropy",
            "peak",
        )
        assert (fit.batch, fit.optimiser, fit.learning_rate, fit.schedule) == (
            500,
            "adam",
            1e-3,
            "constant",
        )
        assert getattr(config, "mask", None) == mask


def test_readable_latents_are_those_of_beta_1():
    """Best mean of MIG, SAP and the beta metric over betas and seeds (benchmarks/factors.py)."""
    _, config, fit = RECIPES["readable-latents"]()
    assert (config.beta, config.latents, fit.epochs, fit.batch) == (1.0, 10, 10, None)


def test_what_is_given_besides_goes_before_the_recipe():
    _, config, fit = resolve_recipe(None, "time-pictures-centre", ["beta=1"], {"epochs": 2})
    assert (config.beta, config.mask, fit.epochs, fit.batch) == (1, "centre", 2, 500)


def test_the_model_of_profiles_is_the_flagship_where_none_is_named():
    kind, config, _ = resolve_recipe(None, None, ["latents=4"], {})
    assert kind is Rhythm
    assert config.latents == 4


@pytest.mark.parametrize(
    ("model", "recipe", "expected"),
    [("beta-vae", "fill-anything", "not both"), (None, "soup", "unknown recipe 'soup'")],
)
def test_refused(model, recipe, expected):
    with pytest.raises(ValueError, match=expected):
        resolve_recipe(model, recipe, [], {})


def test_the_grids_of_the_paper_are_as_it_says():
    """5.2.3: twelve values of beta; Table A.1: eight architectures, with the latents of 5.2.2."""
    recipe, grid = SWEEPS["time-pictures-beta"]()
    assert grid == {"beta": (0, 0.001, 0.01, 0.1, 0.5, 0.9, 1, 2, 4, 5, 10, 100)}
    assert (recipe.config.latents, recipe.fit.epochs, recipe.fit.batch) == (10, 10, 500)
    recipe, grid = SWEEPS["time-pictures-architectures"]()
    assert len(grid["architecture"]) == len(ARCHITECTURES) == 8
    assert grid["latents"] == (2, 5, 7, 10, 100)
    assert recipe.config.beta == 0.1


@pytest.mark.parametrize("name", SWEEPS)
def test_each_value_of_a_grid_is_one_of_its_settings(name):
    recipe, grid = SWEEPS[name]()
    for key, values in grid.items():
        for value in values:
            assert type(getattr(replace(recipe.config, **{key: value}), key)) is type(
                getattr(recipe.config, key)
            )
