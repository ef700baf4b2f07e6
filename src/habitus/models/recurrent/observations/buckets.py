"""A value in one of K buckets, for each variable alone.

Letters: V variables, K buckets.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor
from torch.distributions import Distribution
from torch.nn import functional

from habitus.models.parts.gaussians import draw_index
from habitus.models.recurrent.observations.base import Components, Observation


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
        self.middles = middles
        self.widths = widths
        self.bounds = bounds
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
            self.logits.gather(-1, at.expand(*self.logits.shape[:-1], 1))
            - widths.gather(-1, at).log()
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
        self.features = buckets * variables
        self.inputs = (buckets + 1) * variables
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
            middles = distinct
            widths = torch.zeros_like(distinct)
            bounds = (distinct[1:] + distinct[:-1]) / 2
        else:
            edges = torch.quantile(
                column, torch.linspace(0, 1, self.count + 1, dtype=torch.float64)
            ).unique()
            middles = (edges[1:] + edges[:-1]) / 2
            widths = edges.diff()
            bounds = edges[1:-1]
        used = len(middles)
        self.middles[v, :used] = middles.float()
        self.widths[v, :used] = widths.float()
        self.bounds[v, : used - 1] = bounds.float()
        self.unused[v] = torch.arange(self.count) >= used

    def told(self, values: Tensor, observed: Tensor) -> Tensor:
        """The standardised value, and which bucket it is in."""
        at = (values[..., None] > self.bounds).sum(-1)
        which = functional.one_hot(at, self.count) * observed[..., None]
        return torch.cat([super().told(values, observed), which.flatten(-2).to(values.dtype)], -1)

    def forward(self, features: Tensor) -> Distribution:
        """Logits of the buckets."""
        logits = (
            features.float()
            .unflatten(-1, (self.variables, self.count))
            .masked_fill(self.unused, -1e9)
        )
        return Histogram(logits, self.middles, self.widths, self.bounds)

    def draw(self, p: Distribution, generator: Generator) -> Tensor:
        """A bucket, then a place in it."""
        assert isinstance(p, Histogram)
        at = draw_index(p.logits, generator)
        middles, widths = (
            each.expand(p.logits.shape).gather(-1, at[..., None]).squeeze(-1)
            for each in (p.middles, p.widths)
        )
        return middles + (torch.rand(at.shape, generator=generator) - 0.5) * widths

    def moved(self, p: Distribution, by: Tensor, stretch: Tensor) -> Distribution:
        """With other buckets."""
        assert isinstance(p, Histogram)
        by = by[..., None]
        stretch = stretch[..., None]
        return Histogram(
            p.logits, p.middles * stretch + by, p.widths * stretch, p.bounds * stretch + by
        )

    def components(self, p: Distribution) -> Components:
        """Each bucket as a Gaussian of its variance; buckets that no variable uses are left out."""
        assert isinstance(p, Histogram)
        used = ~self.unused.all(0)
        logits = p.logits[..., used]
        spread = p.widths[..., used] / math.sqrt(12)
        return logits, p.middles[..., used].expand(logits.shape), spread.expand(logits.shape)

    def pooled(self, drawn: Sequence[Distribution]) -> Components:
        """The buckets are the same in all of them, so their weights are averaged."""
        parts = [self.components(p) for p in drawn]
        log_weights = torch.stack([part[0] for part in parts]).log_softmax(-1).logsumexp(0)
        return log_weights - math.log(len(parts)), *parts[0][1:]
