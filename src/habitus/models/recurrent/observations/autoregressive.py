"""Variables of a step one after another (RNADE, Uria et al. 2013; MADE, Germain et al. 2015).

    p(v | features) = prod_i p(v_i | v_<i, features),    each factor a mixture of K Gaussians

Masked weights give the parameters of all factors in one pass, so a density costs one pass; a draw
goes through the variables in their order. The mean of a factor begins at the least squares
prediction from the variables before it.

Where changes are modelled, the first value of a series has parameters of its own. Parameters with
an axis of length 2 hold at index LATER (0) those of changes, or of all values where no changes are
modelled, and at index FIRST (1) those of first values.

Letters: V variables, n of them that follow each other, K components, H units, R training steps.
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
    draw_value,
    mean_and_scale,
)

LATER = 0
FIRST = 1
ENCODED = 3  # inputs that encode a value: as a later value, as a first one, whether it was seen
UNITS_PER_VARIABLE = 4
FEWEST_UNITS = 64
RIDGE = 1e-5  # penalty of least squares: copies of a variable share its weight
FEWEST_ROWS = 10  # least number of training steps per variable for least squares
FREQUENT = 0.01  # least relative frequency of a value for a component of its own
REACH = (0.005, 0.995)  # lowest and highest quantile that the other initial components cover
ROUNDS = 20  # rounds of EM
MOST_ROWS = 5000  # most training steps that EM reads
FEWEST = 1e-2  # least weight of a component in EM, in training steps
EVERY = slice(None)


class AutoregressiveMixture(Distribution):
    """Joint distribution of the variables of a step, of batch shape [..., V].

    Attributes:
        net: Network of the factors' parameters.
        features: Features of the components [..., V, K, 3], of the predictions [..., V], and of
            the units [..., H].
        place: Shift of standardised values, [..., V].
        stretch: Scale of standardised values, [..., V].
        first: Which values are first ones, bool [..., V].
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

    def factors(self, values: Tensor) -> MixtureSameFamily:
        """Factor of each variable given the values [..., V] of those before it, NaN if unseen."""
        encoded = self._encode(values, EVERY)
        _, predicted, units = self.features
        units = units + self.net.to_units(encoded, EVERY)
        predicted = predicted + self.net.to_means(encoded, EVERY)
        return self._factor(units, predicted, EVERY)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-density of each variable given those before it; 0 for unseen values, NaN."""
        seen = ~value.isnan()
        log_p = self.factors(value).log_prob(torch.where(seen, value, self.place))
        return torch.where(seen, log_p, 0.0)

    @property
    def mean(self) -> Tensor:
        """Mean of each variable given those before it at their means; exact for linear means."""
        return self.in_turn(lambda at, factor: factor.mean)

    def in_turn(self, choose: Callable[[slice, MixtureSameFamily], Tensor]) -> Tensor:
        """Values [..., V], each chosen from its factor given those chosen before it."""
        _, predicted, units = self.features
        chosen = list[Tensor]()
        for number in range(self.place.shape[-1]):
            at = slice(number, number + 1)
            chosen.append(choose(at, self._factor(units, predicted[..., at], at)))
            encoded = self._encode(chosen[-1], at)
            units = units + self.net.to_units(encoded, at)
            predicted = predicted + self.net.to_means(encoded, at)
        return torch.cat(chosen, -1)

    def _encode(self, values: Tensor, at: slice) -> Tensor:
        """Encode values of some variables as inputs of the network, [..., n, 3]."""
        place = self.place[..., at]
        first = self.first[..., at]
        seen = ~values.isnan()
        standardised = (torch.where(seen, values, place) - place) / self.stretch[..., at]
        later = torch.where(first, 0.0, standardised)
        begun = torch.where(first, standardised, 0.0)
        return torch.stack([later, begun, seen.to(later.dtype)], -1)

    def _factor(self, units: Tensor, predicted: Tensor, at: slice) -> MixtureSameFamily:
        """Factors of some variables from units [..., H] and linear predictions [..., n]."""
        first = self.first[..., at]
        stretch = self.stretch[..., at, None]
        logits, mean, spread = self.net(
            self.features[0][..., at, :, :], units, predicted, first, at
        )
        mean = self.place[..., at, None] + stretch * mean
        parts = Normal(mean, stretch * spread, validate_args=False)
        return MixtureSameFamily(
            Categorical(logits=logits, validate_args=False), parts, validate_args=False
        )


class Factors(nn.Module):
    """Network of the factors' parameters: one hidden layer and linear predictions, all masked.

    A third of a factor's components lie at absolute values, the others around the linear
    prediction. The network's outputs are added to the components that EM found on training steps,
    shifts in shares of a component's width. All values are standardised.

    Attributes:
        reads: Mask of the variables that a unit reads, [V, 1, H].
        is_read: Mask of the units that a variable's parameters depend on, [H, V, 1].
        before: Mask of the variables before each variable, [V, V].
        follows: Mask of the components around the prediction, [K].
        log_weights: Log-weights of the components, [2, V, K].
        centres: Means of the components, [2, V, K].
        widths: Standard deviations of the components, [2, V, K].
        least: Least standard deviation of a variable's components, [2, V, 1].
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
        # A unit reads as many of the first variables as its degree says.
        degrees = torch.arange(units) % max(1, variables - 1) + 1
        masks = {
            "reads": (number[:, None] < degrees)[:, None],
            "is_read": (degrees[:, None] <= number)[..., None],
            "before": number[:, None] < number,
            "follows": torch.arange(components) >= components // 3,
        }
        for name, mask in masks.items():
            self.register_buffer(name, mask.float(), persistent=False)
        inner = torch.empty(variables, ENCODED, units).uniform_(-1, 1)
        outer = torch.empty(units, variables, 3 * components).uniform_(-0.1, 0.1)
        self.inner = nn.Parameter(inner / math.sqrt(units))
        self.outer = nn.Parameter(outer / math.sqrt(units))
        self.linear = nn.Parameter(torch.zeros(2, variables, variables))
        self.register_buffer("log_weights", torch.zeros(2, variables, components))
        self.register_buffer("centres", torch.zeros(2, variables, components))
        self.register_buffer("widths", torch.ones(2, variables, components))
        self.register_buffer("least", torch.full((2, variables, 1), LEAST_SCALE))

    def to_units(self, encoded: Tensor, at: slice) -> Tensor:
        """Contribution of encoded variables [..., n, 3] to the units, [..., H]."""
        weight = (self.inner * self.reads)[at]
        return encoded.flatten(-2) @ weight.flatten(0, 1)

    def to_means(self, encoded: Tensor, at: slice) -> Tensor:
        """Contribution of encoded variables [..., n, 3] to the linear predictions, [..., V]."""
        weight = (self.linear * self.before)[:, at]
        return encoded[..., LATER] @ weight[LATER] + encoded[..., FIRST] @ weight[FIRST]

    def forward(
        self, own: Tensor, units: Tensor, predicted: Tensor, first: Tensor, at: slice
    ) -> list[Tensor]:
        """Logits, means and standard deviations of the components of n factors, [..., n, K].

        Args:
            own: Features of the components, [..., n, K, 3].
            units: Inputs of the hidden units, [..., H].
            predicted: Linear predictions, [..., n].
            first: Which values are first ones, bool [..., n].
            at: Which variables they are.
        """
        weight = (self.outer * self.is_read)[:, at]
        added = functional.silu(units) @ weight.flatten(1)
        logits, shift, log_scale = (own + added.unflatten(-1, own.shape[-3:])).unbind(-1)
        log_weights, centres, widths, least = (
            torch.where(first[..., None], each[FIRST, at], each[LATER, at])
            for each in (self.log_weights, self.centres, self.widths, self.least)
        )
        mean = predicted[..., None] * self.follows + centres + widths * shift
        spread = widths * functional.softplus(log_scale + 0.5413) + least  # 1 width at 0
        return [logits + log_weights, mean, spread]

    @torch.no_grad()
    def start_from(self, standardised: Tensor, which: int, least: Tensor) -> None:
        """Fit linear predictions by least squares, and components to values and residuals.

        Args:
            standardised: Training steps [R, V], NaN where missing.
            which: LATER or FIRST.
            least: Least standard deviation of a component, [V].
        """
        self.least[which] = least[:, None]
        self.linear[which] = _least_squares(standardised.double()).to(self.linear.dtype)
        predicted = standardised @ self.linear[which]
        for v, floor in enumerate(least.tolist()):
            self._fit_components(which, v, standardised[:, v], predicted[:, v], floor)

    def _fit_components(
        self, which: int, v: int, values: Tensor, predicted: Tensor, least: float
    ) -> None:
        """Fit the components of one variable to its values and their predictions, both [R]."""
        known = ~values.isnan()
        values = values[known]
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
        # Each component explains a value itself or its residual.
        x = values[every, None] - self.follows * predicted[every, None]
        for _ in range(ROUNDS):  # EM
            log_share = weights.log() - widths.log() - 0.5 * ((x - centres) / widths).square()
            share = log_share.softmax(-1)
            weights = share.sum(0).clamp_min(FEWEST)
            centres = (share * x).sum(0) / weights
            squared = (share * (x - centres).square()).sum(0)
            widths = (squared / weights).sqrt().clamp_min(least)
        self.log_weights[which, v] = (weights / weights.sum()).log()
        self.centres[which, v] = centres
        self.widths[which, v] = widths


