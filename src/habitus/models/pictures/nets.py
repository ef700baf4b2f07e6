"""Networks of "Time pictures": tensor in, tensor out, no probability.

Pictures are [B, C, D, S] with channels last in memory, as a dense profile [B, D, S, C] is already.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

# Features before any learning. Logs leave nearly all cells of a profile empty (98 % in ours), so a
# decoder that starts at sigmoid(-4) = 0.02 instead of 0.5 saves the first hundred steps, which
# only darken the picture.
START = -4.0
HALVINGS = 3  # every architecture of Table A.1 halves days and slots three times
MULTIPLE = 2**HALVINGS


class Resize(Enum):
    """Way in which a layer changes the picture's size, by two or not at all."""

    NONE = "none"
    POOL = "max pooling"
    STRIDE = "stride 2"
    NEAREST = "nearest-neighbour up-sampling"


@dataclass(frozen=True)
class Layer:
    """A 3x3 convolution, transposed or not, and its change of the picture's size."""

    filters: int
    resize: Resize = Resize.NONE
    transposed: bool = False


@dataclass(frozen=True)
class Architecture:
    """A row of Table A.1: layers of encoder and decoder.

    The last decoder layer has as many filters as there are channels, for which 0 stands.
    """

    encoder: tuple[Layer, ...]
    decoder: tuple[Layer, ...]


def _layers(
    filters: Sequence[int], resize: Sequence[Resize], transposed: bool = False
) -> tuple[Layer, ...]:
    return tuple(Layer(f, r, transposed) for f, r in zip(filters, resize, strict=True))


_NO = Resize.NONE
_POOL = Resize.POOL
_STRIDE = Resize.STRIDE
_NEAREST = Resize.NEAREST
_C = 0  # stands for the number of channels
_THIN = (16, 32, 64)
_WIDE = (64, 128, 256)
_DEEP = (16, 16, 32, 32, 64, 64)
_DEEP_BACK = (64, 32, 32, 16, 16, _C)

# "Time pictures" Table A.1, in its order; "conv" is the network of Tables 5.1 and 5.2.
ARCHITECTURES = {
    "conv": Architecture(_layers(_THIN, [_POOL] * 3), _layers((32, 16, _C), [_NEAREST] * 3)),
    "transposed": Architecture(
        _layers(_THIN, [_POOL] * 3), _layers((32, 16, _C), [_STRIDE] * 3, True)
    ),
    "wide-conv": Architecture(_layers(_WIDE, [_POOL] * 3), _layers((128, 64, _C), [_NEAREST] * 3)),
    "wide-transposed": Architecture(
        _layers(_WIDE, [_POOL] * 3), _layers((128, 64, _C), [_STRIDE] * 3, True)
    ),
    "deep-conv": Architecture(
        _layers(_DEEP, [_NO, _POOL] * 3), _layers(_DEEP_BACK, [_NEAREST, _NO] * 3)
    ),
    "deep-transposed": Architecture(
        _layers(_DEEP, [_NO, _POOL] * 3), _layers(_DEEP_BACK, [_NEAREST, _NO] * 3, True)
    ),
    "strided": Architecture(
        _layers(_THIN, [_STRIDE] * 3), _layers((32, 16, _C), [_STRIDE] * 3, True)
    ),
    "deep-strided": Architecture(
        _layers(_DEEP, [_NO, _STRIDE] * 3), _layers(_DEEP_BACK, [_STRIDE, _NO] * 3, True)
    ),
}


