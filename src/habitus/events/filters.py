"""Filters: one condition in SQL on the columns of a log, parsed before an engine sees it.

An engine's SQL reads files and variables, changes settings and joins other tables; a filter may say
which rows to keep and nothing else. What is not in the lists below is refused, so that a function
which an engine gains tomorrow is refused as well.
"""

from __future__ import annotations

from typing import Any

import ibis
import ibis.expr.types as ir
from sqlglot import Dialect, exp
from sqlglot.errors import ParseError, SqlglotError

from habitus.databases import reason

SHOWN = 200  # characters of a filter in a message
LOG = "log"  # name of the log's rows within a filter

_OPERATORS = """
    And Or Not Xor Paren EQ NEQ GT GTE LT LTE NullSafeEQ NullSafeNEQ Is In Between Like ILike Glob
    RegexpLike RegexpILike RegexpFullMatch SimilarTo Escape Add Sub Mul Div IntDiv Mod Neg DPipe
    BitwiseAnd BitwiseOr BitwiseXor BitwiseNot Case If Cast TryCast AtTimeZone Collate Bracket Dot
    Interval Tuple Array
"""
_WORDS = """
    Column Identifier Literal Boolean Null Var DataType DataTypeParam JSONPath JSONPathRoot
    JSONPathKey JSONPathSubscript
"""
# Functions of a row's own values that give the same each time they are computed: a log is read more
# than once. None makes a value much longer than the column's, reads anything else, or waits.
_FUNCTIONS = """
    Abs Ceil Floor Round Sign Sqrt Cbrt Exp Ln Log Pow Greatest Least Coalesce Nullif IsNan IsInf
    Lower Upper Initcap Trim Length Substring Left Right Reverse Replace Concat ConcatWs StartsWith
    EndsWith Contains StrPosition SplitPart RegexpExtract RegexpReplace Ascii Unicode Levenshtein
    MD5 SHA SHA2 ArrayContains JSONExtract JSONExtractScalar
    Extract Date TsOrDsToDate Timestamp DateTrunc TimestampTrunc DatetimeTrunc DateDiff
    TimestampDiff DatetimeDiff DateAdd DateSub TimestampAdd TimestampSub DatetimeAdd DatetimeSub
    TimeToStr StrToTime StrToDate TimeToUnix UnixToTime DateFromParts LastDay Year Quarter Month
    Week WeekOfYear Day DayOfMonth DayOfWeek DayOfWeekIso DayOfYear Hour Minute Second Dayname
    Monthname
"""
# Functions that the parser has no node for, by their names.
_NAMED = """
    date_part datepart dayname epoch_ms epoch_us fmod hash isodow isoyear list_contains make_date
    monthname prefix strptime suffix to_char to_date to_timestamp trunc weekday yearweek
"""
_TYPES = """
    BOOLEAN TINYINT SMALLINT INT BIGINT INT128 INT256 UTINYINT USMALLINT UINT UBIGINT UINT128 FLOAT
    DOUBLE DECIMAL BIGDECIMAL CHAR NCHAR VARCHAR NVARCHAR TEXT UUID DATE DATE32 DATETIME DATETIME64
    TIME TIMETZ TIMESTAMP TIMESTAMPTZ TIMESTAMPLTZ TIMESTAMPNTZ TIMESTAMP_S TIMESTAMP_MS
    TIMESTAMP_NS INTERVAL
"""


def _nodes(names: str) -> frozenset[type]:
    """The parser's classes of these names; its versions differ in a few."""
    found = (getattr(exp, name, None) for name in names.split())
    return frozenset(each for each in found if each is not None)


_CALLED = _nodes(_FUNCTIONS)
_ALLOWED = _nodes(_OPERATORS) | _nodes(_WORDS) | _CALLED
_CALLED_BY_NAME = frozenset(_NAMED.split())
_ALLOWED_TYPES = frozenset(_TYPES.split())