def _spread_over(values: Tensor, count: int, least: float) -> tuple[Tensor, Tensor, Tensor]:
    """Initialise components for values [n]: weights, centres and widths, [count] each.

    Each frequent value (see ``FREQUENT``) gets a narrow component. The components after these
    divide the other values at their quantiles, and the last one covers all values.
    """
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


def _least_squares(standardised: Tensor) -> Tensor:
    """Weights of each variable (row) in the prediction of later ones (column), [V, V].

    They are 0 where there are too few rows.
    """
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
    """Mixture of Gaussians of every variable given those before it."""

    def __init__(self, variables: int, components: int = 12) -> None:
        super().__init__(variables)
        self.count = components
        self.units = max(FEWEST_UNITS, UNITS_PER_VARIABLE * variables)
        self.sizes = 3 * components * variables, variables, self.units
        self.features = sum(self.sizes)
        self.net = Factors(variables, components, self.units)

    def start_from(self, values: Tensor) -> None:
        """Fit linear predictions and components to training steps [R, V], NaN where missing."""
        super().start_from(values)
        least = torch.full_like(self.scale, LEAST_SCALE)
        self.net.start_from(self.standardise(values), LATER, least)

    def start_first_from(self, values: Tensor) -> None:
        """Fit those of first values, with components as narrow as those of the changes."""
        level, spread = mean_and_scale(values)
        self.net.start_from((values - level) / spread, FIRST, LEAST_SCALE * self.scale / spread)

    def forward(self, features: Tensor) -> Distribution:
        """Joint distribution from features of components, predictions and units."""
        own, predicted, units = features.float().split(self.sizes, -1)
        own = own.unflatten(-1, (self.variables, self.count, 3))
        first = torch.zeros_like(self.mean) > 0
        return AutoregressiveMixture(
            self.net, (own, predicted, units), self.mean, self.scale, first
        )

    def relative_to(
        self, p: Distribution, anchor: Tensor, level: Tensor, spread: Tensor
    ) -> Distribution:
        # First values have predictions and components of their own.
        assert isinstance(p, AutoregressiveMixture)
        first = anchor.isnan()
        place = torch.where(first, level, anchor + p.place)
        stretch = torch.where(first, spread, p.stretch)
        return AutoregressiveMixture(p.net, p.features, place, stretch, first)

    def affine(self, p: Distribution, shift: Tensor, scale: Tensor) -> Distribution:
        assert isinstance(p, AutoregressiveMixture)
        return AutoregressiveMixture(
            p.net, p.features, p.place * scale + shift, p.stretch * scale, p.first
        )

    def log_prob(self, p: Distribution, values: Tensor, observed: Tensor) -> Tensor:
        # An unobserved value is hidden from the variables after it.
        return p.log_prob(torch.where(observed, values, math.nan))

    def draw(self, p: Distribution, generator: Generator) -> Tensor:
        assert isinstance(p, AutoregressiveMixture)
        return p.in_turn(lambda at, factor: draw_value(*self.components(factor), generator))

    def fill(
        self, p: Distribution, values: Tensor, observed: Tensor, generator: Generator
    ) -> Tensor:
        """Draw the unobserved values among [..., V], each given the variables before it."""
        assert isinstance(p, AutoregressiveMixture)

        def choose(at: slice, factor: MixtureSameFamily) -> Tensor:
            drawn = draw_value(*self.components(factor), generator)
            return torch.where(observed[..., at], values[..., at], drawn)

        return p.in_turn(choose)

    def factors(self, p: Distribution, values: Tensor) -> Distribution:
        assert isinstance(p, AutoregressiveMixture)
        return p.factors(values)

    def choose_values(
        self, drawn: Sequence[Distribution], choose: Callable[[slice, Components], Tensor]
    ) -> Tensor:
        """Choose values [..., V] variable by variable, from the first distribution only.

        Given the values chosen so far, the members of an equally weighted mixture are no longer
        equally probable, so the factors of later variables cannot be pooled with equal weights.
        """
        assert isinstance(drawn[0], AutoregressiveMixture)
        return drawn[0].in_turn(lambda at, factor: choose(at, self.components(factor)))

    def components(self, p: Distribution) -> Components:
        """Components of factors, as :meth:`factors` returns them."""
        assert isinstance(p, MixtureSameFamily)
        return (
            p.mixture_distribution.logits,
            p.component_distribution.mean,
            p.component_distribution.stddev,
        )
