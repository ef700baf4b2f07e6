"""Sources of logs: files, folders, globs and connection URLs; errors of engines in one line.

The embedded engine, DuckDB, is locked once a log is opened: it then reads the log's own files and
none besides, and its settings stay as they are.
"""

from __future__ import annotations

import glob
import os
import shutil
import tempfile
import uuid
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq
from ibis.backends.duckdb import Backend

from habitus.databases import is_engine_error, is_url, masked, reason, resolved
from habitus.tables import SUFFIXES

MEMORY_LIMIT = "1500MB"
OWN = "habitus"  # name by which our connections to a DuckDB database are known


def read_source(source: str, memory_limit: str) -> ir.Table:
    """Open a path, a glob or a connection URL as an Ibis table.

    Raises:
        ValueError: if there is nothing to read there.
    """
    if is_url(source):
        return _read_url(source)
    pattern, kind = _files(source)
    con = _connect(memory_limit)
    if kind == "parquet":
        table = con.read_parquet(pattern)
    else:
        # Types are inferred from all rows: with a sample, a value of another type after it is an
        # error.
        table = con.read_csv(pattern, sample_size=-1)
    found = con.con.execute("SELECT file FROM glob(?)", [pattern]).fetchall()
    _lock(con, [pattern, *(name for (name,) in found)])
    con.raw_sql("SET lock_configuration = true")
    return table


def source_schema(source: str) -> pa.Schema | None:
    """Arrow types of a Parquet source's columns, which engines keep less exactly; else None."""
    if is_url(source):
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
    _lock(con)
    con.raw_sql("SET lock_configuration = true")
    return con.table("rows")


@contextmanager
def engine_errors(what: str) -> Iterator[None]:
    """Turn an engine's exception into one clear line without credentials.

    Raises:
        ValueError: in place of whatever DuckDB, Ibis or the driver of a database raised.
    """
    try:
        yield
    except Exception as error:  # of some twenty engines
        if not is_engine_error(error):
            raise
        raise ValueError(f"{masked(what)}: {reason(error)}") from None


def _connect(memory_limit: str) -> Backend:
    # A folder of its own, which DuckDB makes when it needs it: a locked engine may still read and
    # write there.
    spilled = Path(tempfile.gettempdir()) / f"habitus-{uuid.uuid4().hex}"
    with engine_errors(f"cannot use a memory limit of {memory_limit}"):
        con = ibis.duckdb.connect(memory_limit=memory_limit, temp_directory=str(spilled))
    weakref.finalize(con, shutil.rmtree, spilled, ignore_errors=True)
    con.raw_sql("SET preserve_insertion_order = false")
    return con


def _lock(con: Backend, paths: Iterable[str] = (), folder: Path | None = None) -> None:
    """Keep DuckDB for good from reading other files than these, and from loading extensions."""
    con.raw_sql(f"SET allowed_paths = {_listed(paths)}")
    con.raw_sql(f"SET allowed_directories = {_listed([str(folder)] if folder else [])}")
    con.raw_sql("SET enable_external_access = false")


def _listed(paths: Iterable[str]) -> str:
    quoted = ("'" + os.path.abspath(path).replace("'", "''") + "'" for path in paths)
    return f"[{', '.join(quoted)}]"


def _read_url(source: str) -> ir.Table:
    url, _, name = resolved(source).partition("#")
    if not name:
        raise ValueError(f"expected a table name behind a hash, as in {masked(url)}#events")
    try:
        con = _own_duckdb(url) if url.startswith("duckdb://") else ibis.connect(url)
        return con.table(name)
    except Exception as error:  # each of some twenty engines has exceptions of its own
        raise ValueError(f"cannot read {masked(source)}: {reason(error)}") from None


def _own_duckdb(url: str) -> Any:
    """Open a DuckDB database to read it, with views of files in its folder but of no others.

    A database that this process has open already, in a notebook say, is used as it is: locking it
    would lock whoever opened it.
    """
    path = url.removeprefix("duckdb://").partition("?")[0]
    if path.startswith(("md:", "motherduck:")):  # on the web, by an extension
        return ibis.connect(url)
    try:
        # DuckDB takes connections of other settings, such as this name, for those of others.
        con: Any = ibis.connect(url, read_only=True, custom_user_agent=OWN)
    except duckdb.ConnectionException as error:
        if "different configuration" not in str(error):
            raise
        return ibis.connect(url)
    (open_still,) = con.raw_sql("SELECT current_setting('enable_external_access')").fetchone()
    if open_still:
        _lock(con, folder=Path(path).absolute().parent)
    return con


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
        raise ValueError(f"no such file or folder: {masked(source)}")
    return source, kind
