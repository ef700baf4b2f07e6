"""Command line: a file or folder per command, with its options, its help and its work.

``habitus complete`` is the function ``complete`` in ``cli/complete.py``. What takes seconds to load
(torch does) is imported in its body, and ``habitus --help`` lists ``COMMANDS`` without any of them.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import habitus
from habitus.cli._console import masked_reports, one_line_errors, out
from habitus.interrupts import signals_raised

STEPS = "The flow, in order"
LOOK = "Look, and take along"
COMMANDS = {
    "simulate": (STEPS, "Make an event log of users whose true factors are known."),
    "profile": (STEPS, "Count a log's events per user, day, slot and channel."),
    "split": (STEPS, "Split profiles into two sets, by user."),
    "fit": (STEPS, "Fit a model to profiles, or to the series in a file."),
    "generate": (STEPS, "Draw users, or series, that never existed from a fitted model."),
    "complete": (STEPS, "Fill what is missing in profiles, or in series, from what is known."),
    "forecast": (
        STEPS,
        "Look ahead: the days after each user's window, or the steps after a series' last row.",
    ),
    "evaluate": (STEPS, "Measure how far a generated population is from a real one."),
    "sweep": (STEPS, "Fit a model with many settings, and evaluate each."),
    "traverse": (LOOK, "Traverse each latent dimension of a run, and draw what changes."),
    "explain": (LOOK, "Say in words and figures what each latent dimension of a run does."),
    "cluster": (LOOK, "Find cohorts: groups of users with like habits, in a run's latent space."),
    "score": (LOOK, "Score how likely each user is under a run, and how odd."),
    "describe": (LOOK, "Say what is in a set of profiles, and what looks odd or missing."),
    "models": (LOOK, "List the models, or the settings of one."),
    "reproduce": (LOOK, "Make any table or figure of a paper, on your own data."),
    "export": (LOOK, "Turn profiles of counts, real or generated, into an event log."),
}
FLOW = """Learn the habits in an event log, and generate a population you can trust.

Example, from nothing to a report:

[dim]$[/dim] habitus simulate --users 2000 --out demo/log.parquet\n
[dim]$[/dim] habitus profile demo/log.parquet --user user_id --time timestamp --out demo/profiles\n
[dim]$[/dim] habitus split demo/profiles --test 0.26 --out demo/train demo/test\n
[dim]$[/dim] habitus fit demo/train --out demo/runs/rhythm\n
[dim]$[/dim] habitus generate demo/runs/rhythm --users 2000 --out demo/generated\n
[dim]$[/dim] habitus evaluate demo/generated --against demo/test --train demo/train \
--html demo/report.html
"""


class Lazy(TyperGroup):
    """Group whose commands are stubs with a name and a line of help until one is called."""

    def make_context(self, *args: Any, **settings: Any) -> Any:
        """Read the options of the program itself; Typer would keep silent about an interruption."""
        with one_line_errors():
            return super().make_context(*args, **settings)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Resolve the called command from its own module."""
        name, _, rest = super().resolve_command(ctx, args)
        with one_line_errors():
            assert name is not None, "typer resolves a name, or ends with its own message"
            command = typer.main.get_command(getattr(import_module(f"habitus.cli.{name}"), name))
        return name, command, rest

    def invoke(self, ctx: Any) -> Any:
        """Run it; whatever the user can mend is one line."""
        with one_line_errors():
            return super().invoke(ctx)


app = typer.Typer(
    cls=Lazy, no_args_is_help=True, rich_markup_mode="rich", pretty_exceptions_enable=False
)
for _name, (_panel, _help) in COMMANDS.items():
    app.command(_name, help=_help, rich_help_panel=_panel)(lambda: None)


def _show_version(wanted: bool) -> None:
    if wanted:
        out(f"habitus {habitus.__version__}")
        raise typer.Exit


@app.callback(help=FLOW)
def _habitus(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Options of the program itself."""


def main(args: list[str] | None = None) -> None:
    """Run the command line; ends with SystemExit, 0 when all went well."""
    with signals_raised(), masked_reports(sys.argv[1:] if args is None else args):
        app(args=args, prog_name="habitus")
