"""A run on disk: a fitted model, or one still being fitted, with its history and where it came from.

A run is a folder:

=======================  ====================================================================================
habitus.json             model, settings, axes, versions, the training set's daily active users, progress
weights.safetensors      the model, and the mixture prior fitted to it; there once the fit is complete
checkpoint.safetensors   the model, the optimiser and the history so far, from which ``--resume`` goes on
history.parquet          one row per recorded step: losses on training and held-out users
cohorts.json             the latest cohorts of its users, once there are any
cohorts.safetensors      their numbers, from which users of a cohort are drawn
=======================  ====================================================================================

Each file is written beside its place and renamed, so a run killed at any moment is whole. No file is ever executed:
settings are JSON and tensors are safetensors.
"""

from __future__ import annotations

import hashlib
import platform
from dataclasses import asdict, dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from habitus.files import replacing
from habitus.models import MODELS
from habitus.models.base import Model
from habitus.models.parts.priors import Mixture, Prior
from habitus.profiles.store import header_errors, read_header
from habitus.records import write_header

KIND = "run"
VERSION = 1
WEIGHTS = "weights.safetensors"
CHECKPOINT = "checkpoint.safetensors"
PRIOR = "prior."
HISTORY = "history.parquet"

History = dict[str, list[float | None]]


@dataclass(frozen=True)
class Run:
    """A fitted model.

    Attributes:
        model: The model, ready to draw from.
        mixture: The Gaussian mixture fitted to the training users' posterior; None where the model has no latents.
        fit: The settings of the fit.
        history: A list per column, a row per recorded step.
        about: Where it came from: versions, data, the share of training users active on each day.
        path: Its folder, or None where it was never saved.
    """

    model: Model
    mixture: Mixture | None
    fit: dict[str, Any]
    history: History
    about: dict[str, Any]
    path: Path | None = None

    def prior(self, name: str) -> Prior | None:
        """The prior of a name: mixture, or normal for N(0, I), for which None stands.

        Raises:
            ValueError: for another name, or a mixture that the run does not have.
        """
        if name == "normal":
            return None
        if name != "mixture":
            raise ValueError(f"prior must be normal or mixture, got {name!r}")
        if self.mixture is None and self.model.learns_prior:
            return None  # its own prior is a mixture, learnt with it
        if self.mixture is None:
            raise ValueError("this run has no mixture prior; use --prior normal")
        return self.mixture

    def save(self, path: Path | str) -> Run:
        """Write the finished run; an unfinished one at ``path`` becomes this one."""
        path = Path(path)
        path.mkdir(parents=True, exist_ok=True)
        tensors = dict(self.model.state_dict())
        if self.mixture is not None:
            tensors |= {PRIOR + name: tensor for name, tensor in self.mixture.state_dict().items()}
        save_tensors(path / WEIGHTS, tensors)
        write_history(path, self.history)
        write_run_header(path, self.model, self.fit, {**self.about, "complete": True})
        (path / CHECKPOINT).unlink(missing_ok=True)
        return Run(self.model, self.mixture, self.fit, self.history, self.about, path)


def load(path: Path | str) -> Run:
    """Read a finished run.

    Raises:
        ValueError: if it is not a run, is not finished, or a file of it is damaged or of another model.
    """
    path = Path(path)
    header = read_header(path, KIND, VERSION)
    with header_errors(path):
        complete = header["about"].get("complete")
        model = build_model(header)
    if not complete:
        raise ValueError(
            f"the run in {path} is not finished; go on with habitus fit ... --resume --out {path}"
        )
    tensors = load_tensors(path / WEIGHTS)
    prior = {
        name.removeprefix(PRIOR): tensors.pop(name)
        for name in list(tensors)
        if name.startswith(PRIOR)
    }
    load_state(model, tensors, path / WEIGHTS)
    mixture = Mixture(prior["weights"], prior["means"], prior["scales"]) if prior else None
    history = read_history(path)
    return Run(model.eval(), mixture, header["fit"], history, header["about"], path)


def fingerprint(model: Model) -> str:
    """What tells a model's weights from those of any other: 16 hexadecimal digits of their SHA-256."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def write_run_header(path: Path, model: Model, fit: dict[str, Any], about: dict[str, Any]) -> None:
    """Write the JSON of a run."""
    name = MODELS.name_of(type(model))
    config = asdict(model.config)
    write_header(
        path,
        KIND,
        VERSION,
        model=name,
        config=config,
        fit=fit,
        axes=model.axes.to_json(),
        about=about,
    )


def build_model(header: dict[str, Any]) -> Model:
    """A model with the settings of a run's JSON and fresh weights.

    Raises:
        ValueError: for a model or setting that this version does not know.
    """
    kind = MODELS.get(header["model"])
    if kind is None:
        raise ValueError(f"unknown model {header['model']!r}; this habitus has {', '.join(MODELS)}")
    return kind(
        kind.axes_kind.from_json(header["axes"]), config_from(kind.Config, header["config"])
    )


def config_from(kind: type[Any], settings: dict[str, Any]) -> Any:
    """A settings dataclass from a dictionary.

    Raises:
        ValueError: for a setting that there is not.
    """
    known = {field.name for field in fields(kind)}
    for name in settings:
        if name not in known:
            raise ValueError(f"no setting {name!r}; {kind.__name__} has {', '.join(sorted(known))}")
    return kind(**settings)


def save_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write tensors, contiguous and on the CPU, to a safetensors file."""
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with replacing(path) as part:
        part.write_bytes(safetensors.torch.save(whole))  # its own writing hides that a disk is full


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file.

    Raises:
        ValueError: if it is missing or damaged.
    """
    try:
        return safetensors.torch.load_file(path)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is missing or damaged: {error}") from None


def load_state(module: torch.nn.Module, tensors: dict[str, Tensor], path: Path) -> None:
    """Put tensors into a module.

    Raises:
        ValueError: if they are not exactly those that the module has.
    """
    expected = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    odd = next(
        (n for n in sorted(expected.keys() | found.keys()) if expected.get(n) != found.get(n)), None
    )
    if odd is not None:
        raise ValueError(
            f"{path} is of another model: {odd} should be {expected.get(odd, 'absent')} and is "
            f"{found.get(odd, 'absent')}"
        )
    module.load_state_dict(tensors)


def write_history(path: Path, history: History) -> None:
    """Write the history of a run into its folder."""
    with replacing(path / HISTORY) as part:
        pq.write_table(pa.table(history), part)


def read_history(path: Path) -> History:
    """The history of a finished run.

    Raises:
        ValueError: if it is missing or damaged.
    """
    try:
        return pq.read_table(path / HISTORY).to_pydict()
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path / HISTORY} is missing or damaged: {error}") from None


def curves(history: History) -> dict[str, list[float]]:
    """A history as a report draws it: held-out losses without their gaps, beside their own ``held_out_step``."""
    judged = [loss is not None for loss in history.get("held_out_loss", [])]
    columns = history | ({"held_out_step": history["step"]} if any(judged) else {})
    kept = {
        name: [value for value, at in zip(column, judged, strict=True) if at]
        if "held_out" in name
        else column
        for name, column in columns.items()
    }
    return {
        name: [float("nan") if v is None else v for v in column] for name, column in kept.items()
    }


def versions() -> dict[str, Any]:
    """Versions of habitus and of what the numbers depend on."""
    return {
        "versions": {
            "python": platform.python_version(),
            **{n: version(n) for n in ("habitus", "torch", "numpy")},
        }
    }
