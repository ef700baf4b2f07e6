"""TimeGAN (Yoon et al. 2019): an adversarial model in an auto-encoder's latent space.

    h = e(v), v~ = r(h)                     embedding and recovery
    h^ = s(g(z)), v^ = r(h^)                generator and supervisor, z uniform
    y = d(h)                                discriminator
    L_R = |v - v~|^2,  L_S = |h_t - s(h)_(t-1)|^2,  L_U = binary cross-entropy of d
    phases: embedding (L_R), supervised (L_S),
            joint (g, s: L_U + gamma L_S + moments; e, r: L_R + L_S; d: L_U)

The three phases are shares of one fit; the joint one takes several steps of the optimiser a batch.
Values are read as shares of the training range, as in the paper. The model draws whole series, and
reads no past.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from habitus.models.base import Loss, SeriesModel, Windows
from habitus.models.recurrent.step import FIT
from habitus.schema import SeriesAxes
from habitus.settings import Layers, NotNegative, Positive, Several, configuration

# Shares of the fit at which the embedding phase and the supervised phase end.
EMBEDDING_END = 1 / 3
SUPERVISED_END = 2 / 3
PHASES = {
    "embedding": ("e", "r"),
    "supervised": ("s",),
    "generator": ("g", "s"),
    "recovery": ("e", "r"),
    "discriminator": ("d",),
}
"""Networks whose weights each phase changes."""


@configuration
class TimeGANConfig:
    """Settings of a TimeGAN; the defaults are the paper's.

    Attributes:
        window: Steps in the windows that the model is fitted to.
        hidden: Units of each network; the paper takes 24, or four times the variables.
        layers: Recurrent layers of each network.
        gamma: Weight of the adversarial loss on the generator's latents before the supervisor.
        eta: Weight of the square root of the supervised loss in the generator's loss.
        moments: Weight of the difference of means and standard deviations.
        confident: Loss of the discriminator below which its gradient is set to 0.
    """

    window: Several = 24
    hidden: Positive = 24
    layers: Layers = 3
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
        """Outputs at every step, [B, T, outputs]."""
        return self.out(self.gru(x)[0])


class TimeGAN(SeriesModel):
    """TimeGAN; equations in the module, settings in :class:`TimeGANConfig`.

    Attributes:
        low: Least training value of each variable, [V].
        width: Range of the training values, [V].
    """

    Config = TimeGANConfig
    config: TimeGANConfig
    fit_defaults: ClassVar[dict[str, Any]] = {
        **FIT, "batch": 128, "learning_rate": 1e-3, "schedule": "constant", "keep": "last",
        "epochs": 60,
    }  # fmt: skip
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
        return self.config.window

    def start_from(self, values: Tensor) -> None:
        """Take the training range.

        Raises:
            ValueError: for missing values, which the paper's networks cannot read.
        """
        if values.isnan().any():
            raise ValueError(
                "TimeGAN takes series without missing values; fill them first, or take another "
                "model"
            )
        self.low.copy_(values.amin(0))
        self.width.copy_((values.amax(0) - self.low).clamp_min(1e-6))

    def phases(self, fit_progress: float) -> tuple[str, ...]:
        """Phases of one batch; in the joint phase two generator steps per discriminator step."""
        if fit_progress < EMBEDDING_END:
            return ("embedding",)
        if fit_progress < SUPERVISED_END:
            return ("supervised",)
        return "generator", "recovery", "generator", "recovery", "discriminator"

    def phase_parameters(self, phase: str) -> list[nn.Parameter]:
        networks = PHASES.get(phase, "ersgd")
        return [weight for name in networks for weight in getattr(self, name).parameters()]

    def loss(self, x: Tensor, generator: Generator) -> Loss:
        """Compute the loss of the phase; for a fitted model, that of its generator."""
        v = (Windows.unpack(x).values - self.low) / self.width
        phase = self.phase if self.phase in PHASES and self.training else "generator"
        match phase:
            case "embedding":
                total = self._reconstruction_loss(v)
            case "supervised":
                total = self._supervised_loss(v)
            case "recovery":
                total = self._reconstruction_loss(v) + 0.1 * self._supervised_loss(v)
            case "discriminator":
                total = self._discriminator_loss(v, generator)
            case _:
                total = self._generator_loss(v, generator)
        return Loss(total, {phase: total.detach()})

    def generate(self, series: int, steps: int, generator: Generator) -> Tensor:
        """Draw r(s(g(z))), scaled back to the range of the training values."""
        h = self._draw_latents(series, steps, generator)
        return self.low + self.width * self.r(self.s(h).sigmoid()).sigmoid()

    def _draw_latents(self, series: int, steps: int, generator: Generator) -> Tensor:
        """Draw g(z) with z uniform, [B, T, N]."""
        shape = (series, steps, len(self.axes.variables))
        z = torch.rand(shape, generator=generator, device=generator.device)
        return self.g(z).sigmoid()

    def _reconstruction_loss(self, v: Tensor) -> Tensor:
        """Error of the auto-encoder, 10 sqrt(L_R)."""
        reconstructed = self.r(self.e(v).sigmoid()).sigmoid()
        return 10 * (v - reconstructed).square().mean().sqrt()

    def _supervised_loss(self, v: Tensor) -> Tensor:
        """Error of the next latent given those before it, L_S."""
        h = self.e(v).sigmoid()
        return (h[:, 1:] - self.s(h).sigmoid()[:, :-1]).square().mean()

    def _generator_loss(self, v: Tensor, generator: Generator) -> Tensor:
        """L_U with draws labelled as real, L_S, and the difference of moments."""
        before = self._draw_latents(len(v), v.shape[1], generator)
        after = self.s(before).sigmoid()
        drawn = self.r(after).sigmoid()
        fooled = _label_loss(self.d(after), 1.0)
        fooled = fooled + self.config.gamma * _label_loss(self.d(before), 1.0)
        spreads = (_spread(drawn) - _spread(v)).abs().mean()
        moments = spreads + (drawn.mean(0) - v.mean(0)).abs().mean()
        supervised = self.config.eta * self._supervised_loss(v).sqrt()
        return fooled + supervised + self.config.moments * moments

    def _discriminator_loss(self, v: Tensor, generator: Generator) -> Tensor:
        """L_U, or 0 where the discriminator is confident already."""
        before = self._draw_latents(len(v), v.shape[1], generator)
        drawn = _label_loss(self.d(self.s(before).sigmoid()), 0.0)
        drawn = drawn + self.config.gamma * _label_loss(self.d(before), 0.0)
        found = _label_loss(self.d(self.e(v).sigmoid()), 1.0) + drawn
        return torch.where(found.detach() > self.config.confident, found, found * 0.0)


def _spread(v: Tensor) -> Tensor:
    """Standard deviations over the batch, [T, V], with the floor of the paper's code."""
    return (v.var(0, correction=0) + 1e-6).sqrt()


def _label_loss(logits: Tensor, label: float) -> Tensor:
    """Cross-entropy of labelling all as real (1) or drawn (0)."""
    return cross_entropy(logits, torch.full_like(logits, label))
