"""What a photo looks like, in numbers: how sharp it is, how bare, how far from the colours of a field."""

from dataclasses import dataclass

import numpy as np

from spica.image import Image

ASPECT_SIDE = 640  # pixels of a photo's longer side at which the limits of flags were chosen
_BLOCKS = 8  # bands across a photo, and blocks in a band
_BAND = 16  # rows of a band: a fifth of a photo is enough, and takes a millisecond
_STRONGER = 12.0  # levels of 256 by which a colour must lead
_TEXTURE = 3.0  # mean step of grey between neighbouring pixels, 0 to 255, in a block that has texture


@dataclass(frozen=True, slots=True)
class Aspect:
    """What a photo looks like, in numbers that depend little on light and scale.

    `sharpness` is the finest detail as a part of all contrast; `bare` the part of the blocks with hardly any texture;
    `bluish` the part of the pixels that are blue, violet or pink, which neither plants, straw nor soil are.
    """

    sharpness: float
    bare: float
    bluish: float


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
