"""What each pixel shows: the point of the surface under it, its height, direction and place on the plant."""

import numpy as np
from jaxtyping import Float32

from spica.labels.fields.noise import Texture
from spica.labels.fields.surfaces import FLAT, GRAIN, Surfaces
from spica.labels.fields.views import Ids, View

Table = Float32[np.ndarray, "37 n"]
# Rows of a table; the number after a name says where it begins.
INVERSE, OFFSET, TAPER, ROUNDED, IS_GRAIN, HEIGHT, RISE, NORMAL, MARKS = 0, 4, 6, 7, 8, 9, 10, 13, 22
COLOUR, CHANGE, SHINE, VEINS, SHEER = 28, 31, 34, 35, 36


def tabulate(surfaces: Surfaces, view: View) -> Table:
    """Return what shading needs to know of each surface, a row for a property; column 0 is the ground."""
    look, offset = surfaces.finish, -(view.inverse @ view.middle[:, :, None])[:, :, 0]
    rows = [
        *view.inverse.reshape(-1, 4).T,
        *offset.T,
        surfaces.taper,
        surfaces.shape != FLAT,
        surfaces.shape == GRAIN,
        surfaces.center[:, 2],
        *view.rise.T,
        *view.normal.reshape(-1, 9).T,
        *view.marks.reshape(-1, 6).T,
        *look.colour.T,
        *look.change.T,
        look.shine,
        look.veins,
        look.sheer,
    ]
    table = np.zeros((len(rows), len(surfaces) + 1), dtype=np.float32)
    for row, values in zip(table, rows, strict=True):
        row[1:] = values
    return table


class Pixels:
    """Some rows of a picture: x and y of each pixel, and where on its surface it lies (u, v, w of a `View`)."""

    def __init__(self, ids: Ids, table: Table, corner: tuple[float, float] = (0.0, 0.0), cell: float = 1.0) -> None:
        self.ids, self._table = ids, table
        y, x = np.mgrid[0 : ids.shape[0], 0 : ids.shape[1]].astype(np.float32) + np.float32(0.5)
        self.x, self.y = (
            axis * np.float32(cell) + np.float32(start) for axis, start in zip((x, y), corner, strict=True)
        )
        a, b, c, d = (self.get(INVERSE + row) for row in range(4))
        v = np.clip(c * self.x + d * self.y + self.get(OFFSET + 1), -1, 1)
        narrow = 1 + np.clip(self.get(TAPER), -0.9, 0.9) * v
        u = np.clip((a * self.x + b * self.y + self.get(OFFSET)) / narrow, -1, 1)
        w = np.sqrt(np.maximum(1 - self.get(ROUNDED) * u**2 - self.get(IS_GRAIN) * v**2, 0.0))
        self._where = (u, v, w)

    def get(self, row: int) -> Texture:
        """Return one property of the surface at each pixel."""
        return np.asarray(np.take(self._table[row], self.ids))

    def mix(self, row: int) -> Texture:
        """Return the sum of u, v and w, each times one of the three properties that begin at `row`."""
        u, v, w = self._where
        return np.asarray(self.get(row) * u + self.get(row + 1) * v + self.get(row + 2) * w)

    def height(self) -> Texture:
        """Return the height of the surface at each pixel."""
        return np.asarray(self.get(HEIGHT) + self.mix(RISE))

    def normal(self) -> Float32[np.ndarray, "3 rows columns"]:
        """Return the normal of the surface at each pixel, not of unit length; zeros on the ground."""
        return np.stack([self.mix(NORMAL + 3 * axis) for axis in range(3)])
