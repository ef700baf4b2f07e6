"""habitus learns the habits in event logs, and generates populations you can trust.

    events ──profile──▶ profiles ──fit──▶ run ──generate──▶ profiles ──evaluate──▶ report
                                           └──traverse, explain, cluster──▶ what it has learned

Each noun is a type (``EventLog``, ``Profiles``, ``Run``, ``Evaluation``), each arrow a function. A generated
population is ``Profiles``, as the real one is, so everything that works on one works on the other:

    log = habitus.EventLog.open("events.parquet", user="user_id", time="timestamp", channel="platform")
    profiles = habitus.profile(log)
    train, test = profiles.split(test=0.26, seed=0)
    run = habitus.fit(habitus.BetaVAE, train, out="runs/vae")
    generated = habitus.generate(run, users=5000, seed=1)
    found = habitus.evaluate(generated, test, train)
    habitus.write_report("report.html", found, generated, test)

Names are looked up when they are first used, so ``import habitus`` is quick and torch comes only where needed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from habitus.evaluation import Evaluation, evaluate
    from habitus.events import EventLog
    from habitus.models.context_mixture.model import ContextMixture, ContextMixtureConfig
    from habitus.models.pictures.beta_vae import BetaVAE, BetaVAEConfig
    from habitus.models.pictures.context_vae import ContextVAE, ContextVAEConfig
    from habitus.models.recurrent.dlgm import DLGM, DLGMConfig
    from habitus.models.recurrent.lstm_gru import GRU, LSTM, RecurrentConfig
    from habitus.models.recurrent.tdlgm import TDLGM, TDLGMConfig
    from habitus.models.recurrent.timegan import TimeGAN, TimeGANConfig
    from habitus.models.recurrent.vrnn import VRNN, VRNNConfig
    from habitus.open import load
    from habitus.profiles.build import ProfileConfig, profile
    from habitus.profiles.completed import Completed, StoredCompleted
    from habitus.profiles.describe import Description
    from habitus.profiles.sparse import Profiles
    from habitus.profiles.store import StoredProfiles
    from habitus.report import write_report
    from habitus.run import Run
    from habitus.schema import Axes
    from habitus.series import Series, read_series, write_series
    from habitus.sweeps import sweep
    from habitus.synthesis import complete, forecast, generate
    from habitus.synthesis.latents.cohorts.clustering import cluster
    from habitus.synthesis.latents.explanation import explain
    from habitus.synthesis.latents.traversal import traverse
    from habitus.training.config import FitConfig
    from habitus.training.fit import fit

_HOME = {
    "Axes": "habitus.schema",
    "BetaVAE": "habitus.models.pictures.beta_vae",
    "BetaVAEConfig": "habitus.models.pictures.beta_vae",
    "Completed": "habitus.profiles.completed",
    "ContextMixture": "habitus.models.context_mixture.model",
    "ContextMixtureConfig": "habitus.models.context_mixture.model",
    "ContextVAE": "habitus.models.pictures.context_vae",
    "ContextVAEConfig": "habitus.models.pictures.context_vae",
    "DLGM": "habitus.models.recurrent.dlgm",
    "DLGMConfig": "habitus.models.recurrent.dlgm",
    "Description": "habitus.profiles.describe",
    "Evaluation": "habitus.evaluation",
    "EventLog": "habitus.events",
    "FitConfig": "habitus.training.config",
    "GRU": "habitus.models.recurrent.lstm_gru",
    "LSTM": "habitus.models.recurrent.lstm_gru",
    "ProfileConfig": "habitus.profiles.build",
    "Profiles": "habitus.profiles.sparse",
    "RecurrentConfig": "habitus.models.recurrent.lstm_gru",
    "Run": "habitus.run",
    "Series": "habitus.series",
    "StoredCompleted": "habitus.profiles.completed",
    "StoredProfiles": "habitus.profiles.store",
    "TDLGM": "habitus.models.recurrent.tdlgm",
    "TDLGMConfig": "habitus.models.recurrent.tdlgm",
    "TimeGAN": "habitus.models.recurrent.timegan",
    "TimeGANConfig": "habitus.models.recurrent.timegan",
    "VRNN": "habitus.models.recurrent.vrnn",
    "VRNNConfig": "habitus.models.recurrent.vrnn",
    "cluster": "habitus.synthesis.latents.cohorts.clustering",
    "complete": "habitus.synthesis",
    "evaluate": "habitus.evaluation",
    "explain": "habitus.synthesis.latents.explanation",
    "fit": "habitus.training.fit",
    "forecast": "habitus.synthesis",
    "generate": "habitus.synthesis",
    "load": "habitus.open",
    "profile": "habitus.profiles.build",
    "read_series": "habitus.series",
    "sweep": "habitus.sweeps",
    "traverse": "habitus.synthesis.latents.traversal",
    "write_report": "habitus.report",
    "write_series": "habitus.series",
}

__all__ = [
    "DLGM",
    "GRU",
    "LSTM",
    "TDLGM",
    "VRNN",
    "Axes",
    "BetaVAE",
    "BetaVAEConfig",
    "Completed",
    "ContextMixture",
    "ContextMixtureConfig",
    "ContextVAE",
    "ContextVAEConfig",
    "DLGMConfig",
    "Description",
    "Evaluation",
    "EventLog",
    "FitConfig",
    "ProfileConfig",
    "Profiles",
    "RecurrentConfig",
    "Run",
    "Series",
    "StoredCompleted",
    "StoredProfiles",
    "TDLGMConfig",
    "TimeGAN",
    "TimeGANConfig",
    "VRNNConfig",
    "cluster",
    "complete",
    "evaluate",
    "explain",
    "fit",
    "forecast",
    "generate",
    "load",
    "profile",
    "read_series",
    "sweep",
    "traverse",
    "write_report",
    "write_series",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("habitus")
    if name not in _HOME:
        raise AttributeError(f"module 'habitus' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOME[name]), name)
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
