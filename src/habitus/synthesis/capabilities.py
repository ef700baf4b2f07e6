"""Checks that a model has a capability, with a one-line error that names models which have it."""

from __future__ import annotations

from typing import TypeVar

from habitus.models.base import (
    AutoregressiveModel,
    CompletingModel,
    GenerativeModel,
    LatentModel,
    Model,
    ProfileModel,
    ScoringModel,
    SeriesModel,
)

M = TypeVar("M", bound=Model)


def _require(model: Model, kind: type[M], problem: str) -> M:
    """Narrow a model to a kind.

    Raises:
        ValueError: naming the model's class and the problem, for a model of another kind.
    """
    if not isinstance(model, kind):
        raise ValueError(f"a {type(model).__name__} {problem}")
    return model


def generative_model(model: Model) -> GenerativeModel:
    """Narrow to a model that draws whole users, or raise a ValueError."""
    return _require(
        model, GenerativeModel,
        "fills what is missing and draws no whole users; use habitus complete, or generate from a "
        "run of another model, such as beta-vae",
    )  # fmt: skip


def completing_model(model: Model) -> CompletingModel:
    """Narrow to a model that fills missing cells, or raise a ValueError."""
    problem = "cannot fill what is missing; fit a context-vae, for example"
    return _require(model, CompletingModel, problem)


def scoring_model(model: Model) -> ScoringModel:
    """Narrow to a model with a likelihood of users, or raise a ValueError."""
    return _require(
        model, ScoringModel,
        "does not say how likely users are; give a run of another model, such as rhythm",
    )  # fmt: skip


def encoding_model(model: Model) -> ProfileModel:
    """Narrow to a model with latents of whole users, or raise a ValueError."""
    problem = "has no latents of whole users; give a run of another model, such as beta-vae"
    found = _require(model, ProfileModel, problem)
    if not found.latents:
        raise ValueError(f"a {type(model).__name__} {problem}")
    return found


def latent_model(model: Model) -> LatentModel:
    """Narrow to a model whose cells depend on the user's latents alone, or raise a ValueError."""
    return _require(
        encoding_model(model), LatentModel,
        "does not draw whole users from their latents alone; give a run of another model, such as "
        "beta-vae",
    )  # fmt: skip


def series_model(model: Model) -> SeriesModel:
    """Narrow to a model of series, or raise a ValueError."""
    return _require(
        model, SeriesModel,
        "is a model of profiles, not of series; give a run of lstm, tdlgm, ...",
    )  # fmt: skip


def autoregressive_model(model: Model) -> AutoregressiveModel:
    """Narrow to a model of series that continues a given past, or raise a ValueError."""
    return _require(
        series_model(model), AutoregressiveModel,
        "draws whole series only, and reads no past; take a run of another model, such as tdlgm",
    )  # fmt: skip
