"""Tables of users, dates, gaps and series that are given as CSV or Parquet files."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from habitus.records import check_plain, first_line

MAGIC = b"PAR1"
SUFFIXES = {"parquet": (".parquet", ".pq"), "csv": (".csv", ".csv.gz", ".tsv", ".txt")}
SEPARATORS = (",", ";", "\t")
SNIFFED = 65536  # bytes: enough for a header line


def read_table(path: Path, what: str, as_text: tuple[str, ...] = ()) -> pa.Table:
    """Read a CSV or Parquet file, of columns that have distinct names, into memory.

    The content of the file decides which of them it is. CSV is separated by commas, semicolons or
    tabs, and may be compressed.

    Args:
        path: The file.
        what: Description of its rows, for messages.
        as_text: Columns that in CSV are read as they are written, though they may look like
            numbers.

    Raises:
        ValueError: if there is no such file, it is empty, or it is neither.
    """
    if is_parquet(path, what):
        with _one_line(path, "Parquet"):
            table = pq.read_table(path)
    else:
        with _one_line(path, "CSV"):
            header, parse = _dialect(path)
            # An empty line of a single column is a missing value.
            parse.ignore_empty_lines = len(header) > 1
            convert = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(as_text, pa.string()))
            table = pyarrow.csv.read_csv(path, parse_options=parse, convert_options=convert)
            table = table.rename_columns(table.column_names)  # fails where names are not UTF-8
    _check_names(path, table.column_names)
    return table


def column_names(path: Path, what: str) -> list[str]:
    """Read the distinct names of the columns of a CSV or Parquet file.

    Raises:
        ValueError: as :func:`read_table`.
    """
    if is_parquet(path, what):
        names = read_schema(path).names
    else:
        with _one_line(path, "CSV"):
            names = _dialect(path)[0]
    _check_names(path, names)
    return names


def read_schema(path: Path) -> pa.Schema:
    """Read the columns of a Parquet file and their types.

    Raises:
        ValueError: if it is damaged.
    """
    with _one_line(path, "Parquet"):
        schema = pq.read_schema(path)
        _ = schema.names  # fails where names are not UTF-8
        return schema


def is_parquet(path: Path, what: str) -> bool:
    """True if a file is Parquet, by its first bytes or its name; else it is taken for CSV.

    Raises:
        ValueError: if there is no such file, or it is empty.
    """
    expected = f"expected a CSV or Parquet file of {what}"
    if path.is_dir():
        raise ValueError(f"{expected}, got the folder {path}")
    check_plain(path)
    if not path.is_file():
        raise ValueError(f"no such file: {path}; {expected}")
    if not path.stat().st_size:
        raise ValueError(f"{path} is empty; {expected}")
    with path.open("rb") as file:
        magic = file.read(len(MAGIC))
    return magic == MAGIC or path.name.lower().endswith(SUFFIXES["parquet"])


def is_number(kind: pa.DataType) -> bool:
    """True if a column of this type holds numbers."""
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def is_text(kind: pa.DataType) -> bool:
    """True if a column of this type holds text: plain, large, a view, or a dictionary of one."""
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    return (
        pa.types.is_string(inner)
        or pa.types.is_large_string(inner)
        or pa.types.is_string_view(inner)
    )


def _dialect(path: Path) -> tuple[list[str], pyarrow.csv.ParseOptions]:
    """The names in the header line of a CSV file, and how it is separated."""
    with pa.input_stream(str(path), compression="detect") as stream:
        begin = stream.read(SNIFFED)
    if b"\0" in begin:
        raise ValueError(f"{path} is neither CSV nor Parquet; expected one of them")
    header = (begin.decode("utf-8-sig", errors="replace").splitlines() or [""])[0]
    separator = max(SEPARATORS, key=header.count)
    names = next(csv.reader([header], delimiter=separator), [])
    return names, pyarrow.csv.ParseOptions(delimiter=separator)


def _check_names(path: Path, names: list[str]) -> None:
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(
            f"{path}: the column {twice[0]!r} comes twice; give every column a name of its own"
        )


@contextmanager
def _one_line(path: Path, kind: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, csv.Error, UnicodeDecodeError) as error:
        raise ValueError(
            f"{path} is no readable {kind} file ({first_line(error)}); expected CSV or Parquet"
        ) from None
