"""Views: a photo mirrored and turned, with the boxes brought back."""

from functools import partial

import numpy as np
from jaxtyping import UInt8

from spica.boxes import Boxes
from spica.detections import Detect, Detections
from spica.image import Image
from spica.prediction.fusion import Combine, averaged, fused

# What the bits of a view's number do to a photo, in this order; all eight together are all ways to lay down a photo.
_SWAPPED, _MIRRORED, _UPSIDE_DOWN = 4, 1, 2
# Half a turn, quarter turns, mirror images: turns gain more than as many mirror images, see docs/experiments.md.
_ORDER = (0, 3, 5, 6, 1, 2, 4, 7)

VIEWS = (1, 2, 4, 8)


def mirrored(detect: Detect, views: int = 8, combine: Combine = averaged) -> Detect:
    """Return a Detect that looks at 1, 2, 4 or 8 views of each photo and combines what it finds, as `fused`.

    2 are the photo and half a turn of it, 4 all its quarter turns, 8 these and their mirror images; 1 is `detect`
    itself.

    Raises:
        ValueError: if `views` is another number.
    """
    if views not in VIEWS:
        raise ValueError(f"views is {views}, expected 1, 2, 4 or 8")
    return detect if views == 1 else fused([partial(_seen, detect, view) for view in _ORDER[:views]], combine)


def viewed(photo: Image, view: int) -> UInt8[np.ndarray, "_ _ 3"]:
    """Return one of the eight views of a photo; view 0 is the photo itself.

    >>> photo = np.arange(6, dtype=np.uint8).reshape(2, 3, 1).repeat(3, axis=2)
    >>> viewed(photo, 1)[:, :, 0].tolist(), viewed(photo, 4)[:, :, 0].tolist()
    ([[2, 1, 0], [5, 4, 3]], [[0, 3], [1, 4], [2, 5]])
    """
    laid = photo.transpose(1, 0, 2) if view & _SWAPPED else photo
    across, down = (-1 if view & bit else 1 for bit in (_MIRRORED, _UPSIDE_DOWN))
    return np.ascontiguousarray(laid[::down, ::across])


def brought_back(boxes: Boxes, view: int, width: int, height: int) -> Boxes:
    """Return boxes found on a view as boxes of the photo, which has `width` x `height` pixels; exact for whole pixels.

    >>> brought_back(np.array([[0, 0, 1, 2]], dtype=np.float32), 1, width=10, height=8).tolist()
    [[9.0, 0.0, 10.0, 2.0]]
    """
    left, top, right, bottom = boxes.T
    across, down = (height, width) if view & _SWAPPED else (width, height)
    if view & _MIRRORED:
        left, right = across - right, across - left
    if view & _UPSIDE_DOWN:
        top, bottom = down - bottom, down - top
    edges = (top, left, bottom, right) if view & _SWAPPED else (left, top, right, bottom)
    return np.stack(edges, axis=1)


def _seen(detect: Detect, view: int, photo: Image) -> Detections:
    """Return what is found on a view, in pixels of the photo."""
    found = detect(viewed(photo, view))
    height, width, _ = photo.shape
    return Detections(brought_back(found.boxes, view, width, height), found.scores, found.capped)
