"""Checks that settings of several models share."""

from __future__ import annotations

from typing import Any


def one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    """Refuse a setting that there is not.

    Raises:
        ValueError: naming those that there are.
    """
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}; got {value!r}")


def check_positive(config: Any, *names: str) -> None:
    """Refuse settings below 1; None is no number and passes.

    Raises:
        ValueError: naming the first.
    """
    for name in names:
        value = getattr(config, name)
        if value is not None and value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")


def check_shares(config: Any, *names: str) -> None:
    """Refuse settings that are no share below 1.

    Raises:
        ValueError: naming the first.
    """
    for name in names:
        if not 0 <= getattr(config, name) < 1:
            raise ValueError(f"{name} must be at least 0 and below 1, got {getattr(config, name)}")
