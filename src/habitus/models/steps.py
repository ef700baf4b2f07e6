"""What models of series share: their settings, what a step tells a network, and what they are fitted with.

Letters: B series, T steps, V variables, I inputs of a network, K draws.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor, nn
from torch.distributions import Distribution

from habitus.models.base import AutoregressiveModel, Loss, Windows, unpacked
from habitus.models.checks import one_of
from habitus.parts.observations import OBSERVATIONS
from habitus.parts.shapes import SeriesAxes

FIT = {
    "epochs": 20, "batch": 32, "learning_rate": 2e-3, "schedule": "one-cycle", "held_out": 0.1, "keep": "best",
    "clip": 1.0, "precision": "float32",
}  # fmt: skip
"""Settings of a fit that suit models of series: 1,000 steps on a small one."""


@dataclass(frozen=True)
class SeriesConfig:
    """Settings that every model of series has.

    Attributes:
        window: Steps in the windows that it is fitted to.
        hidden: Units of its networks.
        likelihood: gaussian, mixture, buckets (the distinct values where they are few, or quantiles) or counts.
        components: Of a mixture, or buckets; 0 for 8 and 64.
        periods: Steps of known seasons, such as 24 or 24,168; empty for none.
        weight_decay: Precision of the Gaussian prior on the weights, per training step (tDLGM Eq 28).
    """

    window: int = 64
    hidden: int = 64
    likelihood: str = "gaussian"
    components: int = 0
    periods: str = ""
    weight_decay: float = 1e-4

    def __post_init__(self) -> None:
        one_of("likelihood", self.likelihood, tuple(OBSERVATIONS))
        for name, least in (("window", 2), ("hidden", 1), ("components", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if not 0 <= self.weight_decay < math.inf:
            raise ValueError(f"weight_decay must be 0 or more, got {self.weight_decay}")
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

    def __init__(self, axes: SeriesAxes, config: SeriesConfig) -> None:
        super().__init__()
        self.axes, self.config = axes, config
        self.periods = periods_of(config.periods)
        kind, given = OBSERVATIONS[config.likelihood], (config.components,) if config.components else ()
        self.p_v = kind(len(axes.variables), *given)

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
        """Numbers that tell a step: its values, and which were observed."""
        return self.p_v.inputs + len(self.axes.variables)

    def start_from(self, values: Tensor) -> None:
        """The likelihood's mean, scale and buckets."""
        self.p_v.start_from(values)

    def tell(self, values: Tensor, observed: Tensor) -> Tensor:
        """A step [..., V] as numbers [..., told]."""
        return torch.cat([self.p_v.told(values, observed), observed.to(values.dtype)], -1)

    def phases(self, clock: Tensor) -> Tensor:
        """Sine and cosine of the seasons' phases at steps [...], [..., 2 x seasons]."""
        angles = [2 * math.pi * (clock / period).frac() for period in self.periods]
        found = [function(angle) for angle in angles for function in (torch.sin, torch.cos)]
        return torch.stack(found, -1) if found else clock.new_zeros(*clock.shape, 0)

    def input_of(self, values: Tensor, observed: Tensor, clock: Tensor) -> Tensor:
        """What a network is told before the step of a clock [...], from the step before it [..., V]."""
        return torch.cat([self.tell(values, observed), self.phases(clock)], -1)

    def first_input(self, clock: Tensor) -> Tensor:
        """The same before the first step of windows, which has none before it, [B, I]."""
        return torch.cat([clock.new_zeros(len(clock), self.told), self.phases(clock)], -1)

    def inputs_of(self, x: Windows) -> Tensor:
        """The inputs before every step of windows and before the one after them, [B, T + 1, I]."""
        rest = self.input_of(x.values, x.observed, x.clock + 1)
        return torch.cat([self.first_input(x.clock[:, 0])[:, None], rest], 1)

    def begin_clock(self, series: int, clock: Tensor | None) -> Tensor:
        """The number of the first step, [B]."""
        return torch.zeros(series) if clock is None else clock

    def draw(self, p: Distribution, generator: Generator) -> Tensor:
        """Values from the likelihood, [..., V]."""
        return self.p_v.draw(p, generator)

    def weight_penalty(self) -> Tensor:
        """-log p(theta) per training step, up to a constant: half the decay times the squared weights."""
        squares = [weight.square().sum() for weight in self.parameters() if weight.requires_grad]
        return 0.5 * self.config.weight_decay * torch.stack(squares).sum()

    def loss(self, x: Tensor, generator: Generator) -> Loss:
        """The terms of :meth:`terms` and the prior on the weights, per step."""
        terms = self.terms(unpacked(x), generator)
        return Loss(
            sum(terms.values(), self.weight_penalty()), {name: term.detach() for name, term in terms.items()}
        )

    @abstractmethod
    def terms(self, x: Windows, generator: Generator) -> dict[str, Tensor]:
        """What is minimised, by name: means over windows and steps."""

    def log_prob(self, p: Distribution, x: Windows) -> Tensor:
        """Log p of what was observed, summed over variables: [..., B, T]."""
        return torch.where(x.observed, p.log_prob(x.values), 0.0).sum(-1)


def perceptron(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """One hidden layer; the outputs begin near zero."""
    last = nn.Linear(hidden, outputs)
    with torch.no_grad():
        last.weight.mul_(0.1)
        last.bias.zero_()
    return nn.Sequential(nn.Linear(inputs, hidden), nn.SiLU(), last)


def check_positive(config: Any, *names: str) -> None:
    """Refuse settings below 1.

    Raises:
        ValueError: naming the first.
    """
    for name in names:
        if getattr(config, name) < 1:
            raise ValueError(f"{name} must be at least 1, got {getattr(config, name)}")


def check_shares(config: Any, *names: str) -> None:
    """Refuse settings that are no share below 1.

    Raises:
        ValueError: naming the first.
    """
    for name in names:
        if not 0 <= getattr(config, name) < 1:
            raise ValueError(f"{name} must be at least 0 and below 1, got {getattr(config, name)}")
