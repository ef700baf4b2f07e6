"""Rows of figures: printed and kept as lines of JSON as they come, read again, and shown as mean and spread."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

Row = dict[str, Any]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Where rows are kept, and those that a table is wanted of."""
    parser.add_argument("--rows", type=Path, help="append a line of JSON per row here")
    parser.add_argument(
        "--table", type=Path, nargs="*", help="print the tables of such files, and measure nothing"
    )


def keep(row: Row, path: Path | None) -> None:
    """Print a row, and append it to the file where there is one."""
    print(
        ", ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()),
        flush=True,
    )
    if path:
        with path.open("a") as file:
            file.write(json.dumps(row) + "\n")


def read(paths: Sequence[Path]) -> list[Row]:
    """The rows of such files."""
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()]


def over_seeds(values: Sequence[float], of_mean: str, of_spread: str) -> str:
    """Mean and standard deviation in formats such as .3g; nothing where there are no values.

    >>> over_seeds([1.0, 2.0], ".3g", ".1g"), over_seeds([1.0], ".3f", ".3f"), over_seeds([], ".3g", ".1g")
    ('1.5 +- 0.7', '1.000', '')
    """
    if not values:
        return ""
    return f"{mean(values):{of_mean}}" + (
        f" +- {stdev(values):{of_spread}}" if len(values) > 1 else ""
    )
