"""Work of ``habitus reproduce``."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import typer
from rich.table import Table

from habitus.cli._console import INTERRUPTED, bar, out, out_table, plain, quiet_libraries, warn
from habitus.history import versions
from habitus.papers import PAPERS
from habitus.papers.files import PAGE, PRIVATE, write_item, write_page
from habitus.papers.item import Entry, Grid, Item, Paper, chosen, publishable


def execute(
    paper: str,
    rest: list[Path] | None,
    table: list[str] | None,
    figure: list[str] | None,
    all_: bool,
    list_: bool,
    data: Path | None,
    out_: Path | None,
    publishable_: bool,
    epochs: int | None,
    seed: int | None,
    seeds: int | None,
    column: str | None,
    scale: float | None,
    profiles: int | None,
    prior: str | None,
    betas: str | None,
    channel: str | None,
) -> None:
    """Make any table or figure of a paper, on your own data."""
    if paper not in PAPERS:
        raise ValueError(f"unknown paper {paper!r}; there is {', '.join(PAPERS)}")
    found: Paper[Any] = PAPERS[paper]
    if list_:
        for entry in found.entries:
            out(f"{entry.name}: {entry.title}")
        return
    asked = chosen(found.entries, table or [], figure or [], all_)
    options = {"epochs": epochs, "seed": seed, "seeds": seeds, "column": column, "scale": scale,
               "profiles": profiles, "prior": prior, "betas": betas,
               "channel": channel}  # fmt: skip
    given = {name: value for name, value in options.items() if value is not None}
    paths = [path for path in (data, *(rest or [])) if path is not None]
    lab = _lab(found, paper, paths, out_, given)
    quiet_libraries()
    kept = publishable if publishable_ else None
    made = {entry.name: _made(lab, entry, kept, found.unit) for entry in asked}
    if len(made) > 1:
        flags = {"--all": all_, "--publishable": publishable_}
        command = (
            f"habitus reproduce {paper}{_command(table, figure, flags, paths, lab.folder, given)}"
        )
        write_page(
            lab.folder / PAGE, found, made, found.facts(lab), _provenance(found, lab, command)
        )
        out(f"{lab.folder / PAGE}: {len(made)} tables and figures")


def _lab(
    paper: Paper[Any], name: str, paths: list[Path], folder: Path | None, given: dict[str, Any]
) -> Any:
    """Open the paper's lab with the given data and options."""
    paper.check_options(name, given)
    paper.check_paths(paths)
    if folder is None:
        raise ValueError("give --out, a folder for tables, figures, runs and whatever else is kept")
    return paper.open_lab(paths, folder, given)


def _made(lab: Any, entry: Entry[Any], kept: Callable[[Item], Item] | None, unit: str) -> Item:
    """Make an item, with a bar; write what is kept of it, and say what it shows."""
    with bar(entry.name, unit) as advance:
        lab.on_progress = advance
        try:
            made = entry.make(lab)
        except KeyboardInterrupt:
            warn("stopped; the same command goes on where it was")
            raise typer.Exit(INTERRUPTED) from None
    item = made if kept is None else kept(made)
    for path in write_item(lab.folder, entry, item):
        out(f"{path}: {entry.name}, {entry.title}")
    if any(drawing.real for drawing in item.drawings):
        out(f"{entry.name}: {PRIVATE[:1].lower()}{PRIVATE[1:]}")
    for grid in item.tables:
        out_table(_table(entry, grid))
    for finding in item.findings:
        out(f"{entry.name}: {finding}")
    return item


def _table(entry: Entry[Any], grid: Grid) -> Table:
    shown = Table(title=f"{entry.name}. {grid.caption}", title_justify="left")
    for index, name in enumerate(grid.columns):
        shown.add_column(name, justify="left" if index < grid.words else "right")
    for row in grid.texts:
        shown.add_row(*map(plain, row))
    return shown


def _command(
    tables: list[str] | None,
    figures: list[str] | None,
    flags: dict[str, bool],
    data: Sequence[Path],
    folder: Path,
    given: dict[str, Any],
) -> str:
    """Format the options as they would be typed."""
    words = [flag for flag, asked in flags.items() if asked]
    for option, numbers in (("--table", tables), ("--figure", figures)):
        words += [word for number in numbers or [] for word in (option, number)]
    words += ["--data", *map(str, data), "--out", str(folder)]
    words += [word for name, value in given.items() for word in (f"--{name}", str(value))]
    return " " + shlex.join(words)


def _provenance(paper: Paper[Any], lab: Any, command: str) -> dict[str, str]:
    made_with = ", ".join(f"{name} {number}" for name, number in versions()["versions"].items())
    return {"Command": command, **paper.origin(lab), "Versions": made_with}
