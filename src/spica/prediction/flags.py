"""Flags: what makes the count of a photo doubtful, told for each photo.

The limits lie outside what 1,000 photos of the Global Wheat Head Dataset show, see docs/prediction.md.
"""

from collections.abc import Collection

import numpy as np

from spica.boxes import LEAST_FOR_MEDIAN, median_side
from spica.detections import Detections
from spica.image import Image
from spica.images import aspect_of
from spica.prediction.card import Card

CAP = "cap"
SMALL_HEADS, LARGE_HEADS = "small_heads", "large_heads"
BLUR = "blur"
NOT_WHEAT = "not_wheat"
BORDER = "border"

MEANINGS = {
    CAP: "the detector gave as many boxes as it can: the count may be too low",
    SMALL_HEADS: "heads are smaller than those the model knows: go nearer, or give a smaller --tile",
    LARGE_HEADS: "heads are larger than those the model knows: go further away, or scale the photo down",
    BLUR: "the photo is blurred: heads may be missed",
    NOT_WHEAT: "this does not look like a field of wheat",
    BORDER: "the border cuts most heads: the count depends on which of them count; show more of the field",
}

_LEAST_SHARPNESS = 0.14
_MOST_CUT, _LEAST_CUT = 0.5, 8  # part of the heads, of as many heads at least: 1 of 970 such photos has more, 0.52
_AT_BORDER = 1.0  # pixel
_MOST_BARE, _MOST_BLUISH = 0.8, 0.12
# With hardly a head on the photo, less is needed to doubt that it shows wheat.
_FEW_HEADS, _RATHER_BARE, _RATHER_BLUISH = 4, 0.3, 0.03


def knows_size(raised: Collection[str]) -> bool:
    """Return whether a photo with these flags has heads of a size that the detector knows."""
    return not {SMALL_HEADS, LARGE_HEADS}.intersection(raised)


def flags(photo: Image, found: Detections, card: Card | None, scale: float | None = None) -> tuple[str, ...]:
    """Return the flags of a photo on which the heads `found` were counted; boxes are in pixels of `photo`.

    The photo has the size at which the network looks at it. If it is a part of one, or boxes are in other pixels,
    `scale` says how many of the network's pixels one of theirs is. Without a card nothing is said of the size of heads.
    """
    raised = [CAP] if found.capped else []
    if card is not None and card.head_sides is not None and len(found) >= LEAST_FOR_MEDIAN:
        scale = card.side / max(photo.shape[:2]) if scale is None else scale
        side = median_side(found.boxes) * scale
        raised += [SMALL_HEADS] * (side < card.head_sides[0]) + [LARGE_HEADS] * (side > card.head_sides[1])
    aspect = aspect_of(photo)
    raised += [BLUR] * (aspect.sharpness < _LEAST_SHARPNESS)
    most_bare, most_bluish = (_RATHER_BARE, _RATHER_BLUISH) if len(found) < _FEW_HEADS else (_MOST_BARE, _MOST_BLUISH)
    raised += [NOT_WHEAT] * (aspect.bare > most_bare or aspect.bluish > most_bluish)
    return tuple(raised)


def border_flag(found: Detections, width: int, height: int) -> tuple[str, ...]:
    """Return the flag of a whole photo of `width` x `height` pixels most of whose heads are cut by its border."""
    if len(found) < _LEAST_CUT:
        return ()
    inside = np.array([_AT_BORDER, _AT_BORDER, width - _AT_BORDER, height - _AT_BORDER])
    cut = (found.boxes[:, :2] <= inside[:2]).any(axis=1) | (found.boxes[:, 2:] >= inside[2:]).any(axis=1)
    return (BORDER,) if cut.mean() > _MOST_CUT else ()
