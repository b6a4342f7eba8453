"""Entry point of `python -m impasto_training`."""

import sys

from impasto_training.cli import main

if __name__ == "__main__":
    sys.exit(main())
