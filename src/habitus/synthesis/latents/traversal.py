"""Traversals of the latent space, one dimension at a time ("Time pictures" 6.2.4).

Letters: Z latent dimensions, N walks from different fixed values, P points of a walk, D days, S
slots, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import norm
from torch import Generator, Tensor

from habitus.memory import check_memory
from habitus.models.base import LatentModel
from habitus.models.parts.priors import StandardNormal
from habitus.run import Run
from habitus.schema import Axes
from habitus.synthesis.capabilities import latent_model
from habitus.training.precision import in_memory_format

REACH = 3.0  # standard deviations from the middle of N(0, 1) to either end of a walk
DECODED = 1024  # pictures decoded together
ORDERS = ("variance", "kl")


@dataclass(frozen=True)
class Traversal:
    """Traversals of some dimensions.

    Attributes:
        axes: Axes of the pictures, in the model's unit.
        dims: The dimensions, numbered as in z, from the one that says most, [K].
        points: Values of z along a walk, [P].
        fixed: Values that the other dimensions are held at, [Z].
        pictures: Expected profiles E[x|z], [K, P, D, S, C].
        variance: The learned variance of each of them, [K].
        kl: KL of each from N(0, 1), in nats, [K].
    """

    axes: Axes
    dims: NDArray[np.int64]
    points: NDArray[np.float64]
    fixed: NDArray[np.float32]
    pictures: NDArray[np.float32]
    variance: NDArray[np.float64]
    kl: NDArray[np.float64]


def traverse(
    run: Run,
    dims: Sequence[int] | None = None,
    points: int = 10,
    *,
    seed: int = 0,
    prior: str = "normal",
    order: str = "variance",
) -> Traversal:
    """Walk along dimensions of the latent space, the others fixed at a draw from the prior.

    Args:
        run: A run whose model has latents.
        dims: Dimensions, numbered from 0; None for all.
        points: Values of z along each.
        seed: Decides what the other dimensions are held at.
        prior: Distribution of that draw: normal, N(0, I), as in the paper, or mixture.
        order: Key that orders the dimensions: the learned variance, smallest first, as in the
            paper; or kl, largest first, which does not depend on the scale that a dimension happens
            to have.

    Raises:
        ValueError: for a run without latents, a dimension that it does not have, or a setting that
            there is not.
    """
    model = latent_model(run.model)
    variance, kl = learned(run)
    chosen = ordered(checked_dims(dims, model.latents), variance, kl, order)
    check_memory(
        8 * len(chosen) * points * model.axes.cells,
        f"{points:,} points along {len(chosen)} dimensions with {model.axes.cells:,} cells each",
        f"points ({points:,}) or dims",
    )
    z = points_of(points)
    fixed = drawn_latents(run, 1, seed, prior)
    pictures = np.stack([walk(model, dim, z, fixed)[0] for dim in chosen])
    return Traversal(
        model.axes.with_unit(model.unit),
        np.array(chosen),
        z,
        fixed[0].numpy(),
        pictures,
        variance[chosen],
        kl[chosen],
    )


def points_of(count: int) -> NDArray[np.float64]:
    """Values of z with evenly spaced cumulative probabilities, from -3 to 3 (6.2.4).

    Raises:
        ValueError: for fewer than two.

    >>> points_of(3).round(3).tolist()
    [-3.0, 0.0, 3.0]
    """
    if count < 2:
        raise ValueError(f"points must be at least 2, got {count}")
    return np.asarray(norm.ppf(np.linspace(norm.cdf(-REACH), norm.cdf(REACH), count)))


def learned(run: Run) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Learned variance and KL of each dimension over the training users, [Z] each.

    Raises:
        ValueError: for a run without latents, or one of an older habitus, which did not keep them.
    """
    latent_model(run.model)
    kept = run.about.get("latents")
    if kept is None:
        raise ValueError(
            f"the run in {run.path} says nothing of its latents; fit it again with this habitus"
        )
    return np.array(kept["variance"]), np.array(kept["kl"])


def checked_dims(dims: Sequence[int] | None, latents: int) -> list[int]:
    """Check dimensions against the run's; all where None.

    Raises:
        ValueError: for one that does not exist, or none.
    """
    if dims is None:
        return list(range(latents))
    if not dims:
        raise ValueError("expected at least one dimension, got none")
    for dim in dims:
        if not 0 <= dim < latents:
            raise ValueError(
                f"there is no dimension {dim}; the run has {latents}, from 0 to {latents - 1}"
            )
    return list(dict.fromkeys(dims))


def ordered(
    dims: Sequence[int], variance: NDArray[np.float64], kl: NDArray[np.float64], order: str
) -> list[int]:
    """Order dimensions, from the one that says most.

    Raises:
        ValueError: for an order that there is not.
    """
    if order not in ORDERS:
        raise ValueError(f"order must be {' or '.join(ORDERS)}, got {order!r}")
    return sorted(dims, key=lambda dim: variance[dim] if order == "variance" else -kl[dim])


def drawn_latents(run: Run, count: int, seed: int, prior: str) -> Tensor:
    """Draw latents from a prior of the run, [count, Z]."""
    source = run.prior(prior) or StandardNormal(latent_model(run.model).latents)
    return source.sample(count, Generator().manual_seed(seed))


def walk(
    model: LatentModel, dim: int, points: NDArray[np.float64], fixed: Tensor
) -> NDArray[np.float32]:
    """Expected profiles along one dimension, [N, P, D, S, C], from each of the values [N, Z]."""
    z = fixed[:, None].repeat(1, len(points), 1)
    z[:, :, dim] = torch.from_numpy(points).to(z.dtype)
    return expected(model, z.flatten(0, 1)).reshape(*z.shape[:2], *model.axes.shape)


def expected(model: LatentModel, z: Tensor) -> NDArray[np.float32]:
    """E[x|z] for latents [B, Z], [B, D, S, C]."""
    model = in_memory_format(model, torch.channels_last).eval()
    with torch.no_grad():
        return np.concatenate(
            [model.decode(part).mean.float().numpy() for part in z.split(DECODED)]
        )
