"""What models that learn with a mask share: drawing it, and knowing what it lets them fill."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Generator, Tensor
from torch.distributions import Distribution, Independent

from habitus.models.base import Completion
from habitus.models.parts.masks import Mask, parse_mask
from habitus.models.parts.objectives import reparameterised
from habitus.schema import Axes, BoolArray

if TYPE_CHECKING:
    from habitus.models.pictures.likelihoods import Likelihood


def drawn_mask(mask: Mask, x: Tensor, generator: Generator) -> Tensor:
    """Missing cells for a batch [B, D, S, C], from the generator's randomness."""
    seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
    drawn = mask.draw(len(x), np.random.default_rng(seed))
    return torch.from_numpy(np.ascontiguousarray(drawn)).to(x.device)


def last_days(mask: Mask) -> int:
    """How many days at the end of the window a run fitted to this mask can fill."""
    if mask.fixed is None:
        return mask.axes.days // 2 if mask.text == "any" else 0
    whole = np.asarray(mask.fixed.all((1, 2)))
    count = int(whole.sum())
    at_the_end = count > 0 and bool(whole[-count:].all()) and not mask.fixed[:-count].any()
    return count if at_the_end else 0


def check_same_mask(fitted: Mask, missing: BoolArray | None, text: str) -> None:
    """Refuse to fill another hole than the one that a run was fitted to, where that was always the same.

    Raises:
        ValueError: naming both.
    """
    if fitted.fixed is None:
        return
    if missing is None or not np.array_equal(fitted.fixed, missing):
        raise ValueError(
            f"this run was fitted to fill the mask {fitted.text}, got {text}; fit one with --set mask=any, "
            "which fills whatever is missing"
        )


def check_last_days(axes: Axes, missing: BoolArray | None, text: str) -> None:
    """Refuse a mask that is not the last days, and all of them.

    Raises:
        ValueError: saying what does for it.
    """
    last = 0 if missing is None else int(missing.all((1, 2)).sum())
    fixed = parse_mask(f"last:{last}", axes).fixed if 0 < last < axes.days else None
    if missing is None or fixed is None or (missing != fixed).any():
        raise ValueError(
            f"this model fills the last days only, got the mask {text}; give --mask last:7, or the run of a "
            "context-mixture"
        )


def completed_from_posterior(
    q: Independent,
    decode: Callable[[Tensor], Distribution],
    likelihood: Likelihood,
    missing: Tensor,
    samples: int,
    generator: Generator,
) -> Completion:
    """Draw z from q, and the missing cells from what each z decodes to.

    Args:
        q: q(z|known cells), [B, Z].
        decode: From z to the distribution of a picture [B, ...].
        likelihood: Says what a draw is.
        missing: Bool, of that picture's shape.
        samples: Draws, K.
        generator: Supplies all randomness.
    """
    mean = torch.zeros(int(missing.sum()), device=missing.device)
    draws = list[Tensor]()
    for _ in range(samples):
        p = decode(reparameterised(q, generator))
        mean += p.mean[missing] / samples
        draws.append(likelihood.draw(p, generator)[missing])
    return Completion(mean, torch.stack(draws))
