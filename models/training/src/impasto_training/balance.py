"""How often each content is drawn, so that no skin tone is learned from a handful of pictures drawn as rarely.

Photo collections hold far more faces of middling tone than of dark or very pale ones. A group of tones (`skin.GROUPS`)
that has the share p of the portraits gets a share proportional to p^(1 - tone_balance) of their draws: 0 draws every
content alike, 1 every group alike.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from impasto_training.data import Content, View
from impasto_training.faces import FaceFinder
from impasto_training.skin import tone
from impasto_training.targets import TargetCache


def group_weights(groups: Sequence[str | None], tone_balance: float) -> list[float]:
    """A weight for each content, from the group of its face (none: no face, or no estimate); their mean is 1."""
    counts = Counter(group for group in groups if group is not None)
    known = sum(counts.values())
    if not known:
        return [1.0] * len(groups)
    raw = {group: (count / known) ** -tone_balance for group, count in counts.items()}
    mean = sum(raw[group] * count for group, count in counts.items()) / known
    return [1.0 if group is None else raw[group] / mean for group in groups]


def content_weights(
    cache: TargetCache, contents: Sequence[Content], data_root: Path, tone_balance: float
) -> list[float]:
    """Weights of contents whose pictures are in the cache; mosaics count as scenes."""
    if tone_balance == 0.0:
        return [1.0] * len(contents)
    finder = FaceFinder(data_root)
    groups: list[str | None] = []
    for content in contents:
        picture = None if content.view is View.MOSAIC else cache.read(cache.content_path(content))
        face = None if picture is None else finder.find(picture)
        found = None if picture is None or face is None else tone(picture, face)
        groups.append(None if found is None else found.group)
    return group_weights(groups, tone_balance)
