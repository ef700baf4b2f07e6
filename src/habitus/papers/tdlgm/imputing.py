"""Errors of Tables 1 and 3: the test part under noise, and what each method makes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Generator

from habitus.evaluation.completion.denoising import (
    Limits,
    ValueHistogram,
    noised,
    posterior_mean,
    sigma_of,
)
from habitus.models.recurrent.latent_layers import LatentLayers
from habitus.papers.tdlgm.lab import Json, Lab, as_windows
from habitus.papers.tdlgm.models import NOISY_DLGM, NOISY_RNN, PLAIN_TDLGM, TDLGM_
from habitus.papers.tdlgm.paper import EXCLUDED_ABOVE, Level
from habitus.series import Series
from habitus.synthesis import CleanConfig, clean
from habitus.synthesis.noise import Noise

VARIANCE, DEVIATION = READINGS = ("variance", "standard deviation")
CLEANED, GIVEN, LATENTS, GAUSSIAN, DLGM, RNN, FILTERED, IDENTITY, MEAN = METHODS = (
    "tDLGM, cleaned", "tDLGM, given the noise", "tDLGM, through its latents", "tDLGM, Gaussian, "
    "through its latents",
    "DLGM", "RNN", "filtered RNN", "identity", "posterior mean",
)  # fmt: skip
"""Names of the methods in tables, in order."""


Arrays = list[NDArray[np.float64]]


class Case(NamedTuple):
    """Noise on the test part.

    Attributes:
        level: As printed.
        reading: What the printed number is.
        limits: What the noisy values are clamped to, if they are.
    """

    level: Level
    reading: str
    limits: Limits | None = None

    @property
    def sigma(self) -> float:
        """Standard deviation of the noise."""
        return sigma_of(self.level.printed, self.reading)

    @property
    def noise(self) -> Noise:
        """The same noise as an argument of :func:`habitus.clean`."""
        none = not self.sigma or not self.level.probability
        return Noise(0.0) if none else Noise(self.sigma, self.level.probability)

    @property
    def name(self) -> str:
        """Name of the case in file names."""
        clamped = "-clamped" if self.limits else ""
        reading = self.reading.replace(" ", "-")
        return f"{reading}-{self.level.probability:g}-{self.level.printed:g}{clamped}"


def noisy_test(lab: Lab, case: Case, seed: int) -> NDArray[np.float64]:
    """The test part under noise, [T, 1]; the same for all methods."""
    rng = np.random.default_rng([seed, 2])
    return noised(lab.test.values, case.level.probability, case.sigma, rng, case.limits)


def _cleaned(lab: Lab, cases: Sequence[Case], seed: int, ys: Arrays) -> Arrays:
    """Clean with noise estimated from each series itself."""
    return _clean(lab, seed, ys, None)


def _given_noise(lab: Lab, cases: Sequence[Case], seed: int, ys: Arrays) -> Arrays:
    return _clean(lab, seed, ys, tuple(case.noise for case in cases))


def _clean(lab: Lab, seed: int, ys: Arrays, noise: tuple[Noise, ...] | None) -> Arrays:
    """Clean all cases side by side, with noise that is given or estimated."""
    series = Series.from_arrays(ys, lab.test.axes.variables, scale=lab.test.axes.scale)

    def on_progress(done: int, total: int, stage: str) -> None:
        lab.on_progress(done, total, f"steps cleaned, seed {seed}")

    config = CleanConfig(noise, seed=seed)
    return clean(lab.run(TDLGM_, seed), series, config, on_progress).series.arrays()


def _latents(lab: Lab, cases: Sequence[Case], seed: int, ys: Arrays) -> Arrays:
    """Reconstruct by the mean of what recognised latents generate."""
    return _through_latents(lab, TDLGM_, seed, ys)


def _gaussian(lab: Lab, cases: Sequence[Case], seed: int, ys: Arrays) -> Arrays:
    """Reconstruct likewise with the paper's Gaussian likelihood."""
    return _through_latents(lab, PLAIN_TDLGM, seed, ys)


def _dlgm(lab: Lab, cases: Sequence[Case], seed: int, ys: Arrays) -> Arrays:
    return _through_latents(lab, NOISY_DLGM, seed, ys)


def _through_latents(lab: Lab, name: str, seed: int, ys: Arrays) -> Arrays:
    model = lab.model(name, seed)
    assert isinstance(model, LatentLayers)
    with torch.inference_mode():
        generator = Generator().manual_seed(seed)
        found = model.reconstruct(as_windows(ys), lab.settings.latent_samples, generator)
    return list(found.double().numpy())


