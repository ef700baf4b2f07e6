"""Named settings."""

import pytest

from habitus.cli.fit import _new
from habitus.models import MODELS
from habitus.recipes import RECIPES


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
        assert (fit.batch, fit.optimiser, fit.learning_rate, fit.schedule) == (500, "adam", 1e-3, "constant")
        assert getattr(config, "mask", None) == mask


def test_what_is_given_besides_goes_before_the_recipe():
    _, config, fit = _new(None, "time-pictures-centre", ["beta=1"], {"epochs": 2})
    assert (config.beta, config.mask, fit.epochs, fit.batch) == (1, "centre", 2, 500)


@pytest.mark.parametrize(
    ("model", "recipe", "expected"),
    [("beta-vae", "fill-anything", "not both"), (None, "soup", "unknown recipe 'soup'")],
)
def test_refused(model, recipe, expected):
    with pytest.raises(ValueError, match=expected):
        _new(model, recipe, [], {})
