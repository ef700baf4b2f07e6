"""Strategies for hostile command lines and files, over the real schema of options and records.

Options come from the Typer applications, settings from the classes of settings, keys of JSON from
the records and from the files as they are, columns from the files' own types: what is added there
is attacked without another line here.
"""

import json
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from damage import DROPPED, WRONG, places
from hypothesis import strategies as st
from world import commands, inputs, lines, weighted

from habitus.cli._shared.fitting import kind_of
from habitus.profiles.completed import CompletedHeader
from habitus.profiles.store import ProfilesHeader
from habitus.records import Record
from habitus.run import ProfileRunHeader, SeriesRunHeader
from habitus.settings import types_of
from habitus.synthesis.latents.cohorts.store import CohortsRecord
from habitus.training.config import FitConfig

NUMBERS = (
    "0", "-0", "-1", "1", "2", "3", "0.5", "1.5", "-0.5", "nan", "-nan", "NaN", "inf", "-inf", "Infinity",
    "1e308", "-1e308", "1e309", "1e-320", "1e-30", "1e30", "9" * 30, "-" + "9" * 30, "9" * 5000,
    str(2**31 - 1), str(2**31), str(2**32 - 1), str(2**32), str(2**63 - 1), str(2**63), str(2**64),
    "99999999999", "999999999", "1e3", "1_000", "0x10", "+1", " 1", "1 ", "1,5", "½", "٣", "1:0.5", "0:nan",
)  # fmt: skip
DATES = (
    "0001-01-01", "0000-01-01", "9999-12-31", "10000-01-01", "1677-12-31", "1678-01-01", "2261-12-31",
    "2262-01-01", "2018-02-30", "2018-02-01", "2018-2-1", "2018-02-01T00:00", "today", "20180201",
)  # fmt: skip
TEXTS = (
    "",
    " ",
    ",",
    ":",
    "=",
    "/",
    "a=",
    "=1",
    "\n",
    "\t",
    "\x1b[31m",
    "é",
    "\u202e",
    "x" * 10_000,
    "%s",
    "{}",
    "../..",
)
PATHS = (
    "absent", "", ".", "fifo", "socket", "endless", "loop", "dangling", "empty", "folder", "log.parquet",
    "log.csv", "series.csv", "days.csv", "mask.npy", "factors.parquet", "made.parquet", "ahead.parquet",
    "whole", "tiled", "completed", "vae", "mixture", "rhythm", "lstm", "cohorts", "log.parquet/below", "\0",
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A command line, and damage that is done to a file before it is run.

    Attributes:
        args: The command line.
        path: The file that is damaged, or None.
        damage: Puts the damaged file in place of the whole one.
        what: Description of the damage.
    """

    args: list[str]
    path: Path | None = None
    damage: Callable[[], None] = field(default=lambda: None, repr=False)
    what: str = ""

    def __str__(self) -> str:
        line = " ".join(arg if len(arg) < 60 else f"{arg[:57]!r}..." for arg in self.args)
        return f"{line}{f' | {self.path}: {self.what}' if self.path else ''}"


numbers = st.one_of(
    st.sampled_from(NUMBERS),
    st.integers(-(10**12), 10**12).map(str),
    st.floats().map(str),
)
dates = st.one_of(st.sampled_from(DATES), st.dates().map(str))
texts = st.one_of(
    st.sampled_from(TEXTS), st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
)
lists = st.lists(numbers, min_size=1, max_size=3)


@cache
def parameters(command: str) -> list[tuple[str | None, str, bool]]:
    """Option (None for an argument), metavar and whether it is a flag, of each parameter."""
    found = []
    for each in commands()[command].params:
        if each.name == "help":
            continue
        option = each.opts[-1] if each.opts[0].startswith("-") else None
        kind = str(each.metavar or each.type_descriptor.annotation)
        found.append((option, kind, bool(getattr(each, "is_flag", False))))
    return found


@st.composite
def values(draw: st.DrawFn, kind: str) -> str:
    """A hostile value of an option, mostly of the kind that it takes."""
    if "Path" in kind or kind in ("FILE", "RUN"):
        return draw(st.sampled_from(PATHS))
    if kind == "DATE":
        return draw(st.one_of(dates, numbers))
    if kind in ("INTEGER", "NUMBER", "SHARE"):
        return draw(numbers)
    return draw(
        st.one_of(
            numbers,
            dates,
            texts,
            st.sampled_from(PATHS),
            st.tuples(lists, st.sampled_from(",:/|;")).map(lambda both: both[1].join(both[0])),
        )
    )


def without(args: list[str], option: str) -> list[str]:
    """A command line without an option and its value."""
    kept = list(args)
    while option in kept:
        at = kept.index(option)
        del kept[at : at + 2]
    return kept


@st.composite
def option_cases(draw: st.DrawFn) -> Case:
    """A command line that is well but for one option or argument."""
    args = draw(st.sampled_from(weighted(lines()))).split()
    option, kind, flag = draw(st.sampled_from(parameters(args[0])))
    if option is None:  # an argument: the first word that is none of an option's
        return Case([args[0], draw(values(kind)), *args[2:]])
    if flag:
        return Case([*args, option])
    value = draw(values(kind))
    if option == "--out":
        return Case([*without(args, option), option, draw(st.sampled_from(PATHS))])
    return Case([*without(args, option), f"{option}={value}"])


@st.composite
def setting_cases(draw: st.DrawFn) -> Case:
    """A fit or a sweep with a hostile value of a setting of its model."""
    line = draw(st.sampled_from([line for line in lines() if line.startswith(("fit", "sweep"))]))
    args = line.split()
    types = types_of(kind_of(args[args.index("--model") + 1]).Config)
    if args[0] == "sweep":
        types = types | types_of(FitConfig)
        option = draw(st.sampled_from(["--grid", "--search"]))
        args = without(without(args, "--grid"), "--epochs")
        args += ["--trials", "2"] if option == "--search" else []
        value = draw(st.one_of(lists.map(",".join), lists.map(":".join), lists.map("|".join)))
    else:
        option = "--set"
        value = draw(st.one_of(numbers, texts))
    return Case([*args, option, f"{draw(st.sampled_from(sorted(types)))}={value}"])


HEADERS: dict[str, type[Record]] = {
    "profiles": ProfilesHeader,
    "completed": CompletedHeader,
    "run": ProfileRunHeader,
}


def record_of(path: Path, content: Any) -> type[Record] | None:
    """The record of a JSON file of the folder."""
    if path.name == "cohorts.json":
        return CohortsRecord
    kind = content.get("kind") if isinstance(content, dict) else None
    if kind == "run" and "variables" in content["axes"]:
        return SeriesRunHeader
    return HEADERS.get(str(kind))


def schema_places(record: type[Record] | None) -> list[tuple[str, ...]]:
    """Paths of the keys that a record declares, also of those that a file does without."""
    if record is None:
        return []
    schema = record.model_json_schema()
    found = []

    def visit(node: Any, path: tuple[str, ...]) -> None:
        node = schema["$defs"][node["$ref"].rsplit("/", 1)[1]] if "$ref" in node else node
        for each in node.get("anyOf", []):
            visit(each, path)
        for key, below in node.get("properties", {}).items():
            found.append((*path, key))
            visit(below, (*path, key))

    visit(schema, ())
    return found


json_values = st.one_of(
    st.sampled_from([value for value in WRONG.values() if value is not DROPPED]),
    st.integers(-(10**20), 10**20),
    st.floats(),
    st.text(max_size=9),
    st.lists(st.one_of(st.integers(-2, 10**10), st.floats(), st.none()), max_size=4),
    dates,
)


@st.composite
def json_texts(draw: st.DrawFn, text: str, record: type[Record] | None) -> tuple[str, str]:
    """A JSON text with one value damaged, and a name of the damage."""
    content = json.loads(text)
    there = list(places(content))
    path = draw(st.sampled_from([*there, *schema_places(record)]))
    parent = content
    for key in path[:-1]:
        if isinstance(parent, dict) and parent.get(key) is None:
            parent[key] = {}
        parent = parent[key]
        if not isinstance(parent, dict | list):
            return "null", "null"
    old = parent.get(path[-1]) if isinstance(parent, dict) else parent[path[-1]]
    near = [DROPPED]
    if isinstance(old, int | float) and not isinstance(old, bool):
        near += [old + 1, old - 1, -old, old * 2, old * 1000, float(old), str(old)]
    if isinstance(old, list):
        near += [old[::-1], old[:-1], old * 2, [*old, *old[:1]], [old], old[:1]]
    if isinstance(old, str):
        near += [old + " ", old.upper(), [old], draw(texts)]
    value = draw(st.one_of(st.sampled_from(near), json_values))
    if value is DROPPED:
        parent.pop(path[-1], None) if isinstance(parent, dict) else parent.pop(path[-1])
    else:
        parent[path[-1]] = value
    shown = "dropped" if value is DROPPED else repr(value)[:80]
    return json.dumps(content), f"{'.'.join(map(str, path))} = {shown}"


@st.composite
def entries(draw: st.DrawFn, kind: pa.DataType, old: list[Any]) -> tuple[Any, str]:
    """A column's entries, changed; and a name of the change."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        at = draw(st.integers(0, max(0, len(old) - 1)))
        row = list(old[at] or []) if old else []
        inner, what = draw(entries(kind.value_type, row))
        changed = [*old[:at], inner, *old[at + 1 :]]
        return changed, f"row {at} {what}"
    how = draw(
        st.sampled_from(["one", "reversed", "twice", "short", "shuffled", "same", "none", "value"])
    )
    new = list(old)
    at = draw(st.integers(0, max(0, len(old) - 1)))
    if how == "reversed":
        new = new[::-1]
    elif how == "twice" and new:
        new = [*new[: at + 1], *new[at:]]
    elif how == "short" and new:
        del new[at]
    elif how == "shuffled":
        new = draw(st.permutations(new))
    elif how == "same" and new:
        new = [new[0]] * len(new)
    elif how == "none" and new:
        new[at] = None
    elif new:
        new[at] = draw(scalars(kind))
        how = f"[{at}] = {new[at]!r}"[:80]
    return new, how


def scalars(kind: pa.DataType) -> st.SearchStrategy[Any]:
    """Values that a column of a type can hold, the extreme ones above all."""
    if pa.types.is_integer(kind):
        low = np.iinfo(kind.to_pandas_dtype()).min
        high = np.iinfo(kind.to_pandas_dtype()).max
        return st.one_of(
            st.sampled_from([low, high, 0, max(low, -1), 1, 64, 63]), st.integers(low, high)
        )
    if pa.types.is_floating(kind):
        size = kind.bit_width
        return st.one_of(
            st.sampled_from([np.nan, np.inf, -np.inf, 0.0, -0.0, -1.0, 3e38, 1e-45]),
            st.floats(width=size),
        )
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return st.datetimes()
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind):
        return st.one_of(texts, numbers, dates)
    if pa.types.is_boolean(kind):
        return st.booleans()
    return st.none()


