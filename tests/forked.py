"""Programs run in a fork of the test's process, which has loaded torch and the rest already."""

import os
import runpy
import sys
import tempfile
import traceback
import warnings
from pathlib import Path
from typing import NamedTuple

import torch


class Done(NamedTuple):
    """Exit code of a program, and what it printed."""

    code: int
    out: str
    err: str


def run_program(script: Path, *arguments: str) -> Done:
    """Run a Python file as ``python FILE ARGUMENTS`` would, without the seconds of its imports."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if not child:
            _become(script, arguments, out.fileno(), err.fileno())
        _, status = os.waitpid(child, 0)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode())
    return Done(os.waitstatus_to_exitcode(status), *texts)


def _become(script: Path, arguments: tuple[str, ...], out: int, err: int) -> None:
    code: object = 1
    try:
        os.dup2(out, 1)
        os.dup2(err, 2)
        sys.stdout = os.fdopen(1, "w", closefd=False)
        sys.stderr = os.fdopen(2, "w", closefd=False)
        warnings.resetwarnings()
        torch.set_num_threads(1)  # the threads of the parent are not there
        sys.argv = [str(script), *arguments]
        sys.path.insert(0, str(script.parent))
        runpy.run_path(str(script), run_name="__main__")
        code = 0
    except SystemExit as stop:
        code = stop.code or 0
        if isinstance(code, str):
            print(code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 1)
