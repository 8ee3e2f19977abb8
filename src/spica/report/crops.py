"""Parts of photos inside a page: the surroundings of a suspect with its boxes, and whole photos to be labelled."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from PIL import Image as Pillow

from spica.boxes import Boxes
from spica.detections import Detections
from spica.errors import ImageError
from spica.image import Image
from spica.images import image_size, read_image, read_resized
from spica.report.photos import data_uri
from spica.scoring.suspects import Suspect
from spica.scoring.worth import Worth

_AROUND = 2.6  # side of a crop in sides of what is meant: enough of its neighbours to judge it by
_LEAST = 150  # pixels of the photo in a crop: less shows no plant
_SHOWN = 300  # pixels of a crop in the page
_WHOLE = 560  # and of a whole photo


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """A part of a photo as a picture in the page; boxes are in pixels of the part as it is on the photo.

    `labels` and `found` are what the suspect is about, `other_labels` and `other_found` lie around. `address` is "" if
    the photo could not be read.
    """

    suspect: Suspect
    address: str
    side: int
    labels: Float32[np.ndarray, "_ 4"]
    found: Float32[np.ndarray, "_ 4"]
    other_labels: Float32[np.ndarray, "_ 4"]
    other_found: Float32[np.ndarray, "_ 4"]


@dataclass(frozen=True, slots=True, eq=False)
class WholePhoto:
    """A photo worth labelling as a picture in the page; boxes are in pixels of the photo."""

    worth: Worth
    address: str
    width: int
    height: int
    sure: Float32[np.ndarray, "_ 4"]
    doubtful: Float32[np.ndarray, "_ 4"]


def crops(suspects: Sequence[Suspect], found: Mapping[str, Detections], threshold: float) -> tuple[Crop, ...]:
    """Return a crop for each suspect, in their order; every photo is read once."""
    by_photo: dict[str, list[int]] = {}
    for number, suspect in enumerate(suspects):
        by_photo.setdefault(suspect.image.id, []).append(number)
    made: dict[int, Crop] = {}
    for numbers in by_photo.values():
        image = suspects[numbers[0]].image
        pixels = _read(image.path)
        for number in numbers:
            made[number] = _crop(suspects[number], pixels, found[image.id].above(threshold).boxes)
    return tuple(made[number] for number in range(len(suspects)))


def whole_photos(
    worths: Iterable[Worth], paths: Mapping[str, Path], found: Mapping[str, Detections], threshold: float
) -> tuple[WholePhoto, ...]:
    """Return a picture for each photo worth labelling, with its sure and its doubtful boxes."""
    return tuple(_whole(one, paths[one.image], found[one.image], threshold) for one in worths)


def _crop(suspect: Suspect, pixels: Image | None, sure: Boxes) -> Crop:
    image = suspect.image
    left, top, right, bottom = suspect.box
    side = min(max(round(_AROUND * max(right - left, bottom - top)), _LEAST), image.width, image.height)
    x = min(max(round((left + right - side) / 2), 0), image.width - side)
    y = min(max(round((top + bottom - side) / 2), 0), image.height - side)
    others = np.delete(image.boxes, list(suspect.rows), axis=0)
    apart = ~(sure[:, None] == suspect.found[None]).all(axis=2).any(axis=1)
    return Crop(
        suspect=suspect,
        address="" if pixels is None else _address(pixels[y : y + side, x : x + side]),
        side=side,
        labels=_moved(suspect.labels, x, y, side),
        found=_moved(suspect.found, x, y, side),
        other_labels=_moved(others, x, y, side),
        other_found=_moved(sure[apart], x, y, side),
    )


def _moved(boxes: Boxes, x: int, y: int, side: int) -> Float32[np.ndarray, "_ 4"]:
    """Return the boxes of which something lies in a square of a photo, in its pixels."""
    moved = boxes - np.array([x, y, x, y], dtype=np.float32)
    return moved[(moved[:, :2] < side).all(axis=1) & (moved[:, 2:] > 0).all(axis=1)]


def _address(part: Image) -> str:
    if max(part.shape) <= _SHOWN:
        return data_uri(np.ascontiguousarray(part))
    height, width, _ = part.shape
    scale = _SHOWN / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return data_uri(np.array(Pillow.fromarray(part).resize(size, Pillow.Resampling.BOX)))


def _read(path: Path) -> Image | None:
    try:
        return read_image(path)
    except ImageError:
        return None


def _whole(worth: Worth, path: Path, found: Detections, threshold: float) -> WholePhoto:
    low, high = found.above(threshold / 2), found.above((1 + threshold) / 2)
    try:
        photo = read_resized(path, min(_WHOLE, max(image_size(path))))
        address, width, height = data_uri(photo.pixels), photo.width, photo.height
    except ImageError:
        address, width, height = "", 1, 1
    return WholePhoto(worth, address, width, height, high.boxes, low.boxes[len(high) :])
