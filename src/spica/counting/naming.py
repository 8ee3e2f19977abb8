"""Which photo a row of a user's table means, by its path or a part of it."""

import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TypeAlias

from spica.labels.photonames import ends_of, slashed

_ByPath: TypeAlias = dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Meaning:
    """The photos that a name may mean, one where it is certain; and another name that may mean the one, too."""

    photos: tuple[str, ...] = ()
    rival: str = ""


def photos_meant(names: Iterable[str], photos: Collection[str]) -> dict[str, Meaning]:
    """Return what each of the names means.

    A name means the photo that is called so; else those whose path ends with it, ending of the file or not; else those
    whose path is the longest end of the name. Paths are compared folder by folder, backslashes are slashes, and a
    letter and its accent are one. The last way is weak, for the names "1/a.jpg" and "2/a.jpg" both end with the photo
    "a.jpg": there a photo that another name means as well has a rival.

    >>> meant = photos_meant(["a.jpg", "field/1/b", "1/c.jpg", "2/c.jpg"], ["1/a.jpg", "2/a.jpg", "1/b.jpg", "c.jpg"])
    >>> [meaning.photos for meaning in meant.values()]
    [('1/a.jpg', '2/a.jpg'), ('1/b.jpg',), ('c.jpg',), ('c.jpg',)]
    >>> [meaning.rival for meaning in meant.values()]
    ['', '', '2/c.jpg', '1/c.jpg']
    """
    called = {_composed(photo): (photo,) for photo in photos} | {photo: (photo,) for photo in photos}
    whole = _grouped((form, photo) for photo in photos for form in _forms(photo))
    ends = _grouped((end, photo) for photo in photos for form in _forms(photo) for end in ends_of(form))
    paths = {name: _composed(slashed(name)) for name in names}
    near = {name: called.get(name) or called.get(path) or ends.get(path, ()) for name, path in paths.items()}
    far = {name: _longest_end(path, whole) for name, path in paths.items() if not near[name]}
    found = near | far
    rivals = _grouped((same[0], name) for name, same in found.items() if len(same) == 1)
    return {name: Meaning(same, _rival(name, same, rivals) if name in far else "") for name, same in found.items()}


def _forms(photo: str) -> set[str]:
    """Return the path of a photo with and without the ending."""
    path = PurePosixPath(_composed(photo))
    return {path.as_posix(), path.with_suffix("").as_posix()}


def _grouped(pairs: Iterable[tuple[str, str]]) -> _ByPath:
    """Return the second of each pair by the first, each once."""
    groups: dict[str, dict[str, None]] = {}
    for key, value in pairs:
        groups.setdefault(key, {})[value] = None
    return {key: tuple(values) for key, values in groups.items()}


def _longest_end(path: str, whole: _ByPath) -> tuple[str, ...]:
    return next((whole[end] for end in ends_of(path) if end in whole), ())


def _rival(name: str, photos: tuple[str, ...], names: _ByPath) -> str:
    """Return another name for the photo that this one means, "" if there is none."""
    return next((other for other in names[photos[0]] if other != name), "") if len(photos) == 1 else ""


def _composed(name: str) -> str:
    """Return a name with each letter and its accent as one: macOS writes them as two, tables as one."""
    return unicodedata.normalize("NFC", name)
