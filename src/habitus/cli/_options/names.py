"""Names and defaults that help shows, written out so that help imports nothing that takes long.

A test holds each to the module that it comes from.
"""

from __future__ import annotations

RECIPES = (
    "time-pictures-modelling", "time-pictures-centre", "time-pictures-bottom", "fill-anything",
    "readable-latents",
)  # fmt: skip
SWEEPS = ("time-pictures-beta", "time-pictures-architectures")
MASKS = (
    "centre", "bottom", "last:K", "rectangle:A-B,E-F", "channel:NAME", "blocks:SHARE",
    "cells:SHARE", "any",
)  # fmt: skip
OPTIMISERS = ("adam", "rmsprop", "adagrad")
SCHEDULES = ("constant", "one-cycle")
PRECISIONS = ("auto", "float32", "bfloat16")
ACCELERATORS = ("auto", "cpu", "cuda")
ORDERS = ("variance", "kl")  # of latent dimensions
WALKS = 64
MEMORY_LIMIT = "1500MB"
WINDOW_DAYS = 32
MIN_EVENTS = 1
MIN_DAYS = 1
MIN_USERS = 5
SIMULATED_START = "2018-02-01"
SIMULATED_CHANNELS = "phone,web,tablet,tv,speaker"
SWEEP_NAME = "sweep"
FIT_DEFAULTS = {
    "epochs": "10", "batch": "500, fewer on small sets", "optimiser": "adam",
    "learning_rate": "0.001", "schedule": "constant", "seed": "0", "held_out": "0.05",
    "precision": "auto", "accelerator": "auto", "devices": "1", "chunk": "500",
}  # fmt: skip
PAPER_DATA = {
    "time-pictures": "two folders, of training and of test profiles",
    "tdlgm": "one file, CSV or Parquet, of a series",
}
PAPER_OPTIONS = {
    "time-pictures": {
        "profiles": "all", "epochs": "10", "seed": "0", "prior": "normal",
        "betas": "the paper's twelve", "channel": "the busiest",
    },
    "tdlgm": {"epochs": "20", "seed": "0", "seeds": "5", "column": "gpu_milli", "scale": "0.001"},
}  # fmt: skip
