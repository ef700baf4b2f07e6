"""Records: JSON and Parquet files are checked when they are read, before use.

A wrong type, a missing key, an absurd size, NaN or a deep nesting is a ``ValueError`` of one line
that names the file and the place in it. A record is a pydantic model with the fields of a JSON
file, or a tuple of :class:`Column` with the columns of a Parquet file.

    class PetRecord(Record):
        name: str
        legs: Annotated[int, Field(ge=0, le=1000)]

    pet = read_record(folder / "pet.json", PetRecord)

:func:`read_json` checks alike and returns the content as it stands.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, PrivateAttr, TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from habitus.files import MARKER, write_json

MOST_BYTES = 1 << 26  # of a JSON file; the largest that habitus writes have a few MB
MOST_SHOWN = 60  # characters of a wrong value in a message
ADVICE = "restore the file, or make it again"

NO_FILES = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)

T = TypeVar("T")
H = TypeVar("H", bound="Header")

STRICT = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)

EXPECTED = {
    "bool_type": "true or false",
    "date_parsing": "a date such as 2018-12-24",
    "date_type": "a date such as 2018-12-24",
    "dataclass_type": "an object",
    "dict_type": "an object",
    "finite_number": "a finite number",
    "float_type": "a number",
    "int_type": "a whole number",
    "list_type": "a list",
    "model_type": "an object",
    "none_required": "null",
    "string_type": "a text",
    "tuple_type": "a list",
}
"""Descriptions of what was expected, by pydantic's type of error."""

LIMITS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
    "literal_error": ("one of", "expected"),
    "multiple_of": ("a multiple of", "multiple_of"),
    "too_long": ("a length of at most", "max_length"),
    "too_short": ("a length of at least", "min_length"),
}
"""Descriptions of limits, and the key of the limit in pydantic's context of an error."""


class Record(BaseModel):
    """Base of the records of JSON files: types are exact, numbers finite, further keys allowed."""

    model_config = STRICT


class Header(Record):
    """Beginning of the ``habitus.json`` of every folder.

    Attributes:
        kind: Kind of the folder, such as ``profiles``.
        version: Version of the format.
    """

    kind: str
    version: int
    _content: dict[str, Any] = PrivateAttr(default_factory=dict)

    @property
    def content(self) -> dict[str, Any]:
        """The JSON as it stands in the file."""
        return self._content


def read_header(folder: Path, kind: str, version: int, record: type[H]) -> H:
    """Read the JSON that marks a folder of habitus.

    Args:
        folder: The folder.
        kind: The kind that it has to be of.
        version: The newest version of the format that is known.
        record: The content of the JSON.

    Raises:
        ValueError: if the folder is absent, of another kind or of a newer version, or its JSON is
            damaged.
    """
    path = folder / MARKER
    if not path.is_file():
        raise ValueError(
            f"expected a folder of habitus {kind} at {folder}, but there is no {MARKER} in it"
        )
    content = read_json(path)
    found = content.get("kind") if isinstance(content, dict) else None
    if found != kind:
        raise ValueError(
            f"expected a folder of habitus {kind} at {folder}, got one of "
            f"{found if isinstance(found, str) else 'something else'}"
        )
    start = check_content(
        {name: content[name] for name in ("kind", "version") if name in content}, Header, str(path)
    )
    if start.version > version:
        raise ValueError(
            f"{folder} was written by a newer habitus (format {start.version}); update habitus"
        )
    header = read_record(path, record)
    header._content = content
    return header


def write_header(folder: Path, kind: str, version: int, **content: Any) -> None:
    """Write the JSON that marks a folder as one of habitus."""
    write_json(folder / MARKER, {"kind": kind, "version": version, **content})


def read_record(path: Path, kind: type[T]) -> T:
    """Read a JSON file as a record.

    Raises:
        ValueError: naming the file and the place in it, if it is missing, damaged or not such a
            record.
    """
    return check_json(_read_bytes(path), kind, str(path))


