"""Test for the collapse of a fitted model of series: a fit that learned nothing has to say so.

A model with a likelihood has collapsed if its log-likelihood per held-out step is not higher by
``LEAST_GAIN`` than that of a constant distribution, the same for every step and fitted to the
training steps. A model without a likelihood has collapsed if the standard deviation of a variable
in drawn series is below ``LEAST_SPREAD`` times that in the training series.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor, nn

from habitus.models.base import AutoregressiveModel, SeriesModel, Windows

LEAST_GAIN = 0.001  # least gain in log-likelihood over the constant distribution, nats per step
LEAST_SPREAD = 0.1  # least standard deviation of drawn series, relative to the training series
STEPS = 300  # optimiser steps of the constant distribution's fit
RATE = 0.05  # learning rate of that fit
MOST = 20_000  # training values that the fit reads, over all variables
SAMPLES = 20  # draws of the latents for the model's log-likelihood
SERIES = 64  # series drawn from a model without a likelihood


def detect_collapse(
    model: SeriesModel, values: Tensor, held_out: Windows | None, seed: int
) -> dict[str, Any]:
    """Test a model for collapse: ``collapsed``, and the figures that say why.

    Args:
        model: The fitted model.
        values: Training steps, [R, V], NaN where missing.
        held_out: Held-out windows; without them (None) the result is empty.
        seed: Decides what is drawn.
    """
    generator = Generator().manual_seed(seed)
    if not isinstance(model, AutoregressiveModel):
        with torch.no_grad():
            drawn = model.generate(SERIES, model.window, generator).flatten(0, 1).std(0)
        spread = float((drawn / values.std(0)).min())
        return {"collapsed": spread < LEAST_SPREAD, "spread": spread}
    if held_out is None:
        return {}
    seen = held_out.observed.any(-1).sum().clamp_min(1)
    with torch.no_grad():
        own = float(model.log_likelihood(held_out, SAMPLES, generator).sum() / seen)
    constant = float(
        _constant_log_likelihood(model, values[: MOST // values.shape[1]], held_out) / seen
    )
    return {"collapsed": own < constant + LEAST_GAIN, "log_likelihood": own, "constant": constant}


def _constant_log_likelihood(
    model: AutoregressiveModel, values: Tensor, held_out: Windows
) -> Tensor:
    """Log p of held-out steps under a likelihood with constant features, fitted to values."""
    steps = Windows(values[None], ~values.isnan()[None], torch.arange(len(values))[None])
    steps = steps._replace(values=torch.where(steps.observed, steps.values, 0.0))
    features = nn.Parameter(torch.zeros(model.p_v.features))
    optimiser = torch.optim.Adam([features], RATE)
    anchors = model.anchors(steps)[:, :-1]
    for _ in range(STEPS):
        optimiser.zero_grad()
        p = model.distribution(features.expand(1, len(values), -1), anchors)
        (-model.p_v.log_prob(p, steps.values, steps.observed)).sum(-1).mean().backward()
        optimiser.step()
    with torch.no_grad():
        p = model.distribution(
            features.expand(*held_out.clock.shape, -1), model.anchors(held_out)[:, :-1]
        )
        return model.p_v.log_prob(p, held_out.values, held_out.observed).sum()
