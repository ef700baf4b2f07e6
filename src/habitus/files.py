"""Outputs appear whole or not at all: written beside their place, renamed when complete."""

from __future__ import annotations

import errno
import json
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MARKER = "habitus.json"
NO_SPACE = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


def check_replaceable(path: Path) -> None:
    """Refuse to put an output where something stands that habitus did not write.

    Raises:
        ValueError: if the path is a non-empty folder without habitus' marker file.
    """
    if path.is_dir() and any(path.iterdir()) and not (path / MARKER).is_file():
        raise ValueError(f"{path} is a folder that habitus did not write; choose another --out")


def check_apart(out: Path, *read: Path | None) -> None:
    """Refuse to put an output where something stands that it is made from.

    Raises:
        ValueError: if the output is one of the paths that are read.
    """
    for path in read:
        if path is not None and out.resolve() == path.resolve():
            raise ValueError(f"{out} is read and would be replaced; choose another --out")


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Yield a path beside ``path`` to write at; put it in place when the block ends well.

    What stood at ``path`` stays untouched when the block fails.
    """
    path = Path(path)
    check_replaceable(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        yield part
        _put(part, path)
    except OSError as error:
        if error.errno in NO_SPACE and str(error.filename or part).startswith(str(part)):
            error.filename = str(path)  # the name that the user gave
        raise
    finally:
        _remove(part)


def _put(part: Path, path: Path) -> None:
    """Rename, moving an existing folder aside first (no folder can be renamed onto another)."""
    old = part.with_suffix(".old")
    if path.is_dir():
        path.rename(old)
    part.rename(path)
    _remove(old)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write JSON that is stable to diff and never holds NaN or infinity."""
    with replacing(path) as part:
        part.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")
