"""Smooth random textures: value noise in several octaves."""

import numpy as np
from jaxtyping import Float32
from PIL import Image as Pictures

Texture = Float32[np.ndarray, "rows columns"]


def value_noise(random: np.random.Generator, height: int, width: int, cell: float) -> Texture:
    """Return smooth noise with mean 0 and deviation about 1, whose spots are about `cell` pixels wide."""
    rows, columns = (max(2, round(size / max(cell, 1.0)) + 2) for size in (height, width))
    grid = random.standard_normal((rows, columns)).astype(np.float32)
    if rows >= height and columns >= width:
        return grid[:height, :width]
    picture = Pictures.fromarray(grid).resize((width, height), Pictures.Resampling.BICUBIC)
    # Interpolation lowers the deviation by a fifth.
    return np.asarray(picture, dtype=np.float32) * np.float32(1.23)


def octaves(random: np.random.Generator, height: int, width: int, cells: tuple[float, ...]) -> Texture:
    """Return a sum of noises, one for each of `cells`, each weighted by the square root of its cell.

    Large spots thus count more than small ones, as in earth and in old leaves. Deviation about 1.
    """
    weights = np.sqrt(np.array(cells, dtype=np.float64))
    weights /= np.sqrt((weights**2).sum())
    total = np.zeros((height, width), dtype=np.float32)
    for cell, weight in zip(cells, weights, strict=True):
        total += np.float32(weight) * value_noise(random, height, width, cell)
    return total
