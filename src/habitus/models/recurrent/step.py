"""What models of series share: their settings, what a step tells a network, and what they are fitted with.

Letters: B series, T steps, V variables, I inputs of a network, K draws.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Generator, Tensor, nn
from torch.distributions import Distribution

from habitus.models.base import AutoregressiveModel, Loss, Windows
from habitus.models.recurrent.observations import OBSERVATIONS, mean_and_scale
from habitus.schema import SeriesAxes
from habitus.settings import NotNegative, Positive, configuration

AUTO = "auto"
FALLBACK = "gaussian"
FEW_VALUES = 64  # of a variable: fewer are told apart
NEAR = 0.9  # correlation of a value with the next, from which on the change is what is modelled
FIT = {
    "epochs": 20, "batch": 32, "learning_rate": 2e-3, "schedule": "one-cycle", "held_out": 0.1, "keep": "best",
    "clip": 1.0, "precision": "float32",
}  # fmt: skip
"""Settings of a fit that suit models of series: 1,000 steps on a small one."""


Window = Annotated[int, Field(ge=2)]
Likelihood = Literal["auto", "gaussian", "mixture", "autoregressive", "buckets", "counts"]


@configuration
class SeriesConfig:
    """Settings that every model of series has.

    Attributes:
        window: Steps in the windows that it is fitted to.
        hidden: Units of its networks.
        likelihood: gaussian, mixture, buckets (the distinct values where they are few, or quantiles) or counts, of
            every variable alone; autoregressive: mixtures, each given the variables before it. Auto takes buckets
            for at most 64 distinct values, or else a mixture for one variable, autoregressive for several, relative
            where values that follow each other are near each other. It is decided when a model is fitted; without
            data it is gaussian.
        components: Of a mixture, an autoregressive factor, or buckets; 0 for 8, 12 and 64.
        periods: Steps of known seasons, such as 24 or 24,168; empty for none.
        relative: Whether a step is expected relative to the value before it: for series that wander, or whose steps
            are small beside their range. Of several variables, those whose next value correlates with them by 0.9
            and less are not.
        weight_decay: Precision of the Gaussian prior on the weights, per training step (tDLGM Eq 28).
    """

    window: Window = 64
    hidden: Positive = 64
    likelihood: Likelihood = AUTO
    components: Annotated[int, Field(ge=0)] = 0
    periods: str = ""
    relative: bool = False
    weight_decay: NotNegative = 1e-4

    def __post_init__(self) -> None:
        if self.relative and self.likelihood == "counts":
            raise ValueError(
                "counts cannot be relative to the value before; take another likelihood, or relative=false"
            )
        periods_of(self.periods)


def periods_of(text: str) -> tuple[float, ...]:
    """Steps of seasons.

    Raises:
        ValueError: if they are not numbers above 1, separated by commas.

    >>> periods_of("24, 168"), periods_of("")
    ((24.0, 168.0), ())
    """
    try:
        found = tuple(float(part) for part in text.split(",")) if text.strip() else ()
    except ValueError:
        found = (0.0,)
    if not all(1 < period < math.inf for period in found):
        raise ValueError(f"periods must be numbers above 1, separated by commas; got {text!r}")
    return found


class StepModel(AutoregressiveModel):
    """A model that is told, before each step, the step before it and the seasons' phases."""

    fit_defaults: ClassVar[dict[str, Any]] = FIT
    config: Any
    level: Tensor
    range: Tensor
    wanders: Tensor

    def __init__(self, axes: SeriesAxes, config: SeriesConfig) -> None:
        super().__init__()
        self.axes = axes
        self.config = config
        self.periods = periods_of(config.periods)
        likelihood = FALLBACK if config.likelihood == AUTO else config.likelihood
        kind = OBSERVATIONS[likelihood]
        given = (config.components,) if config.components else ()
        self.p_v = kind(len(axes.variables), *given)
        for name, first in (("level", 0.0), ("range", 1.0)):
            self.register_buffer(
                name, torch.full((len(axes.variables),), first), persistent=config.relative
            )
        wanders = torch.full((len(axes.variables),), config.relative)
        self.register_buffer("wanders", wanders, persistent=config.relative)

    @classmethod
    def adapt_config(cls, config: SeriesConfig, values: Tensor) -> SeriesConfig:
        """The likelihood that suits the values, where the settings leave it open."""
        if config.likelihood != AUTO:
            return config
        if all(len(column[~column.isnan()].unique()) <= FEW_VALUES for column in values.T):
            return replace(config, likelihood="buckets")
        likelihood = "autoregressive" if values.shape[1] > 1 else "mixture"
        return replace(config, likelihood=likelihood, relative=config.relative or _near(values))

    @property
    def window(self) -> int:
        """The setting."""
        return self.config.window

    @property
    def inputs(self) -> int:
        """Numbers that a network is told before a step, I."""
        return self.told + 2 * len(self.periods)

    @property
    def told(self) -> int:
        """Numbers that tell a step: its values, which were observed, and where it is relative its level too."""
        return self.p_v.inputs + len(self.axes.variables) * (2 if self.config.relative else 1)

    def start_from(self, values: Tensor) -> None:
        """The level of the values, which of them wander, and what the likelihood begins with."""
        for own, found in zip((self.level, self.range), mean_and_scale(values), strict=True):
            own.copy_(found)
        if not self.config.relative:
            self.p_v.start_from(values)
            return
        if len(self.wanders) > 1:
            self.wanders.copy_(_persistence(values) > NEAR)
        self.p_v.start_from(torch.where(self.wanders, values.diff(dim=0), values[1:]))
        self.p_v.start_first_from(values)

    def anchors(self, x: Windows) -> Tensor:
        """What each step, and the one after the last, is relative to: the last value seen before it, [B, T + 1, V].

        Before the first value seen it is NaN; where nothing is relative it is 0.
        """
        shape = x.values.shape
        if not self.config.relative:
            return x.values.new_zeros(shape[0], shape[1] + 1, shape[2])
        steps = torch.arange(1, shape[1] + 1, device=x.values.device)[:, None]
        last = torch.where(x.observed & self.wanders, steps, 0).cummax(1).values  # 0 for none
        padded = torch.cat([self.first_anchor(shape[0])[:, None], x.values], 1)
        return padded.gather(1, torch.cat([torch.zeros_like(last[:, :1]), last], 1))

    def next_anchor(self, anchor: Tensor, values: Tensor, observed: Tensor) -> Tensor:
        """The same after one step, [B, V]."""
        return torch.where(observed & self.wanders, values, anchor)

    def first_anchor(self, series: int) -> Tensor:
        """The same before a first step, [B, V]."""
        return torch.where(self.wanders, math.nan, 0.0).expand(series, -1)

    def distribution(self, features: Tensor, anchor: Tensor) -> Distribution:
        """p(v) from features and what it is relative to [..., V]; before the first value seen that is the level."""
        p = self.p_v(features)
        return (
            self.p_v.relative_to(p, anchor, self.level, self.range) if self.config.relative else p
        )

    def tell(self, values: Tensor, observed: Tensor, anchor: Tensor) -> Tensor:
        """A step [..., V] as numbers [..., told]."""
        seen = observed.to(values.dtype)
        if not self.config.relative:
            return torch.cat([self.p_v.told(values, observed), seen], -1)
        level = torch.where(observed, (values - self.level) / self.range, 0.0)
        return torch.cat(
            [self.p_v.told(values - anchor, observed & ~anchor.isnan()), seen, level], -1
        )

    def season_features(self, clock: Tensor) -> Tensor:
        """Sine and cosine of the seasons' phases at steps [...], [..., 2 x seasons]."""
        angles = [2 * math.pi * (clock / period).frac() for period in self.periods]
        found = [function(angle) for angle in angles for function in (torch.sin, torch.cos)]
        return torch.stack(found, -1) if found else clock.new_zeros(*clock.shape, 0)

    def input_of(self, values: Tensor, observed: Tensor, clock: Tensor, anchor: Tensor) -> Tensor:
        """What a network is told before the step of a clock [...], from the step before it [..., V]."""
        return torch.cat([self.tell(values, observed, anchor), self.season_features(clock)], -1)

    def first_input(self, clock: Tensor) -> Tensor:
        """The same before the first step of windows, which has none before it, [B, I]."""
        return torch.cat([clock.new_zeros(len(clock), self.told), self.season_features(clock)], -1)

    def inputs_of(self, x: Windows) -> Tensor:
        """The inputs before every step of windows and before the one after them, [B, T + 1, I]."""
        rest = self.input_of(x.values, x.observed, x.clock + 1, self.anchors(x)[:, :-1])
        return torch.cat([self.first_input(x.clock[:, 0])[:, None], rest], 1)

    def begin_clock(self, series: int, clock: Tensor | None) -> Tensor:
        """The number of the first step, [B]."""
        return torch.zeros(series) if clock is None else clock

    def draw(self, p: Distribution, generator: Generator) -> Tensor:
        """Values from the likelihood, [..., V]."""
        return self.p_v.draw(p, generator)

    @property
    def warmed_up(self) -> float:
        """How far a weight has risen that rises from 0 to 1 over the first share of the fit, ``warm_up``."""
        return self.warm_up_weight(self.config.warm_up)

    def weight_penalty(self) -> Tensor:
        """-log p(theta) per training step, up to a constant: half the decay times the squared weights."""
        squares = [weight.square().sum() for weight in self.parameters() if weight.requires_grad]
        return 0.5 * self.config.weight_decay * torch.stack(squares).sum()

    def loss(self, x: Tensor, generator: Generator) -> Loss:
        """The terms of :meth:`terms` and the prior on the weights, per step."""
        terms = self.terms(Windows.unpack(x), generator)
        return Loss(
            sum(terms.values(), self.weight_penalty()),
            {name: term.detach() for name, term in terms.items()},
        )

    @abstractmethod
    def terms(self, x: Windows, generator: Generator) -> dict[str, Tensor]:
        """What is minimised, by name: means over windows and steps."""

    def log_prob(self, p: Distribution, x: Windows) -> Tensor:
        """Log p of what was observed, summed over variables: [..., B, T]."""
        return self.p_v.log_prob(p, x.values, x.observed).sum(-1)


def _near(values: Tensor) -> bool:
    """Whether most variables change little from step to step."""
    return bool(_persistence(values).nanmedian() > NEAR)


def _persistence(values: Tensor) -> Tensor:
    """Correlation of each variable's value with the next, [V]; 0 where it never changes."""
    centred = values - values.nanmean(0)
    return (centred[1:] * centred[:-1]).nanmean(0) / centred.square().nanmean(0).clamp_min(1e-30)


def perceptron(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """One hidden layer; the outputs begin near zero."""
    last = nn.Linear(hidden, outputs)
    with torch.no_grad():
        last.weight.mul_(0.1)
        last.bias.zero_()
    return nn.Sequential(nn.Linear(inputs, hidden), nn.SiLU(), last)