OTHER_TYPES = (
    pa.int8(), pa.int64(), pa.uint64(), pa.float32(), pa.float64(), pa.string(), pa.large_string(), pa.binary(),
    pa.bool_(), pa.date32(), pa.timestamp("ns"), pa.null(), pa.list_(pa.int64()), pa.dictionary(pa.int32(), pa.string()),
    pa.decimal128(20, 3), pa.list_(pa.list_(pa.int32())), pa.struct([("a", pa.int32())]),
)  # fmt: skip


def same_type(values: list[Any], kind: pa.DataType) -> pa.Array | None:
    """An array of a type, or None where the values are none of it."""
    try:
        return pa.array(values, kind)
    except (pa.ArrowException, OverflowError, ValueError, TypeError):
        return None


@st.composite
def parquet_files(draw: st.DrawFn, path: Path) -> tuple[Callable[[], None], str]:
    """Damage to a Parquet file: its columns, their types and entries, its rows, groups and metadata."""
    table = pq.read_table(path)
    groups = draw(st.sampled_from([None, None, None, 1, 7, 10**6]))
    how = draw(
        st.sampled_from(
            ["entries", "entries", "entries", "type", "drop", "twice", "rename", "rows", "metadata"]
        )
    )
    at = draw(st.integers(0, table.num_columns - 1))
    name = table.schema.names[at]
    what = f"{name} {how}"
    if how == "entries":
        kind = table.schema.field(at).type
        changed, change = draw(entries(kind, table[name].to_pylist()))
        array = same_type(changed, kind)
        what = f"{name} {change}"
        if array is not None and len(array) == len(table):
            table = table.set_column(at, table.schema.field(at), array)
        elif array is not None:
            rest = {
                other: table[other].slice(0, len(array)).to_pylist() for other in table.schema.names
            }
            length = min(len(array), len(table))
            rest[name] = array.to_pylist()
            table = pa.table(
                {
                    key: pa.array(list_[:length], table.schema.field(key).type)
                    for key, list_ in rest.items()
                }
            ).replace_schema_metadata(table.schema.metadata)
    elif how == "type":
        kind = draw(st.sampled_from(OTHER_TYPES))
        array = same_type(table[name].to_pylist(), kind)
        array = pa.nulls(len(table), kind) if array is None else array
        table = table.set_column(at, name, array)
        what += f" {kind}"
    elif how == "drop":
        table = table.drop_columns([name])
    elif how == "twice":
        table = table.append_column(name, table[name])
    elif how == "rename":
        names = list(table.schema.names)
        names[at] = draw(st.one_of(texts, st.sampled_from(table.schema.names)))
        what += f" {names[at]!r}"[:80]
        table = table.rename_columns(names)
    elif how == "rows":
        rows = draw(st.sampled_from(["none", "first", "twice", "reversed"]))
        what = f"rows {rows}"
        table = {
            "none": table.slice(0, 0),
            "first": table.slice(0, 1),
            "twice": pa.concat_tables([table, table]),
            "reversed": table.take(list(range(len(table)))[::-1]),
        }[rows]
    else:
        meta = table.schema.metadata or {}
        if meta:
            key = draw(st.sampled_from(sorted(meta)))
            try:
                text, what = draw(json_texts(meta[key].decode(), None))
                table = table.replace_schema_metadata({**meta, key: text.encode()})
            except (ValueError, IndexError):
                table = table.replace_schema_metadata({})
    return lambda: pq.write_table(
        table, path, row_group_size=groups
    ), f"{what} in groups of {groups}"


