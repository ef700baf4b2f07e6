"""The variables of a step together, one after another (RNADE, Uria et al. 2013; MADE, Germain et al. 2015).

    p(v | features) = prod_i p(v_i | v_<i, features),    each factor a mixture of K Gaussians

Masked weights give the parameters of all factors in one pass, so a density costs one pass; a draw goes through the
variables in their order. The mean of a factor begins at the least squares prediction from the variables before it.

Letters: V variables, n of them that follow each other, K components, H units, R training steps; of whatever there
are two, the first is of later values (or of all), the second of first values, where later ones are changes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Generator, Tensor, nn
from torch.distributions import Categorical, Distribution, MixtureSameFamily, Normal
from torch.nn import functional

from habitus.models.recurrent.observations.base import (
    LEAST_SCALE,
    Components,
    Observation,
    drawn_value,
    mean_and_scale,
)

LATER = 0
FIRST = 1
TOLD = 3  # numbers that tell a value: it as a later one, it as a first one, whether it was seen
UNITS_PER_VARIABLE = 4
FEWEST_UNITS = 64
RIDGE = 1e-5  # of least squares, of standardised values: copies of a variable share its weight
FEWEST_ROWS = 10  # for least squares, per variable
FREQUENT = 0.01  # share of values, from which on one has a component of its own
REACH = 0.005, 0.995  # quantiles that the other components are laid between
ROUNDS = 20
MOST_ROWS = 5000
FEWEST = 1e-2  # of EM; values that it is done on; fewer than so many leave a component
EVERY = slice(None)


class AutoregressiveMixture(Distribution):
    """A row of variables, of batch shape [..., V].

    Attributes:
        net: Tells the factors.
        features: Of the components, [..., V, K, 3], of the predictions, [..., V], and of the units, [..., H].
        place: What standardised values are added to, after they are multiplied by ``stretch``, each [..., V].
        stretch: The same.
        first: Bool [..., V], which values are first ones.
    """

    arg_constraints = {}  # noqa: RUF012  # pyright: ignore
    has_rsample = False

    def __init__(
        self,
        net: Factors,
        features: tuple[Tensor, Tensor, Tensor],
        place: Tensor,
        stretch: Tensor,
        first: Tensor,
    ) -> None:
        shape = features[0].shape[:-2]
        self.net = net
        self.features = features
        self.place = place.expand(shape)
        self.stretch = stretch.expand(shape)
        self.first = first.expand(shape)
        super().__init__(shape, validate_args=False)

    def given(self, values: Tensor) -> MixtureSameFamily:
        """The factor of each variable given the values [..., V] of those before it, NaN where not seen."""
        told = self._told(values, EVERY)
        _, predicted, units = self.features
        units = units + self.net.to_units(told, EVERY)
        predicted = predicted + self.net.to_means(told, EVERY)
        return self._factor(units, predicted, EVERY)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-density of each variable given those before it; 0 of values that are NaN, which were not seen."""
        seen = ~value.isnan()
        return torch.where(
            seen, self.given(value).log_prob(torch.where(seen, value, self.place)), 0.0
        )

    @property
    def mean(self) -> Tensor:
        """Of each variable given that those before it are at their means: exact where means are linear in them."""
        return self.in_turn(lambda at, factor: factor.mean)

    def in_turn(self, choose: Callable[[slice, MixtureSameFamily], Tensor]) -> Tensor:
        """Values [..., V], each chosen [..., 1] from its factor given those chosen before it."""
        (_, predicted, units) = self.features
        chosen = list[Tensor]()
        for number in range(self.place.shape[-1]):
            at = slice(number, number + 1)
            chosen.append(choose(at, self._factor(units, predicted[..., at], at)))
            told = self._told(chosen[-1], at)
            units = units + self.net.to_units(told, at)
            predicted = predicted + self.net.to_means(told, at)
        return torch.cat(chosen, -1)

    def _told(self, values: Tensor, at: slice) -> Tensor:
        """Numbers that tell values of some variables, [..., n, 3]."""
        place = self.place[..., at]
        first = self.first[..., at]
        seen = ~values.isnan()
        standardised = (torch.where(seen, values, place) - place) / self.stretch[..., at]
        later = torch.where(first, 0.0, standardised)
        begun = torch.where(first, standardised, 0.0)
        return torch.stack([later, begun, seen.to(later.dtype)], -1)

    def _factor(self, units: Tensor, predicted: Tensor, at: slice) -> MixtureSameFamily:
        """The distributions of some variables, from units [..., H] and linear predictions [..., n]."""
        first = self.first[..., at]
        stretch = self.stretch[..., at, None]
        logits, mean, spread = self.net(
            self.features[0][..., at, :, :], units, predicted, first, at
        )
        parts = Normal(
            self.place[..., at, None] + stretch * mean, stretch * spread, validate_args=False
        )
        return MixtureSameFamily(
            Categorical(logits=logits, validate_args=False), parts, validate_args=False
        )


