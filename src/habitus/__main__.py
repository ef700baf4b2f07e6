"""``python -m habitus``."""

from habitus.cli import main

if __name__ == "__main__":
    main()
