"""Series with gaps filled and noise removed, by a model that knows what to expect of each step.

Letters: T steps, V variables, K particles or components.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor
from torch.distributions import Distribution

from habitus.memory import check_memory
from habitus.models.base import AutoregressiveModel, State, Windows
from habitus.run import Run
from habitus.schema import BoolArray, Progress, no_progress
from habitus.series import Series, check_variables
from habitus.settings import Positive, Seed, configuration
from habitus.synthesis.capabilities import autoregressive_model
from habitus.synthesis.noise import Expected, Noise, estimated
from habitus.synthesis.particles import smooth_series

PIECE = 512  # steps whose expectations are held at once
MOST_TO_ESTIMATE = 4096  # steps that the noise is first estimated from, at most
SHARPENED = 512  # steps that EM refines the estimate on, at most
ROUNDS = 4  # iterations of EM
CONTEXT = 4  # windows that are read before a step or a gap, at most
TOGETHER = 4096  # particles that are processed in parallel, over all series
LOOK = 16  # steps after a gap whose likelihood weights the draws of its missing values


@configuration
class CleanConfig:
    """Settings of a cleaning.

    Attributes:
        noise: The noise in all series, or in each; None to estimate it from each series, sigma 0
            for none.
        particles: Particles of the smoother; for a gap, weighted draws of its missing values.
        seed: Same seed, same result.
    """

    noise: Noise | tuple[Noise, ...] | None = None
    particles: Positive = 64
    seed: Seed = 0

    def noises(self, series: int) -> list[Noise | None]:
        """Noise of each series, None where it is to be estimated.

        Raises:
            ValueError: if there are not as many.
        """
        if not isinstance(self.noise, tuple):
            return [self.noise] * series
        if len(self.noise) != series:
            raise ValueError(f"expected a noise for each of {series} series, got {len(self.noise)}")
        return list(self.noise)


@dataclass(frozen=True)
class Cleaned:
    """Cleaned series.

    Attributes:
        series: The series, without gaps.
        noise: Noise that was removed from each.
        filled: Values that were missing.
    """

    series: Series
    noise: tuple[Noise, ...]
    filled: int


def clean(
    run: Run, series: Series, config: CleanConfig, on_progress: Progress = no_progress
) -> Cleaned:
    """Fill missing values of series and remove their noise; exact known values stay unchanged.

    Args:
        run: Run of a model of series that conditions on observed steps.
        series: Observed series.
        config: Settings of a cleaning.
        on_progress: Called with steps done, and steps in all.

    Raises:
        ValueError: for a model that does not condition on observed steps or has no densities,
            series of other variables, or another number of noises than of series.
    """
    model = autoregressive_model(run.model)
    generator = Generator().manual_seed(config.seed)
    check_variables(model.axes, series.axes)
    arrays = series.arrays()
    given = config.noises(len(series))
    longest = int(series.lengths.max(initial=0))
    check_memory(
        16 * config.particles * longest * len(series.axes.variables),
        f"{config.particles:,} particles of {longest:,} steps",
        f"samples ({config.particles:,})",
    )
    done = 0
    out = list(arrays)
    noises = [Noise(0.0)] * len(arrays)
    with torch.inference_mode():
        for part in _side_by_side(series.lengths, max(1, TOGETHER // config.particles)):
            x = _windows([arrays[at] for at in part])
            cleaned, found = _put_right(
                model, x, [given[at] for at in part], config.particles, generator
            )
            for at, values, noise in zip(part, cleaned, found, strict=True):
                # Values that are known without noise stay the same to the last digit.
                exact: BoolArray = ~np.isnan(arrays[at]) & (noise.sigma == 0)
                out[at] = np.where(exact, arrays[at], values.double().numpy())
                noises[at] = noise
            done += x.clock.numel()
            on_progress(done, len(series.values), "completing")
    values = np.concatenate([np.zeros((0, len(series.axes.variables))), *out])
    return Cleaned(series.with_values(values), tuple(noises), int((~series.observed).sum()))


def _side_by_side(lengths: NDArray[np.int64], most: int) -> Iterator[list[int]]:
    """Yield numbers of equally long series, at most ``most`` at a time."""
    for length in np.unique(lengths):
        same = np.flatnonzero(lengths == length)
        for first in range(0, len(same), most):
            yield same[first : first + most].tolist()


def _windows(arrays: list[NDArray[np.float64]]) -> Windows:
    """Stack whole series, equally long, as windows [N, T, V]."""
    values = torch.from_numpy(np.stack(arrays).astype(np.float32))
    observed = ~values.isnan()
    clock = torch.arange(values.shape[1]).float().expand(len(values), -1)
    return Windows(torch.where(observed, values, 0.0), observed, clock)


def _put_right(
    model: AutoregressiveModel,
    x: Windows,
    given: list[Noise | None],
    particles: int,
    generator: Generator,
) -> tuple[list[Tensor], list[Noise]]:
    """Clean whole series [T, V]; returns them and the noise of each, given or estimated."""
    noises = _found(model, x, given, particles, generator)
    done = dict[int, Tensor]()
    if noisy := [at for at, noise in enumerate(noises) if noise.sigma]:
        of_noisy = [noises[at] for at in noisy]
        smooth, _ = smooth_series(
            model, x.values[noisy], x.observed[noisy], of_noisy, particles, generator
        )
        done |= dict(zip(noisy, smooth, strict=True))
    for at in set(range(len(noises))) - done.keys():
        done[at] = _fill(model, _one(x, at), particles, generator)[0]
    return [done[at] for at in range(len(noises))], noises


def _one(x: Windows, at: int) -> Windows:
    return Windows(*(each[at : at + 1] for each in x))


def _found(
    model: AutoregressiveModel,
    x: Windows,
    given: list[Noise | None],
    particles: int,
    generator: Generator,
) -> list[Noise]:
    """Resolve the noise of each series: given, or estimated and, where not 0, refined by EM."""
    noises = [_guessed(model, _one(x, at), particles, generator) if noise is None else noise
              for at, noise in enumerate(given)]  # fmt: skip
    sharpened = [at for at, noise in enumerate(given) if noise is None and noises[at].sigma]
    for _ in range(ROUNDS if sharpened else 0):
        y = x.values[sharpened, :SHARPENED]
        observed = x.observed[sharpened, :SHARPENED]
        _, found = smooth_series(
            model, y, observed, [noises[at] for at in sharpened], particles, generator
        )
        for at, noise in zip(sharpened, found, strict=True):
            noises[at] = noise
    return noises


def _guessed(model: AutoregressiveModel, x: Windows, particles: int, generator: Generator) -> Noise:
    """Noise under which one series is most probable, its past taken as it was observed."""
    if not x.observed.any():
        return Noise(0.0)
    x = Windows(*(each[:, :MOST_TO_ESTIMATE] for each in x))
    filled = Windows(_fill(model, x, particles, generator), x.observed, x.clock)
    return _estimated(
        list(_expected(model, filled, generator)), x.values[0], x.observed[0], model.p_v.scale
    )


def _estimated(
    pieces: list[tuple[slice, Expected]], y: Tensor, observed: Tensor, spread: Tensor
) -> Noise:
    rows = torch.arange(len(y))[:MOST_TO_ESTIMATE]
    use = [(part, expected) for part, expected in pieces if part.start < len(rows)]
    joined = Expected(
        *(torch.cat([getattr(e, n) for _, e in use]) for n in ("log_weights", "mean", "scale"))
    )
    count = len(joined.mean)
    return estimated(joined, y[:count], observed[:count], spread)


def _expected(
    model: AutoregressiveModel, x: Windows, generator: Generator
) -> Iterator[tuple[slice, Expected]]:
    """Yield the model's expectation of every step given those before it, piece by piece."""
    steps = x.values.shape[1]
    context = CONTEXT * model.window
    for first in range(0, steps, PIECE):
        begin = max(0, first - context)
        end = min(first + PIECE, steps)
        part = Windows(*(each[:, begin:end] for each in x))
        yield slice(first, end), _mixture(model, part, first - begin, generator)


