"""Runs on disk: what is damaged or foreign is one line that names the file."""

import datetime as dt
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from habitus.history import HISTORY
from habitus.models.parts.priors import Mixture
from habitus.models.pictures.beta_vae import BetaVAE, BetaVAEConfig
from habitus.run import (
    WEIGHTS,
    Run,
    is_complete,
    load,
    load_tensors,
    save_tensors,
)
from habitus.schema import Axes

AXES = Axes(dt.date(2018, 2, 1), 8, 180, ("web",))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "run"
    about = {
        "profiles": 9,
        "active_share": [0.5] * 8,
        "latents": {"variance": [1.0] * 3, "kl": [0.0] * 3},
    }
    prior = Mixture(torch.ones(2) / 2, torch.zeros(2, 3), torch.eye(3).expand(2, 3, 3))
    model = BetaVAE(AXES, BetaVAEConfig(latents=3))
    Run(model, prior, {"keep": "last"}, {"step": [1.0], "loss": [2.0]}, about).save(path)
    return path


@pytest.fixture
def run(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "run"))


def refused(run: Path) -> str:
    with pytest.raises(ValueError, match=r"\w") as found:
        load(run)
    assert "\n" not in str(found.value)
    return str(found.value)


def change(run: Path, place: tuple[str | int, ...], value: Any) -> None:
    content = json.loads((run / "habitus.json").read_text())
    *path, last = place
    part = content
    for key in path:
        part = part[key]
    part[last] = value
    (run / "habitus.json").write_text(json.dumps(content))


def test_what_is_saved_is_read(run):
    found = load(run)
    assert found.history == {"step": [1.0], "loss": [2.0]}
    assert found.mixture is not None
    assert is_complete(run)
    assert not is_complete(run / "nothing")


@pytest.mark.parametrize(
    ("place", "value", "says"),
    [
        (("about",), None, "expected an object at about, got null"),
        (("config",), [], "expected an object at config, got a list of 0"),
        (("config", "latents"), 10**9, "q_z_given_x.head.bias should be (2000000000,) and is"),
        (("config", "latents"), "x", "latents must be a whole number (int), got 'x'"),
        (("config", "architecture"), "none", "architecture must be one of conv, transposed"),
        (("config", "gamma"), 1, "no setting 'gamma'; BetaVAEConfig has architecture"),
        (("model",), "crystal-ball", "unknown model 'crystal-ball'; this habitus has"),
        (("axes", "days"), 1740.0, "expected a whole number at axes.days, got 1740.0"),
        (("axes", "days"), 3_000_000, "days must be at most"),
        (("axes", "days"), 9, "expected an active_share of 9 days, got 8"),
        (("about", "active_share", 3), None,
         "expected a number at about.active_share[3], got null"),
        (("about", "active_share", 3), float("nan"), "is not readable JSON"),
        (("about", "latents", "kl"), "no", "expected a list at about.latents.kl, got 'no'"),
        (("about", "complete"), "yes", "expected true or false at about.complete, got 'yes'"),
        (("about", "complete"), False, "is not finished; go on with habitus fit"),
    ],
)  # fmt: skip
def test_a_damaged_header_is_one_line(run, place, value, says):
    change(run, place, value)
    assert says in refused(run)


@pytest.mark.parametrize(
    ("name", "damage", "says"),
    [
        ("q_z_given_x.head.bias", lambda x: x * torch.nan,
         "expected finite numbers in q_z_given_x.head.bias, got NaN"),
        ("q_z_given_x.head.bias", lambda x: x[:2],
         "is of another model: q_z_given_x.head.bias should be"),
        ("prior.means", lambda x: x[:, :2], "expected a prior of shapes"),
        ("prior.weights", lambda x: x[0], "expected a prior of shapes"),
        ("prior.weights", lambda x: x * torch.nan, "expected finite numbers in weights, got NaN"),
    ],
)  # fmt: skip
def test_damaged_weights_are_one_line(
    run, name: str, damage: Callable[[torch.Tensor], torch.Tensor], says
):
    tensors = load_tensors(run / WEIGHTS)
    save_tensors(run / WEIGHTS, tensors | {name: damage(tensors[name])})
    assert says in refused(run)


def test_a_history_without_held_out_losses_is_read(run):
    """As a fit writes it that holds no users out, or of an adversarial model."""
    table = pa.table({"step": [1.0], "loss": [2.0], "held_out_loss": [None]})
    pq.write_table(table, run / HISTORY)
    assert load(run).history["held_out_loss"] == [None]
