"""Where things lie: the repository, the data folder, the cache. Nothing else in the package knows."""

from __future__ import annotations

import os
from pathlib import Path

DATA_VARIABLE = "IMPASTO_DATA"
CACHE_VARIABLE = "IMPASTO_TRAINING_CACHE"


def training_root() -> Path:
    """`models/training`, which holds the recipes."""
    return Path(__file__).resolve().parents[2]


def repository_root() -> Path:
    """The checkout that holds `models/`."""
    return training_root().parents[1]


def packs_root() -> Path:
    """`models/`, with one folder per pack."""
    return training_root().parent


def data_root() -> Path:
    """Photos, paintings and teacher networks; `$IMPASTO_DATA`, else `../shared/data` beside the repository."""
    named = os.environ.get(DATA_VARIABLE)
    return Path(named).expanduser() if named else repository_root().parent / "shared" / "data"


def cache_root() -> Path:
    """Targets, checkpoints and logs; `$IMPASTO_TRAINING_CACHE`, else `~/.cache/impasto-training`."""
    named = os.environ.get(CACHE_VARIABLE)
    return Path(named).expanduser() if named else Path.home() / ".cache" / "impasto-training"
