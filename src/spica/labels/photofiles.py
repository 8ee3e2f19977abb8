"""Photos of a data set as files: found below a folder, and put into a folder under the name of their image."""

import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from spica.errors import AnnotationError, ImageError
from spica.images import PHOTO_SUFFIXES, photos_in
from spica.labels.labelled import LabelledImage, Labels, require_distinct_ids
from spica.labels.problems import Place, Problem, error

_ODD_LETTERS = '\\:*?"<>|'  # those that no name has on Windows; tools for labels stumble over some elsewhere, too


def photos_below(folder: Path) -> tuple[Path, ...]:
    """Return every photo below `folder`, at any depth, as `photos_in` finds them; none if there is no folder."""
    return tuple(photos_in(folder)) if folder.is_dir() else ()


def image_id(name: str | PurePosixPath) -> str:
    """Return the id of a photo: its path in the photo folder, with "/" and without the ending.

    >>> image_id("00333207f.jpg"), image_id("day 1/plot.3.png")
    ('00333207f', 'day 1/plot.3')
    """
    path = PurePosixPath(name)
    return path.with_suffix("").as_posix() if path.suffix.lower() in PHOTO_SUFFIXES else path.as_posix()


@dataclass(frozen=True, slots=True)
class Photos:
    """The photos below a folder by their id; two that differ in the ending alone share one."""

    folder: Path
    by_id: Mapping[str, tuple[Path, ...]]

    def path(self, name: str) -> Path:
        """Return the photo with the id `name`, or where it was expected."""
        return self.by_id[name][0] if name in self.by_id else self.folder / f"{name}.jpg"

    def twins(self) -> tuple[Problem, ...]:
        """Return an error for each id that two photos share, since no one can tell which one was labelled."""
        return tuple(
            error(
                "two photos", Place(paths[0]), name, f"{paths[1].name} has the same id", "delete or rename one of them"
            )
            for name, paths in self.by_id.items()
            if len(paths) > 1
        )


def find_photos(folder: Path) -> Photos:
    """Return the photos below `folder`."""
    found: dict[str, tuple[Path, ...]] = {}
    for path in photos_below(folder):
        name = image_id(path.relative_to(folder).as_posix())
        found[name] = (*found.get(name, ()), path)
    return Photos(folder, found)


def photo_folder(data: Path, usual: str, photos: Path | None) -> Path:
    """Return where the photos of labels lie: in `photos` if that is given, else in the `usual` folder, else beside.

    `data` is the folder of the labels, or a label file.
    """
    home = data if data.is_dir() else data.parent
    return photos or (home / usual if (home / usual).is_dir() else home)


def digest(photo: Path) -> bytes:
    """Return what tells the content of a photo's file from any other, whatever the file is called.

    Raises:
        ImageError: if it cannot be read.
    """
    try:
        with photo.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").digest()
    except OSError as broken:
        raise ImageError(f"{photo}: cannot be read ({broken.strerror}); check the rights") from broken


def name_problem(image: LabelledImage) -> Problem | None:
    """Return an error if the photo cannot have its id and ending as the name of a file in a data set."""
    text = _odd_name(image)
    return error("name", Place(image.path), "", text, "give the photo another name") if text else None


def photo_names(labels: Labels) -> tuple[str, ...]:
    """Return for each image the name of its photo in a data set: its id and the ending of its file.

    Raises:
        AnnotationError: if an id cannot be a file name, or two images have the same.
    """
    for problem in filter(None, map(name_problem, labels)):
        raise AnnotationError(problem.line())
    require_distinct_ids(labels)
    return tuple(image.id + image.path.suffix for image in labels)


def put_photos(labels: Labels, folder: Path) -> tuple[str, ...]:
    """Put the photos of `labels` into `folder` and return their names in it.

    A photo becomes a hard link, which takes no space; where links are impossible (another disk), a copy.

    Raises:
        AnnotationError: if an id cannot be a file name, or two images have the same.
    """
    names = photo_names(labels)
    for image, name in zip(labels, names, strict=True):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(image.path.resolve(), target)
        except FileNotFoundError as absent:
            raise AnnotationError(f"{image.path}: the photo of {image.id} is missing; put it back") from absent
        except OSError:
            shutil.copyfile(image.path, target)
    return names


def _odd_name(image: LabelledImage) -> str:
    """Return why an id and the ending of its photo cannot be the name of a file, "" if they can."""
    path = PurePosixPath(image.id)
    if odd := sorted({letter for letter in image.id if ord(letter) < 32 or letter in _ODD_LETTERS}):
        shown = " ".join(letter if letter.isprintable() else ascii(letter) for letter in odd)
        return f"image id {image.id!r} has {shown} in it, which no name of a file has on every system"
    if path.as_posix() != image.id or path.is_absolute() or any(part in {"", ".", ".."} for part in path.parts):
        return f"image id {image.id!r} cannot be the name of a file"
    if not path.parts or path.name.startswith("."):
        return f"image id {image.id!r} is empty or begins with a dot"
    if image.path.suffix.lower() not in PHOTO_SUFFIXES:
        return f"a photo ends in {', '.join(sorted(PHOTO_SUFFIXES))}"
    return ""
