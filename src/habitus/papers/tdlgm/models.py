"""The models of the paper, the two that it names and does not run, and what each is fitted to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from habitus.models.base import Model
from habitus.models.recurrent.dlgm import DLGM
from habitus.models.recurrent.lstm_gru import GRU, LSTM
from habitus.models.recurrent.tdlgm import TDLGM
from habitus.models.recurrent.vrnn import VRNN


@dataclass(frozen=True)
class Subject:
    """A model under test.

    Attributes:
        label: What a table calls it.
        kind: Its class.
        settings: Its settings, where they are not the defaults.
        noisy: Whether it is fitted to a noisy copy of the training part, as the paper does with its
            baselines.
    """

    label: str
    kind: type[Model]
    settings: dict[str, Any] = field(default_factory=dict)
    noisy: bool = False


BUCKETS = {"likelihood": "buckets"}
GAUSSIAN = {"likelihood": "gaussian"}
TDLGM_ = "tdlgm"
RNN = "lstm"
DLGM_ = "dlgm"
VRNN_ = "vrnn"
GRU_ = "gru"
PLAIN_TDLGM = "gaussian-tdlgm"
NOISY_RNN = "noisy-lstm"
NOISY_DLGM = "noisy-dlgm"  # fmt: skip
SUBJECTS = {
    TDLGM_: Subject("tDLGM", TDLGM, {**BUCKETS, "hidden": 32}),
    RNN: Subject("RNN (LSTM)", LSTM, BUCKETS),
    DLGM_: Subject("DLGM", DLGM, BUCKETS),
    VRNN_: Subject("VRNN", VRNN, BUCKETS),
    GRU_: Subject("GRU", GRU, BUCKETS),
    PLAIN_TDLGM: Subject("tDLGM as in the paper: Gaussian", TDLGM, {**GAUSSIAN, "hidden": 32}),
    NOISY_RNN: Subject(
        "RNN as in the paper: Gaussian, fitted to noise", LSTM, GAUSSIAN, noisy=True
    ),
    NOISY_DLGM: Subject(
        "DLGM as in the paper: Gaussian, fitted to noise", DLGM, GAUSSIAN, noisy=True
    ),
}
"""Name of a run, before its seed -> model."""
