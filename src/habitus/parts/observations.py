"""From features to the distribution of a series' values, one class per likelihood.

An observation model says how many features a step takes, how a value is told to a network, and how one is drawn.
Letters: V variables, K components or buckets of a variable, R training steps.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn
from torch.distributions import Categorical, Distribution, MixtureSameFamily, NegativeBinomial, Normal
from torch.nn import functional

LEAST_SCALE = 3e-3  # of a standardised value: sharper peaks than that only follow rounding


class Observation(nn.Module, ABC):
    """p(v | features).

    Attributes:
        features: Features of a step, over all variables.
        inputs: Numbers that tell a step to a network.
        mean: Of the training steps, [V].
        scale: Their standard deviation, [V]; 1 for a variable that never changes.
    """

    features: int
    inputs: int
    mean: Tensor
    scale: Tensor

    def __init__(self, variables: int) -> None:
        super().__init__()
        self.variables, self.inputs = variables, variables
        self.register_buffer("mean", torch.zeros(variables))
        self.register_buffer("scale", torch.ones(variables))

    def start_from(self, values: Tensor) -> None:
        """Take mean and scale from training steps [R, V], NaN where missing."""
        for own, found in zip((self.mean, self.scale), mean_and_scale(values), strict=True):
            own.copy_(found)

    def standardised(self, values: Tensor) -> Tensor:
        """(v - mean) / scale."""
        return (values - self.mean) / self.scale

    def told(self, values: Tensor, observed: Tensor) -> Tensor:
        """What a network is told of values [..., V], 0 where nothing was observed: [..., inputs]."""
        return torch.where(observed, self.standardised(values), 0.0)

    @abstractmethod
    def forward(self, features: Tensor) -> Distribution:
        """The distribution of each value, batch shape [..., V], from features [..., features]."""

    @abstractmethod
    def draw(self, p: Distribution, generator: Generator) -> Tensor:
        """Values from such a distribution."""

    @abstractmethod
    def components(self, p: Distribution) -> tuple[Tensor, Tensor, Tensor]:
        """It as a mixture of Gaussians: log-weights, means and standard deviations, each [..., V, K].

        Raises:
            ValueError: for a distribution of counts, which is none.
        """

    @abstractmethod
    def moved(self, p: Distribution, by: Tensor, stretch: Tensor) -> Distribution:
        """The distribution of a value times one known number plus another, each [..., V]."""

    def pooled(self, drawn: Sequence[Distribution]) -> tuple[Tensor, Tensor, Tensor]:
        """The components of an even mixture of distributions; weights sum to 1."""
        log_weights, mean, scale = zip(*(self.components(p) for p in drawn), strict=True)
        weights = torch.cat([each.log_softmax(-1) for each in log_weights], -1)
        return weights - math.log(len(drawn)), torch.cat(mean, -1), torch.cat(scale, -1)


class GaussianObservation(Observation):
    """N(mean, sigma^2) for each variable (tDLGM's)."""

    def __init__(self, variables: int) -> None:
        super().__init__(variables)
        self.features = 2 * variables

    def forward(self, features: Tensor) -> Distribution:
        """Mean and log of the standard deviation, of standardised values."""
        mean, log_scale = features.float().chunk(2, -1)
        spread = functional.softplus(log_scale + 0.5413) + LEAST_SCALE  # 1 at 0
        return Normal(self.mean + self.scale * mean, self.scale * spread, validate_args=False)

    def draw(self, p: Distribution, generator: Generator) -> Tensor:
        """A sample."""
        return p.mean + p.stddev * torch.randn(p.mean.shape, generator=generator)

    def moved(self, p: Distribution, by: Tensor, stretch: Tensor) -> Distribution:
        """With another mean and scale."""
        return Normal(p.mean * stretch + by, p.stddev * stretch, validate_args=False)

    def components(self, p: Distribution) -> tuple[Tensor, Tensor, Tensor]:
        """Itself."""
        return torch.zeros_like(p.mean)[..., None], p.mean[..., None], p.stddev[..., None]


class MixtureObservation(Observation):
    """A mixture of Gaussians for each variable, which begin spread over the training values."""

    quantiles: Tensor

    def __init__(self, variables: int, components: int = 8) -> None:
        super().__init__(variables)
        self.count = components
        self.features = 3 * components * variables
        self.register_buffer("quantiles", torch.zeros(variables, components))

    def start_from(self, values: Tensor) -> None:
        """The first means are quantiles."""
        super().start_from(values)
        at = (torch.arange(self.count) + 0.5) / self.count
        standardised = self.standardised(values)
        self.quantiles.copy_(torch.nanquantile(standardised, at, dim=0).T)

    def forward(self, features: Tensor) -> Distribution:
        """Logits, shifts of the means and logs of the standard deviations."""
        logits, shift, log_scale = features.float().unflatten(-1, (self.variables, self.count, 3)).unbind(-1)
        spread = functional.softplus(log_scale + math.log(math.expm1(2 / self.count))) + LEAST_SCALE
        mean = self.mean[:, None] + self.scale[:, None] * (self.quantiles + shift)
        parts = Normal(mean, self.scale[:, None] * spread, validate_args=False)
        return MixtureSameFamily(Categorical(logits=logits, validate_args=False), parts, validate_args=False)

    def draw(self, p: Distribution, generator: Generator) -> Tensor:
        """A component, then a sample of it."""
        log_weights, mean, scale = self.components(p)
        chosen = drawn_index(log_weights, generator)[..., None]
        mean, scale = mean.gather(-1, chosen).squeeze(-1), scale.gather(-1, chosen).squeeze(-1)
        return mean + scale * torch.randn(mean.shape, generator=generator)

    def moved(self, p: Distribution, by: Tensor, stretch: Tensor) -> Distribution:
        """With other means and scales."""
        assert isinstance(p, MixtureSameFamily)
        before, by, stretch = p.component_distribution, by[..., None], stretch[..., None]
        parts = Normal(before.mean * stretch + by, before.stddev * stretch, validate_args=False)
        return MixtureSameFamily(p.mixture_distribution, parts, validate_args=False)

    def components(self, p: Distribution) -> tuple[Tensor, Tensor, Tensor]:
        """Its own."""
        assert isinstance(p, MixtureSameFamily)
        parts = p.component_distribution
        return p.mixture_distribution.logits, parts.mean, parts.stddev


class Histogram(Distribution):
    """A value in one of K buckets, uniform within; a bucket without width is a single value.

    Attributes:
        logits: [..., V, K], normalised.
        middles: [..., V, K].
        widths: [..., V, K].
        bounds: Between buckets, [..., V, K - 1], ascending.
    """

    arg_constraints = {}  # noqa: RUF012  # pyright: ignore
    has_rsample = False

    def __init__(self, logits: Tensor, middles: Tensor, widths: Tensor, bounds: Tensor) -> None:
        self.logits = logits.log_softmax(-1)
        self.middles, self.widths, self.bounds = middles, widths, bounds
        super().__init__(logits.shape[:-1], validate_args=False)

    @property
    def mean(self) -> Tensor:
        """Weights times middles."""
        return (self.logits.exp() * self.middles).sum(-1)

    def bucket(self, value: Tensor) -> Tensor:
        """The bucket that each value [..., V] falls into."""
        return (value[..., None] > self.bounds).sum(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-density within buckets; log-probability of buckets without width."""
        at = self.bucket(value)[..., None]
        widths = torch.where(self.widths > 0, self.widths, 1.0).expand(self.logits.shape)
        return (
            self.logits.gather(-1, at.expand(*self.logits.shape[:-1], 1)) - widths.gather(-1, at).log()
        ).squeeze(-1)


class BucketObservation(Observation):
    """A categorical over buckets: the distinct training values where there are few, or else quantiles of them."""

    middles: Tensor
    widths: Tensor
    bounds: Tensor
    unused: Tensor

    def __init__(self, variables: int, buckets: int = 64) -> None:
        super().__init__(variables)
        self.count = buckets
        self.features, self.inputs = buckets * variables, (buckets + 1) * variables
        for name in ("middles", "widths"):
            self.register_buffer(name, torch.zeros(variables, buckets))
        self.register_buffer("bounds", torch.full((variables, buckets - 1), math.inf))
        self.register_buffer("unused", torch.zeros(variables, buckets, dtype=torch.bool))

    def start_from(self, values: Tensor) -> None:
        """Find the buckets."""
        super().start_from(values)
        for v, column in enumerate(values.T):
            self._find(v, column[~column.isnan()].double())

    def _find(self, v: int, column: Tensor) -> None:
        distinct = column.unique()
        if len(distinct) <= self.count:
            middles, widths = distinct, torch.zeros_like(distinct)
            bounds = (distinct[1:] + distinct[:-1]) / 2
        else:
            edges = torch.quantile(column, torch.linspace(0, 1, self.count + 1, dtype=torch.float64)).unique()
            middles, widths, bounds = (edges[1:] + edges[:-1]) / 2, edges.diff(), edges[1:-1]
        used = len(middles)
        self.middles[v, :used], self.widths[v, :used] = middles.float(), widths.float()
        self.bounds[v, : used - 1] = bounds.float()
        self.unused[v] = torch.arange(self.count) >= used

    def told(self, values: Tensor, observed: Tensor) -> Tensor:
        """The standardised value, and which bucket it is in."""
        at = (values[..., None] > self.bounds).sum(-1)
        which = functional.one_hot(at, self.count) * observed[..., None]
        return torch.cat([super().told(values, observed), which.flatten(-2).to(values.dtype)], -1)

    def forward(self, features: Tensor) -> Distribution:
        """Logits of the buckets."""
        logits = features.float().unflatten(-1, (self.variables, self.count)).masked_fill(self.unused, -1e9)
        return Histogram(logits, self.middles, self.widths, self.bounds)

    def draw(self, p: Distribution, generator: Generator) -> Tensor:
        """A bucket, then a place in it."""
        assert isinstance(p, Histogram)
        at = drawn_index(p.logits, generator)
        middles, widths = (
            each.expand(p.logits.shape).gather(-1, at[..., None]).squeeze(-1) for each in (p.middles, p.widths)
        )
        return middles + (torch.rand(at.shape, generator=generator) - 0.5) * widths

    def moved(self, p: Distribution, by: Tensor, stretch: Tensor) -> Distribution:
        """With other buckets."""
        assert isinstance(p, Histogram)
        by, stretch = by[..., None], stretch[..., None]
        return Histogram(p.logits, p.middles * stretch + by, p.widths * stretch, p.bounds * stretch + by)

    def components(self, p: Distribution) -> tuple[Tensor, Tensor, Tensor]:
        """Each bucket as a Gaussian of its variance; buckets that no variable uses are left out."""
        assert isinstance(p, Histogram)
        used = ~self.unused.all(0)
        logits = p.logits[..., used]
        spread = p.widths[..., used] / math.sqrt(12)
        return logits, p.middles[..., used].expand(logits.shape), spread.expand(logits.shape)

    def pooled(self, drawn: Sequence[Distribution]) -> tuple[Tensor, Tensor, Tensor]:
        """The buckets are the same in all of them, so their weights are averaged."""
        parts = [self.components(p) for p in drawn]
        log_weights = torch.stack([part[0] for part in parts]).log_softmax(-1).logsumexp(0)
        return log_weights - math.log(len(parts)), *parts[0][1:]


class CountObservation(Observation):
    """Counts: zero, or a negative binomial of any mean and spread (so zeros may be many and bursts large)."""

    def __init__(self, variables: int) -> None:
        super().__init__(variables)
        self.features = 3 * variables

    def standardised(self, values: Tensor) -> Tensor:
        """log(1 + v): bursts do not drown the rest."""
        return values.log1p()

    def forward(self, features: Tensor) -> Distribution:
        """Logit of being zero, log of the mean, log of the size."""
        zero, log_mean, log_size = features.float().unflatten(-1, (self.variables, 3)).unbind(-1)
        log_size = log_size.clamp(-6, 6)
        logits = log_mean.clamp(-12, 12) - log_size
        return ZeroInflated(zero, NegativeBinomial(log_size.exp(), logits=logits, validate_args=False))

    def draw(self, p: Distribution, generator: Generator) -> Tensor:
        """Zero, or a Poisson count of a gamma rate."""
        assert isinstance(p, ZeroInflated)
        size, mean = p.counts.total_count, p.counts.mean
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))
            rate = torch.distributions.Gamma(size, size / mean.clamp_min(1e-12), validate_args=False).sample()
        zero = torch.rand(mean.shape, generator=generator) < p.zero.sigmoid()
        return torch.where(zero, 0.0, torch.poisson(rate, generator=generator))

    def moved(self, p: Distribution, by: Tensor, stretch: Tensor) -> Distribution:
        """None."""
        raise ValueError("counts are not relative to anything")

    def components(self, p: Distribution) -> tuple[Tensor, Tensor, Tensor]:
        """None."""
        raise ValueError(
            "a likelihood of counts has no Gaussian noise to remove; take gaussian, mixture or buckets"
        )


class ZeroInflated(Distribution):
    """Zero with some probability, or else from a distribution of counts.

    Attributes:
        zero: Logit of that probability, [..., V].
        counts: The distribution of counts.
    """

    arg_constraints = {}  # noqa: RUF012  # pyright: ignore

    def __init__(self, zero: Tensor, counts: NegativeBinomial) -> None:
        self.zero, self.counts = zero, counts
        super().__init__(zero.shape, validate_args=False)

    @property
    def mean(self) -> Tensor:
        """(1 - probability of zero) x mean of the counts."""
        return torch.sigmoid(-self.zero) * self.counts.mean

    def log_prob(self, value: Tensor) -> Tensor:
        """log(p [v = 0] + (1 - p) NB(v))."""
        counted = functional.logsigmoid(-self.zero) + self.counts.log_prob(value)
        return torch.where(value == 0, torch.logaddexp(functional.logsigmoid(self.zero), counted), counted)


def mean_and_scale(values: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of steps [R, V], NaN where missing; a variable that never changes has 1."""
    mean = values.nanmean(0)
    spread = (values - mean).square().nanmean(0).sqrt()
    return mean, torch.where(spread > 0, spread, 1.0)


def drawn_index(log_weights: Tensor, generator: Generator) -> Tensor:
    """An index into the last axis with these weights: the largest of logits and Gumbel noise."""
    uniform = torch.rand(log_weights.shape, generator=generator).clamp(1e-20, 1 - 1e-7)
    return (log_weights - (-uniform.log()).log()).argmax(-1)


OBSERVATIONS: dict[str, type[Observation]] = {
    "gaussian": GaussianObservation,
    "mixture": MixtureObservation,
    "buckets": BucketObservation,
    "counts": CountObservation,
}
