"""Finding photos in folders and naming them so that no two are mistaken for each other."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from spica.errors import ImageError

PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".bmp", ".mpo"})


def find_images(paths: Sequence[Path]) -> list[Path]:
    """Return the photos at `paths`: files as they are, folders searched to the bottom for `PHOTO_SUFFIXES`.

    Each photo comes once, in the order of `paths` and sorted within a folder. Hidden files and folders (".name") in a
    folder are left out, links to folders are followed.

    Raises:
        ImageError: if a path does not exist or a folder cannot be read.
    """
    found: dict[str, Path] = {}
    for path in paths:
        for photo in _photos_in(path) if path.is_dir() else [_existing(path)]:
            found.setdefault(os.path.realpath(photo), photo)
    return list(found.values())


def name_photos(paths: Sequence[Path]) -> dict[str, Path]:
    """Return the photos at `paths` by name: their path from the deepest folder that holds all of `paths`.

    So photos of one folder are named from that folder on, two photos never share a name, and slashes are forward.

    Raises:
        ImageError: if a path does not exist, a folder cannot be read, or there is no photo.
    """
    photos = find_images(paths)
    if not photos:
        places = ", ".join(map(str, paths)) or "no path"
        raise ImageError(f"{places}: no photo there, expected files named {', '.join(sorted(PHOTO_SUFFIXES))}")
    folders = [os.path.abspath(path if path.is_dir() else path.parent) for path in paths]  # noqa: PTH100 - keeps links
    top = Path(os.path.commonpath(folders))
    return {Path(os.path.abspath(photo)).relative_to(top).as_posix(): photo for photo in photos}  # noqa: PTH100


def _existing(path: Path) -> Path:
    """Return a file's path.

    Raises:
        ImageError: if there is no such file.
    """
    if not path.exists():
        raise ImageError(f"{path}: there is no such file or folder; check the path")
    return path


def _photos_in(folder: Path) -> Iterator[Path]:
    """Yield the photos in a folder and below, sorted by their path."""
    found: list[Path] = []
    visited: set[str] = set()
    for here, folders, files in os.walk(folder, onerror=_refuse, followlinks=True):
        visited.add(os.path.realpath(here))
        # Links may lead back up: each folder is searched once.
        folders[:] = [name for name in folders if name[0] != "." and os.path.realpath(Path(here, name)) not in visited]
        found += [Path(here, name) for name in files if name[0] != "." and _is_photo(name)]
    yield from sorted(found, key=lambda path: path.parts)


def _is_photo(name: str) -> bool:
    return Path(name).suffix.lower() in PHOTO_SUFFIXES


def _refuse(error: OSError) -> None:
    """Stop the search at a folder that cannot be read.

    Raises:
        ImageError: always.
    """
    raise ImageError(f"{error.filename}: cannot be searched ({error.strerror}); change its permissions") from error
