"""``habitus models``: the models, or the settings of one."""

from __future__ import annotations

import inspect
import json
import re
from dataclasses import MISSING, fields
from typing import Annotated, Any

import typer
from rich.table import Table

from habitus.cli._console import out, out_table, plain
from habitus.cli._options import AsJson, command
from habitus.models import MODELS

FROM_DATA = ("vocabulary", "holidays")  # settings that a fit takes from its data

Name = Annotated[
    str | None,
    typer.Argument(
        metavar="[MODEL]", help="Its settings, with their defaults.", show_default=False
    ),
]


@command("Example: habitus models rhythm")
def models(name: Name = None, json_: AsJson = False) -> None:
    """List the models, or the settings of one.

    A setting is given to habitus fit with --set KEY=VALUE; the settings of a fit have options
    there.
    """
    if name is None:
        _list_models(json_)
        return
    from habitus.cli._shared.fitting import kind_of
    from habitus.training.config import FitConfig

    kind = kind_of(name)
    settings = settings_in(kind.Config)
    of_fit = [
        {**each, "default": kind.fit_defaults.get(each["name"], each["default"])}
        for each in settings_in(FitConfig)
    ]
    entry = MODELS.entries[name]
    if json_:
        content = {"name": name, **entry._asdict(), "settings": settings, "fit": of_fit}
        out(json.dumps(content, indent=2))
        return
    out(f"{name}, of {entry.fitted_to}: {entry.purpose}")
    out_table(_table("Settings of the model (--set KEY=VALUE)", settings))
    out_table(_table("Settings of its fit (options of habitus fit, where it has them)", of_fit))


def _list_models(json_: bool) -> None:
    """Print the models, one a line."""
    if json_:
        rows = [{"name": name, **entry._asdict()} for name, entry in MODELS.entries.items()]
        out(json.dumps(rows, indent=2))
        return
    table = Table("model", "of", "what it is for", box=None)
    for name, entry in MODELS.entries.items():
        table.add_row(name, entry.fitted_to, plain(entry.purpose))
    out_table(table)
    out("habitus models MODEL lists the settings of one.")


def settings_in(config: type[Any]) -> list[dict[str, Any]]:
    """Name, type, default and description of each setting of a configuration."""
    from habitus.settings import type_name, types_of

    meanings = dict[str, str]()
    for each in reversed(config.__mro__):
        meanings |= _attributes(each)
    types = types_of(config)
    return [
        {
            "name": field.name,
            "type": type_name(types[field.name]),
            "default": field.default,
            "meaning": meanings.get(field.name, ""),
        }
        for field in fields(config)
        if field.name not in FROM_DATA and field.default is not MISSING
    ]


def _attributes(kind: type[Any]) -> dict[str, str]:
    """Descriptions in the section Attributes of a class' docstring."""
    text = inspect.cleandoc(kind.__doc__ or "").partition("Attributes:\n")[2]
    text = re.split(r"\n(?=\S)", text)[0]
    rows = re.findall(r"^    (\w+): (.*(?:\n {5,}.*)*)", text, re.MULTILINE)
    return {name: " ".join(meaning.split()) for name, meaning in rows}


def _table(title: str, settings: list[dict[str, Any]]) -> Table:
    """Table of settings, one a row."""
    table = Table("setting", "default", "type", "meaning", title=title, title_justify="left")
    for each in settings:
        cells = (each["name"], str(each["default"]), each["type"], each["meaning"])
        table.add_row(*map(plain, cells))
    return table