def read_json(path: Path, kind: Any = Any) -> Any:
    """Read a JSON file whose content is as a record says, and return the content as it stands.

    Raises:
        ValueError: as :func:`read_record`.
    """
    text = _read_bytes(path)
    check_json(text, kind, str(path))
    return from_json(text)


def check_content(content: Any, kind: Any, where: str) -> Any:
    """The record of JSON content that was read already, such as a part of a header.

    Raises:
        ValueError: naming the place, if it is not such a record.
    """
    return check_json(to_json(content, inf_nan_mode="constants"), kind, where)


def check_json(text: bytes, kind: Any, where: str) -> Any:
    """The record of a JSON text.

    Args:
        text: The JSON, in UTF-8.
        kind: A :class:`Record`, or any type that pydantic knows.
        where: The file or the part of it, for messages.

    Raises:
        ValueError: naming the place, if the text is not JSON or not such a record.
    """
    try:
        from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise ValueError(
            f"{where} is not readable JSON ({error}); the file is damaged or foreign"
        ) from None
    try:
        return _adapter(kind).validate_json(text)
    except ValidationError as error:
        raise ValueError(f"{where} is damaged or foreign: {_described(error)}; {ADVICE}") from None


def check_plain(path: Path) -> None:
    """Refuse what is no plain file, such as a pipe or a device, reading which may never end.

    Raises:
        ValueError: saying what it is; a path where nothing is passes.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    if not stat.S_ISREG(mode):
        what = next((name for is_kind, name in NO_FILES if is_kind(mode)), "of an unknown kind")
        raise ValueError(f"{path} is {what}; expected a plain file")


def _read_bytes(path: Path) -> bytes:
    check_plain(path)
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise ValueError(
                f"{path} is damaged or foreign: expected at most {MOST_BYTES:,} bytes of JSON, "
                f"got {size:,}; {ADVICE}"
            )
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path} is missing or damaged: {first_line(error)}; {ADVICE}") from None


@lru_cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    own = isinstance(kind, type) and issubclass(kind, BaseModel)
    return TypeAdapter(kind) if own else TypeAdapter(kind, config=STRICT)


def _described(error: ValidationError) -> str:
    """The first error of a record: what was expected, where, and what was found."""
    first = error.errors(include_url=False)[0]
    kind = first["type"]
    place = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in first["loc"])
    place = place.removeprefix(".")
    at = f" at {place}" if place else ""
    if kind == "missing":
        return f"expected {place}, which is not there"
    if kind == "extra_forbidden" or kind == "unexpected_keyword_argument":
        return f"unknown key {place}"
    context = first.get("ctx", {})
    if kind == "value_error":
        return f"{str(context['error']).replace(chr(10), ' ')}{at}"
    if kind in LIMITS:
        words, key = LIMITS[kind]
        wanted = f"{words} {context[key]}"
    else:
        wanted = EXPECTED.get(kind) or first["msg"][:1].lower() + first["msg"][1:]
    return f"expected {wanted}{at}, got {shown(first['input'])}"


def shown(value: Any) -> str:
    """A JSON value in few words, for messages.

    >>> shown(None), shown([1, 2]), shown({}), shown(17.0)
    ('null', 'a list of 2', 'an object', '17.0')
    """
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, str):
        text = repr(value[:MOST_SHOWN])
    else:
        text = to_json(value, inf_nan_mode="constants").decode()
    return text if len(text) <= MOST_SHOWN + 2 else f"{text[:MOST_SHOWN]}..."


class Column(NamedTuple):
    """A column of a Parquet file.

    Attributes:
        name: Its name.
        kind: Its type, or a test of a type.
        what: Description of what it holds, for messages; None for the name of the type.
        nulls: True if rows may be null; entries of lists never may.
        required: True if the column must be there.
    """

    name: str
    kind: pa.DataType | Callable[[pa.DataType], bool]
    what: str | None = None
    nulls: bool = False
    required: bool = True

    def allows(self, kind: pa.DataType) -> bool:
        """True if a column of a file may have this type; lists of any kind are alike."""
        wanted: Any = self.kind
        if not isinstance(wanted, pa.DataType):
            return wanted(kind)
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        if pa.types.is_list(wanted) and getattr(kind, "value_type", None) is not None:
            return kind.value_type == wanted.value_type
        return kind == wanted


def read_parquet(path: Path, columns: Sequence[Column]) -> pa.Table:
    """Read a Parquet file into memory whose columns are as a record says; it may have others.

    Raises:
        ValueError: naming the file and the column, if it is missing, damaged or not as expected.
    """
    file = open_parquet(path)
    check_columns(path, file.schema_arrow, columns)
    with arrow_errors(path):
        table = file.read()
    check_values(path, table, columns)
    return table


def open_parquet(path: Path) -> pq.ParquetFile:
    """Open a Parquet file.

    Raises:
        ValueError: if it is missing or damaged.
    """
    check_plain(path)
    try:
        file = pq.ParquetFile(path)
        _ = file.schema_arrow.names  # which fails where names are not UTF-8
        return file
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is missing or damaged: {first_line(error)}") from None


@contextmanager
def arrow_errors(path: Path) -> Iterator[None]:
    """Describe a file that Arrow cannot read in one line.

    Raises:
        ValueError: in place of the exceptions of Arrow.
    """
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is damaged: {first_line(error)}") from None


def check_columns(path: Path, schema: pa.Schema, columns: Sequence[Column]) -> None:
    """Refuse a file without a column, with one of another type, or with two of one name.

    Raises:
        ValueError: for the first such column.
    """
    if twice := [name for name in schema.names if schema.names.count(name) > 1]:
        raise ValueError(
            f"{path} is damaged or foreign: expected columns of distinct names, got {twice[0]!r} "
            f"twice; {ADVICE}"
        )
    for column in columns:
        if column.name not in schema.names and not column.required:
            continue
        if column.name not in schema.names:
            raise ValueError(
                f"{path} is damaged or foreign: expected a column {column.name!r}, got "
                f"{', '.join(schema.names) or 'none'}; {ADVICE}"
            )
        found = schema.field(column.name).type
        if not column.allows(found):
            raise ValueError(
                f"{path} is damaged or foreign: expected {column.what or column.kind} in the "
                f"column {column.name!r}, got {found}; {ADVICE}"
            )


def check_values(path: Path, table: pa.Table, columns: Sequence[Column]) -> None:
    """Refuse columns with nulls where there may be none, and with numbers that are not finite.

    Raises:
        ValueError: for the first such column.
    """
    for column in columns:
        if column.name not in table.column_names:
            continue
        values = table[column.name]
        if values.null_count and not column.nulls:
            raise _damaged(path, column.name, "a value in every row", "null")
        if pa.types.is_dictionary(values.type):
            continue
        while hasattr(values.type, "value_type"):
            values = pc.call_function("list_flatten", [values])
            if values.null_count:
                raise _damaged(path, column.name, "a value for every entry of a list", "null")
        if pa.types.is_floating(values.type):
            numbers = values.drop_null().to_numpy()
            if not np.isfinite(numbers).all():
                raise _damaged(path, column.name, "finite numbers", "NaN or infinity")


def check_equal_lengths(path: Path, table: pa.Table, names: Sequence[str]) -> None:
    """Refuse lists of a row, in several columns, that differ in length.

    Raises:
        ValueError: if they do.
    """
    first, *others = (pc.call_function("list_value_length", [table[name]]) for name in names)
    for name, lengths in zip(names[1:], others, strict=True):
        if not lengths.equals(first):
            raise _damaged(path, name, f"lists as long as those of {names[0]!r}", "other lengths")


def _damaged(path: Path, column: str, wanted: str, found: str) -> ValueError:
    return ValueError(
        f"{path} is damaged or foreign: expected {wanted} in the column {column!r}, got {found}; "
        f"{ADVICE}"
    )


def first_line(error: Exception) -> str:
    """The first line of an error's message, or its name where it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
