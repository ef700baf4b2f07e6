"""Small tables that users give beside a log, Parquet or CSV."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from habitus.events.columns import (
    is_number as is_number,
)  # for series too, which may not see events
from habitus.events.columns import is_text as is_text


def table_names(path: Path, what: str) -> list[str]:
    """The columns of a table, in order.

    Raises:
        ValueError: as :func:`read_table`.
    """
    with _one_line(path, what):
        if not _is_csv(path):
            return pq.read_schema(path).names
        with pyarrow.csv.open_csv(path) as reader:
            return reader.schema.names


def read_table(path: Path, what: str, as_text: tuple[str, ...] = ()) -> pa.Table:
    """A table in memory.

    Args:
        path: Where it is; a CSV file's name ends in .csv.
        what: What it is a table of, for messages.
        as_text: Columns of a CSV file that are read as they are written.

    Raises:
        ValueError: if there is no such file, or it cannot be read.
    """
    options = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(as_text, pa.string()))
    with _one_line(path, what):
        return (
            pyarrow.csv.read_csv(path, convert_options=options)
            if _is_csv(path)
            else pq.read_table(path)
        )


def _is_csv(path: Path) -> bool:
    return path.suffix.lower() == ".csv"


@contextmanager
def _one_line(path: Path, what: str) -> Iterator[None]:
    if not path.is_file():
        raise ValueError(f"there is no file {path}; give a Parquet or CSV table of {what}")
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise ValueError(
            f"{path} is not a Parquet or CSV table: {str(error).splitlines()[0]}"
        ) from None
