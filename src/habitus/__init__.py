"""habitus learns the habits in event logs and series, and generates populations you can trust.

    events ──profile──▶ profiles ──fit──▶ run ──generate──▶ profiles ──evaluate──▶ report
                                           ├──complete, forecast──▶ filled profiles
                                           ├──score──▶ how likely each user is
                                           └──traverse, explain, cluster──▶ what it has learned

Each noun is a type (``EventLog``, ``Profiles``, ``Run``, ``Evaluation``), each arrow a function. A
generated population is ``Profiles``, as the real one is, so everything that works on one works on
the other:

    log = habitus.EventLog.open("log.parquet", user="user_id", time="timestamp", channel="platform")
    profiles = habitus.profile(log)
    train, test = profiles.split(test=0.26, seed=0)
    run = habitus.fit(habitus.Rhythm, train, out="runs/rhythm")
    generated = habitus.generate(run, users=5000, seed=1)
    found = habitus.evaluate(generated, test, train)
    habitus.write_report("report.html", found, generated, test)

``fit``, ``generate``, ``complete``, ``forecast`` and ``evaluate`` take series as well:

    series = habitus.read_series("jobs.csv", ["gpu"])
    run = habitus.fit(habitus.TDLGM, series, out="runs/jobs")
    ahead = habitus.forecast(run, series, steps=24)

Names are looked up when they are first used, so ``import habitus`` is quick and torch comes only
where it is needed.
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
    from habitus.models.rhythm.config import RhythmConfig
    from habitus.models.rhythm.model import Rhythm
    from habitus.open import load
    from habitus.profiles.build import ProfileConfig, profile
    from habitus.profiles.completed import Completed, StoredCompleted
    from habitus.profiles.describe import Description, describe
    from habitus.profiles.sparse import Profiles
    from habitus.profiles.store import StoredProfiles
    from habitus.report import write_report
    from habitus.run import Run
    from habitus.schema import Axes, Progress
    from habitus.series import Series, read_series, write_series
    from habitus.sweeps import sweep
    from habitus.synthesis import (
        CleanConfig,
        Noise,
        Scores,
        clean,
        complete,
        forecast,
        generate,
        score,
    )
    from habitus.synthesis.latents.cohorts.clustering import cluster
    from habitus.synthesis.latents.explanation import explain
    from habitus.synthesis.latents.traversal import traverse
    from habitus.training.config import FitConfig
    from habitus.training.fit import fit

_NAMES = {
    "habitus.evaluation": "Evaluation evaluate",
    "habitus.events": "EventLog",
    "habitus.models.context_mixture.model": "ContextMixture ContextMixtureConfig",
    "habitus.models.pictures.beta_vae": "BetaVAE BetaVAEConfig",
    "habitus.models.pictures.context_vae": "ContextVAE ContextVAEConfig",
    "habitus.models.recurrent.dlgm": "DLGM DLGMConfig",
    "habitus.models.recurrent.lstm_gru": "GRU LSTM RecurrentConfig",
    "habitus.models.recurrent.tdlgm": "TDLGM TDLGMConfig",
    "habitus.models.recurrent.timegan": "TimeGAN TimeGANConfig",
    "habitus.models.recurrent.vrnn": "VRNN VRNNConfig",
    "habitus.models.rhythm.config": "RhythmConfig",
    "habitus.models.rhythm.model": "Rhythm",
    "habitus.open": "load",
    "habitus.profiles.build": "ProfileConfig profile",
    "habitus.profiles.completed": "Completed StoredCompleted",
    "habitus.profiles.describe": "Description describe",
    "habitus.profiles.sparse": "Profiles",
    "habitus.profiles.store": "StoredProfiles",
    "habitus.report": "write_report",
    "habitus.run": "Run",
    "habitus.schema": "Axes Progress",
    "habitus.series": "Series read_series write_series",
    "habitus.sweeps": "sweep",
    "habitus.synthesis": "CleanConfig Noise Scores clean complete forecast generate score",
    "habitus.synthesis.latents.cohorts.clustering": "cluster",
    "habitus.synthesis.latents.explanation": "explain",
    "habitus.synthesis.latents.traversal": "traverse",
    "habitus.training.config": "FitConfig",
    "habitus.training.fit": "fit",
}
_HOME = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = [  # noqa: RUF022 - in the order of the flow, the flagship first
    "Rhythm", "RhythmConfig",
    "EventLog", "Axes", "ProfileConfig", "profile", "Profiles", "StoredProfiles", "describe",
    "Description", "Series", "read_series", "write_series", "load",
    "fit", "FitConfig", "Run", "Progress",
    "generate", "complete", "forecast", "clean", "score",
    "CleanConfig", "Noise", "Scores", "Completed", "StoredCompleted",
    "evaluate", "Evaluation", "write_report",
    "traverse", "explain", "cluster", "sweep",
    "BetaVAE", "BetaVAEConfig", "ContextVAE", "ContextVAEConfig", "ContextMixture",
    "ContextMixtureConfig",
    "TDLGM", "TDLGMConfig", "DLGM", "DLGMConfig", "VRNN", "VRNNConfig", "LSTM", "GRU",
    "RecurrentConfig", "TimeGAN", "TimeGANConfig",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("habitus")
    if name not in _HOME:
        raise AttributeError(f"module 'habitus' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOME[name]), name)
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
