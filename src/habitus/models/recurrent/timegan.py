"""TimeGAN (Yoon et al. 2019): an adversarial model in the latent space of an auto-encoder of series.

    h = e(v), v~ = r(h)                     embedding and recovery
    h^ = s(g(z)), v^ = r(h^)                generator and supervisor, z uniform
    y = d(h)                                discriminator
    L_R = |v - v~|^2,  L_S = |h_t - s(h)_(t-1)|^2,  L_U = binary cross-entropy of d
    phases: embedding (L_R), supervised (L_S), joint (g, s: L_U + gamma L_S + moments; e, r: L_R + L_S; d: L_U)

The three phases are shares of one fit, and each is one or several phases of each batch. Values are told as shares
of the training range, as in the paper. It draws whole series, and reads no past.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from habitus.models.base import Loss, SeriesModel, Windows
from habitus.models.recurrent.step import FIT, Window
from habitus.schema import SeriesAxes
from habitus.settings import NotNegative, Positive, configuration

EMBEDDING = 1 / 3
SUPERVISED = 2 / 3  # where the first and the second phase end
PHASES = {"embedding": ("e", "r"), "supervised": ("s",), "generator": ("g", "s"), "recovery": ("e", "r"),
         "discriminator": ("d",)}  # fmt: skip


@configuration
class TimeGANConfig:
    """Settings; the defaults are the paper's.

    Attributes:
        window: Steps in the windows that it is fitted to.
        hidden: Units of each network; the paper takes 24, or four times the variables.
        layers: Recurrent layers of each network.
        gamma: Weight of the discriminator's second view, of latents before the supervisor.
        eta: Weight of the supervised loss in the generator's (its square root is taken there).
        moments: Weight of the difference of means and standard deviations.
        confident: The discriminator rests where its loss is below it.
    """

    window: Window = 24
    hidden: Positive = 24
    layers: Positive = 3
    gamma: NotNegative = 1.0
    eta: NotNegative = 100.0
    moments: NotNegative = 100.0
    confident: NotNegative = 0.15


class Recurrent(nn.Module):
    """GRU layers and a linear map, from [B, T, I] to [B, T, outputs]."""

    def __init__(self, inputs: int, hidden: int, layers: int, outputs: int) -> None:
        super().__init__()
        self.gru = nn.GRU(inputs, hidden, layers, batch_first=True)
        self.out = nn.Linear(hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Of every step."""
        return self.out(self.gru(x)[0])


