"""The tables and pictures of a result folder."""

import csv
import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from spica.detections import COLUMNS, Detections
from spica.drawing import draw_heads
from spica.errors import SpicaError
from spica.image import Image
from spica.images import make_folder, mark_drawn, write_image, written_atomically
from spica.prediction.journal import Outcome

PICTURES = "pictures"
COUNTS, DETECTIONS, ERRORS = "counts.csv", "detections.csv", "errors.csv"
HEADS_GPKG, HEADS_GEOJSON = "heads.gpkg", "heads.geojson"  # of a raster with coordinates; users correct heads in them


def write_tables(out: Path, outcomes: Iterable[Outcome]) -> None:
    """Write counts.csv and detections.csv, and errors.csv if a photo failed, each replaced only when it is whole.

    Raises:
        OutputError: if one of them cannot be written.
    """
    failed = []
    with _table(out / COUNTS) as counts, _table(out / DETECTIONS) as detections:
        counts.writerow(["image", "heads", "width", "height", "flags"])
        detections.writerow(["image", *COLUMNS])
        for one in outcomes:
            if one.found is not None:
                counts.writerow([one.name, len(one.found), one.width, one.height, " ".join(one.flags)])
                detections.writerows((one.name, *row) for row in one.found.rows())
            if one.error:
                failed.append((one.name, one.error))
    if failed:
        with _table(out / ERRORS) as errors:
            errors.writerows([("image", "error"), *failed])
    else:
        (out / ERRORS).unlink(missing_ok=True)  # of a run that was interrupted, and has gone on


def make_pictures(out: Path) -> None:
    """Make the folder of pictures, marked so that nobody takes them for photos.

    Raises:
        OutputError: if that is not possible.
    """
    make_folder(out / PICTURES)
    mark_drawn(out / PICTURES)


def draw_picture(out: Path, name: str, photo: Image, found: Detections) -> str:
    """Write the picture of one photo; return what went wrong, "" if nothing did."""
    picture = out / PICTURES / picture_name(name)
    try:
        make_folder(picture.parent)
        write_image(picture, draw_heads(photo, found.boxes))
    except SpicaError as broken:  # a name that is too long for the disk, or a photo too wide for a JPEG
        return f"counted, but there is no picture: {broken}".replace("\n", " ")
    return ""


def delete_picture(out: Path, name: str) -> None:
    """Delete the picture of a photo that is gone or was replaced, if there is one."""
    with suppress(OSError):  # of a name that is too long for the disk there is none
        (out / PICTURES / picture_name(name)).unlink()


def picture_name(name: str) -> str:
    """Return the name of a photo's picture: the photo's own if it is a JPEG, else with .jpg behind."""
    return name if name.lower().endswith((".jpg", ".jpeg")) else f"{name}.jpg"


@contextmanager
def _table(path: Path) -> Iterator[Any]:
    """Give the writer of a CSV file that appears under its name when the block ends well."""
    with written_atomically(path) as stream:
        # File names that are not text are written with their odd bytes as \xNN.
        text = io.TextIOWrapper(stream, encoding="utf-8", errors="backslashreplace", newline="")
        try:
            yield csv.writer(text, lineterminator="\n")
        finally:
            text.detach()  # flushes, and leaves the stream to who opened it
