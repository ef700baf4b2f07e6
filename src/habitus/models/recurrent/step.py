"""Base of the recurrent models: their settings, the inputs of their networks, and their loss.

Letters: B series, T steps, V variables, R training steps, I inputs of a network, F features,
K draws.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import replace
from typing import Any, ClassVar, Literal

import torch
from torch import Generator, Tensor, nn
from torch.distributions import Distribution

from habitus.models.base import AutoregressiveModel, Loss, Windows
from habitus.models.recurrent.observations import OBSERVATIONS, mean_and_scale
from habitus.schema import SeriesAxes
from habitus.settings import NotNegative, Positive, Several, Whole, configuration

AUTO = "auto"
FALLBACK = "gaussian"
FEW_VALUES = 64  # most distinct values of a variable that get a bucket each
NEAR = 0.9  # lag-1 autocorrelation above which changes of a variable are modelled
FIT = {
    "epochs": 20, "batch": 32, "learning_rate": 2e-3, "schedule": "one-cycle", "held_out": 0.1,
    "keep": "best", "clip": 1.0, "precision": "float32",
}  # fmt: skip
"""Settings of a fit that suit models of series: 1,000 steps on a small series."""

Likelihood = Literal["auto", "gaussian", "mixture", "autoregressive", "buckets", "counts"]


@configuration
class SeriesConfig:
    """Settings that every model of series has.

    Attributes:
        window: Steps in the windows that the model is fitted to.
        hidden: Units of the networks.
        likelihood: gaussian, mixture, buckets (the distinct values where they are few, or
            quantiles) or counts, of every variable alone; autoregressive: mixtures, each given the
            variables before it. Auto takes buckets for at most 64 distinct values, or else a
            mixture for one variable, autoregressive for several, relative where values that follow
            each other are near each other. It is decided when a model is fitted; without data it
            is gaussian.
        components: Components of a mixture or an autoregressive factor, or buckets; 0 for 8, 12
            and 64.
        periods: Steps of known seasons, such as 24 or 24,168; empty for none.
        relative: Whether a step is modelled as a change from the value before it, which suits
            random walks and series whose steps are small beside their range. Of several variables,
            only those with a lag-1 autocorrelation above 0.9 are modelled so.
        weight_decay: Precision of the Gaussian prior on the weights, per training step (tDLGM
            Eq 28).
    """

    window: Several = 64
    hidden: Positive = 64
    likelihood: Likelihood = AUTO
    components: Whole = 0
    periods: str = ""
    relative: bool = False
    weight_decay: NotNegative = 1e-4

    def __post_init__(self) -> None:
        if self.relative and self.likelihood == "counts":
            raise ValueError(
                "counts cannot be relative to the value before; take another likelihood, or "
                "relative=false"
            )
        periods_of(self.periods)


def periods_of(text: str) -> tuple[float, ...]:
    """Parse the lengths of seasons, in steps.

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
    """A model whose networks read the step before and the seasons' phases at every step.

    Attributes:
        p_v: Observation model.
        periods: Lengths of the seasons, in steps.
        level: Mean of the training steps, [V].
        range: Their standard deviation, [V].
        wanders: Which variables are modelled relative to their last value, bool [V].
    """

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
        variables = len(axes.variables)
        kind = OBSERVATIONS[FALLBACK if config.likelihood == AUTO else config.likelihood]
        self.p_v = kind(variables, *([config.components] if config.components else []))
        kept = config.relative
        self.register_buffer("level", torch.zeros(variables), persistent=kept)
        self.register_buffer("range", torch.ones(variables), persistent=kept)
        self.register_buffer("wanders", torch.full((variables,), kept), persistent=kept)

    @classmethod
    def adapt_config(cls, config: SeriesConfig, values: Tensor) -> SeriesConfig:
        """Choose the likelihood that suits the values, where the settings leave it open."""
        if config.likelihood != AUTO:
            return config
        if all(len(column[~column.isnan()].unique()) <= FEW_VALUES for column in values.T):
            return replace(config, likelihood="buckets")
        likelihood = "autoregressive" if values.shape[1] > 1 else "mixture"
        near = bool(_persistence(values).nanmedian() > NEAR)
        return replace(config, likelihood=likelihood, relative=config.relative or near)

    @property
    def window(self) -> int:
        return self.config.window

    @property
    def step_inputs(self) -> int:
        """Number of inputs that encode a step: values, whether observed, and levels if relative."""
        return self.p_v.inputs + len(self.axes.variables) * (2 if self.config.relative else 1)

    @property
    def inputs(self) -> int:
        """Number of inputs of a network before a step, I: the step before, and the seasons."""
        return self.step_inputs + 2 * len(self.periods)

    def start_from(self, values: Tensor) -> None:
        """Initialise level, range, relative variables and observation model from values [R, V]."""
        level, scale = mean_and_scale(values)
        self.level.copy_(level)
        self.range.copy_(scale)
        if not self.config.relative:
            self.p_v.start_from(values)
            return
        if len(self.wanders) > 1:
            self.wanders.copy_(_persistence(values) > NEAR)
        self.p_v.start_from(torch.where(self.wanders, values.diff(dim=0), values[1:]))
        self.p_v.start_first_from(values)

    # Anchors: the values that steps are modelled relative to

    def anchors(self, x: Windows) -> Tensor:
        """Last observed value before each step, and before the one after the last, [B, T + 1, V].

        It is NaN before the first observed value, and 0 where a variable is modelled as it is.
        """
        series, steps, variables = x.values.shape
        if not self.config.relative:
            return x.values.new_zeros(series, steps + 1, variables)
        number = torch.arange(1, steps + 1, device=x.values.device)[:, None]
        last = torch.where(x.observed & self.wanders, number, 0).cummax(1).values  # 0 for none
        padded = torch.cat([self.first_anchor(series)[:, None], x.values], 1)
        return padded.gather(1, torch.cat([torch.zeros_like(last[:, :1]), last], 1))

    def first_anchor(self, series: int) -> Tensor:
        """Anchor before a first step, [B, V]."""
        return torch.where(self.wanders, math.nan, 0.0).expand(series, -1)

    def next_anchor(self, anchor: Tensor, values: Tensor, observed: Tensor) -> Tensor:
        """Anchor after a step, [B, V]."""
        return torch.where(observed & self.wanders, values, anchor)

    def distribution(self, features: Tensor, anchor: Tensor) -> Distribution:
        p = self.p_v(features)
        if not self.config.relative:
            return p
        return self.p_v.relative_to(p, anchor, self.level, self.range)

    # Inputs of the networks

    def encode_step(self, values: Tensor, observed: Tensor, anchor: Tensor) -> Tensor:
        """Encode a step [..., V] as inputs of a network, [..., step_inputs]."""
        seen = observed.to(values.dtype)
        if not self.config.relative:
            return torch.cat([self.p_v.encode(values, observed), seen], -1)
        level = torch.where(observed, (values - self.level) / self.range, 0.0)
        change = self.p_v.encode(values - anchor, observed & ~anchor.isnan())
        return torch.cat([change, seen, level], -1)

    def season_features(self, clock: Tensor) -> Tensor:
        """Sine and cosine of the seasons' phases at steps [...], [..., 2 x seasons]."""
        angles = [2 * math.pi * (clock / period).frac() for period in self.periods]
        found = [function(angle) for angle in angles for function in (torch.sin, torch.cos)]
        return torch.stack(found, -1) if found else clock.new_zeros(*clock.shape, 0)

    def first_input(self, clock: Tensor) -> Tensor:
        """Inputs before the first step, whose number is ``clock`` [B]; [B, I]."""
        nothing = clock.new_zeros(len(clock), self.step_inputs)
        return torch.cat([nothing, self.season_features(clock)], -1)

    def next_input(self, values: Tensor, observed: Tensor, clock: Tensor, anchor: Tensor) -> Tensor:
        """Inputs [..., I] before the step with number ``clock`` [...], given the one before."""
        encoded = self.encode_step(values, observed, anchor)
        return torch.cat([encoded, self.season_features(clock)], -1)

    def window_inputs(self, x: Windows) -> Tensor:
        """Inputs before every step of windows, and before the one after them, [B, T + 1, I]."""
        rest = self.next_input(x.values, x.observed, x.clock + 1, self.anchors(x)[:, :-1])
        return torch.cat([self.first_input(x.clock[:, 0])[:, None], rest], 1)

    def first_clock(self, series: int, clock: Tensor | None) -> Tensor:
        """Number of the first step, [B]: 0 unless it is given."""
        return torch.zeros(series) if clock is None else clock

    # Likelihood and loss

    def draw(self, p: Distribution, generator: Generator) -> Tensor:
        return self.p_v.draw(p, generator)

    def log_prob(self, p: Distribution, x: Windows) -> Tensor:
        """Log p of the observed values, summed over variables: [..., B, T]."""
        return self.p_v.log_prob(p, x.values, x.observed).sum(-1)

    def weight_penalty(self) -> Tensor:
        """Half the decay times the squared weights: -log p(theta) per step, up to a constant."""
        squares = [weight.square().sum() for weight in self.parameters() if weight.requires_grad]
        return 0.5 * self.config.weight_decay * torch.stack(squares).sum()

    @abstractmethod
    def terms(self, x: Windows, generator: Generator) -> dict[str, Tensor]:
        """Terms of the loss by name: means over windows and steps."""

    def loss(self, x: Tensor, generator: Generator) -> Loss:
        """Sum the terms and the prior on the weights, per step."""
        terms = self.terms(Windows.unpack(x), generator)
        total = sum(terms.values(), self.weight_penalty())
        return Loss(total, {name: term.detach() for name, term in terms.items()})


def _persistence(values: Tensor) -> Tensor:
    """Correlation of each variable's value with the next, [V]; 0 where it never changes."""
    centred = values - values.nanmean(0)
    return (centred[1:] * centred[:-1]).nanmean(0) / centred.square().nanmean(0).clamp_min(1e-30)


def perceptron(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """Network with one hidden layer, whose outputs begin near zero."""
    last = nn.Linear(hidden, outputs)
    with torch.no_grad():
        last.weight.mul_(0.1)
        last.bias.zero_()
    return nn.Sequential(nn.Linear(inputs, hidden), nn.SiLU(), last)
