"""Which cells of a profile are missing: true where a cell is to be filled.

A mask is written as one word, with an argument where it takes one:

=========================  =============================================================================
centre                     the middle half of the days and of the slots: a quarter of the picture
bottom                     the last half of the days ("Time pictures" 5.1.2 has this one and ``centre``)
last:K                     the last K days
rectangle:A-B,E-F          days A up to, not including, B; slots E up to, not including, F
channel:NAME               one channel, all of it
blocks:SHARE               rectangles at random until that share of the cells is missing
cells:SHARE                single cells at random, each with that probability
any                        one of all these kinds at random, of any size up to about half of the picture
=========================  =============================================================================

The first five are the same for every profile; the others are drawn for each one anew.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from habitus.schema import Axes, BoolArray

Rng = np.random.Generator


class Mask(ABC):
    """A rule that says what is missing."""

    axes: Axes

    @property
    @abstractmethod
    def text(self) -> str:
        """The rule as it is written."""

    @property
    def fixed(self) -> BoolArray | None:
        """The missing cells [D, S, C] where they are the same for every profile, else None."""
        return None

    @abstractmethod
    def draw(self, count: int, rng: Rng) -> BoolArray:
        """Missing cells of so many profiles, [count, D, S, C]; at least one is missing and one known in each."""


@dataclass(frozen=True, eq=False)
class FixedMask(Mask):
    """The same cells for every profile.

    Raises:
        ValueError: if the mask is of another shape, or nothing is missing, or everything.
    """

    axes: Axes
    name: str
    missing: BoolArray

    def __post_init__(self) -> None:
        if self.missing.shape != self.axes.shape:
            shape = self.missing.shape
            raise ValueError(
                f"mask {self.name}: expected the shape (days, slots, channels) {self.axes.shape}, got {shape}"
            )
        if self.missing.all():
            raise ValueError(f"mask {self.name} hides every cell; at least one must be known")
        if not self.missing.any():
            raise ValueError(f"mask {self.name} hides no cell; there is nothing to fill")

    @property
    def text(self) -> str:
        """The name."""
        return self.name

    @property
    def fixed(self) -> BoolArray:
        """The missing cells [D, S, C]."""
        return self.missing

    def draw(self, count: int, rng: Rng) -> BoolArray:
        """A view of the one mask."""
        return np.broadcast_to(self.missing, (count, *self.axes.shape))


@dataclass(frozen=True)
class RandomMask(Mask):
    """Cells drawn anew for each profile by a rule ``(axes, count, rng) -> missing``.

    Raises:
        ValueError: if profiles have a single cell, which cannot be both missing and known.
    """

    axes: Axes
    name: str
    rule: Callable[[Axes, int, Rng], BoolArray]

    def __post_init__(self) -> None:
        if self.axes.cells < 2:
            raise ValueError(
                f"mask {self.name}: profiles have one cell; one must be missing and one known"
            )

    @property
    def text(self) -> str:
        """The name."""
        return self.name

    def draw(self, count: int, rng: Rng) -> BoolArray:
        """Drawn masks; where the rule hid all cells or none, one cell is turned."""
        missing = self.rule(self.axes, count, rng)
        flat = missing.reshape(count, self.axes.cells)
        odd = flat.all(1) | ~flat.any(1)
        flat[odd, rng.integers(self.axes.cells, size=int(odd.sum()))] ^= True
        return missing


def parse_mask(text: str, axes: Axes) -> Mask:
    """The mask that is written as ``text``, for profiles on the given axes.

    Raises:
        ValueError: for a word that is no mask, an argument that is none, or a mask that hides all or nothing.

    >>> import datetime as dt
    >>> axes = Axes(dt.date(2018, 2, 1), 32, 60, ("web", "phone"))
    >>> [int(parse_mask(text, axes).fixed.sum()) for text in ("centre", "bottom", "last:7")]
    [384, 768, 336]
    """
    kind, _, argument = text.partition(":")
    if kind not in KINDS:
        raise ValueError(f"no mask {text!r}; a mask is one of {', '.join(USAGE)}")
    takes_argument = ":" in USAGE[list(KINDS).index(kind)]
    if bool(argument) != takes_argument:
        raise ValueError(f"mask {text!r} should be written {USAGE[list(KINDS).index(kind)]}")
    return KINDS[kind](axes, argument)


def _centre(axes: Axes, argument: str) -> Mask:
    days, slots, _ = axes.shape
    return _rectangular(axes, "centre", _middle(days), _middle(slots))


def _middle(length: int) -> tuple[int, int]:
    first = (length - length // 2) // 2
    return first, first + length // 2


def _bottom(axes: Axes, argument: str) -> Mask:
    return _rectangular(axes, "bottom", (axes.days - axes.days // 2, axes.days), (0, axes.slots))


def _last(axes: Axes, argument: str) -> Mask:
    days = _whole(argument, f"last:{argument}")
    if not 0 < days < axes.days:
        raise ValueError(
            f"mask last:{argument}: expected 1 to {axes.days - 1} days, as profiles have {axes.days}"
        )
    return _rectangular(axes, f"last:{days}", (axes.days - days, axes.days), (0, axes.slots))


def _rectangle(axes: Axes, argument: str) -> Mask:
    match = re.fullmatch(r"(\d+)-(\d+),(\d+)-(\d+)", argument)
    if not match:
        raise ValueError(
            f"mask rectangle:{argument} should be written {USAGE[3]}, such as rectangle:8-24,6-18"
        )
    a, b, e, f = map(int, match.groups())
    if not (a < b <= axes.days and e < f <= axes.slots):
        raise ValueError(
            f"mask rectangle:{argument}: expected days within 0-{axes.days} and slots within 0-{axes.slots}, "
            "each from a lower number to a higher one"
        )
    return _rectangular(axes, f"rectangle:{argument}", (a, b), (e, f))


def _channel(axes: Axes, argument: str) -> Mask:
    if argument not in axes.channels:
        raise ValueError(f"mask channel:{argument}: the channels are {', '.join(axes.channels)}")
    missing = np.zeros(axes.shape, bool)
    missing[..., axes.channels.index(argument)] = True
    return FixedMask(axes, f"channel:{argument}", missing)


def _blocks(axes: Axes, argument: str) -> Mask:
    share = _share(argument, f"blocks:{argument}")
    return RandomMask(
        axes, f"blocks:{argument}", lambda a, n, rng: random_blocks(a, np.full(n, share), rng)
    )


def _cells(axes: Axes, argument: str) -> Mask:
    share = _share(argument, f"cells:{argument}")
    return RandomMask(
        axes, f"cells:{argument}", lambda a, n, rng: rng.random((n, *a.shape)) < share
    )


def _any(axes: Axes, argument: str) -> Mask:
    return RandomMask(axes, "any", any_of_all)


def random_blocks(axes: Axes, shares: np.ndarray, rng: Rng) -> BoolArray:
    """Rectangles over all channels, up to half of the days by half of the slots each, until each share is reached.

    Args:
        axes: The profiles' axes.
        shares: Wanted share of missing cells of each profile, [B].
        rng: Source of the draw.

    Returns:
        Missing cells [B, D, S, C].
    """
    days, slots, channels = axes.shape
    missing = np.zeros((len(shares), days, slots), bool)
    short = np.arange(len(shares))
    while len(short):
        sides = [_span(length, len(short), rng) for length in (days, slots)]
        missing[short] |= sides[0][:, :, None] & sides[1][:, None, :]
        short = short[missing[short].mean((1, 2)) < shares[short]]
    return np.repeat(missing[..., None], channels, axis=-1)


def any_of_all(axes: Axes, count: int, rng: Rng) -> BoolArray:
    """Missing cells [count, D, S, C]: last days, a run of days, one rectangle, blocks, cells or a channel.

    What is asked for most, the last days and one rectangle, is drawn most.
    """
    days, slots, channels = axes.shape
    missing = np.zeros((count, days, slots, channels), bool)
    shares = np.array([0.3, 0.1, 0.3, 0.1, 0.1, 0.1 if channels > 1 else 0.0])
    kinds = rng.choice(6, size=count, p=shares / shares.sum())
    day_span = _span(days, count, rng)
    slot_span = _span(slots, count, rng)
    lengths = rng.integers(1, max(2, days // 2 + 1), size=count)
    last = np.arange(days) >= days - lengths[:, None]
    missing[kinds == 0] = last[kinds == 0][:, :, None, None]
    missing[kinds == 1] = day_span[kinds == 1][:, :, None, None]
    missing[kinds == 2] = (day_span[:, :, None] & slot_span[:, None, :])[kinds == 2][..., None]
    blocks = kinds == 3
    missing[blocks] = random_blocks(axes, rng.uniform(0.05, 0.5, int(blocks.sum())), rng)
    cells = np.flatnonzero(kinds == 4)
    missing[cells] = rng.random((len(cells), *axes.shape)) < rng.uniform(
        0.05, 0.5, (len(cells), 1, 1, 1)
    )
    whole = np.flatnonzero(kinds == 5)
    missing[whole, :, :, rng.integers(channels, size=len(whole))] = True
    return missing


def _span(length: int, count: int, rng: Rng) -> BoolArray:
    """A run of 1 to half of the positions of an axis, anywhere on it, [count, length]."""
    widths = rng.integers(1, max(2, length // 2 + 1), size=count)
    starts = rng.integers(0, length - widths + 1)
    position = np.arange(length)
    return (position >= starts[:, None]) & (position < (starts + widths)[:, None])


def _rectangular(axes: Axes, name: str, days: tuple[int, int], slots: tuple[int, int]) -> Mask:
    missing = np.zeros(axes.shape, bool)
    missing[slice(*days), slice(*slots)] = True
    return FixedMask(axes, name, missing)


def _whole(text: str, name: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"mask {name}: expected a whole number, got {text!r}")
    return int(text)


def _share(text: str, name: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise ValueError(f"mask {name}: expected a share between 0 and 1, got {text!r}")
    return share


KINDS: dict[str, Callable[[Axes, str], Mask]] = {
    "centre": _centre,
    "bottom": _bottom,
    "last": _last,
    "rectangle": _rectangle,
    "channel": _channel,
    "blocks": _blocks,
    "cells": _cells,
    "any": _any,
}
USAGE = (
    "centre",
    "bottom",
    "last:K",
    "rectangle:A-B,E-F",
    "channel:NAME",
    "blocks:SHARE",
    "cells:SHARE",
    "any",
)
