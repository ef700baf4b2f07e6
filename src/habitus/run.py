"""Run on disk: a fitted model, or one still being fitted, with its history and provenance.

A run is a folder:

=======================  ===========================================================================
habitus.json             model, settings, axes, versions, the training set's daily active users,
                         progress
weights.safetensors      the model, and the mixture prior fitted to it; there once the fit is
                         complete
checkpoint.safetensors   the model, the optimiser and the history so far, from which ``--resume``
                         goes on
history.parquet          one row per recorded step: losses on training and held-out users
cohorts.json             the latest cohorts of its users, once there are any
cohorts.safetensors      their numbers, from which users of a cohort are drawn
=======================  ===========================================================================

Each file is written beside its place and renamed, so a run killed at any moment is whole. No file
is ever executed: settings are JSON and tensors are safetensors.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.parquet as pq
import safetensors.torch
import torch
from pydantic import Field
from safetensors import SafetensorError
from torch import Tensor

from habitus.events.format import LogRecord
from habitus.files import MARKER, check_outputs, replacing
from habitus.history import HISTORY, History, read_history
from habitus.models import MODELS
from habitus.models.base import Model
from habitus.models.parts.priors import Mixture, Prior
from habitus.profiles.calendar import CalendarRecord
from habitus.records import (
    Header,
    Record,
    first_line,
    read_header,
    write_header,
)
from habitus.schema import Axes, SeriesAxes

KIND = "run"
VERSION = 1
WEIGHTS = "weights.safetensors"
CHECKPOINT = "checkpoint.safetensors"
PRIOR = "prior."

Count = Annotated[int, Field(ge=0)]
PortionOfUsers = Annotated[float, Field(ge=0, le=1)]


class LatentsRecord(Record):
    """Learned variance and KL of each latent dimension over the training users, [Z] each."""

    variance: tuple[float, ...]
    kl: tuple[float, ...]


class AttributesRecord(Record):
    """Combinations of the training users' attributes, codes [K, A], and users with each, [K]."""

    values: tuple[tuple[Count, ...], ...]
    users: tuple[Count, ...]


class RunAbout(Record):
    """Provenance of a run, as far as habitus reads it again."""

    complete: bool = False
    data: dict[str, float] | None = None
    profiles: Count | None = None
    active_share: tuple[PortionOfUsers, ...] | None = None
    log: LogRecord | None = None
    calendar: CalendarRecord | None = None
    attributes: AttributesRecord | None = None
    latents: LatentsRecord | None = None
    conditions_met: PortionOfUsers | None = None
    precision: str | None = None
    threads: tuple[Annotated[int, Field(ge=1)], ...] | None = None
    collapsed: bool | None = None


class RunHeader(Header):
    """The ``habitus.json`` of a run; the axes are checked once the model is known."""

    model: str
    config: dict[str, Any]
    fit: dict[str, Any]
    axes: dict[str, Any]
    about: RunAbout


class ProfileRunHeader(RunHeader):
    """The ``habitus.json`` of a run of a model of profiles."""

    axes: Axes  # pyright: ignore[reportIncompatibleVariableOverride]


class SeriesRunHeader(RunHeader):
    """The ``habitus.json`` of a run of a model of series."""

    axes: SeriesAxes  # pyright: ignore[reportIncompatibleVariableOverride]


HEADERS = {Axes: ProfileRunHeader, SeriesAxes: SeriesRunHeader}


