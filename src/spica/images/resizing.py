"""Resizing photos in one way, so that every runtime looks at the same pixels."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image as Pillow

from spica.image import Image
from spica.images.reading import Photo, read_photo


def fitted_size(width: int, height: int, side: int) -> tuple[int, int]:
    """Return width and height of a photo whose longer side becomes `side` pixels, to the nearest whole pixel.

    >>> fitted_size(6000, 4000, 640)
    (640, 427)
    """
    longer = max(width, height)
    scaled = [max(1, (2 * pixels * side + longer) // (2 * longer)) for pixels in (width, height)]
    return scaled[0], scaled[1]


def resized(image: Image, side: int) -> UInt8[np.ndarray, "_ _ 3"]:
    """Return the photo with `side` pixels on its longer side, by triangles as wide as a pixel of the result.

    A photo of that size is returned as it is.
    """
    height, width, _ = image.shape
    size = fitted_size(width, height, side)
    if size == (width, height):
        return image
    return np.asarray(Pillow.fromarray(image).resize(size, Pillow.Resampling.BILINEAR))


def read_resized(path: Path, side: int) -> Photo:
    """Return a photo with `side` pixels on its longer side, as a network looks at it; as it is for 0.

    A JPEG is decoded near that size: quicker, and a little sharper than when it is decoded whole and then resized.

    Raises:
        ImageError: as `read_image`.
    """
    photo = read_photo(path, side or None)
    return replace(photo, pixels=resized(photo.pixels, side)) if side else photo
