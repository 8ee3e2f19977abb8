"""Flags: what makes the count of a photo doubtful, told for each photo.

The limits lie outside what 1,000 photos of the Global Wheat Head Dataset show, see docs/prediction.md.
"""

from dataclasses import dataclass

import numpy as np

from spica.boxes import area
from spica.detections import Detections
from spica.image import Image
from spica.prediction.card import Card

CAP = "cap"
SMALL_HEADS, LARGE_HEADS = "small_heads", "large_heads"
BLUR = "blur"
NOT_WHEAT = "not_wheat"

MEANINGS = {
    CAP: "the detector gave as many boxes as it can: the count may be too low",
    SMALL_HEADS: "heads are smaller than those the model knows: go nearer, or give a smaller --tile",
    LARGE_HEADS: "heads are larger than those the model knows: go further away, or scale the photo down",
    BLUR: "the photo is blurred: heads may be missed",
    NOT_WHEAT: "this does not look like a field of wheat",
}

_LEAST_HEADS = 3  # heads without which their median says nothing
_BLOCKS = 8  # bands across a photo, and blocks in a band
_BAND = 16  # rows of a band: a fifth of a photo is enough, and takes a millisecond
_STRONGER = 12.0  # levels of 256 by which a colour must lead


@dataclass(frozen=True, slots=True)
class Aspect:
    """What a photo looks like, in numbers that depend little on light and scale.

    `sharpness` is the finest detail as a part of all contrast; `bare` the part of the blocks with hardly any texture;
    `bluish` the part of the pixels that are blue, violet or pink, which neither plants, straw nor soil are.
    """

    sharpness: float
    bare: float
    bluish: float


_LEAST_SHARPNESS = 0.14
_MOST_BARE, _MOST_BLUISH = 0.8, 0.12
# With hardly a head on the photo, less is needed to doubt that it shows wheat.
_FEW_HEADS, _RATHER_BARE, _RATHER_BLUISH = 4, 0.3, 0.03
_TEXTURE = 3.0  # mean step of grey between neighbouring pixels, 0 to 255, in a block that has texture


def flags(photo: Image, found: Detections, card: Card | None, scale: float | None = None) -> tuple[str, ...]:
    """Return the flags of a photo on which the heads `found` were counted; boxes are in pixels of `photo`.

    The photo has the size at which the network looks at it. If it is a part of one, or boxes are in other pixels,
    `scale` says how many of the network's pixels one of theirs is. Without a card nothing is said of the size of heads.
    """
    raised = [CAP] if found.capped else []
    if card is not None and card.head_sides is not None and len(found) >= _LEAST_HEADS:
        scale = card.side / max(photo.shape[:2]) if scale is None else scale
        side = float(np.median(np.sqrt(area(found.boxes)))) * scale
        raised += [SMALL_HEADS] * (side < card.head_sides[0]) + [LARGE_HEADS] * (side > card.head_sides[1])
    aspect = aspect_of(photo)
    raised += [BLUR] * (aspect.sharpness < _LEAST_SHARPNESS)
    most_bare, most_bluish = (_RATHER_BARE, _RATHER_BLUISH) if len(found) < _FEW_HEADS else (_MOST_BARE, _MOST_BLUISH)
    raised += [NOT_WHEAT] * (aspect.bare > most_bare or aspect.bluish > most_bluish)
    return tuple(raised)


def aspect_of(photo: Image) -> Aspect:
    """Return what a photo looks like, from bands of rows across it; one too small to be judged is not doubted."""
    height, width, _ = photo.shape
    if min(height, width) < 2 * _BLOCKS:
        return Aspect(1.0, 0.0, 0.0)
    tops = np.linspace(0, max(0, height - _BAND), _BLOCKS).astype(int)
    colours = np.stack([photo[top : top + _BAND] for top in tops]).astype(np.float32)
    grey = colours @ np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601
    steps = np.abs(np.diff(grey, axis=2))
    second = np.abs(np.diff(grey, n=2, axis=2)).mean()
    wide = np.abs(grey[:, :, 4:] - grey[:, :, :-4]).mean()
    columns = np.linspace(0, width - 1, _BLOCKS + 1).astype(int)
    textures = np.add.reduceat(steps.mean(axis=1), columns[:-1], axis=1) / np.diff(columns)
    red, green, blue = colours[..., 0], colours[..., 1], colours[..., 2]
    bluish = (blue > np.maximum(red, green) + _STRONGER) | (np.minimum(red, blue) > green + _STRONGER)
    return Aspect(float(second / max(wide, 1e-6)), float((textures < _TEXTURE).mean()), float(bluish.mean()))
