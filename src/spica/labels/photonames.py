"""Which photo a name in a label file means: programs put folders and letters of their own before the name."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from spica.labels.photofiles import Photos, image_id

_UPLOADED = re.compile(r"[0-9a-f]{8}-")  # what Label Studio puts before the name of a photo that was uploaded to it
_LOST = re.compile(r"[^-\w.]")  # letters that an upload drops, once blanks are underscores


@dataclass(frozen=True, slots=True)
class PhotoNames:
    """The photos of a data set by every name that means one of them alone."""

    photos: Photos
    by_last_part: Mapping[str, str]
    by_uploaded: Mapping[str, str]

    def id_of(self, name: str) -> str:
        r"""Return the id of the photo that `name` means; its own path without the ending where there is none.

        In this order: the longest end of the path that is the path of a photo; the file name alone, if no other photo
        has it; the file name less what an upload put before it. Backslashes are slashes.
        """
        path = PurePosixPath(name.replace("\\", "/"))
        parts = [part for part in path.parts if part != "/"]
        for start in range(len(parts)):
            if (candidate := image_id("/".join(parts[start:]))) in self.photos.by_id:
                return candidate
        if path.name in self.by_last_part:
            return self.by_last_part[path.name]
        return self.by_uploaded.get(_UPLOADED.sub("", path.name, count=1), image_id(path))


def photo_names_of(photos: Photos) -> PhotoNames:
    """Return the names of photos."""
    last = [(path.name, name) for name, paths in photos.by_id.items() for path in paths]
    return PhotoNames(photos, _unique(last), _unique([(_as_uploaded(part), name) for part, name in last]))


def _as_uploaded(name: str) -> str:
    """Return a file name as an upload changes it.

    >>> _as_uploaded("plot 7 (north).jpg")
    'plot_7_north.jpg'
    """
    return _LOST.sub("", name.strip().replace(" ", "_"))


def _unique(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Return the second of each pair by the first, where a first has one second alone."""
    found: dict[str, list[str]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return {key: values[0] for key, values in found.items() if len(values) == 1}
