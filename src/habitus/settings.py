"""Settings of frozen dataclasses read from texts, each as its field is typed."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import fields
from types import NoneType
from typing import Any, get_args, get_type_hints

YES_NO = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}

Types = dict[str, type[Any]]
"""What can be set, and the type of each."""


def types_of(kind: type[Any]) -> Types:
    """The fields of a dataclass with their types; a field that may be None has the type of its other values."""
    hints = get_type_hints(kind)
    return {field.name: _plain(hints[field.name]) for field in fields(kind)}


def _plain(hint: Any) -> type[Any]:
    return next((each for each in get_args(hint) if each is not NoneType), hint)


def settings_of(kind: type[Any], pairs: Iterable[str]) -> dict[str, Any]:
    """Settings of a dataclass from ``key=value`` texts, each read as its field's type.

    Raises:
        ValueError: naming the field and its type, if there is no such field or the value is not of that type.
    """
    types = types_of(kind)
    texts = (key_and_text(pair, types, "--set", "value") for pair in pairs)
    return {name: value_of(name, text, types[name]) for name, text in texts}


def key_and_text(pair: str, types: Types, option: str, what: str) -> tuple[str, str]:
    """A known key and its text, from ``key=text``.

    Args:
        pair: What was given.
        types: The known keys.
        option: The option that it was given to, for messages.
        what: What the text is, for messages.

    Raises:
        ValueError: if it is not so written, or the key is not known.
    """
    name, equals, text = pair.partition("=")
    if not equals:
        raise ValueError(
            f"{option} must be key={what}, got {pair!r}; the keys are {_listed(types)}"
        )
    if name not in types:
        raise ValueError(f"no setting {name!r}; {option} takes {_listed(types)}")
    return name, text


def value_of(name: str, text: str, kind: type[Any]) -> Any:
    """The value of a setting.

    Raises:
        ValueError: naming the setting and its type, if the text is not of that type.
    """
    try:
        value = YES_NO[text.lower()] if kind is bool else kind(text)
    except (KeyError, ValueError):
        raise ValueError(f"setting {name} must be {_expected(kind)}, got {text!r}") from None
    if isinstance(value, float) and math.isnan(value):
        raise ValueError(f"setting {name} must be {_expected(kind)}, got {text!r}")
    return value


def _listed(types: Types) -> str:
    return ", ".join(f"{name} ({kind.__name__})" for name, kind in types.items())


def _expected(kind: type[Any]) -> str:
    words = {int: "a whole number (int)", float: "a number (float)", bool: "true or false (bool)"}
    return words.get(kind, f"of type {kind.__name__}")
