"""Models that are fitted to fill the cells of one mask."""

from __future__ import annotations

import numpy as np
import torch
from torch import Generator, Tensor

from habitus.models.base import CompletingModel
from habitus.models.parts.masks import Mask
from habitus.schema import BoolArray


class MaskedModel(CompletingModel):
    """A completing model that hides the cells of a mask while it is fitted, and fills such cells.

    Attributes:
        mask: Rule that decides which cells are missing.
    """

    mask: Mask

    @property
    def forecast_days(self) -> int:
        """Number of days missing at the end in the mask; half of the window for any mask."""
        fixed = self.mask.fixed
        if fixed is None:
            return self.axes.days // 2 if self.mask.text == "any" else 0
        whole = np.asarray(fixed.all((1, 2)))
        count = int(whole.sum())
        at_the_end = count > 0 and bool(whole[-count:].all()) and not fixed[:-count].any()
        return count if at_the_end else 0

    def check_mask(self, missing: BoolArray | None, text: str) -> None:
        fixed = self.mask.fixed
        if fixed is None:
            return
        if missing is None or not np.array_equal(fixed, missing):
            raise ValueError(
                f"this run was fitted to fill the mask {self.mask.text}, got {text}; fit one with "
                "--set mask=any, which fills whatever is missing"
            )

    def draw_mask(self, x: Tensor, generator: Generator) -> Tensor:
        """Draw missing cells for a batch of profiles, bool [B, D, S, C]."""
        seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
        drawn = self.mask.draw(len(x), np.random.default_rng(seed))
        return torch.from_numpy(np.ascontiguousarray(drawn)).to(x.device)
