"""The users of a log: a code for each, and the attributes that describe them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from habitus.events import Column, EventLog, engine_errors
from habitus.profiles.sparse import USER
from habitus.schema import IntArray

LARGEST = 2**63 - 1
KEY = "_habitus_user"
CODE = "_habitus_code"


@dataclass(frozen=True)
class UserCodes:
    """Users and their codes 0, 1, ...

    Attributes:
        count: Number of codes; some may have no user.
        first: Smallest user, where users are whole numbers and a user's code is user - first; else
            None.
        names: Distinct users in ascending order, a user's code its place; None where ``first`` is
            given.
        kind: Arrow type of a user.
        attributes: Codes of the users that have the attribute, ascending, and its values, by name.
    """

    count: int
    first: int | None
    names: pa.Array | None
    kind: pa.DataType
    attributes: dict[str, tuple[IntArray, pa.Array]]

    @classmethod
    def of(cls, log: EventLog, most: int) -> UserCodes:
        """Read the users of a log; whole numbers in a range below ``most`` are codes."""
        users = log.table.select(**{KEY: log.user_key()})
        kind = users[KEY].type()
        with engine_errors("cannot read the users"):
            first, count = _range(users, most) if kind.is_integer() else (None, 0)
            names = _distinct(users) if first is None else None
        codes = cls(
            count if names is None else len(names),
            first,
            names,
            kind.to_pyarrow() if names is None else names.type,
            {},
        )
        with engine_errors("cannot read the attributes"):
            codes.attributes.update({name: codes._attribute(log, name) for name in log.attributes})
        return codes

    def coded(self, rows: ir.Table) -> ir.Table:
        """Add a column CODE to a table with users in KEY; null where missing."""
        if self.names is None:
            user: Column = rows[KEY]
            return rows.mutate(**{CODE: user.cast("int64") - self.first})
        lookup = ibis.memtable(
            pa.table({"_habitus_name": self.names, CODE: np.arange(len(self.names))})
        )
        return rows.left_join(lookup, [(KEY, "_habitus_name")])

    def table(self, codes: IntArray) -> pa.Table:
        """The users table of profiles of the given codes."""
        columns: dict[str, Any] = {USER: self._users(codes)}
        for name, (known, values) in self.attributes.items():
            columns[name] = _looked_up(codes, known, values)
        return pa.table(columns)

    def _users(self, codes: IntArray) -> pa.Array:
        if self.names is not None:
            return self.names.take(pa.array(codes, pa.int64()))
        return pa.array(codes + (self.first or 0)).cast(self.kind)

    def _attribute(self, log: EventLog, name: str) -> tuple[IntArray, pa.Array]:
        """Codes that have the attribute, ascending, and its most frequent (or smallest) value."""
        rows = self.coded(log.table.select(**{KEY: log.user_key(), "value": log.table[name]}))
        counted = (
            rows.select(CODE, "value")
            .drop_null()
            .group_by([CODE, "value"])
            .aggregate(count=ibis._.count())
        )
        ordered = counted.order_by([CODE, ibis.desc("count"), "value"]).to_pyarrow()
        codes = ordered[CODE].to_numpy()
        first = np.flatnonzero(np.diff(codes, prepend=-1))
        return codes[first], ordered["value"].combine_chunks().take(pa.array(first))


def _range(users: ir.Table, most: int) -> tuple[int | None, int]:
    """The smallest user and the range of all, or None where it is empty or too wide for codes."""
    user: Column = users[KEY]
    row = users.aggregate(first=user.min(), last=user.max()).to_pyarrow().to_pylist()[0]
    if row["first"] is None or row["last"] > LARGEST or row["last"] - row["first"] >= most:
        return None, 0
    return int(row["first"]), int(row["last"] - row["first"]) + 1


def _distinct(users: ir.Table) -> pa.Array:
    return users.distinct().drop_null().order_by(KEY).to_pyarrow()[KEY].combine_chunks()


def _looked_up(codes: IntArray, known: IntArray, values: pa.Array) -> pa.Array:
    if not len(known):
        return pa.nulls(len(codes), values.type)
    at = np.minimum(np.searchsorted(known, codes), len(known) - 1)
    return values.take(pa.array(at, mask=known[at] != codes))
