"""Logs written piece by piece, to a file or a stream, as Parquet or CSV."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from habitus.events.format import MICROSECONDS, LogFormat
from habitus.files import Mark, replacing
from habitus.tables import SUFFIXES

FORMATS = ("parquet", "csv")

Append = Callable[[pa.Table], None]


def file_format(path: Path, wanted: str | None = None, what: str = "a log") -> str:
    """Parquet or CSV: as wanted, or as the file's name ends.

    Args:
        path: Of a file to be written.
        wanted: The format that was asked for, if any.
        what: What is written, for messages.

    Raises:
        ValueError: for another format, or a name that ends in neither.

    >>> file_format(Path("log.pq")), file_format(Path("log"), "csv")
    ('parquet', 'csv')
    """
    if wanted is not None and wanted not in FORMATS:
        raise ValueError(f"--format must be {' or '.join(FORMATS)}, got {wanted!r}")
    if path.is_dir():
        raise ValueError(f"{path} is a folder, expected a file to write; choose another name")
    found = next((each for each in FORMATS if path.name.lower().endswith(SUFFIXES[each][:2])), None)
    if path.name.lower().endswith(".gz") or (found is None and wanted is None):
        raise ValueError(
            f"{what} is written as Parquet or CSV, got {path}; end its name in .parquet or .csv"
        )
    return wanted or str(found)


def write_log(
    sink: Path | BinaryIO,
    kind: str,
    form: LogFormat,
    schema: pa.Schema,
    tables: Iterable[pa.Table],
    *,
    command: str = "write_log",
    overwrite: bool = False,
) -> int:
    """Write a log that comes in pieces; a file appears when it is complete. Return the events.

    A thread writes while the next piece is made.

    Args:
        sink: A file's path, or a stream such as ``sys.stdout.buffer``.
        kind: Parquet or CSV, one of FORMATS.
        form: The log's format.
        schema: The columns.
        tables: The pieces.
        command: What writes the log; only its own earlier one, in Parquet, is replaced.
        overwrite: Replace whatever file stands there.

    Raises:
        ValueError: if something else stands at ``sink`` and ``overwrite`` is not given.
        OSError: if it cannot be written; then there is no file.
    """
    mark = Mark(command, "log")
    schema = schema.with_metadata({**(schema.metadata or {}), **mark.parquet})
    if isinstance(sink, Path):
        with (
            replacing(sink, mark, overwrite=overwrite) as part,
            pa.OSFile(str(part), "wb") as file,
        ):
            return _write(file, kind, form, schema, tables)
    with pa.PythonFile(_Counted(sink), mode="w") as file:
        events = _write(file, kind, form, schema, tables)
    sink.flush()
    return events


def _write(
    file: pa.NativeFile, kind: str, form: LogFormat, schema: pa.Schema, tables: Iterable[pa.Table]
) -> int:
    events = 0
    written = None
    with _WRITERS[kind](file, form, schema) as append, ThreadPoolExecutor(1) as pool:
        for table in tables:
            events += table.num_rows
            written = _next(pool, written, append, table)
        if written is not None:
            written.result()
    return events


def _next(
    pool: ThreadPoolExecutor, written: Future[None] | None, append: Append, table: pa.Table
) -> Future[None]:
    """Begin to write a table once the one before is written."""
    if written is not None:
        written.result()
    return pool.submit(append, table)


@contextmanager
def _parquet(file: pa.NativeFile, form: LogFormat, schema: pa.Schema) -> Iterator[Append]:
    options: dict[str, Any] = {"compression": "zstd", "compression_level": 1}
    kind = schema.field(form.time).type
    if pa.types.is_timestamp(kind) or pa.types.is_integer(kind):
        # Ascending times: their differences are smaller, and twice as fast to write, than a
        # dictionary of them.
        others = [name for name in schema.names if name != form.time]
        options |= {"use_dictionary": others, "column_encoding": {form.time: "DELTA_BINARY_PACKED"}}
    with pq.ParquetWriter(file, schema, **options) as writer:
        yield writer.write_table


@contextmanager
def _csv(file: pa.NativeFile, form: LogFormat, schema: pa.Schema) -> Iterator[Append]:
    plain = _plain(schema.empty_table(), form).schema
    with pyarrow.csv.CSVWriter(file, plain) as writer:
        yield lambda table: writer.write_table(_plain(table, form))


_WRITERS = {"parquet": _parquet, "csv": _csv}


def _plain(table: pa.Table, form: LogFormat) -> pa.Table:
    """Convert columns for CSV: no dictionaries; times with a zone end in Z."""
    columns = dict(zip(table.column_names, table.columns, strict=True))
    for name, column in columns.items():
        if pa.types.is_dictionary(column.type):
            columns[name] = column.cast(column.type.value_type)
        elif pa.types.is_timestamp(column.type):
            columns[name] = _plain_times(column, form)
    return pa.table(columns)


def _plain_times(column: pa.ChunkedArray, form: LogFormat) -> pa.ChunkedArray:
    """Convert times for CSV: without a zone or, as text, in UTC with a trailing Z.

    Arrow's own writer takes ten times as long for times with a zone.
    """
    coarse = (
        pa.timestamp("s") if form.resolution >= MICROSECONDS else pa.timestamp(column.type.unit)
    )
    plain = column.cast(pa.timestamp(column.type.unit)).cast(coarse, safe=False)
    if column.type.tz is None:
        return plain
    return pc.call_function("binary_join_element_wise", [plain.cast(pa.string()), "Z", ""])


class _Counted:
    """Wrapper of a stream that counts written bytes (a pipe has no position) and is not closed."""

    closed = False

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.written = 0

    def write(self, data: bytes) -> int:
        """Write to the stream and count the bytes."""
        self.stream.write(data)
        self.written += len(data)
        return len(data)

    def tell(self) -> int:
        """Number of bytes written so far."""
        return self.written

    def flush(self) -> None:
        """Hand on what is held back."""
        self.stream.flush()

    def close(self) -> None:
        """Leave the stream open."""