def filtered(table: ir.Table, condition: str) -> ir.Table:
    """The rows of a table for which a condition in the SQL of its engine holds.

    Raises:
        ValueError: for anything but one condition on the table's own columns.
    """
    backend: Any = ibis.get_backend(table)
    try:
        sql = condition_on(table.columns, condition, backend.dialect)
        rows = table.alias(LOG)
        # What is true has the type of a number in SQLite and others.
        types = rows.sql(f"SELECT ({sql}) AS kept, (1 = 1) AS truth FROM {LOG}").schema()
        if types["kept"] != types["truth"]:
            raise ValueError(
                f"expected a condition, which is true or false, got a value ({types['kept']})"
            )
        return rows.sql(f"SELECT * FROM {LOG} WHERE ({sql})")
    except Exception as error:  # the parser and the engine each have exceptions of their own
        shown = condition if len(condition) <= SHOWN else f"{condition[:SHOWN]}..."
        raise ValueError(
            f"the filter {shown!r} does not work on this log: {reason(error)}"
        ) from None


def condition_on(columns: tuple[str, ...], text: str, dialect: Any) -> str:
    """Check a condition and write it anew, with the columns' exact names and no comments.

    Args:
        columns: Names that may occur in it.
        text: The condition.
        dialect: The SQL that it is written in, as sqlglot names it.

    Raises:
        ValueError: for what is not one condition, or has a part that a filter may not have.

    >>> condition_on(("day", "Who"), "who = 3 /* not 4 */ AND day > 5", "duckdb")
    '"Who" = 3 AND "day" > 5'
    """
    try:
        tree = _parsed(text, dialect, columns)
        for node in list(tree.walk()):
            _check(node, columns)
        return tree.sql(dialect=dialect, comments=False)
    except RecursionError:
        raise ValueError("it is nested too deeply; write it with fewer parentheses") from None


def _parsed(text: str, dialect: Any, columns: tuple[str, ...]) -> Any:
    try:
        trees = Dialect.get_or_raise(dialect).parse_into(exp.Condition, text)
    except ParseError as error:
        place = str(error.errors[0].get("highlight") or "") if error.errors else ""
        reserved = place.lower() in (name.lower() for name in columns)
        raise ValueError(
            "expected one condition, such as channel = 'web' AND amount > 3; it cannot be read"
            + (f" at {place!r}" if place else "")
            + (", a word of SQL: write the column in double quotes" if reserved else "")
        ) from None
    except SqlglotError as error:
        raise ValueError(f"expected one condition: {reason(error)}") from None
    conditions = [each for each in trees if each is not None]
    if len(conditions) != 1:
        raise ValueError(f"expected one condition, got {len(conditions) or 'none'}")
    return conditions[0]


def _check(node: Any, columns: tuple[str, ...]) -> None:
    """Refuse a node that a filter may not have; put exact names in those of columns."""
    if isinstance(node, exp.Query | exp.Exists) or node.args.get("query") is not None:
        raise ValueError("it may hold no query of its own, only a condition on the log's columns")
    if isinstance(node, exp.Anonymous) and node.name.lower() in _CALLED_BY_NAME:
        return
    if isinstance(node, exp.Func) and type(node) not in _ALLOWED:
        name = node.name if isinstance(node, exp.Anonymous) else node.sql_name()
        raise ValueError(
            f"it may not call {name.lower()}, only functions of a row's text, numbers and times, "
            "such as lower, abs or date_trunc"
        )
    if type(node) not in _ALLOWED or (isinstance(node, exp.In) and not node.expressions):
        raise ValueError(f"it may not hold {node.sql()}, only a condition on the log's columns")
    if isinstance(node, exp.DataType) and getattr(node.this, "name", None) not in _ALLOWED_TYPES:
        raise ValueError(f"it may not cast to {node.sql()}; cast to a number, text, date or time")
    if isinstance(node, exp.Column):
        _name_exactly(node, columns)


def _name_exactly(node: exp.Column, columns: tuple[str, ...]) -> None:
    """Give a column its exact name; ``a.b`` is the field b of the column a, ``log.a`` a column."""
    parts = node.parts
    if len(parts) > 1 and parts[0].name.lower() == LOG and LOG not in columns:
        parts = parts[1:]
    name = parts[0].name
    alike = [name] if name in columns else [c for c in columns if c.lower() == name.lower()]
    if len(alike) != 1:
        raise ValueError(f"no column {name!r}; the log has {', '.join(columns)}")
    parts[0].set("this", alike[0])
    parts[0].set("quoted", True)
