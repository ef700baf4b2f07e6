"""Systematic damage to the JSON and Parquet files of a folder: each kind of it, in each place."""

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

DROPPED = object()
DEEP = 10_000
WRONG: dict[str, Any] = {
    "dropped": DROPPED,
    "null": None,
    "text": "sixteen",
    "number as text": "16",
    "fraction": 17.5,
    "float": 1740.0,
    "negative": -3,
    "zero": 0,
    "large": 3_000_000,
    "huge": 10**30,
    "list": [],
    "list of null": [None],
    "object": {},
    "true": True,
    "NaN": float("nan"),
    "deep": DROPPED,
}
"""Values that take the place of each value of a JSON file; "deep" nests the value in many lists."""

Damage = tuple[str, Callable[[], None]]


def places(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of each value in JSON content; of a list, the first and the last entry."""
    keys: list[Any] = []
    if isinstance(content, dict):
        keys = list(content)
    if isinstance(content, list) and content:
        keys = sorted({0, len(content) - 1})
    for key in keys:
        yield (*path, key)
        yield from places(content[key], (*path, key))


def damaged_json(text: str) -> Iterator[tuple[str, str]]:
    """Texts of JSON, each with one value of ``text`` damaged, and a name of the damage."""
    whole = json.loads(text)
    for path in places(whole):
        for name, value in WRONG.items():
            content = copy.deepcopy(whole)
            parent = content
            for key in path[:-1]:
                parent = parent[key]
            label = f"{'.'.join(map(str, path))} {name}"
            if name == "deep":
                parent[path[-1]] = "DEEP"
                deep = "[" * DEEP + "]" * DEEP
                yield label, json.dumps(content).replace('"DEEP"', deep)
                continue
            if value is DROPPED:
                del parent[path[-1]]
            else:
                parent[path[-1]] = value
            yield label, json.dumps(content)
    for name, other in {
        "cut": text[: len(text) // 2],
        "empty": "",
        "list": "[]",
        "null": "null",
    }.items():
        yield name, other
    yield "deep", "[" * DEEP


def json_damage(path: Path) -> Iterator[Damage]:
    """Damage to a JSON file."""
    for name, text in damaged_json(path.read_text()):
        yield f"{path.name}: {name}", lambda text=text: path.write_text(text)


def metadata_damage(path: Path, key: bytes = b"habitus") -> Iterator[Damage]:
    """Damage to the JSON in the metadata of a Parquet file."""
    table = pq.read_table(path)

    def write(text: str) -> None:
        pq.write_table(table.replace_schema_metadata({key: text.encode()}), path)

    for name, text in damaged_json(table.schema.metadata[key].decode()):
        yield f"{path.name}: {name}", lambda text=text: write(text)


def parquet_damage(path: Path) -> Iterator[Damage]:
    """Damage to the columns of a Parquet file, and to its bytes."""
    table = pq.read_table(path)
    content = path.read_bytes()

    def write(changed: pa.Table) -> None:
        pq.write_table(changed.replace_schema_metadata(table.schema.metadata), path)

    for at, field in enumerate(table.schema):
        column = table[field.name]
        entries = column.to_pylist()
        changes: dict[str, Any] = {
            "of lists": [[1]] * len(table),
            "of texts": ["x"] * len(table),
            "null": [None] * len(table),
            "null first": [None, *entries[1:]],
        }
        if pa.types.is_list(field.type):
            inner = field.type.value_type
            first = entries[0] or [1]
            changes["null entry"] = pa.array([[*first[:-1], None], *entries[1:]], field.type)
            changes["short list"] = pa.array([first[:-1], *entries[1:]], field.type)
            changes["long list"] = pa.array([[*first, first[-1]], *entries[1:]], field.type)
            changes["falling list"] = pa.array([first[::-1], *entries[1:]], field.type)
            changes["huge entry"] = pa.array([[*first[:-1], 2**24], *entries[1:]], field.type)
            if pa.types.is_floating(inner):
                changes["NaN"] = pa.array([[*first[:-1], np.nan], *entries[1:]], field.type)
            else:
                changes["of fractions"] = pa.array(entries, pa.list_(pa.float64()))
        elif pa.types.is_floating(field.type):
            changes["NaN"] = [np.nan, *entries[1:]]
        for name, values in changes.items():
            changed = table.set_column(at, field.name, pa.array(values))
            yield f"{path.name}: {field.name} {name}", lambda changed=changed: write(changed)
        dropped = table.drop_columns([field.name])
        yield f"{path.name}: no {field.name}", lambda dropped=dropped: write(dropped)
        twice = table.append_column(field.name, column)
        yield f"{path.name}: {field.name} twice", lambda twice=twice: write(twice)
    yield f"{path.name}: short", lambda: write(table.slice(0, len(table) - 1))
    yield f"{path.name}: no row", lambda: write(table.slice(0, 0))
    third = len(content) // 3
    for name, other in {
        "cut": content[:third],
        "empty": b"",
        "text": b"no",
        "zeros": content[:4] + bytes(third) + content[4 + third :],
        "zeros at the end": content[:-third] + bytes(third),
    }.items():
        yield f"{path.name}: {name}", lambda other=other: path.write_bytes(other)
