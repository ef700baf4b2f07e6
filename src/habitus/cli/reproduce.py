"""habitus reproduce."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from habitus.cli.console import INTERRUPTED, bar, out, out_table, plain, quiet_libraries, warn
from habitus.cli.options import Seed, command_app
from habitus.profiles.store import StoredProfiles
from habitus.provenance import versions
from habitus.reproduce import PAPERS
from habitus.reproduce.files import PAGE, PRIVATE, write_item, write_page
from habitus.reproduce.item import Entry, Grid, Item, Paper, chosen, publishable
from habitus.reproduce.time_pictures import Lab, LabSettings

app = command_app()
DEFAULT = LabSettings()
WHAT, HOW = "What is made", "How"

Name = Annotated[str, typer.Argument(metavar="PAPER", help=f"One of: {', '.join(PAPERS)}.", show_default=False)]
Rest = Annotated[list[str] | None, typer.Argument(hidden=True)]
Tables = Annotated[
    list[str] | None, typer.Option("--table", help="A table, such as 6.1; repeatable.", rich_help_panel=WHAT)
]
Figures = Annotated[
    list[str] | None, typer.Option("--figure", help="A figure, such as 6.4; repeatable.", rich_help_panel=WHAT)
]
All = Annotated[bool, typer.Option("--all", help="Every table and figure.", rich_help_panel=WHAT)]
List = Annotated[bool, typer.Option("--list", help="Say which there are, and stop.", rich_help_panel=WHAT)]
Data = Annotated[
    tuple[Path, Path] | None,
    typer.Option(help="Folders of training and of test profiles.", metavar="TRAIN TEST", show_default=False),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out", help="Folder for everything; what is there already is not made again.", show_default=False
    ),
]
Publishable = Annotated[
    bool,
    typer.Option("--publishable", help="Leave out drawings of single users, who may be real people."),
]
Profiles = Annotated[
    int | None,
    typer.Option(
        min=1, help="The most training, and the most test profiles, drawn at random.", rich_help_panel=HOW,
        show_default="all",
    ),
]  # fmt: skip
Epochs = Annotated[int, typer.Option(min=1, help="Times that each profile is seen in a fit.", rich_help_panel=HOW)]
Prior = Annotated[
    str, typer.Option(help="What latents are drawn from: normal, as in the paper, or mixture.", rich_help_panel=HOW)
]
Betas = Annotated[
    str | None,
    typer.Option(
        help="Rows of Table 6.1 and points of Figures 6.14 and 6.15, separated by commas.",
        rich_help_panel=HOW,
        show_default="the paper's twelve",
    ),
]
Channel = Annotated[
    str | None,
    typer.Option(help="Channel of latent walks and slices.", rich_help_panel=HOW, show_default="the busiest"),
]


@app.command(
    epilog="Example: habitus reproduce time-pictures --table 6.1 --data demo/train demo/test --out demo/figures"
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
    profiles: Profiles = DEFAULT.profiles,
    epochs: Epochs = DEFAULT.epochs,
    seed: Seed = DEFAULT.seed,
    prior: Prior = DEFAULT.prior,
    betas: Betas = None,
    channel: Channel = None,
) -> None:
    """Make any table or figure of a paper, on your own data.

    Only what is asked for is fitted. Runs and populations are kept in --out, so that a second call, or the same one
    after Ctrl-C, goes on where it was.
    """
    found = _paper(paper)
    if list_:
        for entry in found.entries:
            out(f"{entry.name}: {entry.title}")
        return
    asked = chosen(found.entries, table or [], figure or [], all_)
    train, test, folder = _places(data, rest, out_)
    rows = DEFAULT.betas if betas is None else betas_of(betas)
    settings = LabSettings(betas=rows, epochs=epochs, seed=seed, prior=prior, profiles=profiles)
    lab = Lab(train, test, folder, settings, channel)
    quiet_libraries()
    kept = publishable if publishable_ else _all
    made = {entry.name: _made(lab, entry, kept) for entry in asked}
    if len(made) > 1:
        given = {"profiles": profiles, "epochs": epochs, "seed": seed, "prior": prior, "betas": betas,
                 "channel": channel}  # fmt: skip
        flags = {"--all": all_, "--publishable": publishable_}
        command = f"habitus reproduce {paper}{_command(table, figure, flags, data, folder, given)}"
        write_page(folder / PAGE, found, made, found.facts(lab), _provenance(lab, command))
        out(f"{folder / PAGE}: {len(made)} tables and figures")


def _paper(name: str) -> Paper[Any]:
    if name not in PAPERS:
        raise ValueError(f"unknown paper {name!r}; there is {', '.join(PAPERS)}")
    return PAPERS[name]


def _places(
    data: tuple[Path, Path] | None, rest: list[str] | None, folder: Path | None
) -> tuple[StoredProfiles, StoredProfiles, Path]:
    """Both sets, and where to write."""
    if data is None or rest:
        got = "none" if data is None else f"also {' '.join(rest or [])}"
        raise ValueError(f"--data takes two folders, of training and of test profiles; got {got}")
    if folder is None:
        raise ValueError("give --out, a folder for tables, figures, runs and populations")
    return StoredProfiles.open(data[0]), StoredProfiles.open(data[1]), folder


def betas_of(text: str) -> tuple[float, ...]:
    """Numbers separated by commas.

    Raises:
        ValueError: if they are not.

    >>> betas_of("0, 0.1,4")
    (0.0, 0.1, 4.0)
    """
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"--betas must be numbers separated by commas, got {text!r}") from None


def _all(item: Item) -> Item:
    return item


def _made(lab: Lab, entry: Entry[Any], kept: Callable[[Item], Item]) -> Item:
    """Make an item, with a bar; write what is kept of it, and say what it shows."""
    with bar(entry.name, 1, "profiles") as advance:
        lab.on_progress = lambda what, done, total: advance(done, what, total)
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
    data: tuple[Path, Path] | None,
    folder: Path,
    given: dict[str, Any],
) -> str:
    """The options as they would be typed."""
    words = [flag for flag, asked in flags.items() if asked]
    for option, numbers in (("--table", tables), ("--figure", figures)):
        words += [word for number in numbers or [] for word in (option, number)]
    words += ["--data", *map(str, data or ()), "--out", str(folder)]
    words += [word for name, value in given.items() if value is not None for word in (f"--{name}", str(value))]
    return " " + shlex.join(words)


def _provenance(lab: Lab, command: str) -> dict[str, str]:
    told = versions()["versions"]
    return {
        "Command": command,
        "Settings": ", ".join(f"{name} {value}" for name, value in lab.settings.fixed().items()),
        "Other real sample": lab.floor.note,
        "Versions": ", ".join(f"{name} {number}" for name, number in told.items()),
    }