class TimeGAN(SeriesModel):
    """The model; see the module for its equations and :class:`TimeGANConfig` for its settings."""

    Config = TimeGANConfig
    config: TimeGANConfig
    fit_defaults: ClassVar[dict[str, Any]] = {**FIT, "batch": 128, "learning_rate": 1e-3, "schedule": "constant",
                                              "keep": "last", "epochs": 60}  # fmt: skip
    low: Tensor
    width: Tensor

    def __init__(self, axes: SeriesAxes, config: TimeGANConfig | None = None) -> None:
        super().__init__()
        self.axes = axes
        self.config = config or TimeGANConfig()
        variables = len(axes.variables)
        hidden = self.config.hidden
        layers = self.config.layers
        self.e = Recurrent(variables, hidden, layers, hidden)
        self.r = Recurrent(hidden, hidden, layers, variables)
        self.g = Recurrent(variables, hidden, layers, hidden)
        self.s = Recurrent(hidden, hidden, max(1, layers - 1), hidden)
        self.d = Recurrent(hidden, hidden, layers, 1)
        self.register_buffer("low", torch.zeros(variables))
        self.register_buffer("width", torch.ones(variables))

    @property
    def window(self) -> int:
        """The setting."""
        return self.config.window

    def start_from(self, values: Tensor) -> None:
        """The training range.

        Raises:
            ValueError: for missing values, which the paper's networks cannot read.
        """
        if values.isnan().any():
            raise ValueError(
                "TimeGAN takes series without missing values; fill them first, or take another model"
            )
        self.low.copy_(values.amin(0))
        self.width.copy_((values.amax(0) - self.low).clamp_min(1e-6))

    def phases(self, fit_progress: float) -> tuple[str, ...]:
        """Three phases; in the last the generator moves twice for each move of the discriminator."""
        if fit_progress < EMBEDDING:
            return ("embedding",)
        if fit_progress < SUPERVISED:
            return ("supervised",)
        return "generator", "recovery", "generator", "recovery", "discriminator"

    def phase_parameters(self, phase: str) -> list[nn.Parameter]:
        """Weights of a phase's networks."""
        return [
            weight
            for name in PHASES.get(phase, "ersgd")
            for weight in getattr(self, name).parameters()
        ]

    def loss(self, x: Tensor, generator: Generator) -> Loss:
        """Compute the loss of the phase; for a fitted model, that of its generator."""
        v = (Windows.unpack(x).values - self.low) / self.width
        phase = self.phase if self.phase in PHASES and self.training else "generator"
        found = getattr(self, f"_{phase}")(v, generator)
        return Loss(found, {phase: found.detach()})

    def generate(self, series: int, steps: int, generator: Generator) -> Tensor:
        """r(s(g(z))), back in the values' range."""
        v = self._recovered(self._supervised_latents(self._latents(series, steps, generator)))
        return self.low + self.width * v

    def _latents(self, series: int, steps: int, generator: Generator) -> Tensor:
        """g(z) with z uniform."""
        z = torch.rand(
            series, steps, len(self.axes.variables), generator=generator, device=generator.device
        )
        return self.g(z).sigmoid()

    def _embedded(self, v: Tensor) -> Tensor:
        return self.e(v).sigmoid()

    def _recovered(self, h: Tensor) -> Tensor:
        return self.r(h).sigmoid()

    def _supervised_latents(self, h: Tensor) -> Tensor:
        return self.s(h).sigmoid()

    def _embedding(self, v: Tensor, generator: Generator) -> Tensor:
        """10 sqrt(L_R)."""
        return 10 * _error(v, self._recovered(self._embedded(v))).sqrt()

    def _next_error(self, v: Tensor) -> Tensor:
        """L_S."""
        h = self._embedded(v)
        return _error(h[:, 1:], self._supervised_latents(h)[:, :-1])

    def _supervised(self, v: Tensor, generator: Generator) -> Tensor:
        """L_S."""
        return self._next_error(v)

    def _generator(self, v: Tensor, generator: Generator) -> Tensor:
        """L_U as the generator wants it, L_S, and the moments of what it draws."""
        before = self._latents(len(v), v.shape[1], generator)
        after = self._supervised_latents(before)
        drawn = self._recovered(after)
        fooled = _called(self.d(after), 1.0) + self.config.gamma * _called(self.d(before), 1.0)
        moments = (_spread(drawn) - _spread(v)).abs().mean() + (
            drawn.mean(0) - v.mean(0)
        ).abs().mean()
        return fooled + self.config.eta * self._next_error(v).sqrt() + self.config.moments * moments

    def _recovery(self, v: Tensor, generator: Generator) -> Tensor:
        """10 sqrt(L_R) + 0.1 L_S."""
        return self._embedding(v, generator) + 0.1 * self._next_error(v)

    def _discriminator(self, v: Tensor, generator: Generator) -> Tensor:
        """L_U; nothing where the discriminator is confident already."""
        before = self._latents(len(v), v.shape[1], generator)
        drawn = _called(self.d(self._supervised_latents(before)), 0.0)
        drawn = drawn + self.config.gamma * _called(self.d(before), 0.0)
        found = _called(self.d(self._embedded(v)), 1.0) + drawn
        return torch.where(found.detach() > self.config.confident, found, found * 0.0)


def _error(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).square().mean()


def _spread(v: Tensor) -> Tensor:
    """Standard deviations over the batch, with a floor under the root as in the paper's code; of one window too."""
    return (v.var(0, correction=0) + 1e-6).sqrt()


def _called(logits: Tensor, real: float) -> Tensor:
    """Cross-entropy of calling all of them real (1) or drawn (0)."""
    return cross_entropy(logits, torch.full_like(logits, real))
