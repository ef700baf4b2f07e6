"""The registry of models: one line each."""

from __future__ import annotations

from habitus.models.base import Model
from habitus.models.beta_vae import BetaVAE
from habitus.models.context_mixture import ContextMixture
from habitus.models.context_vae import ContextVAE

MODELS: dict[str, type[Model]] = {
    "beta-vae": BetaVAE,
    "context-vae": ContextVAE,
    "context-mixture": ContextMixture,
}
