"""A frame of known sides that lies on the field, found on the photo: its inner corners, or nothing.

photo -> edges -> long lines -> quadrilaterals of the shape (`framelines`) -> bars along them (`framebars`) -> surest
"""

import numpy as np
from jaxtyping import Float

from spica.counting.framebars import Bars, bars_along
from spica.counting.framelines import edges_of, plausible, quadrilaterals
from spica.errors import needing
from spica.image import Image
from spica.images import resized

LOOKED_AT = 640  # pixels of the longer side at which a frame is looked for: its corners are then known to one or two
SURE = 0.65  # confidence from which a frame is one, chosen on photos that the table of docs/counting.md is not about
_UNLIKE = 40.0  # Lab units of hue that differ between bars, for 1 of confidence: shade and light differ by 5 to 10
_UNEVEN = 0.3  # of confidence for each e-fold of width; thin bars of 2 and 3 pixels are 1.5 times as wide


def require_frame_finder(what: str) -> None:
    """See that all is installed with which `find_frame` works; `what` needs it.

    Raises:
        MissingExtraError: if it is not.
    """
    with needing("ground", what):
        import scipy.ndimage  # noqa: F401
        import skimage  # noqa: F401


def find_frame(photo: Image, sides: tuple[float, float]) -> Float[np.ndarray, "4 2"] | None:
    """Return the inner corners of the frame on a photo, one after the other round it, x and y in its pixels; or None.

    `sides` are the frame's inner sides in one unit; only their ratio matters. The frame has four straight bars of one
    colour, lies whole on the photo, is seen roughly from above and may be turned. Every bar must be seen along two
    fifths of its length or so. None means that nothing is sure enough: a wrong frame is worse than none.

    Raises:
        MissingExtraError: if scikit-image or scipy is not installed.
    """
    require_frame_finder("finding a frame on a photo")
    surest = max(candidates(photo, sides), key=confidence, default=None)
    return None if surest is None or confidence(surest) < SURE else surest.corners


def confidence(bars: Bars) -> float:
    """Return how much speaks for a frame: 2 is four bars seen whole, alike, on straight lines."""
    parts = float(bars.seen.min() + bars.straight.min())
    return parts - bars.unlike / _UNLIKE - _UNEVEN * float(np.log(bars.uneven))


def candidates(photo: Image, sides: tuple[float, float]) -> list[Bars]:
    """Return what may be the frame, with corners in pixels of the photo."""
    from skimage.color import rgb2lab

    height, width, _ = photo.shape
    lab = rgb2lab(resized(photo, min(LOOKED_AT, max(height, width))))
    size, ratio = np.array([lab.shape[1], lab.shape[0]]), max(sides) / min(sides)
    found = [bars_along(lab, corners + (size - 1) / 2) for corners in quadrilaterals(edges_of(lab), ratio)]
    larger = np.array([width, height]) / size
    return [
        # A pixel's number is that of its middle here, and of its left and upper edge in boxes.
        Bars((bars.corners + 0.5) * larger, bars.seen, bars.straight, bars.unlike, bars.uneven)
        for bars in found
        if bars is not None and plausible(bars.corners[None], ratio)[0]
    ]
