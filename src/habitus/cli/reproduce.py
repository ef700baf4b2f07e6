"""``habitus reproduce``: tables and figures of a paper, on any data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from habitus.cli._console import bar, fail_stopped, out, out_table, plain, quiet_libraries
from habitus.cli._options import command
from habitus.cli._options.names import PAPER_DATA, PAPER_OPTIONS
from habitus.cli._options.types import FACTOR, POSITIVE, SEED
from habitus.files import check_outputs

if TYPE_CHECKING:
    from habitus.papers.item import Entry, Grid, Item

WHAT = "What is made"


def _option(name: str, text: str, **more: Any) -> Any:
    """Option of one paper or of both, with the default that each has."""
    defaults = {paper: each[name] for paper, each in PAPER_OPTIONS.items() if name in each}
    shown = ", ".join(f"{default} for {paper}" for paper, default in defaults.items())
    if len(set(defaults.values())) == 1:
        shown = next(iter(defaults.values()))
    panel = f"How ({', '.join(defaults)})"
    return typer.Option(f"--{name}", help=text, rich_help_panel=panel, show_default=shown, **more)


Name = Annotated[
    str,
    typer.Argument(metavar="PAPER", help=f"One of: {', '.join(PAPER_DATA)}.", show_default=False),
]
Rest = Annotated[
    list[Path] | None, typer.Argument(hidden=True)
]  # what --data takes after its first path
Tables = Annotated[
    list[str] | None,
    typer.Option("--table", help="A table, such as 6.1; repeatable.", rich_help_panel=WHAT),
]
Figures = Annotated[
    list[str] | None,
    typer.Option("--figure", help="A figure, such as 6.4; repeatable.", rich_help_panel=WHAT),
]
All = Annotated[bool, typer.Option("--all", help="Every table and figure.", rich_help_panel=WHAT)]
List = Annotated[
    bool, typer.Option("--list", help="Say which there are, and stop.", rich_help_panel=WHAT)
]
Data = Annotated[
    Path | None,
    typer.Option(
        help="; ".join(f"{name}: {data}" for name, data in PAPER_DATA.items()) + ".",
        metavar="PATH [PATH]", show_default=False,
    ),
]  # fmt: skip
Out = Annotated[
    Path | None,
    typer.Option(
        "--out", help="Folder for everything; what is there already is not made again.",
        show_default=False,
    ),
]  # fmt: skip
Publishable = Annotated[
    bool,
    typer.Option(
        "--publishable", help="Leave out drawings of single users, who may be real people."
    ),
]
Epochs = Annotated[
    int | None,
    _option("epochs", "Times that the training set is gone through in a fit.", **POSITIVE),
]
Seed = Annotated[
    int | None, _option("seed", "Same seed, same result; the first one of several.", **SEED)
]
Seeds = Annotated[
    int | None, _option("seeds", "Fits of each model, each with a seed of its own.", **POSITIVE)
]
Column = Annotated[str | None, _option("column", "The variable.")]
Scale = Annotated[float | None, _option("scale", "What its values are multiplied by.", **FACTOR)]
Profiles = Annotated[
    int | None,
    _option(
        "profiles", "The most training, and the most test profiles, drawn at random.", **POSITIVE
    ),
]
Prior = Annotated[
    str | None,
    _option("prior", "What latents are drawn from: normal, as in the paper, or mixture."),
]
Betas = Annotated[
    str | None,
    _option("betas", "Rows of Table 6.1 and points of Figures 6.14 and 6.15, separated by commas."),
]
Channel = Annotated[str | None, _option("channel", "Channel of latent walks and slices.")]


@command(
    "Example: habitus reproduce time-pictures --table 6.1 --data demo/train demo/test --out "
    "demo/figures; habitus reproduce tdlgm --table 2 --data openb_pod_list_default.csv --out "
    "reproduction"
)
def reproduce(
    paper: Name,
    rest: Rest = None,
    table: Tables = None,
    figure: Figures = None,
    all_: All = False,
    list_: List = False,
    data: Data = None,
    out_: Out = None,
    publishable_: Publishable = False,
    epochs: Epochs = None,
    seed: Seed = None,
    seeds: Seeds = None,
    column: Column = None,
    scale: Scale = None,
    profiles: Profiles = None,
    prior: Prior = None,
    betas: Betas = None,
    channel: Channel = None,
) -> None:
    """Make any table or figure of a paper, on your own data.

    Only what is asked for is fitted. What is made on the way is kept in --out, so that a second
    call, or the same one after Ctrl-C, goes on where it was.
    """
    from habitus.cli._shared.provenance import command_line, versions_line
    from habitus.papers import PAPERS
    from habitus.papers.files import PAGE, write_page
    from habitus.papers.item import chosen, publishable

    if paper not in PAPERS:
        raise ValueError(f"unknown paper {paper!r}; there is {', '.join(PAPERS)}")
    found = PAPERS[paper]
    if list_:
        for entry in found.entries:
            out(f"{entry.name}: {entry.title}")
        return
    asked = chosen(found.entries, table or [], figure or [], all_)
    options = {
        "epochs": epochs, "seed": seed, "seeds": seeds, "column": column, "scale": scale,
        "profiles": profiles, "prior": prior, "betas": betas, "channel": channel,
    }  # fmt: skip
    given = {name: value for name, value in options.items() if value is not None}
    paths = [path for path in (data, *(rest or [])) if path is not None]
    found.check_options(paper, given)
    found.check_paths(paths)
    if out_ is None:
        raise ValueError("give --out, a folder for tables, figures, runs and whatever else is kept")
    check_outputs("reproduce", {"reproduction": out_}, paths, continued=True)
    lab = found.open_lab(paths, out_, given)
    quiet_libraries()
    kept = publishable if publishable_ else None
    made = {entry.name: _make(lab, entry, kept, found.unit) for entry in asked}
    if len(made) > 1:
        typed = command_line(
            "reproduce", paper, all=all_, publishable=publishable_, table=table, figure=figure,
            data=tuple(paths), out=lab.folder, **given,
        )  # fmt: skip
        origin = {"Command": typed, **found.origin(lab), "Versions": versions_line()}
        write_page(lab.folder / PAGE, found, made, found.facts(lab), origin)
        out(f"{lab.folder / PAGE}: {len(made)} tables and figures")


def _make(lab: Any, entry: Entry[Any], kept: Callable[[Item], Item] | None, unit: str) -> Item:
    """Make an item, with a bar; write what is kept of it, and say what it shows."""
    from habitus.papers.files import PRIVATE, write_item

    with bar(entry.name, unit) as advance:
        lab.on_progress = advance
        try:
            made = entry.make(lab)
        except KeyboardInterrupt as interruption:
            fail_stopped(interruption, "; the same command goes on where it was")
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
    """Table of an item, its columns of text to the left."""
    shown = Table(title=f"{entry.name}. {grid.caption}", title_justify="left")
    for index, name in enumerate(grid.columns):
        shown.add_column(name, justify="left" if index < grid.words else "right")
    for row in grid.texts:
        shown.add_row(*map(plain, row))
    return shown
