"""Which photo a row of a user's table means, by its path or an end of it."""

import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from spica.labels.photofiles import image_id
from spica.labels.photonames import ends_of, slashed


@dataclass(frozen=True, slots=True)
class KnownPhotos:
    """The photos that a table may name: those that were counted, and those that `failed`.

    `folder` is where their names begin: "day1/a.jpg" of the folder "/home/me/trial" is "trial/day1/a.jpg" as well.
    """

    counted: Collection[str]
    failed: Collection[str] = ()
    folder: str = ""


def photos_meant(names: Iterable[str], photos: Collection[str], folder: str = "") -> dict[str, tuple[str, ...]]:
    """Return the photos that each of the names may mean: one where it is certain.

    A name means the photo that is called so; else those whose path, `folder` included, ends with it, the ending of the
    file or not. Paths are compared folder by folder, backslashes are slashes, and a letter and its accent are one.

    >>> photos = ["1/a.jpg", "2/a.jpg", "1/b.jpg"]
    >>> list(photos_meant(["a.jpg", "trial/1/b", "b.jpg", "trial/2/b.jpg"], photos, "/home/me/trial").values())
    [('1/a.jpg', '2/a.jpg'), ('1/b.jpg',), ('1/b.jpg',), ()]
    """
    called = {_composed(photo): (photo,) for photo in photos} | {photo: (photo,) for photo in photos}
    ends: dict[str, dict[str, None]] = {}
    for photo in photos:
        path = _composed(slashed(f"{folder}/{photo}"))
        for end in {*ends_of(path), *ends_of(image_id(path))}:
            ends.setdefault(end, {})[photo] = None
    paths = {name: _composed(slashed(name)) for name in names}
    return {name: called.get(name) or called.get(path) or tuple(ends.get(path, ())) for name, path in paths.items()}


def _composed(name: str) -> str:
    """Return a name with each letter and its accent as one: macOS writes them as two, tables as one."""
    return unicodedata.normalize("NFC", name)
