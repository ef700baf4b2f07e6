"""Masks: the missing cells of a profile, true where a cell is to be filled.

A mask is written as one word, with an argument where it takes one:

==================  =========================================================================
centre              the middle half of the days and of the slots: a quarter of the picture
bottom              the last half of the days ("Time pictures" 5.1.2 has this and ``centre``)
last:K              the last K days
rectangle:A-B,E-F   days A up to, not including, B; slots E up to, not including, F
channel:NAME        one channel, all of it
blocks:SHARE        rectangles at random until that share of the cells is missing
cells:SHARE         single cells at random, each with that probability
any                 one of these kinds at random, of any size up to about half of the picture
==================  =========================================================================

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

USAGE = (
    "centre", "bottom", "last:K", "rectangle:A-B,E-F", "channel:NAME", "blocks:SHARE",
    "cells:SHARE", "any",
)  # fmt: skip
KINDS = {usage.partition(":")[0]: usage for usage in USAGE}


class Mask(ABC):
    """A rule that decides which cells are missing.

    Attributes:
        axes: Axes of the profiles.
        text: The rule as it is written.
    """

    axes: Axes
    text: str

    @property
    def fixed(self) -> BoolArray | None:
        """Missing cells [D, S, C] where they are the same for every profile, else None."""
        return None

    @abstractmethod
    def draw(self, count: int, rng: Rng) -> BoolArray:
        """Draw missing cells [count, D, S, C]; each profile has a missing and a known one."""


@dataclass(frozen=True, eq=False)
class FixedMask(Mask):
    """Mask with the same missing cells for every profile.

    Raises:
        ValueError: for a mask of another shape, or one that hides nothing or everything.
    """

    axes: Axes
    text: str
    missing: BoolArray

    def __post_init__(self) -> None:
        if self.missing.shape != self.axes.shape:
            raise ValueError(
                f"mask {self.text}: expected the shape (days, slots, channels) "
                f"{self.axes.shape}, got {self.missing.shape}"
            )
        if self.missing.all():
            raise ValueError(f"mask {self.text} hides every cell; at least one must be known")
        if not self.missing.any():
            raise ValueError(f"mask {self.text} hides no cell; there is nothing to fill")

    @property
    def fixed(self) -> BoolArray:
        return self.missing

    def draw(self, count: int, rng: Rng) -> BoolArray:
        return np.broadcast_to(self.missing, (count, *self.axes.shape))


@dataclass(frozen=True)
class RandomMask(Mask):
    """Mask drawn anew for each profile by a rule ``(axes, count, rng) -> missing``.

    Raises:
        ValueError: if profiles have a single cell, which cannot be both missing and known.
    """

    axes: Axes
    text: str
    rule: Callable[[Axes, int, Rng], BoolArray]

    def __post_init__(self) -> None:
        if self.axes.cells < 2:
            raise ValueError(
                f"mask {self.text}: profiles have one cell; one must be missing and one known"
            )

    def draw(self, count: int, rng: Rng) -> BoolArray:
        missing = self.rule(self.axes, count, rng)
        flat = missing.reshape(count, self.axes.cells)
        # Where the rule hid every cell or none, one cell is flipped.
        odd = flat.all(1) | ~flat.any(1)
        flat[odd, rng.integers(self.axes.cells, size=int(odd.sum()))] ^= True
        return missing


def parse_mask(text: str, axes: Axes) -> Mask:
    """Parse a mask for profiles on given axes.

    Raises:
        ValueError: for an unknown word, an impossible argument, or a mask that hides all or
            nothing.

    >>> import datetime as dt
    >>> axes = Axes(dt.date(2018, 2, 1), 32, 60, ("web", "phone"))
    >>> [int(parse_mask(text, axes).fixed.sum()) for text in ("centre", "bottom", "last:7")]
    [384, 768, 336]
    """
    kind, _, argument = text.partition(":")
    if kind not in KINDS:
        raise ValueError(f"no mask {text!r}; a mask is one of {', '.join(USAGE)}")
    if bool(argument) != (":" in KINDS[kind]):
        raise ValueError(f"mask {text!r} should be written {KINDS[kind]}")
    if kind == "any":
        return RandomMask(axes, text, any_of_all)
    if kind in ("blocks", "cells"):
        share = _parse_share(argument, text)
        if kind == "cells":
            return RandomMask(axes, text, lambda a, n, rng: rng.random((n, *a.shape)) < share)
        return RandomMask(axes, text, lambda a, n, rng: random_blocks(a, np.full(n, share), rng))
    missing = np.zeros(axes.shape, bool)
    if kind == "centre":
        missing[_middle(axes.days), _middle(axes.slots)] = True
    elif kind == "bottom":
        missing[axes.days - axes.days // 2 :] = True
    elif kind == "last":
        days = _parse_last(argument, axes)
        missing[axes.days - days :] = True
        text = f"last:{days}"
    elif kind == "rectangle":
        missing[_parse_rectangle(argument, axes)] = True
    else:
        if argument not in axes.channels:
            raise ValueError(f"mask {text}: the channels are {', '.join(axes.channels)}")
        missing[..., axes.channels.index(argument)] = True
    return FixedMask(axes, text, missing)


def _middle(length: int) -> slice:
    """The middle half of an axis."""
    first = (length - length // 2) // 2
    return slice(first, first + length // 2)


def _parse_last(argument: str, axes: Axes) -> int:
    """Number of days of ``last:K``."""
    if not argument.isdecimal():
        raise ValueError(f"mask last:{argument}: expected a whole number, got {argument!r}")
    days = int(argument)
    if not 0 < days < axes.days:
        raise ValueError(
            f"mask last:{argument}: expected 1 to {axes.days - 1} days, as profiles have "
            f"{axes.days}"
        )
    return days


def _parse_rectangle(argument: str, axes: Axes) -> tuple[slice, slice]:
    """Days and slots of ``rectangle:A-B,E-F``."""
    match = re.fullmatch(r"(\d+)-(\d+),(\d+)-(\d+)", argument)
    if not match:
        raise ValueError(
            f"mask rectangle:{argument} should be written {KINDS['rectangle']}, such as "
            "rectangle:8-24,6-18"
        )
    first_day, last_day, first_slot, last_slot = map(int, match.groups())
    if not (first_day < last_day <= axes.days and first_slot < last_slot <= axes.slots):
        raise ValueError(
            f"mask rectangle:{argument}: expected days within 0-{axes.days} and slots within "
            f"0-{axes.slots}, each from a lower number to a higher one"
        )
    return slice(first_day, last_day), slice(first_slot, last_slot)


def _parse_share(argument: str, text: str) -> float:
    try:
        share = float(argument)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise ValueError(f"mask {text}: expected a share between 0 and 1, got {argument!r}")
    return share


def random_blocks(axes: Axes, shares: np.ndarray, rng: Rng) -> BoolArray:
    """Draw rectangles over all channels until a share of each profile is missing.

    Args:
        axes: Axes of the profiles.
        shares: Wanted share of missing cells of each profile, [B].
        rng: Source of randomness.

    Returns:
        Missing cells [B, D, S, C]; a rectangle is up to half of the days by half of the slots.
    """
    days, slots, channels = axes.shape
    missing = np.zeros((len(shares), days, slots), bool)
    short = np.arange(len(shares))
    while len(short):
        sides = [_random_runs(length, len(short), rng) for length in (days, slots)]
        missing[short] |= sides[0][:, :, None] & sides[1][:, None, :]
        short = short[missing[short].mean((1, 2)) < shares[short]]
    return np.repeat(missing[..., None], channels, axis=-1)


def any_of_all(axes: Axes, count: int, rng: Rng) -> BoolArray:
    """Draw missing cells [count, D, S, C] of a random kind for each profile.

    The kinds are the last days, a run of days, one rectangle, blocks, cells, and a channel. The
    ones that are asked for most, the last days and one rectangle, are drawn most.
    """
    days, slots, channels = axes.shape
    missing = np.zeros((count, days, slots, channels), bool)
    shares = np.array([0.3, 0.1, 0.3, 0.1, 0.1, 0.1 if channels > 1 else 0.0])
    kinds = rng.choice(6, size=count, p=shares / shares.sum())
    day_runs = _random_runs(days, count, rng)
    slot_runs = _random_runs(slots, count, rng)
    lengths = rng.integers(1, max(2, days // 2 + 1), size=count)
    last = np.arange(days) >= days - lengths[:, None]
    missing[kinds == 0] = last[kinds == 0][:, :, None, None]
    missing[kinds == 1] = day_runs[kinds == 1][:, :, None, None]
    missing[kinds == 2] = (day_runs[:, :, None] & slot_runs[:, None, :])[kinds == 2][..., None]
    blocks = kinds == 3
    missing[blocks] = random_blocks(axes, rng.uniform(0.05, 0.5, int(blocks.sum())), rng)
    cells = np.flatnonzero(kinds == 4)
    noise = rng.random((len(cells), *axes.shape))
    missing[cells] = noise < rng.uniform(0.05, 0.5, (len(cells), 1, 1, 1))
    whole = np.flatnonzero(kinds == 5)
    missing[whole, :, :, rng.integers(channels, size=len(whole))] = True
    return missing


def _random_runs(length: int, count: int, rng: Rng) -> BoolArray:
    """Draw runs of 1 to half of an axis's positions, anywhere on it, [count, length]."""
    widths = rng.integers(1, max(2, length // 2 + 1), size=count)
    starts = rng.integers(0, length - widths + 1)
    position = np.arange(length)
    return (position >= starts[:, None]) & (position < (starts + widths)[:, None])
