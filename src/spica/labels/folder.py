"""A data set in any known layout: which one it is, its annotations and labels, and writing it in another."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType

from spica.errors import AnnotationError, OutputError
from spica.labels import coco, gwhd, kaggle, yolo
from spica.labels.annotations import Annotations
from spica.labels.audit import labels_from
from spica.labels.labelled import Labels
from spica.labels.problems import Problem
from spica.labels.table import read_columns

_READERS: MappingProxyType[str, Callable[[Path], Annotations]] = MappingProxyType(
    {"kaggle": kaggle.read, "gwhd": gwhd.read, "coco": coco.read, "yolo": yolo.read}
)
_WRITERS: MappingProxyType[str, Callable[[Labels, Path], None]] = MappingProxyType(
    {"kaggle": kaggle.write, "gwhd": gwhd.write, "coco": coco.write, "yolo": yolo.write}
)
LAYOUTS = tuple(_READERS)
_PHOTO_FOLDERS: MappingProxyType[str, str] = MappingProxyType(
    {"kaggle": kaggle.PHOTOS, "gwhd": gwhd.PHOTOS, "coco": coco.PHOTOS, "yolo": yolo.PHOTOS}
)

_EXPECTED = "Kaggle (train.csv), GWHD 2021 (competition_train.csv), COCO (a JSON file) or YOLO (images/ and labels/)"


def find_layout(folder: Path) -> str:
    """Return the layout of a data set: "kaggle", "gwhd", "coco" or "yolo".

    Raises:
        AnnotationError: if `folder` is no folder, or holds none of them, or several.
    """
    if not folder.is_dir():
        raise AnnotationError(f"{folder}: is not a folder, expected the folder of a data set; check the path")
    found = _layouts(folder)
    if not found:
        below = [path.name for path in sorted(folder.iterdir()) if path.is_dir() and _layouts(path)]
        hint = f"did you mean {folder / below[0]}?" if below else _unreadable(folder) or "see docs/data.md"
        raise AnnotationError(f"{folder}: no labels, expected the layout of {_EXPECTED}; {hint}")
    if len(found) > 1:
        raise AnnotationError(f"{folder}: expected one layout, got {' and '.join(found)}; keep each in its own folder")
    return found[0]


def is_photo_folder(folder: Path) -> bool:
    """Return whether the photos of a data set lie in `folder`: train/ beside train.csv, images/ beside other labels."""
    if folder.name not in _PHOTO_FOLDERS.values():
        return False
    return any(_PHOTO_FOLDERS[layout] == folder.name for layout in _layouts(folder.parent))


def read_annotations(folder: Path) -> Annotations:
    """Return what the label files of `folder` say, unchecked, in whichever layout they are.

    Raises:
        AnnotationError: if there is no layout, or several, or a label file cannot be read at all.
    """
    return _READERS[find_layout(folder)](folder)


def read_labels(folder: Path, *, deep: bool = False) -> tuple[Labels, list[Problem]]:
    """Return the sound labels of `folder` and every problem found; what an error names is not in the labels.

    `deep` decodes every photo, not only its header.

    Raises:
        AnnotationError: if there is no layout, or several, or a label file cannot be read at all.
    """
    return labels_from(read_annotations(folder), deep=deep)


def write_labels(labels: Labels, folder: Path, layout: str) -> None:
    """Write photos and labels to `folder`, new or empty, in the layout "kaggle", "gwhd", "coco" or "yolo".

    The folder appears when it is complete. Photos are hard links where possible, else copies. Reading it gives the
    same labels again: ids, sizes, boxes to the last bit, sources, sessions.

    Raises:
        AnnotationError: if an id cannot be a file name, or two images have the same.
        OutputError: if the folder is not empty or cannot be written.
        ValueError: if there is no such layout.
    """
    if layout not in _WRITERS:
        raise ValueError(f"layout is {layout!r}, expected one of {', '.join(LAYOUTS)}")
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise OutputError(f"{folder}: is there and not empty; name a new folder")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        staged = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            _WRITERS[layout](labels, staged)
            _publish(staged, folder)
        finally:
            shutil.rmtree(staged, ignore_errors=True)
    except OSError as broken:
        raise OutputError(f"{folder}: cannot be written ({broken.strerror}); check rights and space") from broken


def _layouts(folder: Path) -> list[str]:
    signs = {
        "kaggle": (folder / kaggle.TABLE).is_file(),
        "gwhd": bool(gwhd.tables(folder)),
        "coco": bool(coco.files(folder)),
        "yolo": (folder / yolo.LABELS).is_dir() and (folder / yolo.PHOTOS).is_dir(),
    }
    return [layout for layout, is_there in signs.items() if is_there]


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
