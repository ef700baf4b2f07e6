"""The registry of models: one line each, imported when the model is looked up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from habitus.models.base import Model


class Entry(NamedTuple):
    """Row of the registry.

    Attributes:
        home: Module and name of the class.
        fitted_to: ``profiles`` or ``series``.
        purpose: What the model is for, in a line.
    """

    home: str
    fitted_to: str
    purpose: str


class Registry(Mapping[str, "type[Model]"]):
    """Models by their name on the command line and in runs on disk.

    A lookup imports that model's module, so that listing the names loads neither torch nor any
    model.
    """

    def __init__(self, entries: dict[str, Entry]) -> None:
        self.entries = entries

    def __getitem__(self, name: str) -> type[Model]:
        module, _, kind = self.entries[name].home.rpartition(".")
        return getattr(import_module(module), kind)

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __contains__(self, name: object) -> bool:
        return name in self.entries

    def name_of(self, kind: type[Model]) -> str:
        """Look up the name of a model's class, without importing the other models.

        Raises:
            KeyError: for a class that is not in the registry.
        """
        path = f"{kind.__module__}.{kind.__qualname__}"
        for name, entry in self.entries.items():
            if entry.home == path:
                return name
        raise KeyError(path)


MODELS = Registry(
    {
        "rhythm": Entry(
            "habitus.models.rhythm.model.Rhythm",
            "profiles",
            "draws and scores users, day by day, whatever their number of days (the default)",
        ),
        "beta-vae": Entry(
            "habitus.models.pictures.beta_vae.BetaVAE",
            "profiles",
            "draws users as pictures; few latents that can be looked at",
        ),
        "context-vae": Entry(
            "habitus.models.pictures.context_vae.ContextVAE",
            "profiles",
            "fills a region of fixed place and size",
        ),
        "context-mixture": Entry(
            "habitus.models.context_mixture.model.ContextMixture",
            "profiles",
            "fills any gap and forecasts, in counts",
        ),
        "tdlgm": Entry(
            "habitus.models.recurrent.tdlgm.TDLGM",
            "series",
            "draws, forecasts, cleans and fills series (the default for series)",
        ),
        "dlgm": Entry(
            "habitus.models.recurrent.dlgm.DLGM",
            "series",
            "deep latent Gaussian model of each step by itself",
        ),
        "vrnn": Entry(
            "habitus.models.recurrent.vrnn.VRNN", "series", "recurrent network with latents"
        ),
        "lstm": Entry("habitus.models.recurrent.lstm_gru.LSTM", "series", "recurrent network"),
        "gru": Entry(
            "habitus.models.recurrent.lstm_gru.GRU", "series", "smaller recurrent network"
        ),
        "timegan": Entry(
            "habitus.models.recurrent.timegan.TimeGAN",
            "series",
            "adversarial network; draws series only",
        ),
    }
)
