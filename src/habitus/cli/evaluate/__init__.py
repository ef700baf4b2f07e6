"""The command ``habitus evaluate``, one file per kind of thing it compares."""

from habitus.cli.evaluate.command import app

__all__ = ["app"]