def _rnn(lab: Lab, cases: Sequence[Case], seed: int, ys: Arrays) -> Arrays:
    """Mean of an RNN's prediction of each step from the noisy steps before it."""
    model = lab.model(NOISY_RNN, seed)
    with torch.inference_mode():
        p = model.predictions(as_windows(ys), Generator().manual_seed(seed))
    return list(p.mean.double().numpy())


def _identity(lab: Lab, cases: Sequence[Case], seed: int, ys: Arrays) -> Arrays:
    return ys


def _posterior_mean(lab: Lab, cases: Sequence[Case], seed: int, ys: Arrays) -> Arrays:
    histogram = ValueHistogram.of(lab.train.values[:, 0])
    return [
        posterior_mean(y[:, 0], histogram, case.sigma, case.level.probability, case.limits)[:, None]
        for case, y in zip(cases, ys, strict=True)
    ]


Estimate = Callable[[Lab, Sequence[Case], int, Arrays], Arrays]
ESTIMATES: dict[str, Estimate] = {
    CLEANED: _cleaned,
    GIVEN: _given_noise,
    LATENTS: _latents,
    GAUSSIAN: _gaussian,
    DLGM: _dlgm,
    RNN: _rnn,
    IDENTITY: _identity,
    MEAN: _posterior_mean,
}
"""Method -> its estimate of the noisy values, [T, 1] for each case."""


def errors(lab: Lab, cases: Sequence[Case], seed: int) -> Json:
    """Case -> method -> mean squared error on the test part, and variance of the squared errors."""

    def make() -> Json:
        ys = [noisy_test(lab, case, seed) for case in cases]
        found = {case.name: {} for case in cases}
        for method, estimate in ESTIMATES.items():
            for case, made in zip(cases, estimate(lab, cases, seed, ys), strict=True):
                squared = np.square(made - lab.test.values)
                found[case.name][method] = [float(squared.mean()), float(squared.var())]
        return found

    return lab.score(f"noise-{cases[0].name}-{len(cases)}-{seed}", make)


def p_value(lab: Lab, cases: Sequence[Case], seed: int) -> float:
    """P-value of a one-sided paired t-test that noise does not make an RNN's errors larger.

    A low value says that its errors grow with noise, as they do where it follows the series.
    """

    def make() -> Json:
        noisy = [case for case in cases if case.noise.sigma]
        ys = [lab.test.values, *(noisy_test(lab, case, seed) for case in noisy)]
        still, *grown = np.square(np.stack(_rnn(lab, noisy, seed, ys)) - lab.test.values)[..., 0]
        found: Any = stats.ttest_1samp(np.concatenate(grown - still), 0.0, alternative="greater")
        return {"p": float(found.pvalue)}

    name = f"filter-{cases[-1].name}-{len(cases)}-{seed}"
    return float(lab.score(name, make)["p"])


class Errors(NamedTuple):
    """Errors under several cases of noise.

    Attributes:
        mse: Case -> method -> a mean squared error for each seed (fewer, or none, for the filtered
            RNN).
        variance: The same for the variance of the squared errors.
        kept: Seeds of the RNNs that the filter keeps.
    """

    mse: Mapping[Case, Mapping[str, list[float]]]
    variance: Mapping[Case, Mapping[str, list[float]]]
    kept: list[int]


def all_errors(lab: Lab, cases: Sequence[Case]) -> dict[str, Errors]:
    """Reading -> every case of it, every method and every seed."""
    each = [errors(lab, cases, seed) for seed in lab.settings.each_seed]
    readings = dict.fromkeys(case.reading for case in cases)
    return {
        reading: _errors(lab, [case for case in cases if case.reading == reading], each)
        for reading in readings
    }


def _errors(lab: Lab, cases: Sequence[Case], by_seed: Sequence[Json]) -> Errors:
    seeds = lab.settings.each_seed
    kept = [seed for seed in seeds if p_value(lab, cases, seed) <= EXCLUDED_ABOVE]

    def column(number: int) -> dict[Case, dict[str, list[float]]]:
        keep = [seed in kept for seed in seeds]
        return {
            case: _by_method([one[case.name] for one in by_seed], number, keep) for case in cases
        }

    return Errors(column(0), column(1), kept)


def _by_method(
    by_seed: Sequence[Json], number: int, kept: Sequence[bool]
) -> dict[str, list[float]]:
    """Method -> a number per seed, in the table's order."""
    each = {
        method: [one[method][number] for one in by_seed] for method in METHODS if method != FILTERED
    }
    each[FILTERED] = [value for value, keep in zip(each[RNN], kept, strict=True) if keep]
    return {method: each[method] for method in METHODS}
