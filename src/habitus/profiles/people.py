"""The users of a log: a code for each, and the attributes that describe them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from habitus.events import EventLog, engine_errors
from habitus.parts.shapes import IntArray
from habitus.profiles.sparse import USER

CODE = "_user_code"


@dataclass(frozen=True)
class People:
    """Users and their codes 0, 1, ...

    Attributes:
        column: The log's user column.
        first: The smallest user where users are whole numbers, which then are their own codes; else None.
        names: The distinct users in order where they are not, else None.
        kind: Arrow type of a user.
        attributes: One row per user that has any, sorted by user.
    """

    column: str
    first: int | None
    names: pa.Array | None
    kind: pa.DataType
    attributes: dict[str, tuple[IntArray, pa.Array]]

    @classmethod
    def of(cls, log: EventLog, most: int) -> People:
        """Read the users of a log; whole numbers are used as they are while their range is below ``most``."""
        column = log.table[log.user]
        kind = column.type().to_pyarrow()
        with engine_errors("cannot read the users"):
            first, span = _range(log, column) if column.type().is_integer() else (None, 0)
            direct = first is not None and span < most
            names = None if direct else _distinct(log.table, column)
        people = cls(log.user, first if direct else None, names, kind, {})
        with engine_errors("cannot read the attributes"):
            people.attributes.update({name: people._attribute(log, name) for name in log.attributes})
        return people

    def join(self, table: ir.Table) -> ir.Table:
        """The table, with a column of codes where users are not their own codes."""
        if self.names is None:
            return table
        lookup = ibis.memtable(pa.table({"_user": self.names, CODE: np.arange(len(self.names))}))
        return table.left_join(lookup, table[self.column] == lookup["_user"])

    def code(self, table: ir.Table) -> ir.Value:
        """Each row's user code; null where the user is missing."""
        if self.names is not None:
            return table[CODE]
        return table[self.column].cast("int64") - (self.first or 0)

    def table(self, codes: IntArray) -> pa.Table:
        """The users table of profiles of the given codes."""
        columns: dict[str, Any] = {USER: self._users(codes)}
        for name, (known, values) in self.attributes.items():
            columns[name] = _looked_up(codes, known, values)
        return pa.table(columns)

    def _users(self, codes: IntArray) -> pa.Array:
        if self.names is not None:
            return self.names.take(pa.array(codes))
        return pa.array(codes + (self.first or 0)).cast(self.kind)

    def _attribute(self, log: EventLog, name: str) -> tuple[IntArray, pa.Array]:
        """Codes that have the attribute, ascending, and its most frequent value (ties: the smallest)."""
        table = self.join(log.table)
        rows = table.select(code=self.code(table), value=table[name]).drop_null()
        counted = rows.group_by(["code", "value"]).aggregate(count=ibis._.count())
        ordered = counted.order_by(["code", ibis.desc("count"), "value"]).to_pyarrow()
        codes = ordered["code"].to_numpy()
        first = np.flatnonzero(np.diff(codes, prepend=-1))
        return codes[first], ordered["value"].combine_chunks().take(pa.array(first))


def _range(log: EventLog, column: ir.Value) -> tuple[int | None, int]:
    row = log.table.aggregate(first=column.min(), last=column.max()).to_pyarrow().to_pylist()[0]
    return (None, 0) if row["first"] is None else (int(row["first"]), int(row["last"]) - int(row["first"]) + 1)


def _distinct(table: ir.Table, column: ir.Value) -> pa.Array:
    return table.select(user=column).distinct().drop_null().order_by("user").to_pyarrow()["user"].combine_chunks()


def _looked_up(codes: IntArray, known: IntArray, values: pa.Array) -> pa.Array:
    if not len(known):
        return pa.nulls(len(codes), values.type)
    at = np.minimum(np.searchsorted(known, codes), len(known) - 1)
    return values.take(pa.array(at, mask=known[at] != codes))
