"""Tables 5.1, 5.2, 6.1 and 6.2 of "Time pictures"."""

from __future__ import annotations

import re
from collections.abc import Iterator

import torch
from torch import nn

from habitus.models.pictures.beta_vae import BetaVAE, BetaVAEConfig
from habitus.papers.item import Cell, Grid, Item, Plain, table
from habitus.papers.time_pictures import findings
from habitus.papers.time_pictures.lab import HALVES, METHODS, Lab
from habitus.papers.time_pictures.measures import Distances, distances
from habitus.papers.time_pictures.paper import DISTANCES, TABLE_6_1, TABLE_6_2
from habitus.papers.time_pictures.reconstruction import COMPARED_BASELINES, squared_errors
from habitus.papers.time_pictures.stages import AFTER, BEFORE, Stage, distances_of

LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.MaxPool2d, nn.Linear, nn.Upsample)
NAMES = {
    "Conv2d": "convolution",
    "UpConv2d": "nearest-neighbour up-sampling, convolution",
    "ConvTranspose2d": "transposed convolution",
    "MaxPool2d": "max pooling",
    "Linear": "fully connected",
    "Upsample": "nearest-neighbour up-sampling",
}


@table("5.1", "The encoder")
def encoder(lab: Lab) -> Item:
    """Layers of the encoder with what each puts out, read off the network made for these profiles.

    In the paper: three 3x3 convolutions of 16, 32 and 64 filters, each halved by max pooling, then
    2 x 10 outputs.
    """
    return _network(
        lab,
        "q_z_given_x",
        "picture",
        "three convolutions, each halved, then mean and variance of z.",
    )


@table("5.2", "The decoder")
def decoder(lab: Lab) -> Item:
    """Layers of the decoder with what each puts out, read off the network made for these profiles.

    In the paper: from z to an eighth of the picture with 64 filters, then three times up-sampled
    and convolved to 32, 16 and the channels. Up-sampling and the convolution after it are one layer
    here, with the same numbers.
    """
    return _network(
        lab, "x_given_z", "latents", "the encoder backwards, with up-sampling for pooling."
    )


def _network(lab: Lab, part: str, given: str, paper: str) -> Item:
    model = BetaVAE(
        lab.axes, BetaVAEConfig(latents=lab.settings.latents, normalisation=lab.unit)
    ).eval()
    days, slots, channels = lab.axes.shape
    x = (
        torch.zeros(1, channels, days, slots)
        if given == "picture"
        else torch.zeros(1, lab.settings.latents)
    )
    rows = list(layer_rows(getattr(model, part), x))
    parameters = sum(int(row[-1] or 0) for row in rows)
    caption = (
        f"Sizes are days, slots and filters, for profiles of {days} days, {slots} slots and "
        f"{channels} channels; {parameters:,} parameters."
    )
    return Item(
        [Grid(caption, ("Layer", "Kernel", "Stride", "Output", "Parameters"), rows, words=4)],
        paper=paper,
    )


def layer_rows(network: nn.Module, x: torch.Tensor) -> Iterator[list[Plain]]:
    """Type, kernel, stride, output size and parameters of each layer, in order of its calls."""
    rows: list[list[Plain]] = []

    def note(layer: nn.Module, _: object, output: torch.Tensor) -> None:
        rows.append(
            [NAMES[type(layer).__name__], *_kernel(layer), _size(output), _parameters(layer)]
        )

    hooks = [
        each.register_forward_hook(note) for each in network.modules() if isinstance(each, LAYERS)
    ]
    with torch.no_grad():
        network(x)
    for hook in hooks:
        hook.remove()
    yield from rows


def _kernel(layer: nn.Module) -> tuple[str, str]:
    kernel, stride = (getattr(layer, name, None) for name in ("kernel_size", "stride"))
    return _by(kernel), _by(stride)


def _by(size: object) -> str:
    sides = re.findall(r"\d+", str(size))
    return "–" if not sides else f"{sides[0]} × {sides[-1]}"


def _size(output: torch.Tensor) -> str:
    """Filters last, as the paper writes it."""
    shape = output.shape[1:]
    return " × ".join(map(str, (*shape[1:], shape[0]) if len(shape) == 3 else shape))


def _parameters(layer: nn.Module) -> int | None:
    return sum(parameter.numel() for parameter in layer.parameters()) or None


@table("6.1", "Distances of generated populations from the real one, by beta")
def by_beta(lab: Lab) -> Item:
    """KL divergence and mean squared error of daily mean and standard deviation, a row per beta.

    Reads a run and a population for each beta, the floor and the baseline. In the paper beta 0.1 is
    taken as the best: 0.001215, 0.001295, 0.000597, 0.184723.
    """
    paper = "β = 0.1 is the best compromise; no single β is the best in every column."
    tables = [_distances_by_beta(lab, stage) for stage in (AFTER, BEFORE)]
    return Item(tables, paper=paper, findings=list(findings.of_betas(lab)))


def _distances_by_beta(lab: Lab, stage: Stage) -> Grid:
    """The paper's numbers and ours, a row per beta, and what needs no model."""
    rows: list[list[Cell]] = [
        [f"{beta:g}", *_beside(TABLE_6_1.get(beta), distances_of(lab, beta, stage))]
        for beta in lab.settings.betas
    ]
    found = lab.evaluation(lab.vae(lab.settings.betas[0]))
    others = {
        "another real sample": found.floor,
        "independent cells": found.baselines["independent_cells"],
    }
    rows += [[name, *_beside(None, distances(figures))] for name, figures in others.items()]
    caption = (
        f"{stage.description} {lab.users:,} generated users of each model against "
        f"{len(lab.test):,} real ones; KLD in nats, MSE in shares of a user's peak, squared."
    )
    return Grid(
        caption,
        ["β", *(f"{name}, {whose}" for name in DISTANCES for whose in ("paper", "here"))],
        rows,
    )


def _beside(printed: Distances | None, ours: Distances) -> list[Cell]:
    """The paper's numbers and ours, in turn."""
    pairs = zip(printed or (None,) * len(ours), ours, strict=True)
    return [number for pair in pairs for number in pair]


@table("6.2", "Error of reconstructed cells: VAE and VCE")
def by_method(lab: Lab) -> Item:
    """Squared error summed over the hidden cells and averaged over test users, for both holes.

    Reads the VAE of beta 0.1, a VCE for each hole, and the four completed sets. In the paper:
    centre 2.26 and 2.04, bottom 3.56 and 3.09.
    """
    errors = {hole: squared_errors(lab, hole) for hole in HALVES}
    rows = [
        [
            hole,
            *(x for method in METHODS for x in (TABLE_6_2[hole][method], found[method])),
            *(found[r] for r in COMPARED_BASELINES),
        ]
        for hole, found in errors.items()
    ]
    heads = [
        "Hidden",
        *(f"{method}, {whose}" for method in METHODS for whose in ("paper", "here")),
        *COMPARED_BASELINES.values(),
    ]
    caption = (
        f"{len(lab.test):,} test users; in shares of a user's peak, squared; the reconstruction is "
        f"the mean of {lab.settings.samples} draws. The last columns fill the same cells without a "
        "model."
    )
    paper = "The VCE is closer than the VAE in both tasks, and the bottom half is the harder one."
    return Item(
        [Grid(caption, heads, rows)], paper=paper, findings=list(findings.of_methods(errors))
    )
