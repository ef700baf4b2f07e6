"""``habitus`` and ``python -m habitus``: signals are handled before what takes long is loaded."""

import multiprocessing
import os
import sys
from importlib import import_module

from habitus.interrupts import die_with_parent, exit_code, signals_ignored, signals_raised


def main() -> None:
    """Run the command line; ends with SystemExit, 0 when all went well."""
    # habitus has no plugins of pydantic, and looking for some reads what is known of all packages.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    try:
        with signals_raised():
            import_module("habitus.cli").main()
    except KeyboardInterrupt as interruption:
        print("habitus: stopped", file=sys.stderr)
        sys.exit(exit_code(interruption))
    finally:
        signals_ignored()


if multiprocessing.parent_process() is not None:
    # A process that a command spawns, as several fits side by side are, loads this first, and what
    # takes seconds afterwards.
    die_with_parent()
elif __name__ == "__main__":
    main()