@st.composite
def tensor_files(draw: st.DrawFn, path: Path) -> tuple[Callable[[], None], str]:
    """Damage to a safetensors file: the tensors, or its own header."""
    raw = path.read_bytes()
    size = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8 : 8 + size])
    data = bytearray(raw[8 + size :])
    name = draw(st.sampled_from(sorted(header)))
    how = draw(
        st.sampled_from(
            ["value", "value", "all", "shape", "dtype", "drop", "rename", "offsets", "size"]
        )
    )
    what = f"{name} {how}"
    if "data_offsets" not in header[name]:
        how = "drop"
    if how in ("value", "all"):
        first, stop = header[name]["data_offsets"]
        values = (
            np.frombuffer(bytes(data[first:stop]), np.float32).copy()
            if (stop - first) % 4 == 0
            else None
        )
        if values is not None and len(values):
            number = draw(scalars(pa.float32()))
            with np.errstate(all="ignore"):
                values[slice(None) if how == "all" else draw(st.integers(0, len(values) - 1))] = (
                    number
                )
            data[first:stop] = values.tobytes()
            what += f" {number}"
    elif how == "shape":
        header[name]["shape"] = draw(
            st.lists(st.sampled_from([0, 1, 2, 2**31, 2**62, -1]), max_size=4)
        )
    elif how == "dtype":
        header[name]["dtype"] = draw(st.sampled_from(["F64", "F16", "I64", "BOOL", "BF16", "X9"]))
    elif how == "drop":
        del header[name]
    elif how == "rename":
        header[draw(st.sampled_from(["other", "", *sorted(header)]))] = header.pop(name)
    elif how == "offsets":
        header[name]["data_offsets"] = draw(
            st.lists(st.integers(-1, 2**40), min_size=2, max_size=2)
        )
    text = json.dumps(header).encode()
    length = draw(st.sampled_from([0, 2**63, 2**31, len(text) + 9])) if how == "size" else len(text)
    made = struct.pack("<Q", length) + text + bytes(data)
    return lambda: path.write_bytes(made) and None, what


