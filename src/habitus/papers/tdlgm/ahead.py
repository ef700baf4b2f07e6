"""Scores of Table 2: the steps ahead of every origin of the test part, given its past."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from habitus.evaluation.baselines.series import SERIES_BASELINES
from habitus.evaluation.metrics.horizons import horizons
from habitus.evaluation.metrics.transitions import forecast_transitions, transitions
from habitus.models.base import Windows
from habitus.models.recurrent.observations import BucketObservation
from habitus.models.recurrent.step import StepModel
from habitus.papers.tdlgm.lab import MOST_AHEAD, Json, Lab
from habitus.papers.tdlgm.paper import TABLE_2
from habitus.schema import FloatArray
from habitus.synthesis import forecast
from habitus.training.windows import windows

STEPS = tuple(TABLE_2)
CRPS_STEPS = (1, 6, 24)
LONGEST_PAST = 200  # rows that baselines are shown; none of them reads more
PLAIN = {
    "independent": "independent draws",
    "markov_chain": "Markov chain",
    "block_bootstrap": "block bootstrap",
}
TRAINING = "training set"


def of_model(lab: Lab, name: str, seed: int) -> Json:
    """Scores of a model's forecasts, and log-likelihood per step where it models buckets."""

    def make() -> Json:
        run = lab.run(name, seed)
        at = origins(lab)
        settings = lab.settings

        def on_progress(done: int, total: int, stage: str) -> None:
            lab.on_progress(done, total, f"origins of {name}-{seed}")

        rows = at + len(lab.train.values)
        drawn = forecast(
            run,
            lab.whole,
            origins=rows,
            steps=MOST_AHEAD,
            samples=settings.samples,
            seed=seed,
            on_progress=on_progress,
        )
        return {**_scores(lab, drawn.draws), "log_likelihood": log_likelihood(lab, name, seed)}

    return lab.score(f"ahead-{name}-{seed}", make)


def of_baseline(lab: Lab, name: str, seed: int) -> Json:
    """Scores of a method that learns nothing."""

    def make() -> Json:
        whole = lab.whole.values
        first = len(lab.train.values)
        pasts = [
            whole[max(0, first + at - LONGEST_PAST) : first + at] for at in origins(lab).tolist()
        ]
        drawn = SERIES_BASELINES[name]([lab.train.values], seed).forecast(
            pasts, MOST_AHEAD, lab.settings.samples
        )
        return {**_scores(lab, drawn), "log_likelihood": plain_log_likelihoods(lab).get(name)}

    return lab.score(f"ahead-{name}-{seed}", make)


def of_training_set(lab: Lab) -> Json:
    """Algorithm 1 of the training part itself, which knows nothing of the test part's values."""
    found = transitions([lab.train.values], [lab.test.values], steps=STEPS, limits=lab.limits)
    return {
        how: {f"{step}": getattr(each, how) for step, each in found.items()}
        for how in ("printed", "weighted")
    }


def origins(lab: Lab) -> NDArray[np.int64]:
    """Rows of the test part with a row before them and all steps ahead inside it, [O]."""
    return np.arange(1, len(lab.test.values) - MOST_AHEAD + 1, lab.settings.every)


def _scores(lab: Lab, draws: FloatArray) -> Json:
    """Algorithm 1 both ways, and CRPS, of draws [O, K, H, V]."""
    at = origins(lab)
    test = lab.test.values
    truth = test[at[:, None] + np.arange(MOST_AHEAD)]
    last = test[at - 1]
    overlaps = forecast_transitions(draws, last, truth, steps=STEPS, limits=lab.limits)
    crps = horizons(draws, truth, CRPS_STEPS)
    return {
        "printed": {f"{step}": each.printed for step, each in overlaps.items()},
        "weighted": {f"{step}": each.weighted for step, each in overlaps.items()},
        "crps": {f"{step}": each["crps"] for step, each in crps.items()},
    }


def log_likelihood(lab: Lab, name: str, seed: int) -> float | None:
    """Importance-weighted bound per step of the test part, in nats; None for a density."""
    model = lab.model(name, seed)
    assert isinstance(model, StepModel)
    if not isinstance(model.p_v, BucketObservation):
        return None
    x = _test_windows(lab)
    generator = Generator().manual_seed(seed)
    with torch.inference_mode():
        total = model.log_likelihood(x, lab.settings.latent_samples, generator).sum()
    return float(total) / x.clock.numel()


def plain_log_likelihoods(lab: Lab) -> Mapping[str, float]:
    """Scores of the training histogram and of its first-order transitions, on the same buckets."""
    p_v = BucketObservation(1)
    p_v.start_from(torch.from_numpy(lab.train.values.astype(np.float32)))
    bucket = _buckets(p_v, torch.from_numpy(lab.train.values.astype(np.float32)))
    counts = torch.bincount(bucket, minlength=p_v.count).double()
    histogram = (counts + 1) / (counts + 1).sum()
    pairs = torch.bincount(bucket[:-1] * p_v.count + bucket[1:], minlength=p_v.count**2).double()
    chain = (
        pairs.view(p_v.count, -1) + histogram
    )  # a step more from every value, spread as the histogram
    chain = chain / chain.sum(1, keepdim=True)
    x = _test_windows(lab)
    before = _buckets(p_v, x.values[:, :-1])
    first = histogram.expand(len(x.values), 1, -1)
    after = torch.cat([first, chain[before.view(len(x.values), -1)]], 1)
    each = {"independent": histogram.expand(*x.clock.shape, -1), "markov_chain": after}
    return {
        name: _mean_log_prob(p_v, probabilities, x.values) for name, probabilities in each.items()
    }


def _mean_log_prob(p_v: BucketObservation, probabilities: Tensor, values: Tensor) -> float:
    logits = probabilities.log().float()
    return float(p_v(logits).log_prob(values).double().mean())


def _buckets(p_v: BucketObservation, values: Tensor) -> Tensor:
    """The bucket of each value, flat."""
    return (values[..., None] > p_v.bounds).sum(-1).flatten()


def _test_windows(lab: Lab) -> Windows:
    """The test part in windows side by side; the rows after the last whole one are left out."""
    starts = lab.test.window_starts(lab.settings.window, lab.settings.window)
    return Windows.unpack(windows(lab.test, starts, lab.settings.window))
