"""Tables of series on disk: Parquet with what habitus knows of them in its metadata.

The metadata's key is ``habitus``, its value JSON: ``kind`` ("series" or "forecast"), ``version``,
``axes``, ``columns`` (names of the columns that are no variables) and ``about`` (where it came
from).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from habitus.files import Mark, replacing
from habitus.records import Header, Record, check_json
from habitus.schema import SeriesAxes
from habitus.tables import SUFFIXES, is_parquet, read_schema

KEY = b"habitus"
VERSION = 1
ROW_GROUP = 2**20
Size = Annotated[int, Field(ge=0, lt=2**31)]
H = TypeVar("H", bound="TableHeader")


class SeriesColumns(Record):
    """Names of the columns of a file of series that are no variables; None where there is none."""

    series: str | None
    time: str | None


class TableHeader(Record):
    """Beginning of what habitus writes of every table.

    Attributes:
        version: Version of the format.
        axes: The variables.
        about: Where the table came from.
    """

    version: int
    axes: SeriesAxes
    about: dict[str, Any] = Field(default_factory=dict)


class SeriesHeader(TableHeader):
    """Metadata of a file of series; ``empty`` names the series without rows by their places."""

    kind: Literal["series"]
    columns: SeriesColumns
    empty: dict[Annotated[str, Field(pattern=r"^[0-9]{1,18}$")], str] = Field(default_factory=dict)


class ForecastHeader(TableHeader):
    """Metadata of a forecast: the names of its keys, and origins, samples and steps."""

    kind: Literal["forecast"]
    columns: Annotated[list[str], Field(min_length=4, max_length=4)]
    shape: tuple[Size, Size, Size]


HEADERS: dict[str, type[TableHeader]] = {"series": SeriesHeader, "forecast": ForecastHeader}


def read_about(path: Path | str, kind: str = "series") -> dict[str, Any]:
    """Read the provenance of a file that habitus wrote, without its rows; empty for any other file.

    Args:
        path: The file.
        kind: What it is, "series" or "forecast".

    Raises:
        ValueError: if there is no such file, or it is of another kind or damaged.
    """
    path = Path(path)
    if not is_parquet(path, "series"):
        return {}
    header = read_header(path, read_schema(path), HEADERS[kind])
    return {} if header is None else header.about


def read_header(path: Path, schema: pa.Schema, record: type[H]) -> H | None:
    """Read what habitus wrote of a file, or None of a file from elsewhere.

    Raises:
        ValueError: if the file is of another kind, or of a newer version, or the header is damaged.
    """
    text = (schema.metadata or {}).get(KEY)
    if text is None:
        return None
    where = f"{path}: what habitus wrote of its columns"
    start = check_json(text, Header, where)
    kind = get_args(record.model_fields["kind"].annotation)[0]
    if start.kind != kind:
        raise ValueError(f"expected a file of {kind} at {path}, got one of {start.kind[:60]}")
    if start.version > VERSION:
        raise ValueError(
            f"{path} was written by a newer habitus (format {start.version}); update habitus"
        )
    return check_json(text, record, where)


def check_table_path(path: Path | str, kind: str) -> None:
    """Refuse a path at which no table can be written, before there is one.

    Args:
        path: Where; a file there may be replaced.
        kind: What the file would be, "series" or "forecast".

    Raises:
        ValueError: if there is a folder, or the name is that of a text file.
    """
    path = Path(path)
    if path.is_dir():
        raise ValueError(
            f"{path} is a folder; choose another --out, such as {path / (kind + '.parquet')}"
        )
    if path.name.lower().endswith(SUFFIXES["csv"]):
        raise ValueError(
            f"{kind} are written as Parquet, not as {path.suffix}; choose a name that ends in "
            ".parquet"
        )


def write_table(
    path: Path | str,
    table: pa.Table,
    kind: str,
    names: list[str],
    *,
    command: str,
    overwrite: bool,
    **header: Any,
) -> None:
    """Write a Parquet file with a header; it appears when it is complete.

    Args:
        path: Where.
        table: The columns.
        kind: What the file is, "series" or "forecast".
        names: Columns with few distinct values, or long runs of them.
        command: What writes the file; only its own earlier one is replaced.
        overwrite: Replace whatever file stands there.
        header: The rest of the header.

    Raises:
        ValueError: as :func:`check_table_path`, or if something else stands at ``path`` and
            ``overwrite`` is not given.
    """
    path = Path(path)
    check_table_path(path, kind)
    text = json.dumps({"kind": kind, "version": VERSION, **header}, allow_nan=False)
    mark = Mark(command, kind)
    marked = table.replace_schema_metadata({KEY: text.encode(), **mark.parquet})
    options: Any = {"use_dictionary": names, "compression": "zstd", "compression_level": 1}
    with replacing(path, mark, overwrite=overwrite) as part:
        pq.write_table(marked, part, row_group_size=ROW_GROUP, **options)


def free_name(name: str, taken: tuple[str, ...] | list[str]) -> str:
    """A column name that no other column has.

    >>> free_name("step", ("step", "load"))
    'step_'
    """
    while name in taken:
        name += "_"
    return name
