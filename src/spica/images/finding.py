"""Finding photos in folders and naming them so that no two are mistaken for each other."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from spica.errors import ImageError
from spica.images.writing import write_atomically

PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".bmp", ".mpo"})
# Photos by their names that Spica does not read: those of phones, raw ones of cameras, and others.
UNREAD_SUFFIXES = frozenset(
    {".heic", ".heif", ".hif", ".avif", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".raf", ".rw2", ".jp2", ".gif"}
)
DRAWN_SIGN = ".drawn-by-spica"  # a file of this name says that the pictures in its folder are no photos

_SIGN_TEXT = b"Spica drew the pictures in this folder. They are results, so it does not look for photos here.\n"

Skipped: TypeAlias = Callable[[Path], object]


def find_images(
    paths: Sequence[Path], *, skipped: Skipped = lambda _folder: None, unread: Skipped = lambda _file: None
) -> list[Path]:
    """Return the photos at `paths`: files as they are, folders searched to the bottom as by `photos_in`.

    Each photo comes once, in the order of `paths` and sorted within a folder. `skipped` gets the folders left out,
    `unread` the photos left out because Spica does not read their format, likewise once and in order.

    Raises:
        ImageError: if a path does not exist or a folder cannot be read.
    """
    photos: list[Path] = []
    left: list[Path] = []
    for path in paths:
        photos += photos_in(path, skipped=skipped, unread=left.append) if path.is_dir() else [_existing(path)]
    found = _once(photos)
    for file, path in _once(left).items():
        if file not in found:  # a file that is named itself is tried
            unread(path)
    return list(found.values())


def photos_in(
    folder: Path, *, skipped: Skipped = lambda _folder: None, unread: Skipped = lambda _file: None
) -> list[Path]:
    """Return the files with `PHOTO_SUFFIXES` in a folder and below, sorted by their path.

    Hidden files and folders (".name") are left out, links to folders are followed. Folders below that hold pictures
    drawn by Spica are left out, too, and given to `skipped`: results are not to be counted as photos. `unread` gets the
    files with `UNREAD_SUFFIXES`, sorted likewise.

    Raises:
        ImageError: if a folder cannot be read.
    """

    def is_drawn(here: Path, names: Sequence[str]) -> bool:
        drawn = DRAWN_SIGN in names and here != folder
        if drawn:
            skipped(here)
        return drawn

    files = files_in(folder, without=is_drawn)
    for file in files:
        if file.suffix.lower() in UNREAD_SUFFIXES:
            unread(file)
    return [file for file in files if file.suffix.lower() in PHOTO_SUFFIXES]


def files_in(
    folder: Path, *, without: Callable[[Path, Sequence[str]], bool] = lambda _folder, _names: False
) -> list[Path]:
    """Return the files in a folder and below, sorted by their path; links to folders are followed.

    Hidden files and folders (".name") are left out, and folders of which `without` says so, by path and names of files.

    Raises:
        ImageError: if a folder cannot be read.
    """
    found: list[Path] = []
    visited: set[str] = set()
    for place, folders, names in os.walk(folder, onerror=_refuse, followlinks=True):
        here = Path(place)
        if without(here, names):
            folders.clear()
            continue
        visited.add(os.path.realpath(here))
        # Links may lead back up: each folder is searched once.
        folders[:] = [name for name in folders if name[0] != "." and os.path.realpath(here / name) not in visited]
        found += [here / name for name in names if name[0] != "."]
    return sorted(found, key=lambda path: path.parts)


def mark_drawn(folder: Path) -> None:
    """Mark a folder as one of drawn pictures: from now on no photos are found in it by a search from above.

    Raises:
        OutputError: if the sign cannot be written.
    """
    write_atomically(folder / DRAWN_SIGN, _SIGN_TEXT)


def name_photos(
    paths: Sequence[Path], *, skipped: Skipped = lambda _folder: None, unread: Skipped = lambda _file: None
) -> dict[str, Path]:
    """Return the photos at `paths` by name: their path from the deepest folder that holds all of `paths`.

    So photos of one folder are named from that folder on, two photos never share a name, and slashes are forward.
    `skipped` and `unread` get what `find_images` leaves out.

    Raises:
        ImageError: if a path does not exist, a folder cannot be read, or there is no photo.
    """
    left: list[Path] = []
    photos = find_images(paths, skipped=skipped, unread=left.append)
    for file in left:
        unread(file)
    if not photos:
        places, suffixes = ", ".join(map(str, paths)) or "no path", ", ".join(sorted(PHOTO_SUFFIXES))
        convert = f"; convert {left[0].name} and what is like it" if left else ""
        raise ImageError(
            f"{places}: no photo there, expected files named {suffixes} that Spica did not draw itself{convert}"
        )
    top = named_from(paths)
    return {Path(os.path.abspath(photo)).relative_to(top).as_posix(): photo for photo in photos}  # noqa: PTH100


def named_from(paths: Sequence[Path]) -> Path:
    """Return the deepest folder that holds all of `paths`, from which photos there are named."""
    folders = [os.path.abspath(path if path.is_dir() else path.parent) for path in paths]  # noqa: PTH100 - keeps links
    return Path(os.path.commonpath(folders))


def _existing(path: Path) -> Path:
    """Return a file's path.

    Raises:
        ImageError: if there is no such file.
    """
    if not path.exists():
        raise ImageError(f"{path}: there is no such file or folder; check the path")
    return path


def _once(paths: Sequence[Path]) -> dict[str, Path]:
    """Return each file once, by where it really lies, as it was named first."""
    once: dict[str, Path] = {}
    for path in paths:
        once.setdefault(os.path.realpath(path), path)
    return once


def _refuse(error: OSError) -> None:
    """Stop the search at a folder that cannot be read.

    Raises:
        ImageError: always.
    """
    raise ImageError(f"{error.filename}: cannot be searched ({error.strerror}); change its permissions") from error
