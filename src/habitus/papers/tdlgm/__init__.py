"""The tables and figures of the tDLGM paper (Johansson and Ramaswamy), on any series."""

from __future__ import annotations

from habitus.papers.item import Group, Paper
from habitus.papers.tdlgm import pictures, tables
from habitus.papers.tdlgm.facts import facts, origin
from habitus.papers.tdlgm.lab import Lab
from habitus.papers.tdlgm.opening import OPTIONS, open_lab
from habitus.papers.tdlgm.settings import LabSettings

GROUPS = (
    Group(
        "Imputation under noise",
        "Each value of the test part is modified with a probability P by adding a Gaussian. The "
        "paper calls the second number a variance; both readings of it are shown. tDLGM is fitted "
        "to clean data only: “cleaned” estimates the noise from the series, the row “given the "
        "noise” reads it. “Through its latents” is the paper's way, to recognise latents and "
        "generate from them: once with our likelihood, once with its Gaussian. DLGM and RNN are "
        "Gaussian and fitted to noise, as in the paper: each training value under one of Table 1's "
        "levels, drawn evenly, read as standard deviations. “Identity” returns what it was given; "
        "“posterior mean” is the best estimate of a value seen alone, given the noise, under the "
        "training histogram.",
        (
            tables.imputation,
            pictures.best_rnn,
            pictures.worst_rnn,
            pictures.rnn_noisy,
            pictures.tdlgm_noisy,
            pictures.dlgm_noisy,
            pictures.tdlgm_clean,
            pictures.dlgm_clean,
            pictures.rnn_clean,
        ),
    ),
    Group(
        "Generation, several steps ahead",
        "From every step of the test part, given the steps before it. Models draw from the "
        "distinct training values and are fitted to clean data, but for those “as in the paper”. "
        "The scores grow with the size of a sample, so every row but the training set has the same "
        "number of draws.",
        (tables.steps_ahead,),
    ),
    Group(
        "Robustness",
        "Every value of the test part is modified, and the result clamped to the range of the "
        "series.",
        (tables.robustness, pictures.robust),
    ),
)
PAPER = Paper(
    title="tDLGM: the paper's tables and figures, made again",
    groups=GROUPS,
    facts=facts,
    paths=1,
    takes="one file, CSV or Parquet, of a series",
    options=OPTIONS,
    open_lab=open_lab,
    origin=origin,
    unit="done",
)

__all__ = ["GROUPS", "PAPER", "Lab", "LabSettings"]
