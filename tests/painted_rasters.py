"""Rasters with painted heads, and a detector that finds them: what tests of rasters share."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from spica.detections import Detections
from spica.image import Image
from spica.prediction.card import Card

GSD = 0.0005  # m
UTM = "EPSG:32632"
ORIGIN = (500_000.0, 5_500_000.0)
NORTH_UP = (GSD, 0.0, ORIGIN[0], 0.0, -GSD, ORIGIN[1])
CARD = Card(threshold=0.5, side=128, head_sides=(20.0, 160.0))  # at 0.5 mm: heads of 40 pixels, windows of 160


def painted(width: int, height: int, heads: np.ndarray) -> Image:
    """Return a grey photo with each head, a row of left, top, right, bottom, in a colour of its own."""
    photo = np.full((height, width, 3), 9, dtype=np.uint8)
    for number, (left, top, right, bottom) in enumerate(heads, start=1):
        photo[top:bottom, left:right] = (200, 10 + number // 200, 10 + number % 200)
    return photo


def find_painted(photo: Image) -> Detections:
    """Return the boxes of the painted heads, of those that are cut what can be seen of them; scores tell them apart."""
    numbers = np.where(photo[..., 0] > 100, (photo[..., 1].astype(int) - 10) * 200 + photo[..., 2] - 10, 0)
    boxes, scores = [], []
    for number in np.unique(numbers[numbers > 0]):
        row, column = np.nonzero(numbers == number)
        boxes.append([column.min(), row.min(), column.max() + 1, row.max() + 1])
        scores.append(0.5 + 0.4 / (1 + number / 50))
    return Detections(np.array(boxes, np.float32).reshape(-1, 4), np.array(scores, np.float32))


def scattered(seed: int, width: int, height: int, cell: int = 24) -> np.ndarray:
    """Return heads in the cells of a grid, which do not touch."""
    random = np.random.default_rng(seed)
    corners = np.stack(np.meshgrid(np.arange(0, width - cell, cell), np.arange(0, height - cell, cell)), -1).reshape(
        -1, 2
    )
    corners = corners[random.random(len(corners)) < 0.7]
    sizes = random.integers(6, cell - 3, (len(corners), 2))
    start = corners + random.integers(0, cell - sizes - 1)
    return np.hstack([start, start + sizes])


def write_raster(
    path: Path, bands: np.ndarray, *, crs: str | None = UTM, transform: tuple[float, ...] = NORTH_UP, **options: Any
) -> Path:
    """Write bands (height, width, n) as a tiled GeoTIFF; `mask` (height, width) goes inside, `colours` names bands."""
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning

    colours, mask = options.pop("colours", None), options.pop("mask", None)
    height, width, count = bands.shape
    profile = {"driver": "GTiff", "width": width, "height": height, "count": count, "dtype": bands.dtype, "crs": crs}
    tiles = {"tiled": True, "blockxsize": 64, "blockysize": 64}
    if crs is not None:
        profile["transform"] = rasterio.Affine(*transform)
    with warnings.catch_warnings(), rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", **{**profile, **tiles, **options}) as dataset:
            dataset.write(bands.transpose(2, 0, 1))
            if colours is not None:
                dataset.colorinterp = colours
            if mask is not None:
                dataset.write_mask(mask)
    return path
