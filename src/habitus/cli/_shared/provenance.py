"""Provenance of pages: the command as it was typed, and versions."""

from __future__ import annotations

import shlex
from typing import Any

from habitus.databases import masked
from habitus.history import versions


def command_line(*words: object, **options: Any) -> str:
    """Format a command as it would be typed, without credentials.

    Args:
        words: The command's name and its arguments.
        options: Values of options by name: True for a flag, a list for an option that is repeated,
            a tuple for one with several values, None or False for one that was not given.

    >>> command_line("fit", "train", set_=["beta=1", "latents=2"], resume=True, seed=None)
    'habitus fit train --set beta=1 --set latents=2 --resume'
    """
    typed = ["habitus", *map(str, words)]
    for name, value in options.items():
        flag = f"--{name.rstrip('_').replace('_', '-')}"
        for each in value if isinstance(value, list) else [value]:
            if each is True:
                typed.append(flag)
            elif each is not None and each is not False:
                typed += [flag, *map(str, each if isinstance(each, tuple) else [each])]
    return masked(shlex.join(typed))


def versions_line() -> str:
    """Versions of habitus and of what numbers depend on, in one line."""
    return ", ".join(f"{name} {number}" for name, number in versions()["versions"].items())
