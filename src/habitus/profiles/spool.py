"""A temporary file of profiles, for what needs two passes over more than memory holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import Self

import pyarrow as pa

from habitus.profiles.sparse import Profiles
from habitus.profiles.store import from_table
from habitus.schema import Axes


class Spool:
    """Profiles in a file that has no name: they wait there for the second pass.

    Nothing is left of it when the process ends, however it does.
    """

    def __init__(self, folder: Path, axes: Axes) -> None:
        self.axes = axes
        self._file = TemporaryFile(dir=folder)  # noqa: SIM115  (closed by __exit__)
        self._writer: pa.RecordBatchStreamWriter | None = None
        self._schema = pa.schema([])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._file.close()

    def append(self, profiles: Profiles) -> None:
        """Write profiles."""
        table = profiles.counted()
        if self._writer is None:
            options = pa.ipc.IpcWriteOptions(compression="lz4")
            self._schema = table.schema
            self._writer = pa.ipc.new_stream(self._file, self._schema, options=options)
        self._writer.write_table(table.cast(self._schema).combine_chunks())

    def read(self) -> Iterator[Profiles]:
        """Yield the profiles again, in order, once all are written."""
        if self._writer is None:
            return
        self._writer.close()
        self._file.seek(0)
        with pa.ipc.open_stream(self._file) as reader:
            for batch in reader:
                yield from_table(self.axes, pa.Table.from_batches([batch]))