class Factors(nn.Module):
    """The factors' parameters for standardised values: one hidden layer and linear predictions, all masked.

    A third of a factor's components are where values are, the others around the linear prediction. What the network
    says of a component is added to what EM found on training steps, its shift in shares of the component's width.
    """

    reads: Tensor
    is_read: Tensor
    before: Tensor
    follows: Tensor
    log_weights: Tensor
    centres: Tensor
    widths: Tensor
    least: Tensor

    def __init__(self, variables: int, components: int, units: int) -> None:
        super().__init__()
        self.components = components
        number = torch.arange(variables)
        degrees = (
            torch.arange(units) % max(1, variables - 1) + 1
        )  # a unit reads so many of the first variables
        follows = torch.arange(components) >= components // 3
        for name, mask in (
            ("reads", (number[:, None] < degrees)[:, None]),
            ("is_read", (degrees[:, None] <= number)[..., None]),
            ("before", number[:, None] < number),
            ("follows", follows),
        ):
            self.register_buffer(name, mask.float(), persistent=False)
        self.inner = nn.Parameter(
            torch.empty(variables, TOLD, units).uniform_(-1, 1) / math.sqrt(units)
        )
        self.outer = nn.Parameter(
            torch.empty(units, variables, 3 * components).uniform_(-0.1, 0.1) / math.sqrt(units)
        )
        self.linear = nn.Parameter(torch.zeros(2, variables, variables))
        for name in ("log_weights", "centres"):
            self.register_buffer(name, torch.zeros(2, variables, components))
        self.register_buffer("widths", torch.ones(2, variables, components))
        self.register_buffer("least", torch.full((2, variables, 1), LEAST_SCALE))

    def to_units(self, told: Tensor, at: slice) -> Tensor:
        """What values [..., n, 3] of some variables add to the units, [..., H]."""
        weight = (self.inner * self.reads)[at]
        return told.flatten(-2) @ weight.flatten(0, 1)

    def to_means(self, told: Tensor, at: slice) -> Tensor:
        """What they add to the means of the variables after them, [..., V]."""
        weight = (self.linear * self.before)[:, at]
        return told[..., LATER] @ weight[LATER] + told[..., FIRST] @ weight[FIRST]

    def forward(
        self, own: Tensor, units: Tensor, predicted: Tensor, first: Tensor, at: slice
    ) -> list[Tensor]:
        """Logits, means and standard deviations [..., n, K], from linear predictions [..., n]."""
        weight = (self.outer * self.is_read)[:, at]
        added = functional.silu(units) @ weight.flatten(1)
        logits, shift, log_scale = (own + added.unflatten(-1, own.shape[-3:])).unbind(-1)
        log_weights, centres, widths, least = (
            torch.where(first[..., None], each[FIRST, at], each[LATER, at])
            for each in (self.log_weights, self.centres, self.widths, self.least)
        )
        mean = predicted[..., None] * self.follows + centres + widths * shift
        return [
            logits + log_weights,
            mean,
            widths * functional.softplus(log_scale + 0.5413) + least,
        ]  # 1 at 0

    @torch.no_grad()
    def start_from(self, standardised: Tensor, which: int, least: Tensor) -> None:
        """Least squares from the variables before, and components where values and what that leaves are.

        Args:
            standardised: Training steps [R, V], NaN where missing.
            which: LATER or FIRST.
            least: The narrowest that a component may be, [V].
        """
        self.least[which] = least[:, None]
        self.linear[which] = _least_squares(standardised.double()).to(self.linear.dtype)
        predicted = standardised @ self.linear[which]
        for v, floor in enumerate(least.tolist()):
            self._begin_at(which, v, standardised[:, v], predicted[:, v], floor)

    def _begin_at(
        self, which: int, v: int, values: Tensor, predicted: Tensor, least: float
    ) -> None:
        """Components of one variable, from its values [R] and their predictions, NaN for none."""
        values = values[known := ~values.isnan()]
        predicted = predicted[known].nan_to_num(0.0)
        if not len(values):
            return
        alone = int((1 - self.follows).sum())
        parts = (
            _spread_over(values, alone, least),
            _spread_over(values - predicted, self.components - alone, least),
        )
        weights, centres, widths = (torch.cat(each) for each in zip(*parts, strict=True))
        every = slice(None, None, -(-len(values) // MOST_ROWS))
        away = values[every, None] - self.follows * predicted[every, None]
        found = _fitted(away, weights, centres, widths, least)
        for own, each in zip((self.log_weights, self.centres, self.widths), found, strict=True):
            own[which, v] = each


def _spread_over(values: Tensor, count: int, least: float) -> tuple[Tensor, Tensor, Tensor]:
    """Weights, centres and widths: at values that many have, over equal shares of the others, and over all."""
    rounded = (values / least).round()
    fewest = FREQUENT * len(values)
    distinct, counts = rounded.unique(return_counts=True)
    often = counts.argsort(descending=True)[: max(0, count - 1)]
    often = often[counts[often] >= fewest]
    rest = values[~torch.isin(rounded, distinct[often])]
    fewer = max(0, count - 1 - len(often))
    edges = torch.quantile(rest if len(rest) else values, torch.linspace(*REACH, 2 * fewer + 1))
    even = values.new_full((fewer,), (len(rest) + fewest) / max(fewer, 1))
    weights = torch.cat([counts[often], even, values.new_tensor([fewest])])
    centres = torch.cat([distinct[often] * least, edges[1::2], values.mean()[None]])
    widths = torch.cat(
        [torch.zeros(len(often)), edges[2::2] - edges[:-1:2], values.std(correction=0)[None]]
    )
    return weights[:count], centres[:count], widths[:count].clamp_min(least)


def _fitted(
    away: Tensor, weights: Tensor, centres: Tensor, widths: Tensor, least: float
) -> tuple[Tensor, ...]:
    """Log-weights, centres and widths [K] after rounds of EM on values relative to each component, [R, K]."""
    for _ in range(ROUNDS):
        log_share = weights.log() - widths.log() - 0.5 * ((away - centres) / widths).square()
        share = log_share.softmax(-1)
        weights = share.sum(0).clamp_min(FEWEST)
        centres = (share * away).sum(0) / weights
        widths = ((share * (away - centres).square()).sum(0) / weights).sqrt().clamp_min(least)
    return (weights / weights.sum()).log(), centres, widths


def _least_squares(standardised: Tensor) -> Tensor:
    """Weights [V, V] of each variable (row) in the prediction of those after it (column); 0 on too few rows."""
    rows = standardised[~standardised.isnan().any(-1)]
    variables = standardised.shape[1]
    weights = standardised.new_zeros(variables, variables)
    if len(rows) < FEWEST_ROWS * variables:
        return weights
    products = rows.T @ rows / len(rows)
    for at in range(1, variables):
        ridge = RIDGE * torch.eye(at, dtype=products.dtype, device=products.device)
        weights[:at, at] = torch.linalg.solve(products[:at, :at] + ridge, products[:at, at])
    return weights


class AutoregressiveObservation(Observation):
    """Every variable given those before it: a mixture of Gaussians each, whose parameters follow from them."""

    def __init__(self, variables: int, components: int = 12) -> None:
        super().__init__(variables)
        self.count = components
        self.units = max(FEWEST_UNITS, UNITS_PER_VARIABLE * variables)
        self.sizes = 3 * components * variables, variables, self.units
        self.features = sum(self.sizes)
        self.net = Factors(variables, components, self.units)

    def start_from(self, values: Tensor) -> None:
        """Begin at least squares and EM on what is modelled."""
        super().start_from(values)
        self.net.start_from(
            self.standardised(values), LATER, torch.full_like(self.scale, LEAST_SCALE)
        )

    def start_first_from(self, values: Tensor) -> None:
        """The same of first values, whose components may be as narrow as those of the changes."""
        level, spread = mean_and_scale(values)
        self.net.start_from((values - level) / spread, FIRST, LEAST_SCALE * self.scale / spread)

    def forward(self, features: Tensor) -> Distribution:
        """Logits, shifts and logs of the standard deviations of components, predictions, and the units' inputs."""
        own, predicted, units = features.float().split(self.sizes, -1)
        own = own.unflatten(-1, (self.variables, self.count, 3))
        return AutoregressiveMixture(
            self.net,
            (own, predicted, units),
            self.mean,
            self.scale,
            torch.zeros_like(self.mean) > 0,
        )

    def relative_to(
        self, p: Distribution, anchor: Tensor, level: Tensor, spread: Tensor
    ) -> Distribution:
        """First values have predictions and components of their own."""
        assert isinstance(p, AutoregressiveMixture)
        first = anchor.isnan()
        place = torch.where(first, level, anchor + p.place)
        stretch = torch.where(first, spread, p.stretch)
        return AutoregressiveMixture(p.net, p.features, place, stretch, first)

    def moved(self, p: Distribution, by: Tensor, stretch: Tensor) -> Distribution:
        """With another place and stretch."""
        assert isinstance(p, AutoregressiveMixture)
        return AutoregressiveMixture(
            p.net, p.features, p.place * stretch + by, p.stretch * stretch, p.first
        )

    def log_prob(self, p: Distribution, values: Tensor, observed: Tensor) -> Tensor:
        """What was not observed is not told to the variables after it."""
        return p.log_prob(torch.where(observed, values, math.nan))

    def draw(self, p: Distribution, generator: Generator) -> Tensor:
        """Variable by variable."""
        assert isinstance(p, AutoregressiveMixture)
        return p.in_turn(lambda at, factor: drawn_value(*self.components(factor), generator))

    def filled(
        self, p: Distribution, values: Tensor, observed: Tensor, generator: Generator
    ) -> Tensor:
        """What was not observed is drawn given the variables before it."""
        assert isinstance(p, AutoregressiveMixture)

        def choose(at: slice, factor: MixtureSameFamily) -> Tensor:
            drawn = drawn_value(*self.components(factor), generator)
            return torch.where(observed[..., at], values[..., at], drawn)

        return p.in_turn(choose)

    def apart(self, p: Distribution, values: Tensor) -> Distribution:
        """The factors."""
        assert isinstance(p, AutoregressiveMixture)
        return p.given(values)

    def chosen(
        self, drawn: Sequence[Distribution], choose: Callable[[slice, Components], Tensor]
    ) -> Tensor:
        """Variable by variable; from the first distribution, since each value says which of them it is of."""
        assert isinstance(drawn[0], AutoregressiveMixture)
        return drawn[0].in_turn(lambda at, factor: choose(at, self.components(factor)))

    def components(self, p: Distribution) -> Components:
        """Those of factors; see :meth:`apart`."""
        assert isinstance(p, MixtureSameFamily)
        return (
            p.mixture_distribution.logits,
            p.component_distribution.mean,
            p.component_distribution.stddev,
        )
