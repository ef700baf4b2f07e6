"""Classes of settings: checks, one-line refusals, and choices that the registries have."""

import copy
from dataclasses import asdict, replace
from typing import get_args

import pytest

from habitus.models.pictures.beta_vae import BetaVAEConfig
from habitus.models.pictures.likelihoods import LIKELIHOODS
from habitus.models.pictures.nets import ARCHITECTURES
from habitus.models.recurrent.observations import OBSERVATIONS
from habitus.models.recurrent.step import SeriesConfig
from habitus.settings import types_of
from habitus.training.config import SCHEDULES, FitConfig
from habitus.training.loop import OPTIMISERS


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"beta": -1}, "beta must be at least 0, got -1"),
        ({"beta": float("nan")}, "beta must be a number (float), got nan"),
        ({"latents": 1.5}, "latents must be a whole number (int), got 1.5"),
        ({"dropout": 1}, "dropout must be below 1, got 1"),
        ({"gamma": 1}, "no setting 'gamma'; BetaVAEConfig has architecture"),
    ],
)
def test_what_cannot_be_is_one_line(settings, says):
    with pytest.raises(ValueError, match=r"\w") as found:
        BetaVAEConfig(**settings)
    assert says in str(found.value)
    assert "\n" not in str(found.value)


def test_settings_are_plain_values():
    config = BetaVAEConfig(beta=1, latents=3)
    assert asdict(config)["beta"] == 1
    assert replace(config, latents=4).latents == 4
    assert copy.deepcopy(config) == config


def test_choices_are_those_of_the_registries():
    assert set(get_args(types_of(BetaVAEConfig)["architecture"])) == set(ARCHITECTURES)
    assert set(get_args(types_of(BetaVAEConfig)["likelihood"])) == set(LIKELIHOODS)
    assert set(get_args(types_of(SeriesConfig)["likelihood"])) == {"auto", *OBSERVATIONS}
    assert set(get_args(types_of(FitConfig)["optimiser"])) == set(OPTIMISERS)
    assert set(get_args(types_of(FitConfig)["schedule"])) == set(SCHEDULES)
