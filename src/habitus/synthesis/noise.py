"""Posterior of a value that was observed with noise, given the model's expectation.

    y = v               with probability 1 - P
    y = v + e           with probability P,  e ~ N(0, sigma^2)
    v ~ sum_k w_k N(m_k, s_k^2)         what the model expects

all in closed form. Letters: T steps, V variables, K components.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from habitus.models.parts.gaussians import draw_index

SAME = 1e-4  # standard deviation of an unmodified observation, relative to the variable's
SHARES = (0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
SPREADS = tuple(
    10 ** (-3.5 + 0.25 * step) for step in range(20)
)  # 3e-4 to 18 of a variable's spread
FINER = (10**-0.125, 10**-0.0625, 1.0, 10**0.0625, 10**0.125)
# Least gain in log-likelihood, in nats, for a series to count as noisy: the larger of a gain of the
# series and one per observed value, since a misfit of the model would pass for noise otherwise.
LEAST_GAIN = 5.0
LEAST_GAIN_EACH = 0.02


@dataclass(frozen=True)
class Noise:
    """Noise that was added to a series.

    Attributes:
        sigma: Standard deviation, in the values' units.
        share: Probability that a value was modified, P.
    """

    sigma: float
    share: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.sigma < math.inf:
            raise ValueError(f"noise must be a standard deviation of 0 or more, got {self.sigma}")
        if not 0 < self.share <= 1:
            raise ValueError(
                f"the share of noisy values must be above 0 and at most 1, got {self.share}"
            )


class Levels(NamedTuple):
    """Levels of noise, broadcast over [..., V, K].

    Attributes:
        variance: sigma^2.
        share: P.
    """

    variance: Tensor
    share: Tensor

    @classmethod
    def of(cls, noises: Sequence[Noise], times: int = 1) -> Levels:
        """Levels of several series, each repeated for its particles, [N times, 1, 1]."""
        both = torch.tensor([[noise.sigma**2, noise.share] for noise in noises]).reshape(-1, 2)
        return cls(*both.repeat_interleave(times, 0)[..., None, None].unbind(1))

    @property
    def log_shares(self) -> tuple[Tensor, Tensor]:
        """Log probabilities of values that were not modified, and of those that were."""
        return torch.log1p(-self.share), self.share.log()


class StepPosterior(NamedTuple):
    """Posterior draws of a step by K particles.

    Attributes:
        values: Values drawn from the posterior, [K, V].
        log_evidence: log p(y), [K].
        moments: Numbers of observed and of modified values, and sum of squared modifications,
            [K, 3].
    """

    values: Tensor
    log_evidence: Tensor
    moments: Tensor


@dataclass(frozen=True)
class Expected:
    """Expectation of a model of every value: a mixture.

    Attributes:
        log_weights: [T, V, K].
        mean: [T, V, K].
        scale: Standard deviations, [T, V, K].
    """

    log_weights: Tensor
    mean: Tensor
    scale: Tensor

    def log_evidence(self, y: Tensor, spread: Tensor, levels: Levels) -> Tensor:
        """Log p(y), [T, V]."""
        clean, noisy = self._hypotheses(y, spread, levels)
        return torch.logaddexp(clean.logsumexp(-1), noisy.logsumexp(-1))

    def posterior(
        self, y: Tensor, observed: Tensor, spread: Tensor, levels: Levels, generator: Generator
    ) -> StepPosterior:
        """Draw values given the observed step y [K, V], for particles with these expectations."""
        clean, noisy = self._hypotheses(y, spread, levels)
        total = torch.logaddexp(clean.logsumexp(-1), noisy.logsumexp(-1))
        between, variance = self._between(y, levels)
        # Missing values come from the components alone, in the place of hypotheses with noise.
        missing = torch.cat([torch.full_like(self.log_weights, -math.inf), self.log_weights], -1)
        at = draw_index(
            torch.where(observed[..., None], torch.cat([clean, noisy], -1), missing),
            generator,
        )
        component = (at % self.mean.shape[-1])[..., None]
        own = self.mean.gather(-1, component), self.scale.gather(-1, component)
        noised = between.gather(-1, component), variance.gather(-1, component).sqrt()
        both = zip(noised, own, strict=True)
        centre, width = (torch.where(observed[..., None], a, b).squeeze(-1) for a, b in both)
        drawn = centre + width * torch.randn(y.shape, generator=generator)
        values = torch.where(observed & (at < self.mean.shape[-1]), y, drawn)
        evidence = torch.where(observed, total, 0.0).sum(-1)
        return StepPosterior(
            values,
            evidence,
            self._moments(y, observed, noisy - total[..., None], between, variance),
        )

    def _moments(
        self, y: Tensor, observed: Tensor, log_share: Tensor, mean: Tensor, variance: Tensor
    ) -> Tensor:
        """Values seen, modified, and by how much squared, summed over variables: [K, 3]."""
        share = log_share.exp()
        squares = share * ((y[..., None] - mean).square() + variance)
        each = [torch.ones_like(y), share.sum(-1), squares.sum(-1)]
        return torch.stack([torch.where(observed, x, 0.0).sum(-1) for x in each], -1)

    def _between(self, y: Tensor, levels: Levels) -> tuple[Tensor, Tensor]:
        """Mean and variance of v given y and each component, where y was modified."""
        own = self.scale.square()
        variance = levels.variance
        both = (own + variance).clamp_min(1e-30)
        return (self.mean * variance + y[..., None] * own) / both, own * variance / both

    def _hypotheses(self, y: Tensor, spread: Tensor, levels: Levels) -> tuple[Tensor, Tensor]:
        """Log of weight times density of y by component, without and with noise: [T, V, K] each."""
        same = (SAME * spread)[..., None].square()
        clean, noisy = levels.log_shares
        return self._log_joint(y, same) + clean, self._log_joint(y, same + levels.variance) + noisy

    def _log_joint(self, y: Tensor, extra: Tensor) -> Tensor:
        variance = self.scale.square() + extra
        squared = (y[..., None] - self.mean).square() / variance
        return self.log_weights - 0.5 * (squared + variance.log() + math.log(2 * math.pi))


def estimated(expected: Expected, y: Tensor, observed: Tensor, spread: Tensor) -> Noise:
    """Estimate the noise under which a series is most probable; none where that is as good.

    Args:
        expected: Expectation of the model.
        y: The series, [T, V].
        observed: Bool [T, V].
        spread: Standard deviation of each variable, [V].
    """

    def score(noise: Noise) -> float:
        return float(
            torch.where(observed, expected.log_evidence(y, spread, Levels.of([noise])), 0.0).sum()
        )

    typical = float(spread.mean())
    rough = max((Noise(typical * sigma, share) for sigma in SPREADS for share in SHARES), key=score)
    best = max((Noise(rough.sigma * factor, rough.share) for factor in FINER), key=score)
    none = Noise(0.0)
    least = max(LEAST_GAIN, LEAST_GAIN_EACH * float(observed.sum()))
    return best if score(best) > score(none) + least else none
