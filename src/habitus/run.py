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
from collections.abc import Container
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Self

import pyarrow as pa
import pyarrow.parquet as pq
import safetensors.torch
import torch
from pydantic import Field, model_validator
from safetensors import SafetensorError
from torch import Tensor

from habitus.events.format import LogRecord
from habitus.files import MARKER, check_outputs, replacing
from habitus.history import HISTORY, History, read_history
from habitus.models import MODELS
from habitus.models.base import Model, shapes_of
from habitus.models.parts.priors import Mixture, Prior
from habitus.profiles.calendar import CalendarRecord
from habitus.records import (
    Header,
    Record,
    check_plain,
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

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(self.variance) != len(self.kl):
            raise ValueError(f"{len(self.variance)} variances and {len(self.kl)} KL of latents")
        return self


class AttributesRecord(Record):
    """Combinations of the training users' attributes, codes [K, A], and users with each, [K]."""

    values: tuple[tuple[Count, ...], ...]
    users: tuple[Count, ...]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(self.values) != len(self.users) or len(set(map(len, self.values))) > 1:
            raise ValueError("combinations of attributes, and users with each, that do not fit")
        if not sum(self.users):
            raise ValueError("combinations of attributes that no user has")
        return self


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
    model = _build_model(path, header, tensors)
    load_state(model, tensors, path / WEIGHTS)
    _check_latents(path, header.about, getattr(model, "latents", 0))
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


def _check_latents(path: Path, about: RunAbout, latents: int) -> None:
    """Refuse a record of latents that is of another number of them than the model has.

    Raises:
        ValueError: naming both numbers.
    """
    if about.latents is not None and len(about.latents.kl) != latents:
        raise ValueError(
            f"{path / MARKER} is damaged or foreign: expected {latents} latents at about.latents, "
            f"got {len(about.latents.kl)}"
        )


def _build_model(
    path: Path, header: ProfileRunHeader | SeriesRunHeader, tensors: dict[str, Tensor]
) -> Model:
    """Make the model that a run's JSON describes, with fresh weights.

    Its shapes are compared with those of the weights before any of it is allocated.

    Args:
        path: Folder of the run, for messages.
        header: Its JSON.
        tensors: Its weights.
    """
    kind = MODELS[header.model]
    try:
        config = kind.Config(**header.config)
        expected = shapes_of(kind, header.axes, config)
    except (ValueError, RuntimeError, OverflowError) as error:
        raise ValueError(f"{path / MARKER} is damaged or foreign: {first_line(error)}") from None
    check_shapes(expected, tensors, path / WEIGHTS)
    return kind(header.axes, config)


def mixture_of(tensors: dict[str, Tensor], latents: int, path: Path) -> Mixture:
    """Build a mixture prior from its tensors: weights [K], means [K, Z] and scales [K, Z, Z].

    Raises:
        ValueError: naming the file, if one is missing, of another shape, or holds NaN.
    """
    weights = tensors.get("weights")
    size = len(weights) if weights is not None and weights.ndim else 0
    expected = {
        "weights": (size,),
        "means": (size, latents),
        "scales": (size, latents, latents),
    }
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if found != expected:
        raise ValueError(f"{path} is damaged: expected a prior of shapes {expected}, got {found}")
    check_finite(tensors, path)
    mixture = Mixture(**tensors)
    if not size or (mixture.weights < 0).any() or not mixture.weights.sum() > 0:
        raise ValueError(
            f"{path} is damaged: expected weights of a prior, at least one above 0 and none below"
        )
    return mixture


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
    check_plain(path)
    try:
        return safetensors.torch.load_file(path)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is missing or damaged: {first_line(error)}") from None


def check_finite(tensors: dict[str, Tensor], path: Path, bounds: Container[str] = ()) -> None:
    """Refuse tensors with NaN or infinity.

    Args:
        tensors: Tensors by name.
        path: Their file, for messages.
        bounds: Names of tensors that may hold infinity, as limits of intervals do.

    Raises:
        ValueError: naming the first.
    """
    for name, tensor in tensors.items():
        if tensor.isnan().any() or (name not in bounds and tensor.isinf().any()):
            raise ValueError(
                f"{path} is damaged: expected finite numbers in {name}, got NaN or infinity"
            )


def load_state(module: torch.nn.Module, tensors: dict[str, Tensor], path: Path) -> None:
    """Put tensors into a module.

    Raises:
        ValueError: if they are not exactly those that the module has, or hold NaN.
    """
    own = module.state_dict()
    check_shapes({name: tuple(tensor.shape) for name, tensor in own.items()}, tensors, path)
    check_finite(tensors, path, {name for name, _ in module.named_buffers()})
    module.load_state_dict(tensors)


def check_shapes(
    expected: dict[str, tuple[int, ...]], tensors: dict[str, Tensor], path: Path
) -> None:
    """Refuse tensors that are not exactly those that a module has.

    Raises:
        ValueError: naming the first that differs.
    """
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    odd = next(
        (n for n in sorted(expected.keys() | found.keys()) if expected.get(n) != found.get(n)), None
    )
    if odd is not None:
        raise ValueError(
            f"{path} is of another model: {odd} should be {expected.get(odd, 'absent')} and is "
            f"{found.get(odd, 'absent')}"
        )
