"""``habitus`` and ``python -m habitus``: signals are handled before what takes long is loaded."""

import sys
from importlib import import_module

from habitus.interrupts import exit_code, signals_raised


def main() -> None:
    """Run the command line; ends with SystemExit, 0 when all went well."""
    with signals_raised():
        try:
            import_module("habitus.cli").main()
        except KeyboardInterrupt as interruption:
            print("habitus: stopped", file=sys.stderr)
            sys.exit(exit_code(interruption))


if __name__ == "__main__":
    main()