class UpConv2d(nn.Conv2d):
    """Nearest-neighbour up-sampling by two and a 3x3 convolution, as one transposed convolution.

    Each output pixel sees at most 2x2 distinct inputs, so a 4x4 kernel with stride 2 gives the
    same numbers with 2.25 times less arithmetic and nothing up-sampled. The parameters are those
    of the 3x3 convolution.

    >>> layer = UpConv2d(2, 3)
    >>> x = torch.randn(1, 2, 4, 3)
    >>> wide = functional.interpolate(x, scale_factor=2)
    >>> slow = functional.conv2d(wide, layer.weight, layer.bias, padding=1)
    >>> torch.allclose(layer(x), slow, atol=1e-5)
    True
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(channels_in, channels_out, 3, padding=1)

    def forward(self, input: Tensor) -> Tensor:
        """Map pictures [B, I, H, W] to [B, O, 2H, 2W]."""
        if input.dtype == torch.bfloat16 and input.device.type == "cpu":
            return _UpConvBfloat16.apply(input, self.weight, self.bias)
        return functional.conv_transpose2d(
            input, _strided_kernel(self.weight), self.bias, stride=2, padding=1
        )


class _UpConvBfloat16(torch.autograd.Function):
    """Up-sampling and convolution in bfloat16 on a CPU, where transposed convolutions are slow.

    Forward and the kernel's gradient go through the up-sampled picture; the input's gradient is
    one strided convolution. A layer takes half to two thirds of the time of the transposed form.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        doubled = _upsample(x)
        ctx.save_for_backward(doubled, weight)
        return functional.conv2d(doubled, weight.to(x.dtype), bias.to(x.dtype), padding=1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        doubled, weight = ctx.saved_tensors
        grad = grads[0]
        kernel = _strided_kernel(weight).to(grad.dtype)
        grad_x = functional.conv2d(grad, kernel, stride=2, padding=1)
        _, grad_weight, grad_bias = torch.ops.aten.convolution_backward(
            grad, doubled, weight.to(grad.dtype), [len(weight)], [1, 1], [1, 1], [1, 1], False,
            [0, 0], 1, [False, True, True],
        )  # fmt: skip
        return grad_x, grad_weight.to(weight.dtype), grad_bias.to(weight.dtype)


def _upsample(x: Tensor) -> Tensor:
    """Repeat the pixels of channels-last pictures twice in each direction.

    Two copies of rows take half of the time of torch's own up-sampling.
    """
    batch, channels, height, width = x.shape
    pixels = x.permute(0, 2, 3, 1)
    rows = torch.cat([pixels, pixels], -1).view(batch, height, 1, 2 * width * channels)
    doubled = torch.cat([rows, rows], 2).view(batch, 2 * height, 2 * width, channels)
    return doubled.permute(0, 3, 1, 2)


def _strided_kernel(weight: Tensor) -> Tensor:
    """Sum the flipped 3x3 kernel over the 2x2 block that up-sampling repeats, [I, O, 4, 4]."""
    padded = functional.pad(weight.flip(2, 3).transpose(0, 1), (1, 1, 1, 1))
    wide = padded[..., :-1] + padded[..., 1:]
    return wide[..., :-1, :] + wide[..., 1:, :]


def _apply_layers(layers: nn.Module, x: Tensor, width: int) -> Tensor:
    """Apply layers to pictures that are ``width`` pixels wide at their narrowest.

    At a width of 1 the layers compute in float32: on AMX, oneDNN of torch 2.13 returns
    uninitialised memory for a bfloat16 convolution of stride 2 to a width of 1, or its gradient.
    """
    if width > 1:
        return layers(x)
    with torch.autocast(x.device.type, enabled=False):
        return layers(x.float())


class ConvEncoder(nn.Module):
    """Encoder from pictures [B, C, D, S] to features [B, F] ("Time pictures" Table 5.1).

    Pictures of any size are padded to a multiple of 8.
    """

    def __init__(
        self,
        architecture: Architecture,
        size: tuple[int, int, int],
        outputs: int,
        batch_norm: bool,
        dropout: float,
    ) -> None:
        super().__init__()
        days, slots, channels = size
        widths = [channels, *(layer.filters for layer in architecture.encoder)]
        self.layers = nn.Sequential(
            *(
                _down(w, layer, batch_norm, dropout)
                for w, layer in zip(widths, architecture.encoder, strict=False)
            )
        )
        self.padding = (0, -slots % MULTIPLE, 0, -days % MULTIPLE)
        self.width = coarse(slots)
        self.head = nn.Linear(widths[-1] * coarse(days) * self.width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map pictures [B, C, D, S] to features [B, outputs]."""
        padded = functional.pad(x, self.padding) if any(self.padding) else x
        return self.head(_apply_layers(self.layers, padded, self.width).flatten(1))


class ConvDecoder(nn.Module):
    """Decoder from latents [B, Z] to pictures of features [B, C, D, S], cropped to size.

    That is Table 5.2 of "Time pictures".
    """

    def __init__(
        self,
        architecture: Architecture,
        size: tuple[int, int, int],
        latents: int,
        batch_norm: bool,
        dropout: float,
    ) -> None:
        super().__init__()
        self.days, self.slots, channels = size
        bottom = architecture.encoder[-1].filters
        self.shape = (bottom, coarse(self.days), coarse(self.slots))
        self.tail = nn.Linear(latents, bottom * self.shape[1] * self.shape[2])
        widths = [bottom, *(layer.filters or channels for layer in architecture.decoder)]
        pairs = list(zip(widths, widths[1:], architecture.decoder, strict=False))
        blocks = (
            nn.Sequential(_up(i, o, layer), _after(o, batch_norm, dropout))
            for i, o, layer in pairs[:-1]
        )
        last = _up(*pairs[-1])
        for layer in last.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) and layer.bias is not None:
                nn.init.constant_(layer.bias, START)
        self.layers = nn.Sequential(*blocks, last)

    def forward(self, z: Tensor) -> Tensor:
        """Map latents [B, Z] to pictures [B, C, D, S]."""
        x = functional.relu(self.tail(z)).unflatten(1, self.shape)
        x = x.contiguous(memory_format=torch.channels_last)
        x = _apply_layers(self.layers, x, self.shape[2])
        if x.shape[2:] == (self.days, self.slots):
            return x  # a slice of everything would still copy its gradient
        return x[:, :, : self.days, : self.slots]


def coarse(length: int) -> int:
    """Length of an axis after three halvings, rounded up."""
    return -(-length // MULTIPLE)


def _down(channels: int, layer: Layer, batch_norm: bool, dropout: float) -> nn.Module:
    stride = 2 if layer.resize is Resize.STRIDE else 1
    conv = nn.Conv2d(channels, layer.filters, 3, stride=stride, padding=1)
    # Pooling before the ReLU gives the same numbers as after it, on a quarter of the pixels.
    pool = [nn.MaxPool2d(2)] if layer.resize is Resize.POOL else []
    norm = [nn.BatchNorm2d(layer.filters)] if batch_norm else []
    return nn.Sequential(conv, *norm, *pool, _after(layer.filters, False, dropout))


def _up(channels: int, filters: int, layer: Layer) -> nn.Module:
    if layer.resize is Resize.STRIDE:
        return nn.ConvTranspose2d(channels, filters, 3, stride=2, padding=1, output_padding=1)
    if not layer.transposed:
        if layer.resize is Resize.NEAREST:
            return UpConv2d(channels, filters)
        return nn.Conv2d(channels, filters, 3, padding=1)
    conv = nn.ConvTranspose2d(channels, filters, 3, padding=1)
    if layer.resize is Resize.NEAREST:
        return nn.Sequential(nn.Upsample(scale_factor=2), conv)
    return conv


def _after(filters: int, batch_norm: bool, dropout: float) -> nn.Module:
    norm = [nn.BatchNorm2d(filters)] if batch_norm else []
    drop = [nn.Dropout(dropout)] if dropout else []
    return nn.Sequential(*norm, nn.ReLU(), *drop)
