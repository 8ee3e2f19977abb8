"""Photos whose files are the same to the last byte, whatever they are called."""

import os
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import TypeVar

from spica.errors import ImageError
from spica.labels.photofiles import digest

_Name = TypeVar("_Name", bound=Hashable)
_PIECE = 4096  # bytes, one block of most disks


def copies_among(photos: Mapping[_Name, Path]) -> tuple[tuple[_Name, ...], ...]:
    """Return the names of photos that are copies of each other, in groups of two or more, in the order of `photos`.

    Few files are read: sizes are compared first, then a piece from the middle, since photos that are not compressed
    have all one size, and what is still alike by its digest. A photo that cannot be read is a copy of none.
    """
    groups = [dict(photos)]
    for trait in (_size, _piece, digest):
        groups = [same for group in groups for same in _alike(group, trait)]
    return tuple(tuple(group) for group in groups)


def _alike(photos: Mapping[_Name, Path], trait: Callable[[Path], Hashable]) -> list[dict[_Name, Path]]:
    """Return the photos that share a trait, in groups of two or more."""
    groups: dict[Hashable, dict[_Name, Path]] = {}
    for name, path in photos.items():
        try:
            groups.setdefault(trait(path), {})[name] = path
        except (OSError, ImageError):
            continue
    return [group for group in groups.values() if len(group) > 1]


def _size(photo: Path) -> int:
    return photo.stat().st_size


def _piece(photo: Path) -> bytes:
    with photo.open("rb") as stream:
        stream.seek(os.fstat(stream.fileno()).st_size // 2)
        return stream.read(_PIECE)
