"""Which photo a name in a label file means: programs put folders and letters of their own before the name."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from posixpath import commonpath

from spica.labels.photofiles import Photos, image_id
from spica.labels.problems import Place, Problem, error

_ABSOLUTE = re.compile(r"(?:[A-Za-z]:)?[/\\]")
_UPLOADED = re.compile(r"(?:.*/)?upload/\d+/[0-9a-f]{8}-([^/]+)")  # what Label Studio calls a photo uploaded to it
_EXPORTED = re.compile(r"(?:.*/)?[0-9a-f]{8}-([^/]+)")  # and what it may call one in its exports to other layouts
_LOST = re.compile(r"[^-\w.]")  # letters that an upload drops, once blanks are underscores


def ids_by_name(listed: Iterable[str], photos: Photos, exported: Collection[str] = ()) -> dict[str, str]:
    r"""Return the id of the photo that each name means; its own path without the ending where there is none.

    A name means a photo if it is the photo's path; else if one of the two paths is the end of the other, folders
    included; else if an upload would call the photo so. What all absolute names have in common is a folder of another
    machine and does not count. Backslashes are slashes. Names in `exported`, of those listed, are Label Studio's own:
    there the letters before a name are enough to tell an upload; in others they may be a date ("20260601-plot.jpg").

    A photo has one name. So `listed` is all that the labels list: a photo that one name means in an earlier way is not
    open to the others, and two names that mean one photo in the same way mean none.
    """
    paths = {name: slashed(name) for name in listed}
    found: dict[str, str] = {}
    for meant in _ways(paths, photos, exported):
        taken = set(found.values())
        free = [(name, path) for path, name in meant.items() if path not in found and name not in taken]
        found |= {path: name for name, path in _unique(free).items()}
    return {name: found.get(path, image_id(path)) for name, path in paths.items()}


def misnamed_photos(listed: Collection[str], photos: Photos) -> dict[str, Problem]:
    """Return an error for each photo, by its id, that is not listed and has the name of a listed one but for trifles.

    The listed one has no photo, and the names differ in case, in the form of accents or in the ending alone: so this is
    no photo without heads.
    """
    lost = {_as_seen(name): name for name in listed if name not in photos.by_id}
    return {
        name: _misnamed(photos.path(name), name, lost[_as_seen(name)])
        for name in photos.by_id
        if name not in listed and _as_seen(name) in lost
    }


def slashed(name: str) -> str:
    r"""Return a name as a path with slashes alone, and without one at its beginning.

    >>> slashed("C:\\data\\a.jpg"), slashed("/home/me/a.jpg"), slashed("./day1//a.jpg")
    ('C:/data/a.jpg', 'home/me/a.jpg', 'day1/a.jpg')
    """
    return "/".join(part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in {"/", "//"})


def ends_of(path: str) -> list[str]:
    """Return a path from each of its folders on, the longest first.

    >>> ends_of("2026/day1/a.jpg")
    ['2026/day1/a.jpg', 'day1/a.jpg', 'a.jpg']
    """
    parts = path.split("/")
    return ["/".join(parts[start:]) for start in range(len(parts))]


def _misnamed(photo: Path, name: str, label: str) -> Problem:
    text = f"the labels have {label} without a photo, which differs in case, accents or ending alone; did you mean it?"
    return error("other name", Place(photo), name, text, f"write {name} in the labels; the photo is left out")


def _as_seen(name: str) -> str:
    """Return a name as people tell it from others: without case, the form of its accents, and ending.

    >>> _as_seen("IMG_1.JPG") == _as_seen("img_1"), _as_seen("e\u0301") == _as_seen("\u00c9")
    (True, True)
    """
    return image_id(unicodedata.normalize("NFC", name.casefold()))


def _ways(paths: Mapping[str, str], photos: Photos, exported: Collection[str]) -> Iterator[dict[str, str]]:
    """Yield the ids of photos that paths may mean, by path; `paths` has them by name. The nearest way is the first."""
    files = [(path.relative_to(photos.folder), name) for name, same in photos.by_id.items() for path in same]
    by_end = _unique([(end, name) for path, name in files for end in ends_of(path.as_posix())])
    by_upload = _unique([(_as_uploaded(path.name), name) for path, name in files])
    below = _below_what_is_shared([path for name, path in paths.items() if _ABSOLUTE.match(name)])
    names = dict.fromkeys(paths.values())
    forms = {path: _EXPORTED if name in exported else _UPLOADED for name, path in paths.items()}
    uploads = {path: upload[1] for path, form in forms.items() if (upload := form.fullmatch(path))}
    yield {path: image_id(path) for path in names if image_id(path) in photos.by_id}
    yield {path: name for path in names if (name := _longest_end(path, photos))}
    yield {path: by_end[end] for path in names if (end := below.get(path, path)) in by_end}
    yield {path: by_upload[name] for path, name in uploads.items() if name in by_upload}


def _longest_end(path: str, photos: Photos) -> str | None:
    return next((name for end in ends_of(path) if (name := image_id(end)) in photos.by_id), None)


def _below_what_is_shared(paths: Collection[str]) -> dict[str, str]:
    """Return by path what is left of it below the folder that all have in common.

    >>> _below_what_is_shared(["home/me/day1/a.jpg", "home/me/day2/a.jpg"])
    {'home/me/day1/a.jpg': 'day1/a.jpg', 'home/me/day2/a.jpg': 'day2/a.jpg'}
    """
    shared = commonpath([PurePosixPath(path).parent.as_posix() for path in paths]) if paths else ""
    return {path: path.removeprefix(f"{shared}/") for path in paths}


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
