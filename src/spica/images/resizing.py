"""Resizing photos in one way, so that every runtime looks at the same pixels."""

import numpy as np
from jaxtyping import UInt8
from PIL import Image as Pillow

from spica.image import Image


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
