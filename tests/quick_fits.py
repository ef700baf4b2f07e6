"""Fits that end soon, for tests that are not about what is fitted."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from habitus.training import moment_matching


@contextmanager
def few_populations() -> Iterator[None]:
    """Match mean statistics in two steps of a population each, instead of nine with 44."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("FIRST", "EACH", "STEPS", "LAST"):
            patch.setattr(moment_matching, name, 1)
        yield


@contextmanager
def few_batches() -> Iterator[None]:
    """Fit models of series in few steps, whatever the size of a batch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("habitus.training.windows.FEWEST_BATCHES", 4)
        patch.setattr("habitus.training.collapse.STEPS", 10)
        yield
