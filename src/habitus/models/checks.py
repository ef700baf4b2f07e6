"""Checks that settings of several models share."""

from __future__ import annotations


def one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    """Refuse a setting that there is not.

    Raises:
        ValueError: naming those that there are.
    """
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}; got {value!r}")
