"""habitus reproduce."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from habitus.cli.console import INTERRUPTED, bar, out, out_table, plain, quiet_libraries, warn
from habitus.cli.options import command_app
from habitus.papers import PAPERS
from habitus.papers.files import PAGE, PRIVATE, write_item, write_page
from habitus.papers.item import Entry, Grid, Item, Paper, chosen, publishable
from habitus.run import versions

app = command_app()
WHAT = "What is made"


def _option(name: str, text: str, **more: Any) -> Any:
    """An option of a paper, or of several; its default is theirs."""
    defaults = {paper: each.options[name] for paper, each in PAPERS.items() if name in each.options}
    told = ", ".join(f"{default} for {paper}" for paper, default in defaults.items())
    alone = next(iter(defaults.values())) if len(set(defaults.values())) == 1 else told
    panel = f"How ({', '.join(defaults)})"
    return typer.Option(f"--{name}", help=text, rich_help_panel=panel, show_default=alone, **more)


Name = Annotated[
    str, typer.Argument(metavar="PAPER", help=f"One of: {', '.join(PAPERS)}.", show_default=False)
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
        help="; ".join(f"{name}: {paper.takes}" for name, paper in PAPERS.items()) + ".",
        metavar="PATH [PATH]",
        show_default=False,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        help="Folder for everything; what is there already is not made again.",
        show_default=False,
    ),
]
Publishable = Annotated[
    bool,
    typer.Option(
        "--publishable", help="Leave out drawings of single users, who may be real people."
    ),
]
Epochs = Annotated[
    int | None, _option("epochs", "Times that the training set is gone through in a fit.", min=1)
]
Seed = Annotated[
    int | None, _option("seed", "Same seed, same result; the first one of several.", min=0)
]
Seeds = Annotated[
    int | None, _option("seeds", "Fits of each model, each with a seed of its own.", min=1)
]
Column = Annotated[str | None, _option("column", "The variable.")]
Scale = Annotated[float | None, _option("scale", "What its values are multiplied by.")]
Profiles = Annotated[
    int | None,
    _option("profiles", "The most training, and the most test profiles, drawn at random.", min=1),
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


@app.command(
    epilog="Example: habitus reproduce time-pictures --table 6.1 --data demo/train demo/test --out demo/figures; "
    "habitus reproduce tdlgm --table 2 --data openb_pod_list_default.csv --out reproduction"
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

    Only what is asked for is fitted. What is made on the way is kept in --out, so that a second call, or the same
    one after Ctrl-C, goes on where it was.
    """
    found = _paper(paper)
    if list_:
        for entry in found.entries:
            out(f"{entry.name}: {entry.title}")
        return
    asked = chosen(found.entries, table or [], figure or [], all_)
    options = {"epochs": epochs, "seed": seed, "seeds": seeds, "column": column, "scale": scale,
               "profiles": profiles, "prior": prior, "betas": betas, "channel": channel}  # fmt: skip
    given = {name: value for name, value in options.items() if value is not None}
    paths = [path for path in (data, *(rest or [])) if path is not None]
    lab = _lab(found, paper, paths, out_, given)
    quiet_libraries()
    kept = publishable if publishable_ else _all
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


def _paper(name: str) -> Paper[Any]:
    if name not in PAPERS:
        raise ValueError(f"unknown paper {name!r}; there is {', '.join(PAPERS)}")
    return PAPERS[name]


def _lab(
    paper: Paper[Any], name: str, paths: list[Path], folder: Path | None, given: dict[str, Any]
) -> Any:
    """The paper's lab, from what was given."""
    paper.check_options(name, given)
    paper.check_paths(paths)
    if folder is None:
        raise ValueError("give --out, a folder for tables, figures, runs and whatever else is kept")
    return paper.open_lab(paths, folder, given)


def _all(item: Item) -> Item:
    return item


def _made(lab: Any, entry: Entry[Any], kept: Callable[[Item], Item], unit: str) -> Item:
    """Make an item, with a bar; write what is kept of it, and say what it shows."""
    with bar(entry.name, unit) as advance:
        lab.on_progress = advance
        try:
            item = kept(entry.make(lab))
        except KeyboardInterrupt:
            warn("stopped; the same command goes on where it was")
            raise typer.Exit(INTERRUPTED) from None
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
    """The options as they would be typed."""
    words = [flag for flag, asked in flags.items() if asked]
    for option, numbers in (("--table", tables), ("--figure", figures)):
        words += [word for number in numbers or [] for word in (option, number)]
    words += ["--data", *map(str, data), "--out", str(folder)]
    words += [word for name, value in given.items() for word in (f"--{name}", str(value))]
    return " " + shlex.join(words)


def _provenance(paper: Paper[Any], lab: Any, command: str) -> dict[str, str]:
    told = ", ".join(f"{name} {number}" for name, number in versions()["versions"].items())
    return {"Command": command, **paper.origin(lab), "Versions": told}
