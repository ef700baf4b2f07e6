"""Figures 6.1 and 6.2 of "Time pictures": how the losses go."""

from __future__ import annotations

import numpy as np

from habitus.history import curves
from habitus.papers.item import Drawing, Item, figure, text
from habitus.papers.time_pictures.lab import Lab
from habitus.papers.time_pictures.paper import DRAWN_BETAS
from habitus.report import figures
from habitus.report.figures import Losses

SMOOTHING = 0.95
LABEL = "loss, nats per profile"


@figure("6.1", "Training loss")
def training_loss(lab: Lab) -> Item:
    """Loss on training users by step, for betas 0, 0.1, 1 and 4, smoothed as in the paper.

    In the paper it falls steeply at first, and all four converge.
    """
    return _losses(lab, "loss", "step", SMOOTHING, f"Smoothed by {SMOOTHING:g}, as in the paper.")


@figure("6.2", "Loss on users that were not fitted to")
def test_loss(lab: Lab) -> Item:
    """The loss on held-out training users over the steps, for the same betas.

    The paper takes its test set; here every run keeps a part of the training users aside for that,
    so that it can be looked at while a model is fitted.
    """
    sentence = (
        "On training users that were kept aside, at up to 40 steps, with the same noise each time."
    )
    return _losses(lab, "held_out_loss", "held_out_step", 0.0, sentence)


def _losses(lab: Lab, column: str, steps: str, smoothing: float, sentence: str) -> Item:
    histories = {beta: curves(lab.vae(beta).history) for beta in DRAWN_BETAS}
    losses = {
        f"β = {beta:g}": Losses(np.array(history[steps]), np.array(history[column]))
        for beta, history in histories.items()
        if history.get(column)
    }
    if not losses:
        return Item(
            paper="all four converge.", findings=["There are too few users to keep some aside."]
        )
    drawn = figures.losses_by_setting(losses, LABEL, smoothing=smoothing)
    last = ", ".join(f"{name} {text(float(each.values[-1]))}" for name, each in losses.items())
    return Item(
        drawings=[Drawing(drawn, f"{sentence} Last: {last}.")],
        paper="a steep fall, then all four converge.",
    )
