"""Known factors of the users of a set of profiles: their attributes, and tables from elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from habitus.profiles.sparse import USER, WINDOW
from habitus.schema import PEAK, IntArray
from habitus.tables import column_names, read_table

NO_FACTORS = (USER, WINDOW, PEAK)
OF_USERS = "factors with a row per user"

Columns = dict[str, list[Any]]


def attributes(users: pa.Table) -> Columns:
    """Collect the attribute columns of a users table by name, without user, window and peak."""
    return {name: users[name].to_pylist() for name in users.column_names if name not in NO_FACTORS}


def factors_file(path: Path | str, users: pa.Table, key: str | None = None) -> Columns:
    """The columns of a Parquet or CSV table for the given users, None where it has no row for one.

    Args:
        path: Table with a row per user.
        users: Users table of the profiles, U rows, in whose order values are returned.
        key: Column of the table with the users; None for ``user_id``, ``user`` or its first column.

    Raises:
        ValueError: if the file cannot be read, lacks the column or has one twice, names a user
            twice or none of those wanted.
    """
    path = Path(path)
    key = _key(path, key)
    as_text = () if pa.types.is_integer(users.schema.field(USER).type) else (key,)  # "007" is not 7
    table = read_table(path, OF_USERS, as_text)
    found = _users(path, table, key)
    if pc.call_function("count_distinct", [found]).as_py() < len(found) - found.null_count:
        raise ValueError(
            f"expected a row per user in {path}, but {key} has a value twice; leave one row of each"
        )
    at = pc.call_function(
        "index_in", [users[USER].cast(pa.string())], pc.SetLookupOptions(value_set=found)
    )
    if at.null_count == len(at):
        raise ValueError(
            f"no user of the profiles is in the column {key!r} of {path}; name the column of users"
        )
    return {name: table[name].take(at).to_pylist() for name in table.column_names if name != key}


def _key(path: Path, key: str | None) -> str:
    names = column_names(path, OF_USERS)
    key = key or next(
        (name for name in ("user_id", USER) if name in names), names[0] if names else ""
    )
    if key not in names:
        raise ValueError(
            f"there is no column {key!r} in {path}; it has {', '.join(names) or 'none'}"
        )
    return key


def _users(path: Path, table: pa.Table, key: str) -> pa.Array:
    try:
        return table[key].cast(pa.string()).combine_chunks()
    except pa.ArrowException:
        raise ValueError(
            f"the column {key!r} of {path} holds {table[key].type}, which cannot name users"
        ) from None


def of_rows(columns: Columns, rows: IntArray) -> Columns:
    """The columns for some of the users."""
    return {name: [values[row] for row in rows.tolist()] for name, values in columns.items()}
