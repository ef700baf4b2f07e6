"""habitus models."""

import json

import pytest

from command_line import call
from habitus.models import MODELS
from habitus.models.base import SeriesModel


def test_every_model_is_listed_with_its_purpose(capsys):
    code, said, err = call(capsys, "models")
    assert (code, err) == (0, "")
    for name, entry in MODELS.entries.items():
        assert f"{name} " in said
        assert entry.purpose in said


def test_what_a_model_is_fitted_to_is_what_its_class_says():
    for name, kind in MODELS.items():
        of_series = issubclass(kind, SeriesModel)
        assert MODELS.entries[name].fitted_to == ("series" if of_series else "profiles"), name


@pytest.mark.parametrize("name", MODELS)
def test_the_settings_of_a_model_have_defaults_and_reasons(capsys, name):
    code, said, err = call(capsys, "models", name, "--json")
    assert (code, err) == (0, "")
    about = json.loads(said)
    config = MODELS[name].Config()
    for each in about["settings"]:
        assert each["meaning"], each["name"]
        assert each["default"] == getattr(config, each["name"])
    assert {"epochs", "batch", "learning_rate"} <= {each["name"] for each in about["fit"]}


def test_one_that_there_is_not(capsys):
    code, said, err = call(capsys, "models", "oracle")
    assert (code, said) == (2, "")
    assert err.startswith("habitus: unknown model 'oracle'; --model must be one of rhythm, ")
