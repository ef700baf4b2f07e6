"""Tables on disk: CSV or Parquet in, Parquet out, with what habitus knows of them in the schema's metadata.

The metadata's key is ``habitus``, its value JSON: ``kind`` ("series" or "forecast"), ``version``, ``axes``,
``columns`` (names of the columns that are no variables) and ``about`` (where it came from).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from habitus.files import replacing

KEY = b"habitus"
VERSION = 1
MAGIC = b"PAR1"
PARQUET = (".parquet", ".pq")
TEXT = (".csv", ".csv.gz", ".tsv", ".txt")
SEPARATORS = (",", ";", "\t")
SNIFFED = 65536  # bytes: enough for a header line
ROW_GROUP = 2**20


def read_table(path: Path, names: str | None = None) -> pa.Table:
    """Read a CSV or Parquet file with at least one row, of columns that have distinct names.

    Which of them it is, the file itself tells. CSV is separated by commas, semicolons or tabs, and may be
    compressed.

    Args:
        path: The file.
        names: A column that holds names, which in CSV may look like numbers.

    Raises:
        ValueError: if there is no such file, it is neither, or it is empty.
    """
    _check_file(path)
    table = _read(path, names)
    columns = table.column_names
    if twice := [name for name in columns if columns.count(name) > 1]:
        raise ValueError(
            f"{path}: the column {twice[0]!r} comes twice; give every column a name of its own"
        )
    if not len(table):
        raise ValueError(f"{path} has no row; expected one for each step of a series")
    return table


def read_about(path: Path | str, kind: str = "series") -> dict[str, Any]:
    """Where a file that habitus wrote came from, without reading its rows; nothing of a file from elsewhere.

    Args:
        path: The file.
        kind: What it is, "series" or "forecast".

    Raises:
        ValueError: if there is no such file, or it is of another kind or damaged.
    """
    path = Path(path)
    _check_file(path)
    if not _is_parquet(path):
        return {}
    with _errors(path, "Parquet"):
        schema = pq.read_schema(path)
    header = read_header(path, schema, kind)
    return {} if header is None else header.get("about", {})


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise ValueError(f"expected a CSV or Parquet file of series, got the folder {path}")
    if not path.is_file():
        raise ValueError(f"no such file: {path}; expected a CSV or Parquet file of series")
    if not path.stat().st_size:
        raise ValueError(f"{path} is empty; expected a CSV or Parquet file of series")


def _read(path: Path, names: str | None) -> pa.Table:
    if _is_parquet(path):
        with _errors(path, "Parquet"):
            return pq.read_table(path)
    with _errors(path, "CSV"):
        header, parse = _dialect(path)
        parse.ignore_empty_lines = (
            len(header) > 1
        )  # an empty line of a single column is a missing value
        convert = pyarrow.csv.ConvertOptions(column_types={names: pa.string()} if names else {})
        table = pyarrow.csv.read_csv(path, parse_options=parse, convert_options=convert)
        return table.rename_columns(table.column_names)  # which fails where names are not UTF-8


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC or path.name.lower().endswith(PARQUET)


@contextmanager
def _errors(path: Path, kind: str) -> Iterator[None]:
    """Tell what Arrow cannot read in one line."""
    try:
        yield
    except (pa.ArrowException, OSError, csv.Error, UnicodeDecodeError) as error:
        line = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"{path} is no readable {kind} file ({line}); expected CSV or Parquet"
        ) from None


def _dialect(path: Path) -> tuple[list[str], pyarrow.csv.ParseOptions]:
    """The names in the header line of a CSV file, and how it is separated."""
    with pa.input_stream(str(path), compression="detect") as stream:
        begin = stream.read(SNIFFED)
    if b"\0" in begin:
        raise ValueError(f"{path} is neither CSV nor Parquet; expected one of them")
    header = (begin.decode("utf-8-sig", errors="replace").splitlines() or [""])[0]
    separator = max(SEPARATORS, key=header.count)
    return next(csv.reader([header], delimiter=separator), []), pyarrow.csv.ParseOptions(
        delimiter=separator
    )


def read_header(path: Path, schema: pa.Schema, kind: str) -> dict[str, Any] | None:
    """What habitus wrote of a file, or None of a file from elsewhere.

    Raises:
        ValueError: if the file is of another kind, or of a newer version, or the header is damaged.
    """
    text = (schema.metadata or {}).get(KEY)
    if text is None:
        return None
    try:
        header = json.loads(text)
        found = header["kind"]
        version = int(header["version"])
    except (ValueError, KeyError, TypeError):
        raise ValueError(
            f"{path} is damaged: what habitus wrote of its columns is not readable"
        ) from None
    if found != kind:
        raise ValueError(f"expected a file of {kind} at {path}, got one of {found}")
    if version > VERSION:
        raise ValueError(
            f"{path} was written by a newer habitus (format {version}); update habitus"
        )
    return header


def write_table(
    path: Path | str, table: pa.Table, kind: str, names: list[str], **header: Any
) -> None:
    """Write a Parquet file with a header; it appears when it is complete.

    Args:
        path: Where; a file there is replaced.
        table: The columns.
        kind: What the file is, "series" or "forecast".
        names: Columns with few distinct values, or long runs of them.
        header: The rest of the header.

    Raises:
        ValueError: if there is a folder, or the name is that of a text file.
    """
    path = Path(path)
    if path.is_dir():
        raise ValueError(
            f"{path} is a folder; choose another --out, such as {path / (kind + '.parquet')}"
        )
    if path.name.lower().endswith(TEXT):
        raise ValueError(
            f"{kind} are written as Parquet, not as {path.suffix}; choose a name that ends in .parquet"
        )
    text = json.dumps({"kind": kind, "version": VERSION, **header}, allow_nan=False)
    marked = table.replace_schema_metadata({KEY: text.encode()})
    options: Any = {"use_dictionary": names, "compression": "zstd", "compression_level": 1}
    with replacing(path) as part:
        pq.write_table(marked, part, row_group_size=ROW_GROUP, **options)


def free_name(name: str, taken: tuple[str, ...] | list[str]) -> str:
    """A column name that no other column has.

    >>> free_name("step", ("step", "load"))
    'step_'
    """
    while name in taken:
        name += "_"
    return name
