"""Parts of a reproduction: the tables and figures of a paper, each made on demand."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, NamedTuple, Self, TypeVar

import numpy as np
from matplotlib.figure import Figure

from habitus.report.figures import LABELS
from habitus.report.wording import RAISED, number
from habitus.schema import FloatArray

TABLE = "table"
FIGURE = "figure"
MOST_PLACES = 5


class Spread(NamedTuple):
    """A mean over seeds, and their standard deviation (0 for a single one)."""

    mean: float
    sd: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Mean and spread of a number for each seed; the standard deviation has N - 1 below it."""
        return cls(
            float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
        )


Plain = str | float | int | None
Cell = Plain | Spread
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

    @property
    def plain(self) -> tuple[list[str], list[list[Plain]]]:
        """Columns and rows in which a spread has a column of its own."""
        wide = [
            any(isinstance(row[at], Spread) for row in self.rows) for at in range(len(self.columns))
        ]
        heads = [
            (name, f"{name}, sd") if spread else (name,)
            for name, spread in zip(self.columns, wide, strict=True)
        ]
        rows = [
            [each for cell, spread in zip(row, wide, strict=True) for each in _split(cell, spread)]
            for row in self.rows
        ]
        return [name for names in heads for name in names], rows


def _split(cell: Cell, spread: bool) -> tuple[Plain, ...]:
    """A cell as one, or as mean and spread."""
    if isinstance(cell, Spread):
        return tuple(cell)
    return (cell, None) if spread else (cell,)


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
    if isinstance(cell, Spread):
        return _with_spread(cell)
    if not math.isfinite(cell):
        return "∞" if cell > 0 else "–"
    return f"{cell:,}" if isinstance(cell, int) else number(cell)


def _with_spread(cell: Spread) -> str:
    """Mean ± standard deviation, to the same decimal place.

    >>> text(Spread(63.184, 0.21)), text(Spread(1.264e-5, 3e-7)), text(Spread(0.5, 0.0))
    ('63.18 ± 0.21', '(1.26 ± 0.03) × 10⁻⁵', '0.5')
    """
    if not cell.sd or not math.isfinite(cell.mean) or not math.isfinite(cell.sd):
        return text(cell.mean)
    power = math.floor(math.log10(abs(cell.mean) or 1))
    shift = power if power < -3 else 0
    mean = cell.mean / 10.0**shift
    sd = cell.sd / 10.0**shift
    places = min(max(1 - math.floor(math.log10(sd)), 0), MOST_PLACES if shift == 0 else 2)
    if sd < 0.5 / 10**places:
        return text(cell.mean)
    both = f"{mean:.{places}f} ± {sd:.{places}f}"
    return f"({both}) × 10{str(shift).translate(RAISED)}" if shift else both


@dataclass(frozen=True)
class Drawing:
    """A figure, or a part of one.

    Attributes:
        figure: The matplotlib figure.
        caption: Caption of the figure.
        part: Letter of the part, such as a; empty for a figure without parts.
        wide: Whether the figure takes the whole width of a page.
        real: Whether the figure shows single real users and must not be published.
        data: Plotted numbers, written to a CSV file beside the figure.
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
        tables: Reproduced tables, beside the numbers that the paper prints, if any.
        drawings: Reproduced figures.
        paper: Summary of what the paper found.
        findings: Sentences that compare the reproduction with the paper, whether it agrees or not.
    """

    tables: Sequence[Grid] = ()
    drawings: Sequence[Drawing] = ()
    paper: str = ""
    findings: Sequence[str] = ()


def publishable(item: Item) -> Item:
    """Item without the drawings that show single real users."""
    return replace(item, drawings=[drawing for drawing in item.drawings if not drawing.real])


@dataclass(frozen=True)
class Entry(Generic[Lab]):
    """Table or figure of a paper, made on request.

    Attributes:
        kind: table or figure.
        number: Number in the paper, such as 6.1.
        title: Title of the table or figure.
        make: Function that makes the item; its docstring names its inputs and the paper's finding.
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
        raise ValueError(
            "give --table or --figure with a number, or --all; --list shows what there is"
        )
    return [entry for entry in entries if (entry.kind, entry.number) in asked]


@dataclass(frozen=True)
class Group(Generic[Lab]):
    """Entries that belong together on a page, in the paper's order.

    Attributes:
        title: Heading of the group.
        note: Introduction below the heading.
        entries: Entries of the group.
    """

    title: str
    note: str
    entries: Sequence[Entry[Lab]]


@dataclass(frozen=True)
class Paper(Generic[Lab]):
    """A paper whose tables and figures can be made.

    Attributes:
        title: The heading of its page.
        groups: Its tables and figures.
        facts: Function that returns the lead sentence of the page, and facts on data and settings
            as (name, value).
        paths: Number of paths that ``--data`` takes.
        takes: Description of these paths, for messages.
        options: Options of the paper -> their defaults, as text.
        open_lab: Function that makes the lab from the data paths, the folder and given options.
        origin: Function that returns the provenance at the foot of the page, besides the command
            and the versions.
        unit: Unit of the progress bar.
    """

    title: str
    groups: Sequence[Group[Lab]]
    facts: Callable[[Lab], tuple[str, list[tuple[str, str]]]]
    paths: int
    takes: str
    options: Mapping[str, str]
    open_lab: Callable[[Sequence[Path], Path, Mapping[str, Any]], Lab]
    origin: Callable[[Lab], Mapping[str, str]]
    unit: str

    @property
    def entries(self) -> list[Entry[Lab]]:
        """Every table and figure."""
        return [entry for group in self.groups for entry in group.entries]

    def check_paths(self, paths: Sequence[Path]) -> None:
        """Refuse too many paths of data, or too few.

        Raises:
            ValueError: saying what --data takes.
        """
        if len(paths) != self.paths:
            raise ValueError(
                f"--data takes {self.takes}; got {' '.join(map(str, paths)) or 'none'}"
            )

    def check_options(self, name: str, given: Mapping[str, Any]) -> None:
        """Refuse options that are those of other papers.

        Raises:
            ValueError: naming the first.
        """
        for option in given:
            if option not in self.options:
                known = ", ".join(f"--{each}" for each in self.options)
                raise ValueError(f"{name} has no --{option}; it has {known}")
