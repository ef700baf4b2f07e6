"""The registry of models: one line each."""

from __future__ import annotations

from habitus.models.base import Model
from habitus.models.beta_vae import BetaVAE
from habitus.models.context_mixture import ContextMixture
from habitus.models.context_vae import ContextVAE
from habitus.models.dlgm import DLGM
from habitus.models.recurrent import GRU, LSTM
from habitus.models.rhythm import Rhythm
from habitus.models.tdlgm import TDLGM
from habitus.models.timegan import TimeGAN
from habitus.models.vrnn import VRNN

MODELS: dict[str, type[Model]] = {
    "beta-vae": BetaVAE,
    "context-vae": ContextVAE,
    "context-mixture": ContextMixture,
    "rhythm": Rhythm,
    "lstm": LSTM,
    "gru": GRU,
    "dlgm": DLGM,
    "tdlgm": TDLGM,
    "vrnn": VRNN,
    "timegan": TimeGAN,
}
