"""Work of ``habitus models``."""

from __future__ import annotations

import inspect
import json
import re
from dataclasses import MISSING, fields
from typing import Any

from rich.table import Table

from habitus.cli._console import out, out_table, plain
from habitus.cli._shared.fitting import kind_of
from habitus.models import MODELS
from habitus.settings import type_name, types_of
from habitus.training.config import FitConfig

FROM_DATA = ("vocabulary", "holidays")  # settings that a fit takes from its data


def execute(name: str | None, json_: bool) -> None:
    """List the models, or the settings of one."""
    if name is None:
        _list_models(json_)
        return
    kind = kind_of(name)
    settings = settings_in(kind.Config)
    of_fit = [
        {**each, "default": kind.fit_defaults.get(each["name"], each["default"])}
        for each in settings_in(FitConfig)
    ]
    if json_:
        about = MODELS.entries[name]._asdict()
        out(json.dumps({"name": name, **about, "settings": settings, "fit": of_fit}, indent=2))
        return
    out(f"{name}, of {MODELS.entries[name].fitted_to}: {MODELS.entries[name].purpose}")
    out_table(_table("Settings of the model (--set KEY=VALUE)", settings))
    out_table(_table("Settings of its fit (options of habitus fit, where it has them)", of_fit))


def settings_in(config: type[Any]) -> list[dict[str, Any]]:
    """Name, type, default and description of each setting of a configuration."""
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


def _list_models(json_: bool) -> None:
    if json_:
        rows = [{"name": name, **entry._asdict()} for name, entry in MODELS.entries.items()]
        out(json.dumps(rows, indent=2))
        return
    table = Table("model", "of", "what it is for", box=None)
    for name, entry in MODELS.entries.items():
        table.add_row(name, entry.fitted_to, plain(entry.purpose))
    out_table(table)
    out("habitus models MODEL lists the settings of one.")


def _table(title: str, settings: list[dict[str, Any]]) -> Table:
    table = Table("setting", "default", "type", "meaning", title=title, title_justify="left")
    for each in settings:
        cells = (each["name"], str(each["default"]), each["type"], each["meaning"])
        table.add_row(*map(plain, cells))
    return table
