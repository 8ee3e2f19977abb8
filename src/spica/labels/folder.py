"""A data set in any known layout: which one it is, its annotations and labels, and writing it in another."""

import os
import shutil
import tempfile
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

from spica.errors import AnnotationError, OutputError
from spica.labels import coco, cvat, gwhd, kaggle, label_studio, label_studio_tasks, yolo
from spica.labels.annotations import Annotations
from spica.labels.audit import labels_from
from spica.labels.chosen import chosen_boxes
from spica.labels.found import FoundHeads
from spica.labels.labelled import Labels
from spica.labels.problems import Problem
from spica.labels.table import read_columns


@dataclass(frozen=True, slots=True)
class _Layout:
    """How a data set can lie on the disk.

    `is_there` says whether a folder, or a label file where the layout is one file, has it; `read` reads it. Both get
    that, and the folder of photos if that is not the usual one, named `photos`. `write_found` writes what was found for
    a program in which it is looked at and corrected; None where it would pass for labels. `ignores` says that it has
    boxes that are to be ignored.
    """

    is_there: Callable[[Path, Path | None], bool]
    read: Callable[[Path, Path | None], Annotations]
    write: Callable[[Labels, Path], None]
    photos: str
    write_found: Callable[[FoundHeads, Path], None] | None = None
    ignores: bool = False


_LAYOUTS: MappingProxyType[str, _Layout] = MappingProxyType(
    {
        "kaggle": _Layout(lambda data, _: kaggle.is_there(data), kaggle.read, kaggle.write, kaggle.PHOTOS),
        "gwhd": _Layout(lambda data, _: bool(gwhd.tables(data)), gwhd.read, gwhd.write, gwhd.PHOTOS),
        "coco": _Layout(lambda data, _: bool(coco.files(data)), coco.read, coco.write, coco.PHOTOS, ignores=True),
        "yolo": _Layout(yolo.is_there, yolo.read, yolo.write, yolo.PHOTOS),
        "label-studio": _Layout(
            lambda data, _: bool(label_studio.files(data)),
            label_studio.read,
            label_studio_tasks.write,
            label_studio.PHOTOS,
            label_studio_tasks.write_found,
        ),
        "cvat": _Layout(lambda data, _: bool(cvat.files(data)), cvat.read, cvat.write, cvat.PHOTOS, cvat.write_found),
    }
)
LAYOUTS = tuple(_LAYOUTS)
CORRECTING = tuple(name for name, layout in _LAYOUTS.items() if layout.write_found is not None)

_EXPECTED = (
    "Kaggle (train.csv), GWHD 2021 (competition_train.csv), COCO (a JSON file), YOLO (images/ and labels/), "
    "Label Studio (a JSON file) or CVAT (an XML file)"
)


def find_layout(data: Path, photos: Path | None = None) -> str:
    """Return the layout of a data set, one of `LAYOUTS`; `data` is its folder, or a file of COCO, Label Studio or CVAT.

    `photos` is the folder of its photos, if they lie elsewhere.

    Raises:
        AnnotationError: if `data` is not there, or holds none of them, or several.
    """
    if not data.exists():
        raise AnnotationError(f"{data}: is not there, expected the folder of a data set; check the path")
    found = _layouts(data, photos)
    if not found:
        raise AnnotationError(f"{data}: no labels, expected the layout of {_EXPECTED}; {_hint(data)}")
    if len(found) > 1:
        raise AnnotationError(f"{data}: expected one layout, got {' and '.join(found)}; keep each in its own folder")
    return found[0]


def is_photo_folder(folder: Path) -> bool:
    """Return whether the photos of a data set lie in `folder`: train/ beside train.csv, images/ beside other labels."""
    return any(one.photos == folder.name and one.is_there(folder.parent, None) for one in _LAYOUTS.values())


def read_annotations(data: Path, *, photos: Path | None = None, called: Collection[str] = ()) -> Annotations:
    """Return what the label files of a data set say, unchecked, in whichever layout they are.

    `photos` is the folder of its photos, if that is not the usual one. Boxes with another label than those in `called`
    are left out; without any, all are taken as heads.

    Raises:
        AnnotationError: if there is no layout, or several, or a label file cannot be read at all, or no box has a label
            of those in `called`.
    """
    if photos is not None and not photos.is_dir():
        raise AnnotationError(f"{photos}: is not a folder, expected the folder of the photos; check the path")
    return chosen_boxes(_LAYOUTS[find_layout(data, photos)].read(data, photos), called)


