"""Attributes of generated users, in the combinations and shares of the training users."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from habitus.models.base import Model
from habitus.profiles.attributes import columns_of
from habitus.schema import Vocabulary

SHOWN = 8  # values in a message


@dataclass(frozen=True)
class Combinations:
    """Combinations of values of attributes; K of them.

    Attributes:
        vocabulary: The attributes and their values.
        codes: [K, A]; see :func:`habitus.profiles.attributes.codes_of`.
        chances: Probability of each, [K].
    """

    vocabulary: Vocabulary
    codes: NDArray[np.int64]
    chances: NDArray[np.float64]

    @classmethod
    def of(cls, model: Model, about: dict[str, Any], where: Mapping[str, str]) -> Self | None:
        """Select a run's combinations with certain values; None for a model without attributes.

        Raises:
            ValueError: for an attribute or a value that the model was not fitted to.
        """
        vocabulary = model.vocabulary
        for name, value in where.items():
            _check(vocabulary, name, value)
        if not vocabulary:
            return None
        codes = np.array(about["attributes"]["values"])
        users = np.array(about["attributes"]["users"], float)
        names = list(vocabulary)
        wanted = {
            names.index(name): vocabulary[name].index(value) + 1 for name, value in where.items()
        }
        kept = np.all(
            [codes[:, at] == code for at, code in wanted.items()] or [np.ones(len(codes), bool)],
            axis=0,
        )
        if not kept.any():
            wanted_text = ", ".join(f"{name}={value}" for name, value in where.items())
            raise ValueError(
                f"no user that the run was fitted to has {wanted_text} together; leave one of them "
                "out"
            )
        return cls(vocabulary, codes[kept], users[kept] / users[kept].sum())

    def draw(self, size: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw codes of users, [size, A]."""
        return self.codes[rng.choice(len(self.codes), size, p=self.chances)]

    def columns(self, codes: NDArray[np.int64]) -> dict[str, pa.Array]:
        """Columns of the values that codes [U, A] stand for."""
        return columns_of(codes, self.vocabulary)


def _check(vocabulary: Vocabulary, name: str, value: str) -> None:
    if name not in vocabulary:
        known = (
            f"it was fitted to {', '.join(vocabulary)}" if vocabulary else "it was fitted to none"
        )
        raise ValueError(
            f"this run knows no attribute {name!r}; {known} (fit a rhythm to profiles that have it)"
        )
    if value not in vocabulary[name]:
        some = ", ".join(vocabulary[name][:SHOWN]) + (
            ", ..." if len(vocabulary[name]) > SHOWN else ""
        )
        raise ValueError(
            f"no user that the run was fitted to has {name} {value!r}; there are {some}"
        )
