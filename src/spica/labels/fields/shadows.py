"""Shadows: what the sun sees first."""

from dataclasses import dataclass

import numpy as np

from spica.labels.fields.noise import Texture
from spica.labels.fields.pixels import Pixels, tabulate
from spica.labels.fields.surfaces import Surfaces
from spica.labels.fields.views import look, paint

CELL = 2.0  # pixels of the picture between two places of the map: shadows have soft edges anyhow
RIM = 8.0  # pixels around what can be asked for, so that soft edges do not leave the map
ROWS = 64  # computed at a time, so that the numbers stay in the cache
# Places looked up around a pixel, for a soft edge.
TAPS = ((-0.7, -0.3), (0.7, 0.3), (-0.3, 0.7), (0.3, -0.7))


@dataclass(frozen=True, slots=True)
class Sun:
    """Slant of the sun's rays (shift in x and y for one unit of height) and how much sky light there is.

    `overcast` goes from 0 (clear) to 1 (no sun); `edge` is the softness of shadows in pixels.
    """

    slant: tuple[float, float]
    overcast: float
    edge: float


@dataclass(frozen=True, slots=True, eq=False)
class ShadowMap:
    """Height of what the sun sees first over each place of the ground; `slack` keeps a surface from shading itself."""

    heights: Texture
    corner: tuple[float, float]
    sun: Sun
    slack: float

    def lit(self, pixels: Pixels, height: Texture, slant: tuple[float, float]) -> Texture:
        """Return the share (0 to 1) of sunlight that reaches each pixel of a picture seen at `slant`."""
        x, y = (
            place + height * np.float32(self.sun.slant[axis] - slant[axis]) - np.float32(self.corner[axis])
            for axis, place in enumerate((pixels.x, pixels.y))
        )
        rows, columns = self.heights.shape
        total = np.zeros_like(x)
        for right, down in TAPS:
            column = np.clip((x + right * self.sun.edge) / CELL, 0, columns - 1).astype(np.int32)
            row = np.clip((y + down * self.sun.edge) / CELL, 0, rows - 1).astype(np.int32)
            total += np.take(self.heights, row * columns + column) <= height + np.float32(self.slack)
        return np.asarray(total / np.float32(len(TAPS)), dtype=np.float32)


def cast_shadows(surfaces: Surfaces, sun: Sun, size: tuple[int, int], slant: tuple[float, float]) -> ShadowMap:
    """Return the shadows of the surfaces at all places that a picture of `size` (height, width) can show."""
    highest = float(surfaces.center[:, 2].max())
    ends = [sorted((0.0, highest * (sun.slant[axis] - slant[axis]))) for axis in range(2)]
    corner = (ends[0][0] - RIM, ends[1][0] - RIM)
    width, height = (int((size[1 - axis] + ends[axis][1] + RIM - corner[axis]) / CELL) + 1 for axis in range(2))
    view = look(surfaces, sun.slant)
    ids = paint(view, height, width, corner, CELL)
    table = tabulate(surfaces, view)
    heights = np.empty(ids.shape, dtype=np.float32)
    for top in range(0, height, ROWS):
        part = ids[top : top + ROWS]
        found = Pixels(part, table, (corner[0], corner[1] + top * CELL), CELL).height()
        heights[top : top + ROWS] = np.where(part == 0, np.float32(-1e6), found)  # the ground shades nothing
    return ShadowMap(heights, corner, sun, slack=highest * 0.012)
