"""Base of every baseline, and fits by statsmodels that some of them make."""

from __future__ import annotations

import warnings
from abc import ABC
from collections.abc import Callable
from typing import ClassVar, TypeVar

import numpy as np

T = TypeVar("T")


class Baseline(ABC):
    """Method without learning that a model must beat.

    Attributes:
        name: Its key in the registry and in ``metrics.json``.
    """

    name: ClassVar[str]


def attempt(fit: Callable[[], T]) -> T | None:
    """Result of a fit by statsmodels, without its warnings; None where the optimiser fails.

    Fits import statsmodels themselves: it takes a second to load, and version 0.14 then warns of
    what pandas 3 will drop.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few points often leave the optimiser unsure
        try:
            return fit()
        except (ValueError, np.linalg.LinAlgError):
            return None
