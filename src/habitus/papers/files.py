"""Items as files: a PNG for each drawing, a CSV for each table, and one page with all of them."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from habitus.files import replacing
from habitus.papers.item import FIGURE, Drawing, Entry, Grid, Item, Paper
from habitus.report.page import Article, Easel, Plate, Section, write_article
from habitus.report.page import Table as PageTable
from habitus.report.png import save_png

Made = Mapping[str, Item]
"""Name of an entry, such as Table 6.1 -> what was made."""

PRIVATE = "Shows single users: not to be published where they are real people."
PAGE = "index.html"


def write_item(folder: Path, entry: Entry[Any], item: Item) -> list[Path]:
    """Write an item's drawings and tables; say where."""
    paths = []
    for drawing in item.drawings:
        paths.append(folder / f"{entry.stem}{drawing.part}.png")
        save_png(drawing.figure, paths[-1])
        if drawing.data is not None:
            paths.append(folder / f"{entry.stem}{drawing.part}.csv")
            _write_csv(paths[-1], drawing.data)
    for index, grid in enumerate(item.tables):
        paths.append(folder / f"{entry.stem}{f'-{index + 1}' if index else ''}.csv")
        _write_csv(paths[-1], grid)
    return paths


def _write_csv(path: Path, grid: Grid) -> None:
    """Write a table as CSV: full precision, spreads in own columns, empty where undefined."""
    with replacing(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        columns, rows = grid.plain
        csv.writer(file).writerows([columns, *rows])


def write_page(
    path: Path,
    paper: Paper[Any],
    made: Made,
    facts: tuple[str, list[tuple[str, str]]],
    provenance: Mapping[str, str],
) -> None:
    """Write one page with all that was made, in the paper's order.

    Args:
        path: The HTML file.
        paper: The paper.
        made: What was made of it.
        facts: The lead and the tiles.
        provenance: Where the numbers come from, by name.
    """
    easel = Easel()
    (lead, tiles) = facts
    sections = [
        _section(
            easel,
            group.title,
            group.note,
            [(e, made[e.name]) for e in group.entries if e.name in made],
        )
        for group in paper.groups
        if any(entry.name in made for entry in group.entries)
    ]
    verdict = [f"{name}: {finding}" for name, item in made.items() for finding in item.findings]
    write_article(path, Article(paper.title, lead, tiles, verdict, sections, provenance))


def _section(
    easel: Easel, title: str, note: str, items: Sequence[tuple[Entry[Any], Item]]
) -> Section:
    plates = [plate for entry, item in items for plate in _plates(easel, entry, item)]
    tables = [table for entry, item in items for table in _tables(entry, item)]
    return Section(title, note, plates, tables)


def _plates(easel: Easel, entry: Entry[Any], item: Item) -> Iterator[Plate]:
    for number, drawing in enumerate(item.drawings):
        title = (
            f"{entry.name}{drawing.part}: {entry.title}" if entry.kind == FIGURE else entry.title
        )
        caption = f"{_caption(drawing)}{_in_the_paper(item) if number == 0 else ''}"
        yield easel.plate(title, caption, drawing.figure, wide=drawing.wide)


def _tables(entry: Entry[Any], item: Item) -> Iterator[PageTable]:
    for number, grid in enumerate(item.tables):
        title = f"{entry.name}, continued" if number else f"{entry.name}: {entry.title}"
        caption = f"{title}. {grid.caption}{'' if number else _in_the_paper(item)}"
        yield PageTable(caption, grid.columns, grid.texts, grid.words)


def _caption(drawing: Drawing) -> str:
    return f"{drawing.caption} {PRIVATE}" if drawing.real else drawing.caption


def _in_the_paper(item: Item) -> str:
    return f" In the paper: {item.paper}" if item.paper else ""