def _mixture(model: AutoregressiveModel, x: Windows, skip: int, generator: Generator) -> Expected:
    """Mixture of expectations under several latent draws, from step ``skip`` of a window on."""
    drawn = [
        model.p_v.factors(model.predictions(x, generator), x.values)
        for _ in range(model.latent_draws)
    ]
    return Expected(*(each[0, skip:] for each in model.p_v.pool(drawn)))


def _fill(model: AutoregressiveModel, x: Windows, particles: int, generator: Generator) -> Tensor:
    """Fill missing values [1, T, V] by the mean of draws, weighted by the later observations."""
    values = x.values.clone()
    known = x.observed[0].all(-1)
    for begin, end in _gaps(known.numpy()):
        start = max(0, begin - CONTEXT * model.window)
        past = Windows(
            values[:, start:begin],
            torch.ones_like(x.observed[:, start:begin]),
            x.clock[:, start:begin],
        )
        state = model.read(past, generator) if begin > start else model.begin(1, x.clock[:, 0])
        state = tuple(each.repeat_interleave(particles, 0) for each in state)
        log_weights = torch.zeros(particles)
        drawn = list[Tensor]()
        for t in range(begin, min(end + LOOK, len(known))):
            p = model.predict(state, generator)
            observed = x.observed[:, t].expand(particles, -1)
            v = model.p_v.fill(p, x.values[:, t].expand(particles, -1), observed, generator)
            log_weights += _log_density(model, state, p, v, observed, generator)
            state = model.observe(state, v, torch.ones_like(observed), generator)
            if t < end:
                drawn.append(v)
        weights = log_weights.softmax(0)
        values[0, begin:end] = (weights[:, None, None] * torch.stack(drawn, 1)).sum(0)
    return values


def _log_density(
    model: AutoregressiveModel,
    state: State,
    p: Distribution,
    v: Tensor,
    observed: Tensor,
    generator: Generator,
) -> Tensor:
    """Log density of a step's observed values by particle; averaged over latents if complete."""
    draws = model.latent_draws if observed.all() else 1  # or else v was drawn with the latents of p
    each = [p, *(model.predict(state, generator) for _ in range(draws - 1))]
    log_p = torch.stack([torch.where(observed, one.log_prob(v), 0.0).sum(-1) for one in each])
    return log_p.logsumexp(0) - math.log(draws)


def _gaps(known: BoolArray) -> list[tuple[int, int]]:
    """First steps of runs with missing values, and the steps after the runs."""
    edges = np.flatnonzero(np.diff(np.concatenate([[True], known, [True]]).astype(int)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
