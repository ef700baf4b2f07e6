"""Sources of logs: files, folders, globs and connection URLs; errors of engines in one line."""

from __future__ import annotations

import glob
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq
from ibis.backends.duckdb import Backend
from ibis.common.exceptions import IbisError

from habitus.records import first_line
from habitus.tables import SUFFIXES

MEMORY_LIMIT = "1500MB"


def read_source(source: str, memory_limit: str) -> ir.Table:
    """Open a path, a glob or a connection URL as an Ibis table.

    Raises:
        ValueError: if there is nothing to read there.
    """
    if "://" in source:
        return _read_url(source)
    pattern, kind = _files(source)
    con = _connect(memory_limit)
    if kind == "parquet":
        return con.read_parquet(pattern)
    # Types are inferred from all rows: with a sample, a value of another type after it is an error.
    return con.read_csv(pattern, sample_size=-1)


def source_schema(source: str) -> pa.Schema | None:
    """Arrow types of a Parquet source's columns, which engines keep less exactly; else None."""
    if "://" in source:
        return None
    pattern, kind = _files(source)
    paths = sorted(glob.glob(pattern, recursive=True)) if kind == "parquet" else []
    try:
        return pq.read_schema(paths[0]) if paths else None
    except (pa.ArrowException, OSError):  # what only the engine can read
        return None


def local_table(rows: Any, memory_limit: str) -> ir.Table:
    """Rows in memory (Arrow or pandas) as an Ibis table on DuckDB, without a copy."""
    con = _connect(memory_limit)
    con.con.register(
        "rows",
        rows if isinstance(rows, pa.Table) else pa.Table.from_pandas(rows, preserve_index=False),
    )
    return con.table("rows")


@contextmanager
def engine_errors(what: str) -> Iterator[None]:
    """Turn an engine's exception into one clear line.

    Raises:
        ValueError: in place of whatever DuckDB or Ibis raised.
    """
    try:
        yield
    except (duckdb.Error, IbisError, OSError, ImportError) as error:
        raise ValueError(f"{what}: {first_line(error)}") from None


def _connect(memory_limit: str) -> Backend:
    with engine_errors(f"cannot use a memory limit of {memory_limit}"):
        con = ibis.duckdb.connect(memory_limit=memory_limit, temp_directory=tempfile.gettempdir())
    con.raw_sql("SET preserve_insertion_order = false")
    return con


def _read_url(source: str) -> ir.Table:
    url, _, name = source.partition("#")
    if not name:
        raise ValueError(f"expected a table name behind a hash, as in {url}#events")
    try:
        return ibis.connect(url).table(name)
    except Exception as error:  # each of some twenty engines has exceptions of its own
        raise ValueError(f"cannot read {source}: {first_line(error)}") from None


def _files(source: str) -> tuple[str, str]:
    """A pattern for the engine and the kind of file: parquet or csv."""
    path = Path(source)
    if path.is_dir():
        for kind in SUFFIXES:
            if any(path.rglob(f"*.{kind}")):
                return f"{glob.escape(str(path))}/**/*.{kind}", kind
        raise ValueError(f"no .parquet or .csv file in the folder {source}")
    kind = "parquet" if path.name.lower().endswith(SUFFIXES["parquet"]) else "csv"
    if path.is_file():
        return glob.escape(source), kind
    if not any(character in source for character in "*?["):
        raise ValueError(f"no such file or folder: {source}")
    return source, kind
