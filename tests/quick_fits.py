"""Fits of Rhythm that end soon, for tests that are not about its offsets."""

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
