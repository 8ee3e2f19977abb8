"""The photos behind an evaluation: how sharp each is, and the worst ones as pictures inside a page."""

import base64
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32
from PIL import Image as Pillow

from spica.detections import Detections
from spica.errors import ImageError
from spica.image import Image
from spica.images import ASPECT_SIDE, aspect_of, read_resized
from spica.labels.labelled import LabelledImage
from spica.scoring.evaluation import WorstImage
from spica.scoring.pairing import paired_heads
from spica.scoring.predictions import Found, aligned

_PICTURE = 640  # side of a picture: two of them beside each other fill a screen
_QUALITY = 65  # of a picture as JPEG, which then has 50 to 110 kB


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One of the worst photos, reduced, with what was found on it; boxes are in pixels of the labelled photo.

    `address` is a data URI of a JPEG, "" if the photo could not be read.
    """

    worst: WorstImage
    address: str
    width: int
    height: int
    hits: Float32[np.ndarray, "_ 4"]
    missed: Float32[np.ndarray, "_ 4"]
    false: Float32[np.ndarray, "_ 4"]


def sharpness_of(labels: Iterable[LabelledImage]) -> Float[np.ndarray, " images"]:
    """Return the sharpness of each photo, see `spica.images.aspect_of`; NaN where the photo cannot be read."""
    return np.array([_sharpness(image) for image in labels], dtype=np.float64)


def worst_pictures(
    worst: Sequence[WorstImage], found: Found, labels: Sequence[LabelledImage], threshold: float
) -> tuple[Picture, ...]:
    """Return a picture for each of the worst images, in their order."""
    by_id = {image.id: (one.above(threshold), image) for one, image in zip(aligned(found, labels), labels, strict=True)}
    return tuple(_picture(one, *by_id[one.id]) for one in worst)


def _sharpness(image: LabelledImage) -> float:
    try:
        return aspect_of(read_resized(image.path, ASPECT_SIDE).pixels).sharpness
    except ImageError:
        return float("nan")


def _picture(worst: WorstImage, found: Detections, image: LabelledImage) -> Picture:
    heads = paired_heads(found, image.boxes)
    missed = ~np.isin(np.arange(image.heads), heads)
    return Picture(
        worst=worst,
        address=_address(image),
        width=image.width,
        height=image.height,
        hits=found.boxes[heads >= 0],
        missed=image.boxes[missed],
        false=found.boxes[heads < 0],
    )


def _address(image: LabelledImage) -> str:
    try:
        return data_uri(read_resized(image.path, min(_PICTURE, max(image.width, image.height))).pixels)
    except ImageError:
        return ""


def data_uri(photo: Image) -> str:
    """Return a photo as a JPEG inside an address, so that a page needs no other file."""
    stream = io.BytesIO()
    Pillow.fromarray(photo).save(stream, "JPEG", quality=_QUALITY, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"
