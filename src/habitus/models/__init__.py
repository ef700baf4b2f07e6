"""The registry of models: one line each, imported when the model is looked up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from habitus.models.base import Model


class Registry(Mapping[str, "type[Model]"]):
    """Models by the name that the command line and runs on disk use; the flagship comes first.

    A lookup imports that model's module, so that listing the names loads neither torch nor any model.
    """

    def __init__(self, homes: dict[str, str]) -> None:
        self._homes = homes

    def __getitem__(self, name: str) -> type[Model]:
        module, _, kind = self._homes[name].rpartition(".")
        return getattr(import_module(module), kind)

    def __iter__(self) -> Iterator[str]:
        return iter(self._homes)

    def __len__(self) -> int:
        return len(self._homes)

    def __contains__(self, name: object) -> bool:
        return name in self._homes

    def name_of(self, kind: type[Model]) -> str:
        """Name under which a model's class is registered, without importing the other models.

        Raises:
            KeyError: for a class that is not in the registry.
        """
        path = f"{kind.__module__}.{kind.__qualname__}"
        for name, home in self._homes.items():
            if home == path:
                return name
        raise KeyError(path)


MODELS = Registry(
    {
        "beta-vae": "habitus.models.pictures.beta_vae.BetaVAE",
        "context-vae": "habitus.models.pictures.context_vae.ContextVAE",
        "context-mixture": "habitus.models.context_mixture.model.ContextMixture",
        "rhythm": "habitus.models.rhythm.model.Rhythm",
        "lstm": "habitus.models.recurrent.lstm_gru.LSTM",
        "gru": "habitus.models.recurrent.lstm_gru.GRU",
        "dlgm": "habitus.models.recurrent.dlgm.DLGM",
        "tdlgm": "habitus.models.recurrent.tdlgm.TDLGM",
        "vrnn": "habitus.models.recurrent.vrnn.VRNN",
        "timegan": "habitus.models.recurrent.timegan.TimeGAN",
    }
)
