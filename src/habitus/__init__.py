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
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from habitus.describe import Description
    from habitus.evaluation import Evaluation, evaluate
    from habitus.events import EventLog
    from habitus.folders import load
    from habitus.models.beta_vae import BetaVAE, BetaVAEConfig
    from habitus.models.context_mixture import ContextMixture, ContextMixtureConfig
    from habitus.models.context_vae import ContextVAE, ContextVAEConfig
    from habitus.models.dlgm import DLGM, DLGMConfig
    from habitus.models.recurrent import GRU, LSTM, RecurrentConfig
    from habitus.models.tdlgm import TDLGM, TDLGMConfig
    from habitus.models.timegan import TimeGAN, TimeGANConfig
    from habitus.models.vrnn import VRNN, VRNNConfig
    from habitus.parts.shapes import Axes
    from habitus.profiles.build import ProfileConfig, profile
    from habitus.profiles.completed import Completed, StoredCompleted
    from habitus.profiles.sparse import Profiles
    from habitus.profiles.store import StoredProfiles
    from habitus.report import write_report
    from habitus.run import Run
    from habitus.series import Series, read_series, write_series
    from habitus.sweeps import sweep
    from habitus.synthesis import complete, forecast, generate
    from habitus.synthesis.cohorts.clustering import cluster
    from habitus.synthesis.explanation import explain
    from habitus.synthesis.traversal import traverse
    from habitus.training import FitConfig, fit

__version__ = version("habitus")

_HOME = {
    "Axes": "habitus.parts.shapes",
    "BetaVAE": "habitus.models.beta_vae",
    "BetaVAEConfig": "habitus.models.beta_vae",
    "Completed": "habitus.profiles.completed",
    "ContextMixture": "habitus.models.context_mixture",
    "ContextMixtureConfig": "habitus.models.context_mixture",
    "ContextVAE": "habitus.models.context_vae",
    "ContextVAEConfig": "habitus.models.context_vae",
    "DLGM": "habitus.models.dlgm",
    "DLGMConfig": "habitus.models.dlgm",
    "Description": "habitus.describe",
    "Evaluation": "habitus.evaluation",
    "EventLog": "habitus.events",
    "FitConfig": "habitus.training",
    "GRU": "habitus.models.recurrent",
    "LSTM": "habitus.models.recurrent",
    "ProfileConfig": "habitus.profiles.build",
    "Profiles": "habitus.profiles.sparse",
    "RecurrentConfig": "habitus.models.recurrent",
    "Run": "habitus.run",
    "Series": "habitus.series",
    "StoredCompleted": "habitus.profiles.completed",
    "StoredProfiles": "habitus.profiles.store",
    "TDLGM": "habitus.models.tdlgm",
    "TDLGMConfig": "habitus.models.tdlgm",
    "TimeGAN": "habitus.models.timegan",
    "TimeGANConfig": "habitus.models.timegan",
    "VRNN": "habitus.models.vrnn",
    "VRNNConfig": "habitus.models.vrnn",
    "cluster": "habitus.synthesis.cohorts.clustering",
    "complete": "habitus.synthesis",
    "evaluate": "habitus.evaluation",
    "explain": "habitus.synthesis.explanation",
    "fit": "habitus.training",
    "forecast": "habitus.synthesis",
    "generate": "habitus.synthesis",
    "load": "habitus.folders",
    "profile": "habitus.profiles.build",
    "read_series": "habitus.series",
    "sweep": "habitus.sweeps",
    "traverse": "habitus.synthesis.traversal",
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
    if name not in _HOME:
        raise AttributeError(f"module 'habitus' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOME[name]), name)
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