def read_labels(
    data: Path, *, deep: bool = False, photos: Path | None = None, called: Collection[str] = ()
) -> tuple[Labels, list[Problem]]:
    """Return the sound labels of a data set and every problem found; what an error names is not in the labels.

    `deep` decodes every photo, not only its header; `photos` and `called` are as for `read_annotations`.

    Raises:
        AnnotationError: as `read_annotations`.
    """
    return labels_from(read_annotations(data, photos=photos, called=called), deep=deep)


def write_labels(labels: Labels, folder: Path, layout: str) -> None:
    """Write photos and labels to `folder`, new or empty, in one of `LAYOUTS`.

    The folder appears when it is complete. Photos are hard links where possible, else copies. Reading it gives the
    same labels again: ids, sizes, boxes to the last bit, sources, sessions.

    Raises:
        AnnotationError: if an id cannot be a file name, or two images have the same, or the layout has no boxes that
            are to be ignored, and there are some.
        OutputError: if the folder is not empty or cannot be written.
        ValueError: if there is no such layout.
    """
    if layout not in _LAYOUTS:
        raise ValueError(f"layout is {layout!r}, expected one of {', '.join(LAYOUTS)}")
    uncertain = sum(len(image.ignored) for image in labels)
    if uncertain and not _LAYOUTS[layout].ignores:
        raise AnnotationError(
            f"{folder}: the layout {layout} cannot say that {uncertain} boxes are to be ignored, and they would pass "
            "for background; write coco, or leave their photos out"
        )
    _stage(folder, lambda staged: _LAYOUTS[layout].write(labels, staged))


def write_found(found: FoundHeads, folder: Path, layout: str) -> None:
    """Write photos and what was found on them to `folder`, new or empty, to be corrected in one of `CORRECTING`.

    Raises:
        AnnotationError: if an id cannot be a file name, or two images have the same.
        OutputError: if the folder is not empty or cannot be written, or the layout is for labels alone.
    """
    write = _LAYOUTS[layout].write_found if layout in _LAYOUTS else None
    if write is None:
        programs = " or ".join(CORRECTING)
        raise OutputError(
            f"{folder}: what was found is no label, so it is not written as {layout}; write it for {programs}, correct "
            "it there, and convert the export"
        )
    _stage(folder, partial(write, found))


def require_new(folder: Path) -> None:
    """Do nothing if a folder is not there yet, or empty.

    Raises:
        OutputError: if it is there and not empty, or has no name, as ".": what is made beside it could not take it.
    """
    if not folder.name:
        raise OutputError(f"{folder}: has no name of its own; name a new folder")
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise OutputError(f"{folder}: is there and not empty; name a new folder")


def _stage(folder: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a folder that takes the name `folder` when it is complete.

    Raises:
        OutputError: if the folder is not empty or cannot be written.
    """
    require_new(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        staged = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            write(staged)
            _publish(staged, folder)
        finally:
            shutil.rmtree(staged, ignore_errors=True)
    except OSError as broken:
        raise OutputError(f"{folder}: cannot be written ({broken.strerror}); check rights and space") from broken


def _hint(data: Path) -> str:
    """Return what may help where there are no labels."""
    if not data.is_dir():
        return "give the folder of the data set"
    below = [path.name for path in sorted(data.iterdir()) if path.is_dir() and _layouts(path)]
    return f"did you mean {data / below[0]}?" if below else _unreadable(data) or "see docs/data.md"


def _layouts(data: Path, photos: Path | None = None) -> list[str]:
    return [name for name, layout in _LAYOUTS.items() if layout.is_there(data, photos)]


def _unreadable(folder: Path) -> str:
    """Return what is wrong with the first CSV file whose header cannot be read, "" if there is none."""
    for file in sorted(folder.glob("*.csv")):
        try:
            read_columns(file)
        except AnnotationError as broken:
            return str(broken)
    return ""


def _publish(staged: Path, folder: Path) -> None:
    """Give the finished folder its name, with the rights a new folder has."""
    umask = os.umask(0)
    os.umask(umask)
    staged.chmod(0o777 & ~umask)
    if folder.exists():
        folder.rmdir()
    staged.rename(folder)
