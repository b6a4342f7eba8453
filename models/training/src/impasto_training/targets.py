"""The cache of targets: what a teacher made of each content, as raw arrays that can be mapped into memory.

```
<cache>/contents/<content id>.npy            uint8 [384, 384, 3]   the photo
<cache>/targets/<style key>/<content id>.npy  uint8 [384, 384, 3]   its painting
```

A style key is a hash of everything that the teacher's answer depends on besides the content, so a changed painting or
setting makes new targets and leaves the old ones alone.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from impasto_training.data import Content
from impasto_training.images import Picture


def style_key(**facts: Any) -> str:
    """A short hash of what decides a style's targets."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


class TargetCache:
    """Reads and writes targets below one folder. Files appear whole or not at all."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def content_path(self, content: Content) -> Path:
        """Where the photo lies."""
        return self._root / "contents" / f"{content.id}.npy"

    def target_path(self, content: Content, style: str) -> Path:
        """Where the painting of `content` by the style of that key lies."""
        return self._root / "targets" / style / f"{content.id}.npy"

    @staticmethod
    def write(path: Path, picture: Picture) -> None:
        """Stores a picture; a kill in the middle leaves nothing behind under the final name."""
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        with part.open("wb") as file:
            np.save(file, picture)
        part.replace(path)

    @staticmethod
    def read(path: Path) -> Picture:
        """Maps a stored picture; only the pages that are looked at get read."""
        picture: Picture = np.load(path, mmap_mode="r")
        return picture
