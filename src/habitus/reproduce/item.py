"""What a reproduction is made of: the tables and figures of a paper, each made on demand."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import numpy as np
from matplotlib.figure import Figure

from habitus.figures import LABELS
from habitus.parts.shapes import FloatArray
from habitus.report.wording import number

TABLE, FIGURE = "table", "figure"
Cell = str | float | int | None
Lab = TypeVar("Lab")
Maker = Callable[[Lab], "Item"]


@dataclass(frozen=True)
class Grid:
    """A table of text and numbers; the first ``words`` columns are text.

    Attributes:
        caption: What the numbers are, with their unit.
        columns: Heads.
        rows: A cell per column; None where there is no number.
        words: Columns of text, from the left.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    words: int = 1

    @property
    def texts(self) -> list[list[str]]:
        """The cells as a reader writes them."""
        return [[text(cell) for cell in row] for row in self.rows]


def by_day(curves: Mapping[str, FloatArray]) -> Grid:
    """Curves over days as a table, a row per day from 1 on; the test set is called real.

    Args:
        curves: Name -> numbers, [D].
    """
    numbers = zip(*(np.asarray(curve, float).tolist() for curve in curves.values()), strict=True)
    rows = [[f"{day}", *row] for day, row in enumerate(numbers, 1)]
    return Grid("", ["day", *(LABELS.get(name, name) for name in curves)], rows)


def text(cell: Cell) -> str:
    """A cell as a reader writes it.

    >>> text("conv"), text(None), text(12000), text(0.0012151), text(math.inf)
    ('conv', '–', '12,000', '0.00122', '∞')
    """
    if cell is None:
        return "–"
    if isinstance(cell, str):
        return cell
    if not math.isfinite(cell):
        return "∞" if cell > 0 else "–"
    return f"{cell:,}" if isinstance(cell, int) else number(cell)


@dataclass(frozen=True)
class Drawing:
    """A figure, or a part of one.

    Attributes:
        figure: What is drawn.
        caption: What it shows.
        part: The letter of the part, such as a; empty where there is one only.
        wide: Whether it takes the whole width of a page.
        real: Whether it shows single real users, whom nobody else should see.
        data: The numbers behind it, for a file beside it.
    """

    figure: Figure
    caption: str
    part: str = ""
    wide: bool = False
    real: bool = False
    data: Grid | None = None


@dataclass(frozen=True)
class Item:
    """A table or a figure of the paper, made from other data.

    Attributes:
        tables: Ours, with the paper's numbers beside it where it prints any.
        drawings: Ours.
        paper: What the paper found, in our words.
        findings: What ours says of that, a sentence each; both outcomes are possible.
    """

    tables: Sequence[Grid] = ()
    drawings: Sequence[Drawing] = ()
    paper: str = ""
    findings: Sequence[str] = ()


def publishable(item: Item) -> Item:
    """What is left of an item without the drawings that show single real users."""
    return replace(item, drawings=[drawing for drawing in item.drawings if not drawing.real])


@dataclass(frozen=True)
class Entry(Generic[Lab]):
    """An item that can be asked for.

    Attributes:
        kind: table or figure.
        number: As in the paper, such as 6.1.
        title: What it shows.
        make: Makes it; its docstring says what it reads and what the paper found.
    """

    kind: str
    number: str
    title: str
    make: Maker[Any]

    @property
    def name(self) -> str:
        """As a reader calls it.

        >>> Entry("table", "6.1", "", lambda lab: Item()).name
        'Table 6.1'
        """
        return f"{self.kind.capitalize()} {self.number}"

    @property
    def stem(self) -> str:
        """The beginning of its files' names."""
        return f"{self.kind}-{self.number}"


def table(number: str, title: str) -> Callable[[Maker[Any]], Entry[Any]]:
    """Make a table of the paper from a function of the lab."""
    return lambda make: Entry(TABLE, number, title, make)


def figure(number: str, title: str) -> Callable[[Maker[Any]], Entry[Any]]:
    """Make a figure of the paper from a function of the lab."""
    return lambda make: Entry(FIGURE, number, title, make)


def chosen(
    entries: Sequence[Entry[Any]], tables: Sequence[str], figures: Sequence[str], everything: bool
) -> list[Entry[Any]]:
    """The entries that are asked for, in the paper's order.

    Raises:
        ValueError: for a number that the paper does not have, or where nothing is asked for.
    """
    for kind, numbers in ((TABLE, tables), (FIGURE, figures)):
        known = [entry.number for entry in entries if entry.kind == kind]
        for odd in sorted(set(numbers) - set(known)):
            raise ValueError(f"there is no {kind} {odd}; --{kind} takes {', '.join(known)}")
    if everything:
        return list(entries)
    asked = {(TABLE, number) for number in tables} | {(FIGURE, number) for number in figures}
    if not asked:
        raise ValueError("give --table or --figure with a number, or --all; --list shows what there is")
    return [entry for entry in entries if (entry.kind, entry.number) in asked]


@dataclass(frozen=True)
class Group(Generic[Lab]):
    """Entries that belong together on a page, in the paper's order.

    Attributes:
        title: Their heading.
        note: What the reader needs to know.
        entries: They.
    """

    title: str
    note: str
    entries: Sequence[Entry[Lab]]


@dataclass(frozen=True)
class Paper(Generic[Lab]):
    """A paper whose tables and figures can be made.

    Attributes:
        title: Its title.
        groups: Its tables and figures.
        facts: What a page says first of the data and the settings, (name, value), and the sentence above.
    """

    title: str
    groups: Sequence[Group[Lab]]
    facts: Callable[[Lab], tuple[str, list[tuple[str, str]]]]

    @property
    def entries(self) -> list[Entry[Lab]]:
        """Every table and figure."""
        return [entry for group in self.groups for entry in group.entries]