@st.composite
def csv_files(draw: st.DrawFn, path: Path) -> tuple[Callable[[], None], str]:
    """Damage to a CSV file: a cell, a row, the header."""
    rows = [line.split(",") for line in path.read_text().splitlines()]
    how = draw(
        st.sampled_from(
            ["cell", "cell", "cell", "header", "short", "long", "twice", "reversed", "none"]
        )
    )
    at = draw(st.integers(0 if how == "header" else 1, 0 if how == "header" else len(rows) - 1))
    column = draw(st.integers(0, len(rows[at]) - 1))
    what = how
    if how in ("cell", "header"):
        rows[at][column] = draw(st.one_of(numbers, dates, texts, st.sampled_from(rows[0])))
        what = f"[{at}][{column}] = {rows[at][column]!r}"[:80]
    elif how == "short":
        del rows[at][column]
    elif how == "long":
        rows[at].append("1")
    elif how == "twice":
        rows.insert(at, rows[at])
    elif how == "reversed":
        rows[1:] = rows[:0:-1]
    else:
        del rows[1:]
    text = "\n".join(map(",".join, rows)) + "\n"
    return lambda: path.write_text(text, errors="replace") and None, what


@st.composite
def other_bytes(draw: st.DrawFn, path: Path) -> tuple[Callable[[], None], str]:
    """Damage to the bytes of a file, or something that is no file in its place."""
    content = path.read_bytes()
    how = draw(
        st.sampled_from(
            ["fifo", "endless", "folder", "loop", "gone", "empty", "cut", "zeros", "flip", "grown"]
        )
    )
    at = draw(st.integers(0, max(0, len(content) - 1)))

    def put() -> None:
        if how in ("fifo", "endless", "folder", "loop", "gone"):
            path.unlink()
        if how == "fifo":
            os.mkfifo(path)
        elif how == "endless":
            path.symlink_to("/dev/zero")
        elif how == "folder":
            path.mkdir()
        elif how == "loop":
            path.symlink_to(path.name)
        elif how == "empty":
            path.write_bytes(b"")
        elif how == "cut":
            path.write_bytes(content[:at])
        elif how == "zeros":
            path.write_bytes(content[:at] + bytes(len(content) - at))
        elif how == "flip":
            path.write_bytes(content[:at] + bytes([content[at] ^ 255]) + content[at + 1 :])
        elif how == "grown":
            path.write_bytes(content + content[:at])

    return put, f"{how} at {at}"


@st.composite
def file_cases(draw: st.DrawFn) -> Case:
    """A command line one of whose inputs is damaged."""
    line = draw(st.sampled_from(weighted([line for line in lines() if inputs(line)])))
    path = draw(st.sampled_from(inputs(line)))
    own = {
        ".json": None,
        ".parquet": parquet_files,
        ".safetensors": tensor_files,
        ".csv": csv_files,
    }.get(path.suffix)
    if path.suffix == ".json" and draw(st.integers(0, 4)):
        text = path.read_text()
        changed, what = draw(json_texts(text, record_of(path, json.loads(text))))
        return Case(line.split(), path, lambda: path.write_text(changed) and None, what)
    if own is None or not draw(st.integers(0, 4)):
        own = other_bytes
    put, what = draw(own(path))
    return Case(line.split(), path, put, what)


cases = st.one_of(
    option_cases(), option_cases(), file_cases(), file_cases(), file_cases(), setting_cases()
)