@dataclass(frozen=True)
class Run:
    """Fitted model with its history.

    Attributes:
        model: The model, ready to draw from.
        mixture: The Gaussian mixture fitted to the training users' posterior; None where the model
            has no latents.
        fit: The settings of the fit.
        history: A list per column, a row per recorded step.
        about: Provenance: versions, data, the share of training users active on each day; see
            :class:`RunAbout`.
        path: Its folder, or None where it was never saved.
    """

    model: Model
    mixture: Mixture | None
    fit: dict[str, Any]
    history: History
    about: dict[str, Any]
    path: Path | None = None

    def prior(self, name: str) -> Prior | None:
        """Look up a prior by name: mixture, or normal for N(0, I), for which None stands.

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
        """Write the finished run; an earlier one at ``path`` becomes this one.

        Raises:
            ValueError: if another folder stands there.
        """
        path = Path(path)
        check_outputs("save", {KIND: path}, continued=True)
        if (path / MARKER).is_file():
            read_header(path, KIND, VERSION, Header)
        path.mkdir(parents=True, exist_ok=True)
        tensors = dict(self.model.state_dict())
        if self.mixture is not None:
            tensors |= {PRIOR + name: tensor for name, tensor in self.mixture.state_dict().items()}
        save_tensors(path / WEIGHTS, tensors)
        with replacing(path / HISTORY) as part:
            pq.write_table(pa.table(self.history), part)
        write_run_header(path, self.model, self.fit, {**self.about, "complete": True})
        (path / CHECKPOINT).unlink(missing_ok=True)
        return Run(self.model, self.mixture, self.fit, self.history, self.about, path)


def load(path: Path | str) -> Run:
    """Read a finished run.

    Raises:
        ValueError: if it is not a run, is not finished, or a file of it is damaged or of another
            model.
    """
    path = Path(path)
    header = read_run_header(path)
    if not header.about.complete:
        raise ValueError(
            f"the run in {path} is not finished; go on with habitus fit ... --resume --out {path}"
        )
    tensors = load_tensors(path / WEIGHTS)
    prior = {
        name.removeprefix(PRIOR): tensors.pop(name)
        for name in list(tensors)
        if name.startswith(PRIOR)
    }
    model = _build_model(path, header, sum(tensor.numel() for tensor in tensors.values()))
    load_state(model, tensors, path / WEIGHTS)
    mixture = mixture_of(prior, getattr(model, "latents", 0), path / WEIGHTS) if prior else None
    content = header.content
    return Run(model.eval(), mixture, content["fit"], read_history(path), content["about"], path)


def read_run_header(path: Path) -> ProfileRunHeader | SeriesRunHeader:
    """Read the JSON of a run, finished or not.

    Raises:
        ValueError: if the folder is no run, of a model that this version does not know, or its JSON
            is damaged.
    """
    name = read_header(path, KIND, VERSION, RunHeader).model
    if name not in MODELS:
        raise ValueError(f"unknown model {name!r}; this habitus has {', '.join(MODELS)}")
    header = read_header(path, KIND, VERSION, HEADERS[MODELS[name].axes_kind])
    share = header.about.active_share
    if isinstance(header, ProfileRunHeader) and share and len(share) != header.axes.days:
        raise ValueError(
            f"{path / MARKER} is damaged or foreign: expected an active_share of "
            f"{header.axes.days} days, got {len(share)}"
        )
    return header


def is_complete(path: Path) -> bool:
    """Tell whether a folder holds a run whose fit is complete; false where it was never begun.

    Raises:
        ValueError: if the folder's JSON is damaged.
    """
    return (path / MARKER).is_file() and read_header(path, KIND, VERSION, RunHeader).about.complete


def _build_model(path: Path, header: ProfileRunHeader | SeriesRunHeader, numbers: int) -> Model:
    """Make the model that a run's JSON describes, with fresh weights.

    Args:
        path: Folder of the run, for messages.
        header: Its JSON.
        numbers: Numbers in its weights; no size among the settings can be larger.
    """
    kind = MODELS[header.model]
    try:
        config = kind.Config(**header.config)
        for name, value in asdict(config).items():
            if isinstance(value, int) and name != "window" and value > numbers:
                raise ValueError(
                    f"{name} {value} is more than all weights, of which there are {numbers}"
                )
        return kind(header.axes, config)
    except (ValueError, RuntimeError, MemoryError, OverflowError) as error:
        raise ValueError(f"{path / MARKER} is damaged or foreign: {first_line(error)}") from None


def mixture_of(tensors: dict[str, Tensor], latents: int, path: Path) -> Mixture:
    """Build a mixture prior from its tensors: weights [K], means [K, Z] and scales [K, Z, Z].

    Raises:
        ValueError: naming the file, if one is missing, of another shape, or holds NaN.
    """
    size = len(tensors.get("weights", ()))
    expected = {
        "weights": (size,),
        "means": (size, latents),
        "scales": (size, latents, latents),
    }
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if found != expected:
        raise ValueError(f"{path} is damaged: expected a prior of shapes {expected}, got {found}")
    check_no_nan(tensors, path)
    return Mixture(**tensors)


def fingerprint(model: Model) -> str:
    """Fingerprint of a model's weights: 16 hexadecimal digits of their SHA-256."""
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
        raise ValueError(f"{path} is missing or damaged: {first_line(error)}") from None


def check_no_nan(tensors: dict[str, Tensor], path: Path) -> None:
    """Refuse tensors with NaN.

    Raises:
        ValueError: naming the first.
    """
    for name, tensor in tensors.items():
        if tensor.isnan().any():
            raise ValueError(f"{path} is damaged: expected numbers in {name}, got NaN")


def load_state(module: torch.nn.Module, tensors: dict[str, Tensor], path: Path) -> None:
    """Put tensors into a module.

    Raises:
        ValueError: if they are not exactly those that the module has, or hold NaN.
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
    check_no_nan(tensors, path)
    module.load_state_dict(tensors)
