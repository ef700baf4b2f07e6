"""Histograms: a value in one of K buckets, for each variable alone.

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
    """Distribution over K buckets, uniform within each; one without width is a single value.

    Attributes:
        logits: Log-probabilities of the buckets, [..., V, K].
        middles: Middles of the buckets, [..., V, K].
        widths: Widths of the buckets, [..., V, K].
        bounds: Bounds between buckets, [..., V, K - 1], ascending.
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
        """Mean, weights times middles."""
        return (self.logits.exp() * self.middles).sum(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-density within buckets; log-probability of buckets without width."""
        at = find_bucket(value, self.bounds)[..., None]
        widths = torch.where(self.widths > 0, self.widths, 1.0).expand(self.logits.shape)
        log_share = self.logits.gather(-1, at.expand(*self.logits.shape[:-1], 1))
        return (log_share - widths.gather(-1, at).log()).squeeze(-1)


def find_bucket(value: Tensor, bounds: Tensor) -> Tensor:
    """Number of the bucket that each value [..., V] falls into, given bounds [..., V, K - 1]."""
    return (value[..., None] > bounds).sum(-1)


class BucketObservation(Observation):
    """Categorical over buckets: the distinct training values if few, or else their quantiles."""

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
        """Choose the buckets from training steps [R, V], NaN where missing."""
        super().start_from(values)
        for v, column in enumerate(values.T):
            known = column[~column.isnan()].double()
            distinct = known.unique()
            if len(distinct) <= self.count:
                middles = distinct
                widths = torch.zeros_like(distinct)
                bounds = (distinct[1:] + distinct[:-1]) / 2
            else:
                shares = torch.linspace(0, 1, self.count + 1, dtype=torch.float64)
                edges = torch.quantile(known, shares).unique()
                middles = (edges[1:] + edges[:-1]) / 2
                widths = edges.diff()
                bounds = edges[1:-1]
            used = len(middles)
            self.middles[v, :used] = middles.float()
            self.widths[v, :used] = widths.float()
            self.bounds[v, : used - 1] = bounds.float()
            self.unused[v] = torch.arange(self.count) >= used

    def encode(self, values: Tensor, observed: Tensor) -> Tensor:
        """Encode the standardised value, and its bucket as one of K."""
        which = functional.one_hot(find_bucket(values, self.bounds), self.count)
        which = (which * observed[..., None]).flatten(-2).to(values.dtype)
        return torch.cat([super().encode(values, observed), which], -1)

    def forward(self, features: Tensor) -> Distribution:
        """Histograms from the logits of their buckets."""
        logits = features.float().unflatten(-1, (self.variables, self.count))
        logits = logits.masked_fill(self.unused, -1e9)
        return Histogram(logits, self.middles, self.widths, self.bounds)

    def draw(self, p: Distribution, generator: Generator) -> Tensor:
        """Draw a bucket, then a place in it."""
        assert isinstance(p, Histogram)
        at = draw_index(p.logits, generator)
        middles, widths = (
            each.expand(p.logits.shape).gather(-1, at[..., None]).squeeze(-1)
            for each in (p.middles, p.widths)
        )
        return middles + (torch.rand(at.shape, generator=generator) - 0.5) * widths

    def affine(self, p: Distribution, shift: Tensor, scale: Tensor) -> Distribution:
        assert isinstance(p, Histogram)
        shift = shift[..., None]
        scale = scale[..., None]
        return Histogram(
            p.logits, p.middles * scale + shift, p.widths * scale, p.bounds * scale + shift
        )

    def components(self, p: Distribution) -> Components:
        """Gaussians with the buckets' variances, without buckets that no variable uses."""
        assert isinstance(p, Histogram)
        used = ~self.unused.all(0)
        logits = p.logits[..., used]
        spread = p.widths[..., used] / math.sqrt(12)
        return logits, p.middles[..., used].expand(logits.shape), spread.expand(logits.shape)

    def pool(self, drawn: Sequence[Distribution]) -> Components:
        """Average the weights of the buckets, which all distributions share."""
        parts = [self.components(p) for p in drawn]
        log_weights = torch.stack([part[0] for part in parts]).log_softmax(-1).logsumexp(0)
        return log_weights - math.log(len(parts)), *parts[0][1:]
