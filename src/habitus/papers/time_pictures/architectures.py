"""Table A.1 of "Time pictures": eight architectures with five numbers of latents each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from habitus.models.pictures.nets import ARCHITECTURES, Layer, Resize
from habitus.papers.item import Cell, Grid, Item, table, text
from habitus.papers.time_pictures.lab import Lab
from habitus.papers.time_pictures.measures import Distances, distances
from habitus.papers.time_pictures.paper import BEST_BETA, DISTANCES, LATENTS, SEARCHED_LATENTS

THEIRS = "conv"
SIGNS = {
    Resize.NONE: "",
    Resize.POOL: " pooled",
    Resize.STRIDE: " stride 2",
    Resize.NEAREST: " doubled",
}
ALIKE = 0.01  # losses that differ by less, relative to the smaller one, are called alike


@dataclass(frozen=True)
class Trial:
    """One fit of the search.

    Attributes:
        architecture: Its name.
        latents: Latent dimensions.
        parameters: Of the whole model.
        loss: On users that were not fitted to; None where there were too few.
        found: Distances of the generated population, as in Table 6.1.
    """

    architecture: str
    latents: int
    parameters: int
    loss: float | None
    found: Distances


@table("A.1", "The architectures that were tried")
def search(lab: Lab) -> Item:
    """Layers of the eight architectures, and their losses with 2, 5, 7, 10 and 100 latents.

    Reads 40 runs on part of the training users, with fewer epochs, and a population of each. The
    paper prints the layers only, and says of the search that convolutions did better than
    transposed ones, that 2, 5 and 7 dimensions were worse than 10, and 100 no better.
    """
    trials = [
        _trial(lab.searched, name, latents)
        for name in ARCHITECTURES
        for latents in SEARCHED_LATENTS
    ]
    rows: list[list[Cell]] = [
        [each.architecture, f"{each.latents}", each.parameters, each.loss, *each.found]
        for each in trials
    ]
    epochs = lab.searched.settings.epochs
    fitted = len(lab.searched.train)
    tested = len(lab.searched.test)
    caption = (
        f"β = {BEST_BETA:g}; epochs: {epochs}, on {fitted:,} training profiles drawn at random, "
        f"compared with {tested:,} test profiles: enough for large differences, not for small "
        "ones. Loss on training users that were kept aside."
    )
    heads = ["Architecture", "Latents", "Parameters", "Loss", *DISTANCES]
    tables = [_layers(), Grid(caption, heads, rows, words=2)]
    paper = (
        "“conv” was kept; transposed convolutions and 2, 5 or 7 dimensions did worse, 100 "
        "dimensions no better. No numbers are printed."
    )
    return Item(tables, paper=paper, findings=list(_findings(trials)))


def _trial(lab: Lab, name: str, latents: int) -> Trial:
    run = lab.vae(BEST_BETA, name, latents)
    losses = [loss for loss in run.history.get("held_out_loss", []) if loss is not None]
    parameters = sum(each.numel() for each in run.model.parameters())
    found = distances(lab.evaluation(run).figures)
    return Trial(name, latents, parameters, losses[-1] if losses else None, found)


def _layers() -> Grid:
    """The layers as the paper lists them; 0 filters stand for the channels."""
    rows: list[list[Cell]] = [
        [name, _written(each.encoder), _written(each.decoder)]
        for name, each in ARCHITECTURES.items()
    ]
    caption = (
        "Filters of the 3 × 3 convolutions, and how each changes the picture's size; "
        "C is the channels."
    )
    return Grid(caption, ("Architecture", "Encoder", "Decoder"), rows, words=3)


def _written(layers: tuple[Layer, ...]) -> str:
    kind = "transposed: " if any(layer.transposed for layer in layers) else ""
    return kind + ", ".join(f"{layer.filters or 'C'}{SIGNS[layer.resize]}" for layer in layers)


def _findings(trials: list[Trial]) -> Iterator[str]:
    """Compare the paper's choice with the smallest loss."""
    losses = {
        (each.architecture, each.latents): each.loss for each in trials if each.loss is not None
    }
    if len(losses) < len(trials):
        yield "There are too few users to keep some aside, so nothing is said of the loss."
        return
    best = min(losses, key=lambda key: losses[key])
    yield (
        f"The smallest loss on users kept aside is that of {best[0]} with {best[1]} dimensions, "
        f"{text(losses[best])}; the paper's choice, {THEIRS} with {LATENTS}, has "
        f"{text(losses[THEIRS, LATENTS])}."
    )
    ours = {latents: losses[THEIRS, latents] for latents in SEARCHED_LATENTS}
    parts = [
        f"{latents} {_side(loss, ours[LATENTS])}"
        for latents, loss in ours.items()
        if latents != LATENTS
    ]
    theirs = "in the paper 2, 5 and 7 worse, 100 no better"
    yield f"Dimensions of {THEIRS}, beside {LATENTS}: {', '.join(parts)} ({theirs})."
    pair = losses["transposed", LATENTS], losses[THEIRS, LATENTS]
    side = _side(*pair)
    yield f"Transposed convolutions with {LATENTS} dimensions are {side} (in the paper worse)."


def _side(loss: float, other: float) -> str:
    if abs(loss - other) <= ALIKE * min(loss, other):
        return "alike"
    return "worse" if loss > other else "better"
